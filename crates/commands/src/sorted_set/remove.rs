//! Elements taken out: by name, by range, and from either end.
//!
//! Owns which elements go, and the answers. Never waits: who finds nothing says so, see [`crate::wait`].

use std::ops::Range;

use protocol::number::parse_int;
use protocol::{Args, Protocol, Reply};
use storage::Wanted;
use storage::value::sorted_set::{SortedSet, SortedSetRef};

use crate::item::ReplyItem;
use crate::pop_order::PopOrder;
use crate::range::{IndexRange, LexRange, ScoreRange};
use crate::wait::{self, Nothing, Wait};
use crate::{CommandError, ReplyDouble, WriteContext};

/// ZREM key member [member ...]
pub(crate) fn zrem(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let removed = ctx.db.edit(args.get(0), |slot| {
        let removed = slot.edit(|set: &mut SortedSet| {
            args.from(1).iter().filter(|member| set.remove(member).is_some()).count()
        })?;
        match removed {
            None => {}
            Some(0) => slot.unchanged(),
            Some(removed) => {
                slot.counts(removed);
                slot.event(Wanted::SORTED_SET, "zrem");
            }
        }
        Ok::<_, CommandError>(removed)
    })?;
    reply.len_int(removed.unwrap_or(0));
    Ok(())
}

fn remove_ranks(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    reply: &mut Reply,
    event: &'static str,
    ranks: impl FnOnce(SortedSetRef<'_>) -> Range<usize>,
) -> Result<(), CommandError> {
    let removed = ctx.db.edit(key, |slot| {
        let ranks = slot.sorted_set()?.map(ranks).unwrap_or_default();
        if ranks.is_empty() {
            return Ok(0);
        }
        slot.edit(|set: &mut SortedSet| set.remove_range(ranks.start, ranks.end))
            .inspect(|removed| {
                slot.counts(removed.unwrap_or_default());
                slot.event(Wanted::SORTED_SET, event);
            })
            .map(Option::unwrap_or_default)
            .map_err(CommandError::from)
    })?;
    reply.len_int(removed);
    Ok(())
}

/// ZREMRANGEBYRANK key start stop
pub(crate) fn zremrangebyrank(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let range = IndexRange::parse(args.get(1), args.get(2), ctx.reads_as())?;
    remove_ranks(ctx, args.get(0), reply, "zremrangebyrank", |set| range.places(set.len()))
}

/// ZREMRANGEBYSCORE key min max
pub(crate) fn zremrangebyscore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let range = ScoreRange::parse(args.get(1), args.get(2))?;
    remove_ranks(ctx, args.get(0), reply, "zremrangebyscore", |set| range.ranks(set))
}

/// ZREMRANGEBYLEX key min max
pub(crate) fn zremrangebylex(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let range = LexRange::parse(args.get(1), args.get(2))?;
    remove_ranks(ctx, args.get(0), reply, "zremrangebylex", |set| range.ranks(set, false, 0))
}

/// Which end elements are taken from.
#[derive(Clone, Copy, Debug)]
enum End {
    Lowest,
    Highest,
}

/// ZPOPMIN key [count]
pub(crate) fn zpopmin(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop_one_key(ctx, args, reply, End::Lowest)
}

/// ZPOPMAX key [count]
pub(crate) fn zpopmax(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop_one_key(ctx, args, reply, End::Highest)
}

fn pop_one_key(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    end: End,
) -> Result<(), CommandError> {
    let count = match args.len() {
        1 => None,
        2 => {
            let count = parse_int(args.get(1)).map(|count| match count {
                ..0 if ctx.dialect.pops_less_than_nothing() => 0,
                _ => count,
            });
            let count = count.and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::NotPositive)?)
        }
        _ => return Err(CommandError::Syntax),
    };
    let is_nested = count.is_some() && reply.protocol() == Protocol::Resp3;
    let key = args.get(0);
    let len = ctx.db.get(key).map(|entry| entry.sorted_set().map(SortedSetRef::len)).transpose()?;
    let count = count.unwrap_or(1).min(len.unwrap_or(0));
    reply.array(if is_nested { count } else { count * 2 });
    pop(ctx, key, count, end, is_nested, reply)
}

/// BZPOPMIN key [key ...] timeout
pub(crate) fn bzpopmin(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop_or_wait(ctx, args, reply, End::Lowest)
}

/// BZPOPMAX key [key ...] timeout
pub(crate) fn bzpopmax(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop_or_wait(ctx, args, reply, End::Highest)
}

fn pop_or_wait(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    end: End,
) -> Result<(), CommandError> {
    let keys = args.len() - 1;
    let timeout = wait::seconds(args.get(keys), ctx.reads_as())?;
    for key in args.iter().take(keys) {
        let found = ctx.db.get(key).map(|entry| entry.sorted_set().map(drop)).transpose()?;
        if found.is_some() {
            reply.array(3);
            reply.bulk(key);
            return pop(ctx, key, 1, end, false, reply);
        }
    }
    Err(Wait::of(timeout, Nothing::NullArray))
}

/// BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]
pub(crate) fn bzmpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let order = PopOrder::parse(args.from(1), end_named)?;
    let timeout = wait::seconds(args.get(0), ctx.reads_as())?;
    Wait::unless(pop_first(ctx, &order, reply)?, timeout, Nothing::NullArray)
}

/// ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]
pub(crate) fn zmpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if !pop_first(ctx, &PopOrder::parse(args, end_named)?, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// `MIN` or `MAX`.
fn end_named(word: &[u8]) -> Option<End> {
    match word {
        word if word.eq_ignore_ascii_case(b"min") => Some(End::Lowest),
        word if word.eq_ignore_ascii_case(b"max") => Some(End::Highest),
        _ => None,
    }
}

/// Whether one of the sets was there; its elements are the answer.
fn pop_first(
    ctx: &mut WriteContext<'_>,
    order: &PopOrder<'_, End>,
    reply: &mut Reply,
) -> Result<bool, CommandError> {
    for key in order.keys() {
        let len = ctx.db.get(key).map(|entry| entry.sorted_set().map(SortedSetRef::len)).transpose()?;
        if let Some(len) = len {
            let count = order.count.min(len);
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
            pop(ctx, key, count, order.end, true, reply)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes so many elements, which are there, from an end, and lists them.
fn pop(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    count: usize,
    end: End,
    is_nested: bool,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if count == 0 {
        return Ok(());
    }
    let dialect = ctx.dialect;
    ctx.db.edit(key, |slot| {
        let Some(set) = slot.sorted_set()? else { return Ok(()) };
        let mut list = |element: storage::value::sorted_set::Element<'_>| {
            if is_nested {
                reply.array(2);
            }
            reply.item(element.member);
            reply.double_in(dialect, element.score.get());
        };
        let len = set.len();
        let ranks = match end {
            End::Lowest => 0..count,
            End::Highest => len - count..len,
        };
        let elements = set.range(ranks.start, ranks.end);
        match end {
            End::Lowest => elements.for_each(&mut list),
            End::Highest => elements.rev().for_each(&mut list),
        }
        slot.edit(|set: &mut SortedSet| set.remove_range(ranks.start, ranks.end))?;
        let event = match end {
            End::Lowest => "zpopmin",
            End::Highest => "zpopmax",
        };
        slot.counts(count);
        slot.event(Wanted::SORTED_SET, event);
        Ok(())
    })
}
