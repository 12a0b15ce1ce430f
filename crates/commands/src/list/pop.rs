//! Commands that take elements off an end of a list.

use storage::value::List;
use storage::value::list::End;
use storage::{Slot, Wanted};

use protocol::{Args, Reply};

use super::{at_least, element, end_named};
use crate::pop_order::PopOrder;
use crate::wait::{self, Nothing, Wait};
use crate::{CommandError, WriteContext};

/// LPOP key [count]
pub(crate) fn lpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop(ctx, args, End::Head, "lpop", reply)
}

/// RPOP key [count]
pub(crate) fn rpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop(ctx, args, End::Tail, "rpop", reply)
}

fn pop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    end: End,
    name: &'static str,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if args.len() > 2 {
        return Err(CommandError::WrongArity(name));
    }
    let count = args.opt(1).map(|count| at_least(count, 0, CommandError::NotPositive)).transpose()?;
    let limits = ctx.limits;
    ctx.db.edit(args.get(0), |slot| {
        let Some(list) = slot.list()? else {
            if count.is_some() {
                reply.null_array()
            } else {
                reply.null()
            }
            return Ok(());
        };
        match count {
            // It answers before it looks further, and changes nothing.
            Some(0) => reply.array(0),
            Some(count) => {
                let count = count.min(list.len());
                reply.array(count);
                take(slot, end, count, limits, reply)?;
            }
            None => take(slot, end, 1, limits, reply)?,
        }
        Ok(())
    })
}

/// BLPOP key [key ...] timeout
pub(crate) fn blpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop_or_wait(ctx, args, End::Head, reply)
}

/// BRPOP key [key ...] timeout
pub(crate) fn brpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    pop_or_wait(ctx, args, End::Tail, reply)
}

fn pop_or_wait(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let keys = args.len() - 1;
    let timeout = wait::seconds(args.get(keys), ctx.reads_as())?;
    let limits = ctx.limits;
    for key in args.iter().take(keys) {
        let found = ctx.db.edit(key, |slot| {
            if slot.list()?.is_none() {
                return Ok(false);
            }
            reply.array(2);
            reply.bulk(key);
            take(slot, end, 1, limits, reply)?;
            Ok::<_, CommandError>(true)
        })?;
        if found {
            return Ok(());
        }
    }
    Err(Wait::of(timeout, Nothing::NullArray))
}

/// BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count]
pub(crate) fn blmpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let order = PopOrder::parse(args.from(1), end_named)?;
    let timeout = wait::seconds(args.get(0), ctx.reads_as())?;
    Wait::unless(pop_first(ctx, &order, reply)?, timeout, Nothing::NullArray)
}

/// LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count]
pub(crate) fn lmpop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if !pop_first(ctx, &PopOrder::parse(args, end_named)?, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// Whether one of the lists was there; its elements are the answer.
fn pop_first(
    ctx: &mut WriteContext<'_>,
    order: &PopOrder<'_, End>,
    reply: &mut Reply,
) -> Result<bool, CommandError> {
    let limits = ctx.limits;
    for key in order.keys() {
        let found = ctx.db.edit(key, |slot| {
            let Some(list) = slot.list()? else { return Ok(false) };
            let count = order.count.min(list.len());
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
            take(slot, order.end, count, limits, reply)?;
            Ok::<_, CommandError>(true)
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The event of a pop there.
pub(super) fn popped(end: End) -> &'static str {
    match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    }
}

/// Takes elements off, and answers with each.
fn take(
    slot: &mut Slot<'_>,
    end: End,
    count: usize,
    limits: &storage::Limits,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    slot.edit(|list: &mut List| list.pop(end, count, limits, |popped| element(reply, popped)))?;
    slot.counts(count);
    slot.event(Wanted::LIST, popped(end));
    Ok(())
}
