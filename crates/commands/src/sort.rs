//! SORT and SORT_RO: the elements of a list, set or sorted set, in an order that other keys may give.
//!
//! Owns the options, the weights and the order of ties, which has to be the servers' own: SORT … STORE stands in a
//! master's stream as it was sent, and is computed again here. A whole sort is stable there (the C library merges); one
//! that BY and LIMIT make partial goes by [`crate::partial_sort`].
//! Never sees more than one database.

use std::cmp::Ordering;

use protocol::number::{parse_float, parse_int};
use protocol::{Args, Reply};
use storage::value::List;
use storage::{Db, Value, ValueRef};

use crate::error::CommandError;
use crate::partial_sort::partial_sort;
use crate::{ReadContext, WriteContext};

type Done = Result<(), CommandError>;
type Bytes = Vec<u8>;

/// What the options say.
struct Options<'a> {
    descending: bool,
    alpha: bool,
    /// LIMIT's start and count; a negative count is "to the end".
    limit: (i64, i64),
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
}

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]
pub(crate) fn sort(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let options = options(args, true)?;
    let sorted = sorted(&ctx.db, args.get(0), &options)?;
    let Some(destination) = options.store else {
        answer(&ctx.db, &sorted, &options, reply);
        return Ok(());
    };
    let mut elements: Vec<Bytes> = Vec::with_capacity(sorted.len() * options.get.len().max(1));
    for element in sorted {
        if options.get.is_empty() {
            elements.push(element);
            continue;
        }
        let found = options.get.iter().map(|pattern| look_up(&ctx.db, pattern, &element).unwrap_or_default());
        elements.extend(found);
    }
    let count = elements.len();
    if count == 0 {
        ctx.db.remove(destination);
    } else {
        let list = List::collect(elements.iter().map(Vec::as_slice), ctx.limits);
        ctx.db.edit(destination, |slot| slot.put_until(Value::List(list), None));
    }
    reply.int(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]
pub(crate) fn sort_ro(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let options = options(args, false)?;
    let sorted = sorted(&ctx.db, args.get(0), &options)?;
    answer(&ctx.db, &sorted, &options, reply);
    Ok(())
}

fn answer(db: &Db<'_>, sorted: &[Bytes], options: &Options<'_>, reply: &mut Reply) {
    reply.array(sorted.len() * options.get.len().max(1));
    for element in sorted {
        if options.get.is_empty() {
            reply.bulk(element);
        }
        for pattern in &options.get {
            match look_up(db, pattern, element) {
                Some(found) => reply.bulk(&found),
                None => reply.null(),
            }
        }
    }
}

fn options(args: Args<'_>, may_store: bool) -> Result<Options<'_>, CommandError> {
    let mut options =
        Options { descending: false, alpha: false, limit: (0, -1), by: None, get: Vec::new(), store: None };
    let mut at = 1;
    while at < args.len() {
        let has = |count: usize| at + count < args.len();
        if args.is_word(at, "asc") {
            options.descending = false;
        } else if args.is_word(at, "desc") {
            options.descending = true;
        } else if args.is_word(at, "alpha") {
            options.alpha = true;
        } else if args.is_word(at, "limit") && has(2) {
            let number = |at| parse_int(args.get(at)).ok_or(CommandError::NotInteger);
            options.limit = (number(at + 1)?, number(at + 2)?);
            at += 2;
        } else if may_store && args.is_word(at, "store") && has(1) {
            options.store = Some(args.get(at + 1));
            at += 1;
        } else if args.is_word(at, "by") && has(1) {
            options.by = Some(args.get(at + 1));
            at += 1;
        } else if args.is_word(at, "get") && has(1) {
            options.get.push(args.get(at + 1));
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    Ok(options)
}

/// The elements that are asked for, in their order.
fn sorted(db: &Db<'_>, key: &[u8], options: &Options<'_>) -> Result<Vec<Bytes>, CommandError> {
    let (mut elements, is_set) = elements(db, key)?;
    let (mut by, mut alpha) = (options.by, options.alpha);
    // a pattern without a star gives all the same weight: the order stays
    let mut as_it_is = by.is_some_and(|pattern| !pattern.contains(&b'*'));
    // a set has no order, and what is stored must be the same everywhere
    if as_it_is && is_set && options.store.is_some() {
        (as_it_is, alpha, by) = (false, true, None);
    }
    let length = elements.len();
    let (start, end) = range(options.limit, length);
    if as_it_is {
        if options.descending && !is_set {
            elements.reverse();
        }
        return Ok(elements.drain(start..end).collect());
    }
    let descending = options.descending;
    let direction = |order: Ordering| if descending { order.reverse() } else { order };
    let partial = by.is_some() && (start, end) != (0, length);
    if alpha {
        let mut weighed: Vec<(Option<Bytes>, Bytes)> = elements
            .into_iter()
            .map(|element| match by {
                Some(pattern) => (look_up(db, pattern, &element), element),
                None => (Some(element.clone()), element),
            })
            .collect();
        // a key that is missing comes before any
        order(&mut weighed, partial.then_some(end), &|a, b| direction(a.0.cmp(&b.0)));
        return Ok(weighed.drain(start..end).map(|(_, element)| element).collect());
    }
    let mut weighed: Vec<(f64, Bytes)> = Vec::with_capacity(length);
    for element in elements {
        let weight = match by {
            Some(pattern) => look_up(db, pattern, &element).map_or(Ok(0.0), |text| weight(&text))?,
            None => weight(&element)?,
        };
        weighed.push((weight, element));
    }
    order(&mut weighed, partial.then_some(end), &|a, b| {
        direction(a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(&b.1)))
    });
    Ok(weighed.drain(start..end).map(|(_, element)| element).collect())
}

fn order<T>(items: &mut [T], wanted: Option<usize>, compare: &impl Fn(&T, &T) -> Ordering) {
    match wanted {
        Some(wanted) => partial_sort(items, wanted, compare),
        None => items.sort_by(compare),
    }
}

/// LIMIT, within what there is: from the first wanted up to before the last.
fn range((start, count): (i64, i64), length: usize) -> (usize, usize) {
    let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX).min(length);
    let end = match usize::try_from(count) {
        Ok(count) => start.saturating_add(count).min(length),
        Err(_) => length,
    };
    (start, end)
}

/// The elements as they stand, and whether they are of a set.
fn elements(db: &Db<'_>, key: &[u8]) -> Result<(Vec<Bytes>, bool), CommandError> {
    let Some(found) = db.get(key) else { return Ok((Vec::new(), false)) };
    match found.value() {
        ValueRef::List(list) => Ok((list.iter().map(|element| element.to_vec()).collect(), false)),
        ValueRef::Set(set) => Ok((set.iter().map(|member| member.to_vec()).collect(), true)),
        ValueRef::SortedSet(set) => Ok((set.iter().map(|element| element.member.to_vec()).collect(), false)),
        _ => Err(CommandError::WrongType),
    }
}

/// A weight as a number. White space before it is passed over and nothing is zero, as C's `strtod` has it.
fn weight(text: &[u8]) -> Result<f64, CommandError> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Ok(0.0);
    }
    parse_float(text).ok_or(CommandError::new("ERR One or more scores can't be converted into double"))
}

