//! Whole databases: emptied, and exchanged.
//!
//! Owns the arguments' texts. Never waits for memory to be freed, even when told SYNC.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::DbIndex;

use super::Done;
use crate::context::WriteContext;
use crate::error::CommandError;

/// ASYNC and SYNC are the same here: readers wait for neither.
fn check_mode(args: Args<'_>) -> Done {
    if args.is_empty() || args.len() == 1 && (args.is_word(0, "sync") || args.is_word(0, "async")) {
        Ok(())
    } else {
        Err(CommandError::Syntax)
    }
}

/// FLUSHDB [ASYNC | SYNC]
pub(crate) fn flushdb(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    check_mode(args)?;
    ctx.writer.flush(ctx.index);
    reply.ok();
    Ok(())
}

/// FLUSHALL [ASYNC | SYNC]
pub(crate) fn flushall(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    check_mode(args)?;
    ctx.writer.flush_all();
    reply.ok();
    Ok(())
}

/// SWAPDB index1 index2
pub(crate) fn swapdb(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let number = |arg: usize| parse_int(args.get(arg)).and_then(|number| i32::try_from(number).ok());
    let first = number(0).ok_or(CommandError::new("ERR invalid first DB index"))?;
    let second = number(1).ok_or(CommandError::new("ERR invalid second DB index"))?;
    let known = |number: i32| u32::try_from(number).ok().filter(|number| *number < ctx.writer.databases());
    let (Some(first), Some(second)) = (known(first), known(second)) else {
        return Err(CommandError::DbIndexOutOfRange);
    };
    if first != second {
        ctx.writer.swap_db(DbIndex(first), DbIndex(second));
    }
    reply.ok();
    Ok(())
}
