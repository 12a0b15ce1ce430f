//! ZRANDMEMBER.

use std::collections::HashSet;

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::value::SortedSetRef;
use storage::value::hasher::random_below;

use super::Listing;
use crate::item::ReplyItem;
use crate::{CommandError, ReadContext};

/// ZRANDMEMBER key [count [WITHSCORES]]
pub(crate) fn zrandmember(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if args.len() == 1 {
        let found = ctx.db.get(args.get(0));
        let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
        reply.item_or_null(set.and_then(SortedSetRef::random).map(|element| element.member));
        return Ok(());
    }
    let count = parse_int(args.get(1)).ok_or(CommandError::NotInteger)?;
    if count == i64::MIN {
        return Err(CommandError::new(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let with_scores = match args.len() {
        2 => false,
        3 if args.is_word(2, "withscores") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_scores && count.unsigned_abs() > (i64::MAX / 2).unsigned_abs() {
        return Err(CommandError::new("ERR value is out of range"));
    }
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(set) = set.filter(|_| wanted > 0) else {
        reply.array(0);
        return Ok(());
    };
    ctx.looks_at(if count < 0 { wanted } else { wanted.min(set.len()) })?;
    if count < 0 {
        let begun = reply.mark();
        let mut listing = Listing::begin(reply, ctx.dialect, with_scores, wanted);
        for throw in 0..wanted {
            ctx.repeats(throw, listing.reply, begun)?;
            if let Some(element) = set.random() {
                listing.element(element.member, element.score);
            }
        }
    } else if wanted >= set.len() {
        // All of them, from the end, as Redis gives them.
        Listing::begin(reply, ctx.dialect, with_scores, set.len()).elements(set.iter().rev());
    } else {
        let mut listing = Listing::begin(reply, ctx.dialect, with_scores, wanted);
        for rank in distinct(wanted, set.len()) {
            if let Some(element) = set.get(rank) {
                listing.element(element.member, element.score);
            }
        }
    }
    Ok(())
}

/// So many different numbers below `bound`, by chance, in no order (Floyd's way: as many throws as numbers).
fn distinct(count: usize, bound: usize) -> Vec<usize> {
    let mut seen = HashSet::with_capacity(count);
    let mut numbers = Vec::with_capacity(count);
    for top in bound.saturating_sub(count)..bound {
        let thrown = random_below(top + 1);
        let number = if seen.contains(&thrown) { top } else { thrown };
        seen.insert(number);
        numbers.push(number);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_distinct_and_below_their_bound() {
        for (count, bound) in [(0, 0), (1, 1), (3, 10), (9, 10), (10, 10), (500, 1000)] {
            let numbers = distinct(count, bound);
            assert_eq!(numbers.len(), count);
            assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), count);
            assert!(numbers.iter().all(|number| *number < bound));
        }
    }

    #[test]
    fn each_number_is_as_likely() {
        let mut seen = [0u32; 5];
        for _ in 0..20_000 {
            distinct(2, 5).into_iter().for_each(|number| seen[number] += 1);
        }
        assert!(seen.iter().all(|count| (7_400..8_600).contains(count)), "{seen:?}");
    }
}