/// What a pattern of BY or GET finds for an element: `#` is the element itself, the first `*` stands for it, and
/// what follows `->` is a field of a hash.
fn look_up(db: &Db<'_>, pattern: &[u8], element: &[u8]) -> Option<Bytes> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (before, after) = (pattern.get(..star)?, pattern.get(star + 1..)?);
    let arrow = after.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < after.len());
    let (after, field) = match arrow {
        Some(at) => (after.get(..at)?, Some(after.get(at + 2..)?)),
        None => (after, None),
    };
    let found = db.get(&[before, element, after].concat())?;
    match (found.value(), field) {
        (ValueRef::Hash(hash), Some(field)) => hash.get(field, db.now()).map(|value| value.to_vec()),
        (ValueRef::String(text), None) => Some(text.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Session;

    fn filled() -> Session {
        let session = Session::new();
        for line in [
            "RPUSH l 3 1 2 10",
            "MSET w:1 30 w:2 20 w:3 10",
            "HSET o:1 n one",
            "HSET o:2 n two",
            "RPUSH words banana apple cherry",
            "SADD s b a c",
        ] {
            session.run(line);
        }
        session
    }

    #[test]
    fn orders() {
        let session = filled();
        for (line, answer) in [
            ("SORT_RO l", "*4|$1|1|$1|2|$1|3|$2|10|"),
            ("SORT_RO l DESC LIMIT 1 2", "*2|$1|3|$1|2|"),
            ("SORT_RO l BY w:*", "*4|$2|10|$1|3|$1|2|$1|1|"),
            ("SORT_RO l BY w:* GET # GET w:* LIMIT 0 2", "*4|$2|10|$-1|$1|3|$2|10|"),
            ("SORT_RO l BY nosort DESC", "*4|$2|10|$1|2|$1|1|$1|3|"),
            ("SORT_RO l GET o:*->n", "*4|$3|one|$3|two|$-1|$-1|"),
            ("SORT_RO words ALPHA", "*3|$5|apple|$6|banana|$6|cherry|"),
            ("SORT_RO words", "-ERR One or more scores can't be converted into double|"),
            ("SORT_RO l STORE d", "-ERR syntax error|"),
            ("SORT_RO nothing", "*0|"),
            ("SORT_RO l LIMIT 9 1", "*0|"),
        ] {
            assert_eq!(session.run(line), answer, "{line}");
        }
    }

    #[test]
    fn stores() {
        let session = filled();
        assert_eq!(session.run("SORT s BY nosort STORE d"), ":3|");
        assert_eq!(session.run("LRANGE d 0 -1"), "*3|$1|a|$1|b|$1|c|");
        assert_eq!(session.run("SORT l GET w:* STORE d"), ":4|");
        assert_eq!(session.run("LRANGE d 0 -1"), "*4|$2|30|$2|20|$2|10|$0||");
        assert_eq!(session.run("SORT nothing STORE d"), ":0|");
        assert_eq!(session.run("EXISTS d"), ":0|");
    }
}
