//! SORT: the elements of a list, set or sorted set, in an order that may come from other keys.
//!
//! Owns the order, ties included: what a master stores with SORT … STORE, its replicas must compute for themselves.
//! Never changes anything but the destination, and the form of a sorted set that is sorted.

mod pattern;

use std::cmp::Ordering;

use protocol::number::{parse_float, parse_int};
use protocol::{Args, Reply};
use storage::value::{List, SortedSet};
use storage::{Db, ValueRef};

use crate::context::{ReadContext, Role, WriteContext};
use crate::error::{CommandError, printed};
use crate::partial_sort::partial_sort;
use pattern::Pattern;

type Done = Result<(), CommandError>;

/// What was asked.
struct Sort<'a> {
    key: &'a [u8],
    by: Option<Pattern<'a>>,
    /// The order is not asked for: BY a pattern that names no key.
    unsorted: bool,
    gets: Vec<Pattern<'a>>,
    alpha: bool,
    descending: bool,
    offset: i64,
    /// Negative: all.
    count: i64,
    store: Option<&'a [u8]>,
}

impl<'a> Sort<'a> {
    fn parse(args: Args<'a>, read_only: bool) -> Result<Self, CommandError> {
        let mut sort = Sort {
            key: args.get(0),
            by: None,
            unsorted: false,
            gets: Vec::new(),
            alpha: false,
            descending: false,
            offset: 0,
            count: -1,
            store: None,
        };
        let mut at = 1;
        while at < args.len() {
            let left = args.len() - at - 1;
            if args.is_word(at, "asc") {
                sort.descending = false;
            } else if args.is_word(at, "desc") {
                sort.descending = true;
            } else if args.is_word(at, "alpha") {
                sort.alpha = true;
            } else if args.is_word(at, "limit") && left >= 2 {
                sort.offset = parse_int(args.get(at + 1)).ok_or(CommandError::NotInteger)?;
                sort.count = parse_int(args.get(at + 2)).ok_or(CommandError::NotInteger)?;
                at += 2;
            } else if args.is_word(at, "store") && left >= 1 && !read_only {
                sort.store = Some(args.get(at + 1));
                at += 1;
            } else if args.is_word(at, "by") && left >= 1 {
                let word = args.get(at + 1);
                // One such pattern is enough, even when others follow.
                sort.unsorted |= !word.contains(&b'*');
                sort.by = Some(Pattern::parse(word));
                at += 1;
            } else if args.is_word(at, "get") && left >= 1 {
                sort.gets.push(Pattern::parse(args.get(at + 1)));
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(sort)
    }

    /// Which of `len` elements are wanted, once they are in order.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let count = usize::try_from(self.count).unwrap_or(if self.count < 0 { len } else { usize::MAX });
        start..start.saturating_add(count).min(len)
    }
}

/// An element and what it is sorted by.
struct Row {
    element: Vec<u8>,
    by: By,
}

enum By {
    Itself,
    Number(f64),
    /// What its key holds, if anything.
    Text(Option<Vec<u8>>),
}

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]
pub(crate) fn sort(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let sort = Sort::parse(args, false)?;
    let rows = rows(&sort, &ctx.db, ctx.role)?;
    let Some(destination) = sort.store else {
        answer(&sort, &ctx.db, &rows, reply);
        return Ok(());
    };
    let mut elements = Vec::with_capacity(rows.len() * sort.gets.len().max(1));
    for row in &rows {
        if sort.gets.is_empty() {
            elements.push(row.element.clone());
        }
        // A missing value is stored as an empty one.
        elements.extend(sort.gets.iter().map(|get| get.value(&ctx.db, &row.element).unwrap_or_default()));
    }
    let limits = ctx.limits;
    let is_sorted_set = ctx.db.peek(sort.key).is_some_and(|found| found.sorted_set().is_ok());
    let _exclusive = ctx.writer.close_gate();
    if is_sorted_set {
        // A server turns it into its big form to sort it.
        ctx.db.edit(sort.key, |slot| {
            slot.edit(|set: &mut SortedSet| set.prepare(usize::MAX, 0, limits)).map(|_| ())
        })?;
    }
    ctx.db.edit(destination, |slot| {
        if elements.is_empty() {
            slot.remove();
        } else {
            let list = List::collect(elements.iter().map(Vec::as_slice), limits);
            slot.put_until(list.into(), None);
        }
    });
    reply.len_int(elements.len());
    Ok(())
}

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]
pub(crate) fn sort_ro(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let sort = Sort::parse(args, true)?;
    ctx.looks_at_everything()?;
    let rows = rows(&sort, &ctx.db, Role::Master)?;
    answer(&sort, &ctx.db, &rows, reply);
    Ok(())
}

