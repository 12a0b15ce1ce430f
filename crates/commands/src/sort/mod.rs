//! SORT: the elements of a list, set or sorted set, in an order that may come from other keys.
//!
//! Owns the order, ties included: what a master stores with SORT … STORE, its replicas must compute for themselves.
//! Never changes anything but the destination, and the form of a sorted set that is sorted.

mod pattern;

use std::cmp::Ordering;

use protocol::number::{parse_float, parse_float_or_nearest};
use protocol::{Args, Reply};
use storage::packed::Item;
use storage::value::{List, SortedSet};
use storage::{Db, Kind, ValueRef, Wanted};

use crate::context::{ReadContext, Role, WriteContext};
use crate::dialect::SortedNumbers;
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
    /// Whether that goes for lists that are left as they are, too.
    reverses_lists: bool,
    offset: i64,
    /// Negative: all.
    count: i64,
    store: Option<&'a [u8]>,
}

impl<'a> Sort<'a> {
    fn parse(args: Args<'a>, role: Role, read_only: bool) -> Result<Self, CommandError> {
        let mut sort = Sort {
            key: args.get(0),
            by: None,
            unsorted: false,
            gets: Vec::new(),
            alpha: false,
            descending: false,
            reverses_lists: true,
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
                sort.offset = role.integer(args.get(at + 1)).ok_or(CommandError::NotInteger)?;
                sort.count = role.integer(args.get(at + 2)).ok_or(CommandError::NotInteger)?;
                at += 2;
            } else if args.is_word(at, "store") && left >= 1 && !read_only {
                sort.store = Some(args.get(at + 1));
                at += 1;
            } else if args.is_word(at, "by") && left >= 1 {
                let word = args.get(at + 1);
                // One such pattern is enough, even when others follow.
                let pattern = Pattern::parse(word);
                sort.unsorted |= !printed(word).contains(&b'*');
                sort.by = Some(pattern);
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

/// An element, and what most comparisons are decided by.
struct Row {
    /// How the text begins that it is sorted by; where numbers are compared, the number's bits.
    lead: u64,
    /// Which of the elements it is.
    index: usize,
}

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]
pub(crate) fn sort(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let mut sort = Sort::parse(args, ctx.reads_as(), false)?;
    sort.reverses_lists = ctx.dialect.reverses_unsorted_lists();
    let numbers = match ctx.role {
        // What a master took for a number is one for its replica.
        Role::Replica => SortedNumbers::OfAnyMaster,
        Role::Master => ctx.dialect.sorted_numbers(),
    };
    let asking = ctx.asking();
    let sorted = sorted(&sort, &asking, numbers, sort.store.is_some() || ctx.in_script)?;
    let Some(destination) = sort.store else {
        answer(&sort, &asking, &sorted, reply);
        return Ok(());
    };
    let mut elements = Vec::with_capacity(sorted.spans.len() * sort.gets.len().max(1));
    for element in sorted.iter() {
        if sort.gets.is_empty() {
            elements.push(element.to_vec());
        }
        // A missing value is stored as an empty one.
        elements.extend(sort.gets.iter().map(|get| get.value(&ctx.db, element).unwrap_or_default()));
    }
    let limits = ctx.limits;
    let is_sorted_set = ctx.db.peek(sort.key).is_some_and(|found| found.sorted_set().is_ok());
    let _exclusive = ctx.writer.close_gate();
    if is_sorted_set {
        // A server turns it into its big form to sort it.
        ctx.db.edit(sort.key, |slot| {
            let turned = slot.edit(|set: &mut SortedSet| set.prepare(usize::MAX, 0, limits)).map(|_| ());
            // Its value is the same.
            slot.unchanged();
            turned
        })?;
    }
    ctx.db.edit(destination, |slot| {
        if elements.is_empty() {
            if slot.remove() {
                slot.event(Wanted::GENERIC, "del");
            }
        } else {
            let list = List::collect(elements.iter().map(Vec::as_slice), limits);
            slot.event_of_replacing(Kind::List);
            slot.put_until(list.into(), None);
            slot.counts(elements.len());
            slot.event(Wanted::LIST, "sortstore");
        }
    });
    reply.len_int(elements.len());
    Ok(())
}

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]
pub(crate) fn sort_ro(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let sort = Sort::parse(args, Role::Master, true)?;
    ctx.looks_at_everything()?;
    let sorted = sorted(&sort, &ctx.db, ctx.dialect.sorted_numbers(), ctx.in_script)?;
    answer(&sort, &ctx.db, &sorted, reply);
    Ok(())
}

fn answer(sort: &Sort<'_>, db: &Db<'_>, sorted: &Texts, reply: &mut Reply) {
    reply.array(sorted.spans.len() * sort.gets.len().max(1));
    for element in sorted.iter() {
        if sort.gets.is_empty() {
            reply.bulk(element);
        }
        for get in &sort.gets {
            reply.bulk_or_null(get.value(db, element).as_deref());
        }
    }
}

/// The elements that are wanted, in order.
fn sorted(
    sort: &Sort<'_>,
    db: &Db<'_>,
    numbers: SortedNumbers,
    same_everywhere: bool,
) -> Result<Texts, CommandError> {
    // A set has no order of its own: what is stored, or seen by a script that may store it, must be the same
    // everywhere.
    let (mut unsorted, mut alpha, mut by) = (sort.unsorted, sort.alpha, sort.by.as_ref());
    let mut elements = match load(sort, db, unsorted)? {
        Loaded::Set(elements) if unsorted && same_everywhere => {
            (unsorted, alpha, by) = (false, true, None);
            elements
        }
        Loaded::Set(elements) | Loaded::Ordered(elements) => elements,
        // The range was taken on the way.
        Loaded::Range(elements) => return Ok(elements),
    };
    let range = sort.range(elements.spans.len());
    if unsorted {
        elements.spans.truncate(range.end);
        elements.spans.drain(..range.start);
        return Ok(elements);
    }
    let is_stored = sort.store.is_some();
    let mut values = Texts::default();
    let mut of_each = Vec::new();
    let mut rows = Vec::with_capacity(elements.spans.len());
    for (index, element) in elements.iter().enumerate() {
        let lead = match by {
            None if alpha => lead(element, is_stored),
            None => weight(element, numbers)?.to_bits(),
            Some(pattern) => {
                let value = pattern.value(db, element);
                if alpha {
                    of_each.push(value.as_ref().map(|value| values.add(value)));
                    lead(value.as_deref().unwrap_or_default(), is_stored)
                } else {
                    value.map_or(Ok(0.0), |value| weight(&value, numbers))?.to_bits()
                }
            }
        };
        rows.push(Row { lead, index });
    }
    let element = |row: &Row| elements.spans.get(row.index).map(|span| text_at(&elements.bytes, *span));
    let value =
        |row: &Row| of_each.get(row.index).copied().flatten().map(|span| text_at(&values.bytes, span));
    // What is stored is compared to its end; an answer's texts only up to their first zero byte, as C does.
    let text = if is_stored { <[u8]>::cmp } else { compare_printed };
    let texts = |a: &Row, b: &Row, a_text: Option<&[u8]>, b_text: Option<&[u8]>| match (a_text, b_text) {
        (Some(x), Some(y)) => a.lead.cmp(&b.lead).then_with(|| text(x, y)),
        (x, y) => x.is_some().cmp(&y.is_some()), // nothing comes first
    };
    let compare = |a: &Row, b: &Row| match (alpha, by) {
        (false, _) => {
            let (x, y) = (f64::from_bits(a.lead), f64::from_bits(b.lead));
            x.partial_cmp(&y).unwrap_or(Ordering::Equal).then_with(|| element(a).cmp(&element(b)))
        }
        (true, None) => a.lead.cmp(&b.lead).then_with(|| texts(a, b, element(a), element(b))),
        (true, Some(_)) => texts(a, b, value(a), value(b)),
    };
    let order = |a: &Row, b: &Row| if sort.descending { compare(b, a) } else { compare(a, b) };
    // Texts leave ties whose order shows, and with BY a server sorts a part by another way than the whole.
    if by.is_some() && range != (0..rows.len()) {
        partial_sort(&mut rows, range.clone(), order);
        rows.truncate(range.end);
        rows.drain(..range.start);
    } else {
        // Stable, as glibc's qsort: among equals who came first stays first.
        take_in_order(&mut rows, range, |a, b| order(a, b).then(a.index.cmp(&b.index)));
    }
    elements.spans = rows.iter().filter_map(|row| elements.spans.get(row.index).copied()).collect();
    Ok(elements)
}

/// Leaves those rows that would stand in `range` were all sorted, in order. No two rows are equal.
///
/// Ten of a million are found in a twentieth of the time that it takes to sort them all.
fn take_in_order(rows: &mut Vec<Row>, range: std::ops::Range<usize>, order: impl Fn(&Row, &Row) -> Ordering) {
    if (1..rows.len()).contains(&range.end) {
        rows.select_nth_unstable_by(range.end - 1, &order);
    }
    rows.truncate(range.end);
    if (1..rows.len()).contains(&range.start) {
        rows.select_nth_unstable_by(range.start, &order);
    }
    rows.drain(..range.start);
    rows.sort_unstable_by(&order);
}

/// How a text begins, as a number: of two texts whose numbers differ the one with the smaller number comes first.
fn lead(text: &[u8], to_its_end: bool) -> u64 {
    let text = text.get(..size_of::<u64>()).unwrap_or(text);
    let text = if to_its_end { text } else { printed(text) };
    let mut first = [0; size_of::<u64>()];
    first.iter_mut().zip(text).for_each(|(to, byte)| *to = *byte);
    u64::from_be_bytes(first)
}

fn compare_printed(a: &[u8], b: &[u8]) -> Ordering {
    printed(a).cmp(printed(b))
}

/// The number that a text sorts as.
fn weight(text: &[u8], numbers: SortedNumbers) -> Result<f64, CommandError> {
    let found = parse_float(text).or_else(|| match numbers {
        SortedNumbers::Whole => None,
        SortedNumbers::ToZeroByte => parse_float(printed(text)),
        SortedNumbers::AsStrtod | SortedNumbers::OfAnyMaster => match printed(text).trim_ascii_start() {
            [] => Some(0.0),
            rest if numbers == SortedNumbers::OfAnyMaster => parse_float_or_nearest(rest),
            rest => parse_float(rest),
        },
    });
    found.ok_or(CommandError::new("ERR One or more scores can't be converted into double"))
}

/// Texts in one piece of memory: of a million elements each by itself took longer to allocate than to read.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// Where a text is.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

fn text_at(bytes: &[u8], span: Span) -> &[u8] {
    bytes.get(span.start..span.end).unwrap_or_default()
}

impl Texts {
    fn collect<'i>(len: usize, items: impl Iterator<Item = Item<'i>>) -> Texts {
        let mut texts = Texts { bytes: Vec::new(), spans: Vec::with_capacity(len) };
        let mut digits = itoa::Buffer::new();
        for item in items {
            let span = texts.add(item.as_bytes(&mut digits));
            texts.spans.push(span);
        }
        texts
    }

