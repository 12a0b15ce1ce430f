//! Keys under another name or in another database, with their deadlines.
//!
//! Owns what happens to what stood there before. Never looks at the value on its way, but for what a Valkey leaves out
//! of a copy.

use protocol::{Args, Reply};
use storage::{DbIndex, Kind, Slot, Value, Wanted};

use super::Done;
use crate::context::{Role, WriteContext};
use crate::error::CommandError;

/// RENAME key newkey
pub(crate) fn rename(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let (from, to) = (args.get(0), args.get(1));
    if !ctx.db.contains(from) {
        return Err(CommandError::NoSuchKey);
    }
    if from != to {
        carry(ctx, from, to);
    }
    reply.ok();
    Ok(())
}

/// RENAMENX key newkey
pub(crate) fn renamenx(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let (from, to) = (args.get(0), args.get(1));
    if !ctx.db.contains(from) {
        return Err(CommandError::NoSuchKey);
    }
    let free = from != to && !ctx.db.contains(to);
    if free {
        carry(ctx, from, to);
    }
    reply.int(i64::from(free));
    Ok(())
}

/// Takes the value from one key to another; nobody sees it in between.
fn carry(ctx: &mut WriteContext<'_>, from: &[u8], to: &[u8]) {
    let _exclusive = ctx.writer.close_gate();
    let taken = ctx.db.edit(from, |slot| {
        let deadline = slot.deadline();
        slot.take().map(|value| (value, deadline))
    });
    if let Some((value, deadline)) = taken {
        let (writer, index) = (ctx.writer, ctx.index);
        ctx.db.edit(to, |slot| {
            let before = slot.kind();
            slot.put_new(value, deadline);
            // It counted where it was taken.
            slot.counts(0);
            // In Redis' order.
            writer.event(Wanted::GENERIC, "rename_from", index, from);
            slot.event(Wanted::GENERIC, "rename_to");
            replaced(slot, before);
        });
    }
}

/// Notes that another value stood here, of this kind.
fn replaced(slot: &Slot<'_>, before: Option<Kind>) {
    if let Some(kind) = slot.kind() {
        slot.note_replacing(before, kind);
    }
}

/// A database's number given as an argument.
fn database(ctx: &WriteContext<'_>, argument: &[u8]) -> Result<DbIndex, CommandError> {
    let number = ctx.reads_as().integer(argument).ok_or(CommandError::NotInteger)?;
    if i32::try_from(number).is_err() {
        return Err(CommandError::BeyondInt);
    }
    let number = u32::try_from(number).ok().filter(|number| *number < ctx.writer.databases());
    number.map(DbIndex).ok_or(CommandError::DbIndexOutOfRange)
}

const SAME_OBJECT: CommandError = CommandError::new("ERR source and destination objects are the same");

/// MOVE key db
pub(crate) fn move_(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let key = args.get(0);
    let to = database(ctx, args.get(1))?;
    if to == ctx.index {
        return Err(SAME_OBJECT);
    }
    let mut target = ctx.writer.db(to, ctx.now);
    let moves = ctx.db.contains(key) && !target.contains(key);
    if moves {
        let _exclusive = ctx.writer.close_gate();
        let taken = ctx.db.edit(key, |slot| {
            let deadline = slot.deadline();
            slot.take().map(|value| (value, deadline))
        });
        if let Some((value, deadline)) = taken {
            target.edit(key, |slot| {
                slot.put_until(value, deadline.filter(|_| ctx.dialect.moves_deadlines()));
                // It counted where it was taken.
                slot.counts(0);
            });
            ctx.event(Wanted::GENERIC, "move_from", key);
            ctx.writer.event(Wanted::GENERIC, "move_to", to, key);
        }
    }
    reply.int(i64::from(moves));
    Ok(())
}

/// COPY source destination [DB destination-db] [REPLACE]
pub(crate) fn copy(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let (from, to) = (args.get(0), args.get(1));
    let (mut into, mut replace, mut at) = (ctx.index, false, 2);
    while at < args.len() {
        if args.is_word(at, "replace") {
            replace = true;
        } else if args.is_word(at, "db") && at + 1 < args.len() {
            at += 1;
            into = database(ctx, args.get(at))?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if into == ctx.index && from == to {
        return Err(SAME_OBJECT);
    }
    let mut copied = ctx.asking().get(from).map(|found| (found.value().to_value(), found.deadline()));
    if ctx.role == Role::Master
        && ctx.dialect.is_valkey()
        && let Some((Value::Hash(hash), _)) = &mut copied
        && hash.view().visible_len(ctx.now) > 0
    {
        // A Valkey leaves behind what is past its deadline. (Of a hash with nothing else it makes an empty one; here it
        // is hidden in the copy too.)
        hash.take_expired(ctx.now, usize::MAX);
    }
    let mut target = ctx.writer.db(into, ctx.now);
    let done = copied.is_some_and(|(value, deadline)| {
        target.edit(to, |slot| {
            let free = replace || !slot.exists();
            if free {
                let before = slot.kind();
                slot.put_new(value, deadline);
                slot.event(Wanted::GENERIC, "copy_to");
                replaced(slot, before);
            }
            free
        })
    });
    reply.int(i64::from(done));
    Ok(())
}