fn answer(sort: &Sort<'_>, db: &Db<'_>, rows: &[Row], reply: &mut Reply) {
    reply.array(rows.len() * sort.gets.len().max(1));
    for row in rows {
        if sort.gets.is_empty() {
            reply.bulk(&row.element);
        }
        for get in &sort.gets {
            reply.bulk_or_null(get.value(db, &row.element).as_deref());
        }
    }
}

/// The elements that are wanted, in order.
fn rows(sort: &Sort<'_>, db: &Db<'_>, role: Role) -> Result<Vec<Row>, CommandError> {
    // A set has no order of its own: what is stored must be the same everywhere.
    let (mut unsorted, mut alpha, mut by) = (sort.unsorted, sort.alpha, sort.by.as_ref());
    let elements = load(sort, db, unsorted)?;
    let elements = match elements {
        Loaded::Set(elements) if unsorted && sort.store.is_some() => {
            (unsorted, alpha, by) = (false, true, None);
            elements
        }
        Loaded::Set(elements) | Loaded::Ordered(elements) => elements,
        // The range was taken on the way.
        Loaded::Range(elements) => {
            return Ok(elements.into_iter().map(|element| Row { element, by: By::Itself }).collect());
        }
    };
    let range = sort.range(elements.len());
    if unsorted {
        let wanted = elements.into_iter().skip(range.start).take(range.len());
        return Ok(wanted.map(|element| Row { element, by: By::Itself }).collect());
    }
    let mut rows = Vec::with_capacity(elements.len());
    for element in elements {
        let by = match by {
            None if alpha => By::Itself,
            None => By::Number(weight(&element, role)?),
            Some(pattern) => {
                let value = pattern.value(db, &element);
                if alpha {
                    By::Text(value)
                } else {
                    By::Number(value.map_or(Ok(0.0), |value| weight(&value, role))?)
                }
            }
        };
        rows.push(Row { element, by });
    }
    // What is stored is compared to its end; an answer's texts only up to their first zero byte, as C does.
    let text = if sort.store.is_some() { <[u8]>::cmp } else { compare_printed };
    let order = |a: &Row, b: &Row| {
        let order = compare(a, b, text);
        if sort.descending { order.reverse() } else { order }
    };
    // Texts leave ties whose order shows, and with BY a server sorts a part by another way than the whole.
    if by.is_some() && range != (0..rows.len()) {
        partial_sort(&mut rows, range.clone(), order);
    } else {
        rows.sort_by(order); // stable, as glibc's qsort
    }
    rows.truncate(range.end);
    rows.drain(..range.start);
    Ok(rows)
}

fn compare_printed(a: &[u8], b: &[u8]) -> Ordering {
    printed(a).cmp(printed(b))
}

fn compare(a: &Row, b: &Row, text: impl Fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    match (&a.by, &b.by) {
        (By::Number(x), By::Number(y)) => {
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| a.element.cmp(&b.element))
        }
        (By::Text(Some(x)), By::Text(Some(y))) => text(x, y),
        (By::Text(x), By::Text(y)) => x.is_some().cmp(&y.is_some()), // nothing comes first
        _ => text(&a.element, &b.element),
    }
}

