//! What a server can tell of a key beside its value: OBJECT, and MEMORY USAGE.
//!
//! Owns the answers. Never counts as an access to the key.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::value::TextRef;
use storage::{EntryView, Noted, UnixMillis, ValueRef};

use super::Done;
use crate::context::ReadContext;
use crate::dialect::Dialect;
use crate::error::CommandError;

/// Integers from 0 to below this are one shared object in Redis, whose count of references says so.
const SHARED_INTEGERS: i64 = 10_000;

/// OBJECT ENCODING key
pub(crate) fn object_encoding(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let found = ctx.db.peek(args.get(0));
    reply.bulk_or_null(found.as_deref().map(|found| encoding(args.get(0), found, ctx.dialect).as_bytes()));
    Ok(())
}

/// The name of the form in which a server of this dialect would keep this key's value.
pub fn encoding(key: &[u8], entry: &EntryView, dialect: Dialect) -> &'static str {
    match entry.value() {
        ValueRef::String(TextRef::Short(bytes)) => {
            if dialect.embeds(key, bytes.len(), entry.deadline().is_some()) { "embstr" } else { "raw" }
        }
        value => value.encoding(),
    }
}

/// OBJECT REFCOUNT key
pub(crate) fn object_refcount(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.peek(args.get(0)) {
        None => reply.null(),
        Some(found) => reply.int(match found.value() {
            ValueRef::String(TextRef::Int(0..SHARED_INTEGERS)) if ctx.dialect.shares_integers() => {
                i64::from(i32::MAX)
            }
            _ => 1,
        }),
    }
    Ok(())
}

/// OBJECT IDLETIME key
pub(crate) fn object_idletime(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.peek(args.get(0)) {
        None => reply.null(),
        Some(_) if ctx.db.usage_rules().noted == Noted::Count => {
            return Err(CommandError::new(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                 between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(found) => reply.int(i64::try_from(ctx.db.idle_seconds(&found)).unwrap_or(i64::MAX)),
    }
    Ok(())
}

/// OBJECT FREQ key
pub(crate) fn object_freq(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let rules = ctx.db.usage_rules();
    match ctx.db.peek(args.get(0)) {
        None => reply.null(),
        Some(found) if rules.noted == Noted::Count => {
            reply.int(i64::from(found.frequency(rules, ctx.now)));
        }
        Some(_) => {
            return Err(CommandError::new(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
    }
    Ok(())
}

/// OBJECT HELP
pub(crate) fn object_help(_: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Print this help.",
    ];
    reply.array(LINES.len());
    LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}

/// MEMORY USAGE key [SAMPLES count]: every element is counted, however many samples are asked for
pub(crate) fn memory_usage(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let mut at = 1;
    while at < args.len() {
        if !args.is_word(at, "samples") || at + 1 >= args.len() {
            return Err(CommandError::Syntax);
        }
        if parse_int(args.get(at + 1)).ok_or(CommandError::NotInteger)? < 0 {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    // It is no look-up that is counted, and what has expired takes room too.
    let db = ctx.source.db(ctx.index, UnixMillis::NOTHING_EXPIRED);
    match db.peek(args.get(0)) {
        None => reply.null(),
        Some(found) => reply.len_int(found.memory_usage()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use storage::UnixMillis;

    use crate::testing::Session;

    /// Both moments are the store's, as a real server's are its clock's: what was just used has been idle for no
    /// second.
    #[test]
    fn idle_is_what_the_stores_clock_says() {
        let session = Session { now: UnixMillis(6_000), ..Session::new() };
        session.store.tick(UnixMillis(5_999));
        session.run("SET k v");
        assert_eq!(session.run("OBJECT IDLETIME k"), ":0|");
        session.store.tick(UnixMillis(8_001));
        assert_eq!(session.run("OBJECT IDLETIME k"), ":3|", "and asking is no use");
        session.run("GET k");
        assert_eq!(session.run("OBJECT IDLETIME k"), ":0|");
    }
}
