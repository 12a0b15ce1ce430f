//! Commands that change an array.

use storage::Wanted;
use storage::value::Array;
use storage::value::array::INDEX_MAX;

use protocol::number::{parse_int, parse_uint_loose};
use protocol::{Args, Reply};

use super::{index, reply_index};
use crate::{CommandError, WriteContext};

const INSERT_OVERFLOW: CommandError = CommandError::new("ERR insert index overflow");

/// ARSET key index value [value ...]
pub(crate) fn arset(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let first = index(args.get(1))?;
    let values = args.from(2);
    let more = values.len().saturating_sub(1) as u64;
    first
        .checked_add(more)
        .filter(|last| *last <= INDEX_MAX)
        .ok_or(CommandError::new("ERR array index overflow"))?;
    let new = ctx.db.edit(args.get(0), |slot| {
        slot.edit_or_new(|array: &mut Array| {
            let pairs = (first..=INDEX_MAX).zip(values.iter());
            pairs.filter(|(index, value)| array.set(*index, value)).count()
        })
        .inspect(|_| {
            slot.counts(values.len());
            slot.event(Wanted::ARRAY, "arset");
        })
    })?;
    reply.len_int(new);
    Ok(())
}

/// ARMSET key index value [index value ...]
pub(crate) fn armset(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let pairs = args.from(1).as_slice();
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity("armset"));
    }
    let pairs = pairs.chunks_exact(2).filter_map(|pair| Some((pair.first()?, *pair.last()?)));
    let pairs: Vec<(u64, &[u8])> =
        pairs.map(|(at, value)| Ok((index(at)?, value))).collect::<Result<_, CommandError>>()?;
    let changes = pairs.len();
    let new = ctx.db.edit(args.get(0), |slot| {
        slot.edit_or_new(|array: &mut Array| {
            pairs.into_iter().filter(|(index, value)| array.set(*index, value)).count()
        })
        .inspect(|_| {
            slot.counts(changes);
            slot.event(Wanted::ARRAY, "armset");
        })
    })?;
    reply.len_int(new);
    Ok(())
}

/// ARDEL key index [index ...]
pub(crate) fn ardel(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let indices: Vec<u64> = args.from(1).iter().map(index).collect::<Result<_, _>>()?;
    let removed = remove(ctx, args.get(0), "ardel", |array| {
        indices.into_iter().filter(|index| array.remove(*index)).count() as u64
    })?;
    reply_index(reply, removed);
    Ok(())
}

/// ARDELRANGE key start end [start end ...]
pub(crate) fn ardelrange(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let ends = args.from(1).as_slice();
    if !ends.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity("ardelrange"));
    }
    let ends: Vec<u64> = ends.iter().map(|end| index(end)).collect::<Result<_, _>>()?;
    let removed = remove(ctx, args.get(0), "ardelrange", |array| {
        let ranges = ends.chunks_exact(2).filter_map(|range| Some((*range.first()?, *range.last()?)));
        ranges.map(|(a, b)| array.remove_range(a.min(b)..=a.max(b))).sum()
    })?;
    reply_index(reply, removed);
    Ok(())
}

/// Removes values; says how many.
fn remove(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    event: &'static str,
    remove: impl FnOnce(&mut Array) -> u64,
) -> Result<u64, CommandError> {
    ctx.db.edit(key, |slot| {
        let removed = slot.edit(remove)?.unwrap_or(0);
        if removed == 0 {
            slot.unchanged();
        } else {
            slot.counts(usize::try_from(removed).unwrap_or(usize::MAX));
            slot.event(Wanted::ARRAY, event);
        }
        Ok(removed)
    })
}

/// ARINSERT key value [value ...]
pub(crate) fn arinsert(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let values = args.from(1);
    let last = ctx.db.edit(args.get(0), |slot| {
        slot.edit_or_new(|array: &mut Array| array.insert(values.iter()).ok_or(INSERT_OVERFLOW)).inspect(
            |last| {
                if last.is_ok() {
                    slot.counts(values.len());
                    slot.event(Wanted::ARRAY, "arinsert");
                }
            },
        )
    })??;
    reply_index(reply, last);
    Ok(())
}

/// ARRING key size value [value ...]
pub(crate) fn arring(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let size = parse_int(args.get(1)).ok_or(CommandError::new("ERR invalid size"))?;
    let size = u64::try_from(size).ok().filter(|size| *size > 0);
    let size = size.ok_or(CommandError::new("ERR size must be positive"))?;
    let values = args.from(2);
    let last = ctx.db.edit(args.get(0), |slot| {
        slot.edit_or_new(|array: &mut Array| array.insert_into_ring(size, values.iter())).inspect(|_| {
            slot.counts(values.len());
            slot.event(Wanted::ARRAY, "arring");
        })
    })?;
    reply_index(reply, last.unwrap_or(0));
    Ok(())
}

/// ARSEEK key index
pub(crate) fn arseek(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    // Here the index behind the last one is allowed too: there is nowhere to go on then.
    let next = parse_uint_loose(args.get(1)).ok_or(super::INVALID_INDEX)?;
    let found = ctx.db.edit(args.get(0), |slot| {
        slot.edit(|array: &mut Array| array.set_last_insert(next.checked_sub(1))).inspect(|found| {
            if found.is_some() {
                slot.event(Wanted::ARRAY, "arseek");
            }
        })
    })?;
    reply.int(i64::from(found.is_some()));
    Ok(())
}