    fn add(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        Span { start, end: self.bytes.len() }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| text_at(&self.bytes, *span))
    }
}

enum Loaded {
    /// In an order of their own.
    Ordered(Texts),
    /// In no order.
    Set(Texts),
    /// In an order of their own, which is the one that is wanted, and only those that are wanted.
    Range(Texts),
}

fn load(sort: &Sort<'_>, db: &Db<'_>, unsorted: bool) -> Result<Loaded, CommandError> {
    let Some(found) = db.get(sort.key) else { return Ok(Loaded::Ordered(Texts::default())) };
    Ok(match found.value() {
        ValueRef::List(list) => {
            let backwards = sort.descending && sort.reverses_lists;
            ordered(sort, unsorted, backwards, list.len(), list.iter())
        }
        ValueRef::Set(set) => Loaded::Set(Texts::collect(set.len(), set.iter())),
        ValueRef::SortedSet(set) => {
            ordered(sort, unsorted, sort.descending, set.len(), set.iter().map(|element| element.member))
        }
        other => return Err(other.wrong_kind().into()),
    })
}

/// All elements; where their own order is the wanted one, or that backwards, only the range, counted from the end that
/// comes first.
fn ordered<'i>(
    sort: &Sort<'_>,
    unsorted: bool,
    backwards: bool,
    len: usize,
    elements: impl DoubleEndedIterator<Item = Item<'i>>,
) -> Loaded {
    let range = sort.range(len);
    let (start, count) = (range.start, range.len());
    match (unsorted, backwards) {
        (false, _) => Loaded::Ordered(Texts::collect(len, elements)),
        (true, false) => Loaded::Range(Texts::collect(count, elements.skip(start).take(count))),
        (true, true) => Loaded::Range(Texts::collect(count, elements.rev().skip(start).take(count))),
    }
}

