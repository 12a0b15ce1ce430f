//! DEBUG: what tests ask of a server.

use std::time::Duration;

use commands::{CommandError, digest};
use protocol::Reply;
use protocol::number::parse_float;
use storage::UnixMillis;

use super::{Answered, Call, Then, error, lossy};

/// The longest DEBUG SLEEP: a day.
const SLEEP_SECONDS_MAX: f64 = 86_400.0;

/// DEBUG <subcommand> ... Runs on a thread that may wait.
pub(super) fn debug(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let args = call.args.from(1);
    match (call.args.get(0).to_ascii_lowercase().as_slice(), args.as_slice()) {
        (b"help", []) => {
            return super::help(
                reply,
                &[
                    ("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
                    ("DIGEST", "A hash of all data, as the master followed would give it."),
                    ("DIGEST-VALUE <key> [<key> ...]", "A hash of each key's value."),
                    ("OBJECT <key>", "The encoding and size of a key's value."),
                    ("SLEEP <seconds>", "Stops all reads and writes for so long."),
                ],
            );
        }
        (b"sleep", [seconds]) => {
            let seconds = parse_float(seconds)
                .filter(|seconds| (0.0..=SLEEP_SECONDS_MAX).contains(seconds))
                .ok_or(CommandError::NotFloat)?;
            call.exactly(|writer| {
                let _closed = writer.close_gate();
                std::thread::sleep(Duration::from_secs_f64(seconds));
            });
            reply.ok();
        }
        (b"digest", []) => {
            let (dialect, now) = (call.node.dialect(), call.now.wall);
            let digest = call.exactly(|writer| digest::of_data(writer, dialect, now));
            reply.simple(&digest.to_string());
        }
        (b"digest-value", keys) => {
            let (dialect, now, index) = (call.node.dialect(), call.now.wall, call.session.db());
            call.exactly(|writer| {
                let db = writer.db(index, UnixMillis::NOTHING_EXPIRED);
                reply.array(keys.len());
                for key in keys {
                    reply.simple(&digest::of_value(db.peek(key).as_deref(), dialect, now).to_string());
                }
            });
        }
        (b"object", [key]) => {
            let (dialect, index, now) = (call.node.dialect(), call.session.db(), call.now.wall);
            let told = call.exactly(|writer| {
                let db = writer.db(index, now);
                let entry = db.peek(key)?;
                Some(format!(
                    "Value refcount:1 encoding:{} lru_seconds_idle:{}",
                    commands::encoding(key, &entry, dialect),
                    entry.idle_seconds(now)
                ))
            });
            reply.simple(&told.ok_or(CommandError::NoSuchKey)?);
        }
        _ => {
            return Err(error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
                lossy(call.args.get(0))
            )));
        }
    }
    Ok(Then::Continue)
}
