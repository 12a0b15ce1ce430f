//! SAVE, BGSAVE, LASTSAVE, and what is said to those who ask for an append-only file.
//!
//! Owns the answers. Never writes a file: see [`crate::save`].

use commands::{CommandError, Source};
use protocol::Reply;

use super::{Answered, Call, Then, error};
use crate::save::{self, AlreadyRunning, SaveError};

/// What BACKUP START answers: a backup is a snapshot and the append-only files since, and there are none here.
pub(super) const NO_BACKUPS: &str = "ERR BACKUP is not supported by this node, which keeps no append-only file: SAVE and BGSAVE write a snapshot";

/// BACKUP HELP
pub(super) const BACKUP_HELP: &[(&str, &str)] = &[
    ("BACKUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("ABORT", "There is never one to end."),
    ("CLEANUP", "There is never anything to remove."),
    ("LIST", "No files."),
    ("SEAL", "There is never one to seal."),
    ("START", "An error: no append-only file is kept here. SAVE and BGSAVE write a snapshot."),
    ("STATUS", "That there is none."),
];

/// BACKUP STATUS
pub(super) fn backup_status(reply: &mut Reply) {
    reply.map(4);
    for (name, text) in [("state", "idle"), ("error", "")] {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    for name in ["start_time", "end_time"] {
        reply.bulk(name.as_bytes());
        reply.int(0);
    }
}

/// SAVE
pub(super) fn save(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.exactly(|writer| save::save(call.node, writer)).map_err(|why| failed(&why))?;
    reply.ok();
    Ok(Then::Continue)
}

/// The error of a save that failed.
fn failed(why: &SaveError) -> CommandError {
    error(format!("ERR {why}"))
}

/// BGSAVE [SCHEDULE | CANCEL]: what SCHEDULE waits for in Redis, the rewriting of an append-only file, is not done
/// here.
pub(super) fn bgsave(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    match call.args.len() {
        0 => {}
        1 if call.args.is_word(0, "schedule") => {}
        1 if call.args.is_word(0, "cancel") && call.node.dialect().is_valkey() => {
            if !call.node.saves.cancel() {
                return Err(CommandError::new(
                    "ERR Background saving is currently not in progress or scheduled",
                ));
            }
            reply.simple("Background saving cancelled");
            return Ok(Then::Continue);
        }
        _ => return Err(CommandError::Syntax),
    }
    let (begun, answer) = match call.source {
        // When the transaction is over, so that nobody finds half of it in the file.
        Some(Source::Writer(_)) => (save::begin_soon(call.node), "Background saving scheduled"),
        _ => (call.exactly(|writer| save::begin(call.node, writer)), "Background saving started"),
    };
    begun.map_err(|AlreadyRunning| failed(&SaveError::Running))?;
    reply.simple(answer);
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
