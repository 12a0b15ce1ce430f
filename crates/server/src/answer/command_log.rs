//! SLOWLOG and COMMANDLOG: what took long, was large, or was answered at length.

use commands::CommandError;
use protocol::Reply;
use protocol::number::parse_int;

use super::{Answered, Call, Then};
use crate::command_log::{Kind, Log};

/// SLOWLOG HELP
pub(super) const SLOWLOG_HELP: &[(&str, &str)] = &[
    ("SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("GET [<count>]", "The newest entries: 10, or as many as are asked for; -1: all. Of each: its number,"),
    ("", "the time it began, how many microseconds it took, its words, who sent it, and how many"),
    ("", "words there were."),
    ("LEN", "How many entries there are."),
    ("RESET", "Forgets them."),
];

/// COMMANDLOG HELP
pub(super) const COMMANDLOG_HELP: &[(&str, &str)] = &[
    ("COMMANDLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    (
        "GET <count> <type>",
        "The newest entries of a type: slow, large-request or large-reply; -1: all. Of each:",
    ),
    ("", "its number, the time it began, how many microseconds it took or bytes it had, its"),
    ("", "words, and who sent it."),
    ("LEN <type>", "How many entries of a type there are."),
    ("RESET <type>", "Forgets those of a type."),
];

/// Entries that SLOWLOG GET tells when nobody says how many.
const COUNT_DEFAULT: usize = 10;

/// SLOWLOG GET [count]
pub(super) fn slowlog_get(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let count = match call.args.as_slice() {
        [] => COUNT_DEFAULT,
        [count] => parse_count(count)?,
        _ => return Err(CommandError::WrongSubcommand),
    };
    tell(call.node.command_log.of(Kind::Slow), count, Form::Redis, reply)
}

/// SLOWLOG LEN
pub(super) fn slowlog_len(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    len(call, Kind::Slow, reply)
}

/// SLOWLOG RESET
pub(super) fn slowlog_reset(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reset(call, Kind::Slow, reply)
}

/// COMMANDLOG GET count type
pub(super) fn commandlog_get(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let count = parse_count(call.args.get(0))?;
    tell(call.node.command_log.of(kind(call.args.get(1))?), count, Form::Valkey, reply)
}

/// COMMANDLOG LEN type
pub(super) fn commandlog_len(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    len(call, kind(call.args.get(0))?, reply)
}

/// COMMANDLOG RESET type
pub(super) fn commandlog_reset(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reset(call, kind(call.args.get(0))?, reply)
}

fn parse_count(word: &[u8]) -> Result<usize, CommandError> {
    match parse_int(word) {
        Some(-1) => Ok(usize::MAX),
        count => count
            .and_then(|count| usize::try_from(count).ok())
            .ok_or(CommandError::new("ERR count should be greater than or equal to -1")),
    }
}

fn kind(word: &[u8]) -> Result<Kind, CommandError> {
    Kind::WORDS
        .iter()
        .find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()))
        .map(|(_, kind)| *kind)
        .ok_or(CommandError::new("ERR type should be one of the following: slow, large-request, large-reply"))
}

/// Whose command it is: Redis says how many words there were.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Redis,
    Valkey,
}

fn tell(log: &Log, count: usize, form: Form, reply: &mut Reply) -> Answered {
    let entries = log.newest(count);
    reply.array(entries.len());
    for entry in &entries {
        reply.array(if form == Form::Redis { 7 } else { 6 });
        reply.int(entry.id);
        reply.int(entry.at);
        reply.int(i64::try_from(entry.took).unwrap_or(i64::MAX));
        reply.array(entry.words.len());
        entry.words.iter().for_each(|word| reply.bulk(word));
        reply.bulk(entry.addr.as_ref().map(ToString::to_string).unwrap_or_default().as_bytes());
        reply.bulk(entry.name.as_bytes());
        if form == Form::Redis {
            reply.len_int(entry.words_sent);
        }
    }
    Ok(Then::Continue)
}

fn len(call: &Call<'_>, kind: Kind, reply: &mut Reply) -> Answered {
    reply.len_int(call.node.command_log.of(kind).len());
    Ok(Then::Continue)
}

fn reset(call: &Call<'_>, kind: Kind, reply: &mut Reply) -> Answered {
    call.node.command_log.of(kind).clear();
    reply.ok();
    Ok(Then::Continue)
}