#[cfg(test)]
mod tests {
    use crate::Dialect;
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        Session::new().transcript(include_str!("../../tests/transcripts/sort.txt"));
    }

    #[test]
    fn old_servers_leave_a_list_as_it_is() {
        let mut session = Session::new();
        let sorted = |session: &Session| session.run("SORT l BY nosort DESC LIMIT 0 2");
        session.run("RPUSH l c a b");
        assert_eq!(sorted(&session), "*2|$1|b|$1|a|");
        session.dialect = Dialect::redis(2, 8);
        assert_eq!(sorted(&session), "*2|$1|c|$1|a|");
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

    /// Few letters, so that many begin alike or are ties, and a zero byte among them.
    #[test]
    fn a_range_is_what_stands_there_when_all_is_sorted() {
        let session = Session::new();
        let mut random = 7_u64;
        for _ in 0..300 {
            let mut text = String::from("x");
            for _ in 0..4 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text += ["", "\\x00", "a", "bbbb"][(random >> 60) as usize & 3];
            }
            session.run(&format!("RPUSH l \"{text}\""));
        }
        let elements = |answer: String| -> Vec<String> {
            answer.split("|$").skip(1).map(|element| element.trim_end_matches('|').to_owned()).collect()
        };
        for order in ["ASC", "DESC"] {
            let all = elements(session.run(&format!("SORT l ALPHA {order}")));
            assert_eq!(all.len(), 300);
            for (start, count) in [(0, 10), (0, 300), (7, 1), (150, 100), (290, 50), (299, 1), (300, 1)] {
                let some = elements(session.run(&format!("SORT l ALPHA {order} LIMIT {start} {count}")));
                let end = (start + count).min(300);
                assert_eq!(some, all[start..end], "{order} {start} {count}");
            }
            let ties = all.windows(2).filter(|pair| {
                pair[0] != pair[1] && {
                    let printed =
                        |text: &str| text.split('|').nth(1).unwrap().split('\0').next().unwrap().to_owned();
                    printed(&pair[0]) == printed(&pair[1])
                }
            });
            assert!(ties.count() > 10, "else the order of ties is not looked at");
        }
    }

    #[test]
    fn a_replica_takes_the_numbers_that_its_master_took() {
        Session::replica().transcript(
            "> RPUSH l \" 5\" 3 \"\" \"4\\x00x\"
             < :4|
             > SORT l STORE d
             < :4|
             > LRANGE d 0 1
             < *2|$0||$1|3|
             > RPUSH far 1e400 -1e400 1e-400 0x1p-2000
             < :4|
             > SORT far STORE d
             < :4|
             > LRANGE d 0 -1
             < *4|$6|-1e400|$9|0x1p-2000|$6|1e-400|$5|1e400|",
        );
        let master = Session::new();
        master.run("RPUSH far 1e400");
        assert!(master.run("SORT far STORE d").starts_with("-ERR One or more scores"));
    }
}
