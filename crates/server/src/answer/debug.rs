//! DEBUG: what tests ask of a server.
//!
//! Owns the subcommands and their answers. Never makes keys on a replica.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::{CommandError, Run, WriteContext, digest};
use protocol::limits::BULK_BYTES_MAX;
use protocol::number::{parse_float, parse_int};
use protocol::{Args, Protocol, Reply};
use storage::UnixMillis;

use super::{Answered, Call, Then};
use crate::admission::READONLY;

/// Keys that POPULATE makes within one hold of the token.
const KEYS_A_HOLD: usize = 1024;
/// The longest word that is looked through for a number.
const NUMBER_BYTES_MAX: usize = 64;
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
                    ("ERROR <text>", "Answers with an error of this text."),
                    ("OBJECT <key>", "The encoding and size of a key's value."),
                    (
                        "POPULATE <count> [<prefix>] [<size>]",
                        "Makes keys <prefix>:<number> that are not there yet.",
                    ),
                    ("PROTOCOL <type>", "An example of a reply of this type, or a list of the types' names."),
                    (
                        "SET-ACTIVE-EXPIRE 0|1",
                        "Whether expired keys are removed before somebody asks for them.",
                    ),
                    ("SLEEP <seconds>", "Stops all reads and writes for so long."),
                ],
            );
        }
        (b"sleep", [seconds]) => {
            let seconds = leading_number(seconds).clamp(0.0, SLEEP_SECONDS_MAX);
            call.exactly(|writer| {
                let _closed = writer.close_gate();
                std::thread::sleep(Duration::from_secs_f64(seconds));
            });
            reply.ok();
        }
        (b"error", [text]) => return Err(CommandError::Bytes(text.to_vec())),
        (b"protocol", [kind]) => example(kind, reply)?,
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
            let (dialect, index) = (call.node.dialect(), call.session.db());
            let told = call.exactly(|writer| {
                // What is there, expired or not.
                let db = writer.db(index, UnixMillis::NOTHING_EXPIRED);
                let entry = db.peek(key)?;
                let serialized = commands::serialized_bytes(entry.value(), dialect).unwrap_or_default();
                Some(format!(
                    "Value refcount:1 encoding:{} serializedlength:{serialized} lru_seconds_idle:{}",
                    commands::encoding(key, &entry, dialect),
                    db.idle_seconds(&entry)
                ))
            });
            reply.simple(&told.ok_or(CommandError::NoSuchKey)?);
        }
        (b"populate", [count, rest @ ..]) if rest.len() < 3 => {
            let positive = |word: &[u8]| {
                let number = parse_int(word).and_then(|number| usize::try_from(number).ok());
                number.ok_or(CommandError::new("ERR value is out of range, must be positive"))
            };
            let count = positive(count)?;
            let prefix = rest.first().copied().unwrap_or(b"key");
            let size = rest.get(1).map(|word| positive(word)).transpose()?;
            if size.is_some_and(|size| size as u64 > BULK_BYTES_MAX) {
                return Err(CommandError::new("ERR value is out of range, must be positive"));
            }
            populate(call, count, prefix, size)?;
            reply.ok();
        }
        (b"set-active-expire", [word]) => {
            call.node.walks_expired.store(leading_number(word) as i64 != 0, Relaxed);
            reply.ok();
        }
        _ => {
            return Err(CommandError::naming(
                "ERR unknown subcommand or wrong number of arguments for '",
                call.args.get(0),
                "'. Try DEBUG HELP.",
            ));
        }
    }
    Ok(Then::Continue)
}

/// DEBUG PROTOCOL: a reply of each type, for clients that try their decoders.
fn example(kind: &[u8], reply: &mut Reply) -> Result<(), CommandError> {
    let resp3 = reply.protocol() == Protocol::Resp3;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double_text(b"3.141"),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|member| reply.int(member));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|member| reply.int(member));
        }
        b"map" => {
            reply.map(3);
            for field in 0..3 {
                reply.int(field);
                reply.bool(field == 1);
            }
        }
        b"attrib" => {
            // No command has attributes, so that nothing but this line writes one.
            if resp3 {
                reply.raw(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if resp3 => {
            // Servers hold a push back until the reply to the request in hand is out.
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
        }
        b"push" => return Err(CommandError::new("ERR RESP2 is not supported by this command")),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.bool(true),
        b"false" => reply.bool(false),
        _ => {
            return Err(CommandError::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// The number that a word begins with, as C reads it: 0 when it begins with none.
fn leading_number(word: &[u8]) -> f64 {
    let longest = word.len().min(NUMBER_BYTES_MAX);
    (1..=longest).rev().find_map(|len| parse_float(word.get(..len)?)).unwrap_or_default()
}

/// DEBUG POPULATE: keys that are not there yet, a few in each hold of the token.
fn populate(call: &Call<'_>, count: usize, prefix: &[u8], size: Option<usize>) -> Result<(), CommandError> {
    let Some(Run::Write(set)) = commands::find(b"set").map(|row| row.run) else { return Ok(()) };
    let (db, wall, dialect) = (call.session.db(), call.now.wall, call.node.dialect());
    let mut number = 0;
    while number < count {
        let until = count.min(number + KEYS_A_HOLD);
        if call.session.client().is_gone() {
            return Ok(());
        }
        call.exactly(|writer| {
            // Asked under the token: a REPLICAOF may have come between.
            if !call.node.upstream.is_writable() {
                return Err(CommandError::new(READONLY));
            }
            let mut context = WriteContext::serving(writer, db, wall, dialect);
            while number < until {
                let key = [prefix, format!(":{number}").as_bytes()].concat();
                let mut value = format!("value:{number}").into_bytes();
                if let Some(size) = size {
                    value.resize(size, 0);
                }
                set(&mut context, Args::new(&[&key, &value, b"NX"]), &mut Reply::default())?;
                number += 1;
            }
            Ok(())
        })?;
    }
    Ok(())
}
