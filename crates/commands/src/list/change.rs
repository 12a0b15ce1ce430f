//! Commands that add elements to a list, or change those that are there.
//!
//! Owns LPUSH and its kin, LINSERT, LSET, LREM and LTRIM. Never answers with an element: what takes one to answer with
//! it is in `pop`.

use storage::Wanted;
use storage::value::List;
use storage::value::list::{End, Side};

use protocol::{Args, Reply};

use super::{integer, range, symmetric};
use crate::{CommandError, Role, WriteContext};

/// LPUSH key element [element ...]
pub(crate) fn lpush(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    push(ctx, args, End::Head, reply)
}

/// RPUSH key element [element ...]
pub(crate) fn rpush(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    push(ctx, args, End::Tail, reply)
}

/// LPUSHX key element [element ...]
pub(crate) fn lpushx(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    push_existing(ctx, args, End::Head, reply)
}

/// RPUSHX key element [element ...]
pub(crate) fn rpushx(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    push_existing(ctx, args, End::Tail, reply)
}

/// The event of a push there.
pub(super) fn pushed(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}

fn push(ctx: &mut WriteContext<'_>, args: Args<'_>, end: End, reply: &mut Reply) -> Result<(), CommandError> {
    let limits = ctx.limits;
    let len = ctx.db.edit(args.get(0), |slot| {
        slot.edit_or_new(|list: &mut List| {
            list.push_all(end, args.from(1).iter(), limits);
            list.len()
        })
        .inspect(|_| {
            slot.counts(args.len() - 1);
            slot.event(Wanted::LIST, pushed(end));
        })
    })?;
    reply.len_int(len);
    Ok(())
}

fn push_existing(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let limits = ctx.limits;
    let len = ctx.db.edit(args.get(0), |slot| {
        slot.edit(|list: &mut List| {
            list.push_all(end, args.from(1).iter(), limits);
            list.len()
        })
        .inspect(|len| {
            if len.is_some() {
                slot.counts(args.len() - 1);
                slot.event(Wanted::LIST, pushed(end));
            }
        })
    })?;
    reply.len_int(len.unwrap_or(0));
    Ok(())
}

/// LINSERT key BEFORE|AFTER pivot element
pub(crate) fn linsert(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let side = if args.is_word(1, "before") {
        Side::Before
    } else if args.is_word(1, "after") {
        Side::After
    } else {
        return Err(CommandError::Syntax);
    };
    let limits = ctx.limits;
    let len = ctx.db.edit(args.get(0), |slot| {
        let len = slot.edit(|list: &mut List| {
            list.insert(args.get(2), side, args.get(3), limits).then(|| list.len())
        })?;
        match len {
            None => {}
            Some(None) => slot.unchanged(),
            Some(Some(_)) => slot.event(Wanted::LIST, "linsert"),
        }
        Ok::<_, CommandError>(len)
    })?;
    match len {
        None => reply.int(0),
        Some(None) => reply.int(-1),
        Some(Some(len)) => reply.len_int(len),
    }
    Ok(())
}

/// LSET key index element
pub(crate) fn lset(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (limits, dialect, role) = (ctx.limits, ctx.dialect, ctx.reads_as());
    ctx.db.edit(args.get(0), |slot| {
        let list = slot.list()?.ok_or(CommandError::NoSuchKey)?;
        let index = integer(args.get(1), role)?;
        // As the master that took it did: its low 32 bits, up to 3.0 of a short list only.
        #[allow(clippy::cast_possible_truncation)]
        let low = i64::from(index as i32);
        let index = if dialect.cuts_list_index() { low } else { index };
        let of_short = || list.index(low).filter(|_| role == Role::Replica);
        let index = list.index(index).or_else(of_short).ok_or(CommandError::IndexOutOfRange)?;
        slot.edit(|list: &mut List| list.set(index, args.get(2), limits))?;
        slot.event(Wanted::LIST, "lset");
        Ok::<_, CommandError>(())
    })?;
    reply.ok();
    Ok(())
}

/// LREM key count element
pub(crate) fn lrem(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (count, role) = (args.get(1), ctx.reads_as());
    let count =
        if ctx.dialect.removes_by_any_count() { integer(count, role)? } else { symmetric(count, role)? };
    let (end, most) = match count {
        0 => (End::Head, u64::MAX),
        1.. => (End::Head, count.unsigned_abs()),
        _ => (End::Tail, count.unsigned_abs()),
    };
    let limits = ctx.limits;
    let removed = ctx.db.edit(args.get(0), |slot| {
        let removed = slot.edit(|list: &mut List| list.remove_matching(args.get(2), end, most, limits))?;
        match removed {
            None => {}
            Some(0) => slot.unchanged(),
            Some(removed) => {
                slot.counts(usize::try_from(removed).unwrap_or(usize::MAX));
                slot.event(Wanted::LIST, "lrem");
            }
        }
        Ok::<_, CommandError>(removed.unwrap_or(0))
    })?;
    reply.int(i64::try_from(removed).unwrap_or(i64::MAX));
    Ok(())
}

/// LTRIM key start stop
pub(crate) fn ltrim(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (start, end) = (integer(args.get(1), ctx.reads_as())?, integer(args.get(2), ctx.reads_as())?);
    let limits = ctx.limits;
    ctx.db.edit(args.get(0), |slot| {
        slot.edit(|list: &mut List| {
            let before = list.len();
            let (first, count) = range(start, end, before);
            list.keep(first, count, limits);
            before - list.len()
        })
        .inspect(|removed| {
            if let Some(removed) = removed {
                slot.counts(*removed);
                slot.event(Wanted::LIST, "ltrim");
            }
        })
    })?;
    reply.ok();
    Ok(())
}
