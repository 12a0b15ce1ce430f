//! Commands that only read a list.

use std::ops::ControlFlow;

use protocol::{Args, Reply};

use super::{at_least, element, integer, range, symmetric};
use crate::{CommandError, ReadContext, Role};

/// LLEN key
pub(crate) fn llen(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let list = found.as_deref().map(|entry| entry.list()).transpose()?;
    reply.len_int(list.map_or(0, |list| list.len()));
    Ok(())
}

/// LINDEX key index
pub(crate) fn lindex(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let Some(list) = found.as_deref().map(|entry| entry.list()).transpose()? else {
        reply.null();
        return Ok(());
    };
    let index = integer(args.get(1), Role::Master)?;
    match list.index(index).and_then(|index| list.get(index)) {
        Some(found) => element(reply, found),
        None => reply.null(),
    }
    Ok(())
}

/// LRANGE key start stop
pub(crate) fn lrange(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (start, end) = (integer(args.get(1), Role::Master)?, integer(args.get(2), Role::Master)?);
    let found = ctx.db.get(args.get(0));
    let Some(list) = found.as_deref().map(|entry| entry.list()).transpose()? else {
        reply.array(0);
        return Ok(());
    };
    let (first, count) = range(start, end, list.len());
    ctx.looks_at(count)?;
    reply.array(count);
    list.iter_from(first).take(count).for_each(|found| element(reply, found));
    Ok(())
}

/// LPOS key element [RANK rank] [COUNT matches] [MAXLEN comparisons]
pub(crate) fn lpos(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (mut rank, mut count, mut most) = (1i64, None, 0);
    let mut at = 2;
    while at < args.len() {
        let value = args.opt(at + 1).ok_or(CommandError::Syntax)?;
        if args.is_word(at, "rank") {
            rank = match symmetric(value, Role::Master)? {
                0 => {
                    return Err(CommandError::new(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or \
                         use negative to start from the end of the list",
                    ));
                }
                rank => rank,
            };
        } else if args.is_word(at, "count") {
            count = Some(at_least(value, 0, CommandError::new("ERR COUNT can't be negative"))?);
        } else if args.is_word(at, "maxlen") {
            most = at_least(value, 0, CommandError::new("ERR MAXLEN can't be negative"))?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let found = ctx.db.get(args.get(0));
    let Some(list) = found.as_deref().map(|entry| entry.list()).transpose()? else {
        if count.is_some() {
            reply.array(0)
        } else {
            reply.null()
        }
        return Ok(());
    };

    let wanted = args.get(1);
    let to_skip = rank.unsigned_abs() - 1;
    let to_look_at = if most == 0 { usize::MAX } else { most };
    let (mut skipped, mut matches) = (0u64, Vec::new());
    let mut looked_at = 0;
    let mut look = |(index, found): (usize, storage::packed::Item<'_>)| {
        looked_at += 1;
        if let Err(long) = ctx.looks_at(looked_at) {
            return ControlFlow::Break(Err(long));
        }
        if !found.eq_bytes(wanted) {
            return ControlFlow::Continue(());
        }
        if skipped < to_skip {
            skipped += 1;
            return ControlFlow::Continue(());
        }
        matches.push(index);
        match count {
            Some(count) if count == 0 || matches.len() < count => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Ok(())),
        }
    };
    let ended = if rank > 0 {
        list.iter().enumerate().take(to_look_at).try_for_each(&mut look)
    } else {
        let len = list.len();
        let from_the_end = list.iter().rev().zip(1..).map(|(found, back)| (len.saturating_sub(back), found));
        from_the_end.take(to_look_at).try_for_each(&mut look)
    };
    if let ControlFlow::Break(Err(long)) = ended {
        return Err(long);
    }
    match count {
        Some(_) => {
            reply.array(matches.len());
            matches.iter().for_each(|index| reply.len_int(*index));
        }
        None => match matches.first() {
            Some(index) => reply.len_int(*index),
            None => reply.null(),
        },
    }
    Ok(())
}