/// The number that a text sorts as.
fn weight(text: &[u8], role: Role) -> Result<f64, CommandError> {
    let found = parse_float(text).or_else(|| match role {
        Role::Master => None,
        // What a master took for a number is one: older servers read past blanks and took nothing for zero, some
        // stop at a NUL.
        Role::Replica => {
            let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            match text.get(..end).unwrap_or_default().trim_ascii_start() {
                [] => Some(0.0),
                rest => parse_float(rest),
            }
        }
    });
    found.ok_or(CommandError::new("ERR One or more scores can't be converted into double"))
}

enum Loaded {
    /// In an order of their own.
    Ordered(Vec<Vec<u8>>),
    /// In no order.
    Set(Vec<Vec<u8>>),
    /// In an order of their own, which is the one that is wanted, and only those that are wanted.
    Range(Vec<Vec<u8>>),
}

fn load(sort: &Sort<'_>, db: &Db<'_>, unsorted: bool) -> Result<Loaded, CommandError> {
    let Some(found) = db.get(sort.key) else { return Ok(Loaded::Ordered(Vec::new())) };
    Ok(match found.value() {
        ValueRef::List(list) => {
            let elements = || list.iter().map(|element| element.to_vec());
            if unsorted {
                Loaded::Range(take(elements(), sort.range(list.len()), sort.descending))
            } else {
                Loaded::Ordered(elements().collect())
            }
        }
        ValueRef::Set(set) => Loaded::Set(set.iter().map(|member| member.to_vec()).collect()),
        ValueRef::SortedSet(set) => {
            let elements = || set.iter().map(|element| element.member.to_vec());
            if unsorted {
                Loaded::Range(take(elements(), sort.range(set.len()), sort.descending))
            } else {
                Loaded::Ordered(elements().collect())
            }
        }
        other => return Err(other.wrong_kind().into()),
    })
}

/// A range of elements, counted from the end that comes first.
fn take(
    elements: impl DoubleEndedIterator<Item = Vec<u8>>,
    range: std::ops::Range<usize>,
    descending: bool,
) -> Vec<Vec<u8>> {
    if descending {
        elements.rev().skip(range.start).take(range.len()).collect()
    } else {
        elements.skip(range.start).take(range.len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        Session::new().transcript(include_str!("../../tests/transcripts/sort.txt"));
    }

    /// C compares texts up to their first zero byte, and keeps ties as they were; what is stored has no ties.
    #[test]
    fn texts_behind_a_zero_byte_count_only_where_the_order_is_stored() {
        Session::new().transcript(
            "> RPUSH z \"\\x00b\" \"\" \"\\x00a\" a \"a\\x00z\" \"a\\x00b\" b
             < :7|
             > SORT z ALPHA
             < *7|$2|\0b|$0||$2|\0a|$1|a|$3|a\0z|$3|a\0b|$1|b|
             > SORT z ALPHA DESC
             < *7|$1|b|$1|a|$3|a\0z|$3|a\0b|$2|\0b|$0||$2|\0a|
             > SORT z ALPHA LIMIT 1 3
             < *3|$0||$2|\0a|$1|a|
             > SORT z ALPHA STORE stored
             < :7|
             > LRANGE stored 0 -1
             < *7|$0||$2|\0a|$2|\0b|$1|a|$3|a\0b|$3|a\0z|$1|b|
             > RPUSH l a b c d
             < :4|
             > MSET w_a \"x\\x00b\" w_b \"x\\x00a\" w_c x w_d w
             < +OK|
             > SORT l BY w_* ALPHA
             < *4|$1|d|$1|a|$1|b|$1|c|
             > SORT l BY w_* ALPHA DESC
             < *4|$1|a|$1|b|$1|c|$1|d|
             > SORT l BY w_* ALPHA STORE stored
             < :4|
             > LRANGE stored 0 -1
             < *4|$1|d|$1|c|$1|b|$1|a|",
        );
    }

    #[test]
    fn a_replica_takes_the_numbers_that_its_master_took() {
        Session::replica().transcript(
            "> RPUSH l \" 5\" 3 \"\" \"4\\x00x\"
             < :4|
             > SORT l STORE d
             < :4|
             > LRANGE d 0 1
             < *2|$0||$1|3|",
        );
    }
}
