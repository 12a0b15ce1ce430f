//! Commands that move elements from one list to another, or within one.
//!
//! Owns the order in which they arrive. Never lets anybody see an element in both lists or in neither; never waits, see
//! [`crate::wait`].

use storage::packed::Item;
use storage::value::List;
use storage::value::list::End;
use storage::{Limits, Wanted};

use protocol::{Args, Reply};

use super::change::pushed;
use super::pop::popped;
use super::{at_least, element, end};
use crate::wait::{self, Nothing, Wait};
use crate::{CommandError, WriteContext};

/// How many elements LMOVEM moves, and in which order they arrive.
#[derive(Clone, Copy)]
struct Amount {
    count: usize,
    /// All of them or nothing.
    exactly: bool,
    order: Order,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each is taken and added before the next (`OBO`).
    OneByOne,
    /// They keep their order (`BULK`).
    Bulk,
}

/// LMOVE source destination LEFT|RIGHT LEFT|RIGHT
pub(crate) fn lmove(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (from, to) = (end(args, 2)?, end(args, 3)?);
    if !move_one(ctx, args, from, to, reply)? {
        reply.null();
    }
    Ok(())
}

/// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout
pub(crate) fn blmove(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (from, to) = (end(args, 2)?, end(args, 3)?);
    let timeout = wait::seconds(args.get(4), ctx.reads_as())?;
    Wait::unless(move_one(ctx, args, from, to, reply)?, timeout, Nothing::Null)
}

/// RPOPLPUSH source destination
pub(crate) fn rpoplpush(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if !move_one(ctx, args, End::Tail, End::Head, reply)? {
        reply.null();
    }
    Ok(())
}

/// BRPOPLPUSH source destination timeout
pub(crate) fn brpoplpush(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let timeout = wait::seconds(args.get(2), ctx.reads_as())?;
    Wait::unless(move_one(ctx, args, End::Tail, End::Head, reply)?, timeout, Nothing::Null)
}

/// Whether there was an element to move; then it is the answer.
fn move_one(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    from: End,
    to: End,
    reply: &mut Reply,
) -> Result<bool, CommandError> {
    let amount = Amount { count: 1, exactly: false, order: Order::OneByOne };
    match transfer(ctx, args.get(0), args.get(1), from, to, amount)?.as_deref() {
        Some([moved, ..]) => {
            element(reply, Item::from(moved.as_slice()));
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// LMOVEM source destination LEFT|RIGHT LEFT|RIGHT [COUNT|EXACTLY count OBO|BULK]
pub(crate) fn lmovem(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (from, to) = (end(args, 2)?, end(args, 3)?);
    let amount = amount(args.from(4))?;
    if !move_many(ctx, args, from, to, amount, reply)? {
        reply.null_array();
    }
    Ok(())
}

/// BLMOVEM source destination LEFT|RIGHT LEFT|RIGHT timeout [COUNT|EXACTLY count OBO|BULK]
pub(crate) fn blmovem(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (from, to) = (end(args, 2)?, end(args, 3)?);
    let timeout = wait::seconds(args.get(4), ctx.reads_as())?;
    let amount = amount(args.from(5))?;
    Wait::unless(move_many(ctx, args, from, to, amount, reply)?, timeout, Nothing::NullArray)
}

/// Whether there were elements to move; then they are the answer.
fn move_many(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    from: End,
    to: End,
    amount: Amount,
    reply: &mut Reply,
) -> Result<bool, CommandError> {
    let Some(mut moved) = transfer(ctx, args.get(0), args.get(1), from, to, amount)? else {
        return Ok(false);
    };
    // The answer has them as they now stand in the destination.
    if to == End::Head {
        moved.reverse();
    }
    reply.array(moved.len());
    moved.iter().for_each(|moved| reply.bulk(moved));
    Ok(true)
}

/// [COUNT|EXACTLY count OBO|BULK]
fn amount(args: Args<'_>) -> Result<Amount, CommandError> {
    match args.len() {
        0 => return Ok(Amount { count: 1, exactly: false, order: Order::OneByOne }),
        3 => {}
        _ => return Err(CommandError::Syntax),
    }
    let exactly = args.is_word(0, "exactly");
    if !exactly && !args.is_word(0, "count") {
        return Err(CommandError::Syntax);
    }
    let count = at_least(args.get(1), 1, CommandError::new("ERR count should be greater than 0"))?;
    let order = match () {
        () if args.is_word(2, "obo") => Order::OneByOne,
        () if args.is_word(2, "bulk") => Order::Bulk,
        () => return Err(CommandError::Syntax),
    };
    Ok(Amount { count, exactly, order })
}

/// Moves elements; says which, in the order in which they were added. `None` when there was nothing to move.
fn transfer(
    ctx: &mut WriteContext<'_>,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
    amount: Amount,
) -> Result<Option<Vec<Vec<u8>>>, CommandError> {
    let Some(len) = ctx.db.edit(source, |slot| Ok::<_, CommandError>(slot.list()?.map(|list| list.len())))?
    else {
        return Ok(None);
    };
    if amount.exactly && len < amount.count {
        return Ok(None);
    }
    let limits = ctx.limits;
    if source == destination {
        let moved = ctx
            .db
            .edit(source, |slot| slot.edit(|list: &mut List| rotate(list, from, to, amount, limits)))?;
        if moved.is_some() {
            ctx.event(Wanted::LIST, pushed(to), source);
            ctx.event(Wanted::LIST, popped(from), source);
        }
        return Ok(moved);
    }
    ctx.db.edit(destination, |slot| slot.list().map(drop))?;
    // Nobody may see the elements in both lists or in neither.
    let _both_at_once = ctx.writer.close_gate();
    let (moved, emptied) = ctx.db.edit(source, |slot| {
        let moved = slot.edit(|list: &mut List| {
            let moved = take(list, from, to, amount);
            list.settle(limits);
            moved
        })?;
        Ok::<_, CommandError>((moved.unwrap_or_default(), slot.emptied_silently()))
    })?;
    ctx.db.edit(destination, |slot| {
        slot.edit_or_new(|list: &mut List| add(list, to, &moved, limits)).inspect(|()| {
            // It counted where they were taken.
            slot.counts(0);
            slot.event(Wanted::LIST, pushed(to));
        })
    })?;
    // In Redis' order, which adds them first.
    ctx.event(Wanted::LIST, popped(from), source);
    if emptied {
        ctx.event(Wanted::GENERIC, "del", source);
    }
    Ok(Some(moved))
}

/// Moves elements within one list. It becomes packed again, if at all, when they are back.
fn rotate(list: &mut List, from: End, to: End, amount: Amount, limits: &Limits) -> Vec<Vec<u8>> {
    let moved = take(list, from, to, amount);
    add(list, to, &moved, limits);
    list.settle(limits);
    moved
}

/// Takes elements off, and puts them into the order in which they are to be added.
fn take(list: &mut List, from: End, to: End, amount: Amount) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    list.take(from, amount.count, |element| taken.push(element.to_vec()));
    if amount.order == Order::Bulk && from == to {
        taken.reverse();
    }
    taken
}

fn add(list: &mut List, to: End, elements: &[Vec<u8>], limits: &Limits) {
    for element in elements {
        list.push_moved(to, Item::from(element.as_slice()), limits);
    }
}
