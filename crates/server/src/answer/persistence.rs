//! SAVE, BGSAVE, LASTSAVE, and what is said to those who ask for an append-only file.
//!
//! Owns the answers. Never writes a file: see [`crate::save`].

use commands::CommandError;
use commands::convert::snapshot::SnapshotError;
use protocol::Reply;

use super::{Answered, Call, Then, error};
use crate::save::{self, AlreadyRunning};

const RUNNING: CommandError = CommandError::new("ERR Background save already in progress");

/// SAVE
pub(super) fn save(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.node.saves.get().running_since.is_some() {
        return Err(RUNNING);
    }
    call.exactly(|writer| save::save(call.node, writer)).map_err(|why| failed(&why))?;
    reply.ok();
    Ok(Then::Continue)
}

/// The error of a save that failed.
pub(super) fn failed(why: &SnapshotError) -> CommandError {
    error(format!("ERR {why}"))
}

/// BGSAVE [SCHEDULE | CANCEL]: what SCHEDULE waits for in Redis, the rewriting of an append-only file, is not done here.
pub(super) fn bgsave(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    match call.args.len() {
        0 => {}
        1 if call.args.is_word(0, "schedule") => {}
        1 if call.args.is_word(0, "cancel") && call.node.dialect().is_valkey() => {
            // A save is one hold of the token: it is over before anybody could end it.
            return Err(CommandError::new("ERR Background saving is currently not in progress or scheduled"));
        }
        _ => return Err(CommandError::Syntax),
    }
    save::begin(call.node).map_err(|AlreadyRunning| RUNNING)?;
    reply.simple("Background saving started");
    Ok(Then::Continue)
}

/// BGREWRITEAOF
pub(super) fn bgrewriteaof() -> Answered {
    Err(CommandError::new("ERR there is no append-only file here: BGSAVE writes the data set"))
}

/// LASTSAVE
pub(super) fn lastsave(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.int(call.node.saves.get().last.0 / 1000);
    Ok(Then::Continue)
}
