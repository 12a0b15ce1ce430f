//! Keys of any kind: whether they are there, what they hold, and what removes them.
//!
//! Owns what does not care what a value is. Never looks inside one.

mod expire;
mod flush;
mod moving;
mod object;
mod scan;

pub(crate) use expire::{expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl};
pub(crate) use flush::{flushall, flushdb, swapdb};
pub(crate) use moving::{copy, move_, rename, renamenx};
pub use object::encoding;
pub(crate) use object::{
    memory_usage, object_encoding, object_freq, object_help, object_idletime, object_refcount,
};
pub(crate) use scan::{keys, scan};

use protocol::{Args, Reply};
use storage::Wanted;

use crate::context::{ReadContext, WriteContext};
use crate::error::CommandError;

type Done = Result<(), CommandError>;

/// DEL key [key …]
pub(crate) fn del(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let _exclusive = (args.len() > 1).then(|| ctx.writer.close_gate());
    let removed = args.iter().filter(|key| remove(ctx, key)).count();
    reply.len_int(removed);
    Ok(())
}

/// Removes a key, and says so; says whether it was there.
pub fn remove(ctx: &mut WriteContext<'_>, key: &[u8]) -> bool {
    let was_there = ctx.db.remove(key);
    if was_there {
        ctx.event(Wanted::GENERIC, "del", key);
    }
    was_there
}

/// UNLINK key [key …]: here every big value is freed in the background.
pub(crate) fn unlink(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    del(ctx, args, reply)
}

/// EXISTS key [key …]
pub(crate) fn exists(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let count = match args.as_slice() {
        [key] => usize::from(ctx.db.contains(key)),
        keys => {
            ctx.names(keys.len())?;
            ctx.db.untouching().get_many(keys).iter().flatten().count()
        }
    };
    reply.len_int(count);
    Ok(())
}

/// TOUCH key [key …]
pub(crate) fn touch(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.names(args.len())?;
    reply.len_int(ctx.db.get_many(args.as_slice()).iter().flatten().count());
    Ok(())
}

/// TYPE key
pub(crate) fn type_(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.peek(args.get(0)) {
        Some(found) => reply.simple(&found.type_name()),
        None => reply.simple("none"),
    }
    Ok(())
}

/// DBSIZE
pub(crate) fn dbsize(ctx: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    reply.len_int(ctx.db.len());
    Ok(())
}

/// RANDOMKEY
pub(crate) fn randomkey(ctx: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    reply.bulk_or_null(ctx.db.random_key().as_deref());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Dialect;
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        Session::new().transcript(include_str!("../../tests/transcripts/generic.txt"));
    }

    /// As redis-2.8 does, and redis-3.2.
    #[test]
    fn a_deadline_goes_along_or_stays_behind() {
        for (dialect, left) in [(Dialect::redis(2, 8), ":-1|"), (Dialect::redis(3, 2), ":99999999999999|")] {
            let mut session = Session { dialect, ..Session::replica() };
            session.run("SET k v PXAT 99999999999999");
            assert_eq!(session.run("MOVE k 1"), ":1|");
            session.index = storage::DbIndex(1);
            assert_eq!(session.run("PEXPIRETIME k"), left, "{dialect:?}");
        }
    }

    /// Chi-square: of `kinds` equally likely answers none comes too often or too rarely. Six deviations from the mean
    /// are chance once in a thousand million runs.
    fn is_even(session: &Session, line: &str, kinds: usize) {
        let throws = kinds * 200;
        let mut seen: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
        (0..throws).for_each(|_| *seen.entry(session.run(line)).or_default() += 1.0);
        assert_eq!(seen.len(), kinds, "{line}");
        let square: f64 = seen.values().map(|count| (count - 200.0) * (count - 200.0) / 200.0).sum();
        let freedom = (kinds - 1) as f64;
        assert!(square < freedom + 6.0 * (2.0 * freedom).sqrt(), "{line}: {square} with {freedom} degrees");
    }

    #[test]
    fn fields_and_members_are_taken_evenly() {
        for (all, alive) in [(60, 60), (60, 6), (600, 60)] {
            let mut session = Session::new();
            for number in 0..all {
                session.run(&format!("HSET h f{number} x"));
                session.run(&format!("SADD s m{number}"));
                session.run(&format!("ZADD z {number} m{number}"));
                if number >= alive {
                    session.run(&format!("HPEXPIRE h 1 FIELDS 1 f{number}"));
                }
            }
            session.now.0 += 10;
            is_even(&session, "HRANDFIELD h", alive);
            is_even(&session, "SRANDMEMBER s", all);
            is_even(&session, "ZRANDMEMBER z", all);
            is_even(&session, "HRANDFIELD h 1", alive);
            is_even(&session, "SRANDMEMBER s 1", all);
            is_even(&session, "ZRANDMEMBER z 1", all);
        }
    }

    #[test]
    fn keys_are_taken_evenly() {
        for (all, alive) in [(60, 60), (60, 6), (600, 60), (1_500, 150), (300, 300)] {
            let mut session = Session::new();
            for number in 0..all {
                let deadline = if number < alive { "" } else { " PX 1" };
                session.run(&format!("SET key:{number} x{deadline}"));
            }
            session.now.0 += 10;
            is_even(&session, "RANDOMKEY", alive);
        }
    }

    /// Lengths of key and value, the longest that is `embstr`: tried on each of these servers.
    #[test]
    fn a_string_is_embedded_as_far_as_the_followed_master_embeds_it() {
        let longest = |dialect: Dialect, key_bytes: usize, option: &str| {
            let session = Session { dialect, ..Session::new() };
            let key = "k".repeat(key_bytes);
            (0..200).rev().find(|value_bytes| {
                session.run(&format!("SET {key} \"{}\"{option}", "v".repeat(*value_bytes)));
                session.run(&format!("OBJECT ENCODING {key}")) == "$6|embstr|"
            })
        };
        for dialect in [Dialect::redis(7, 0), Dialect::redis(8, 0), Dialect::valkey(8, 0)] {
            assert_eq!([1, 120].map(|key| longest(dialect, key, "")), [Some(44); 2], "{dialect:?}");
        }
        for dialect in [Dialect::redis(8, 2), Dialect::redis(8, 6), Dialect::NEWEST, Dialect::valkey(8, 1)] {
            let found = [1, 31, 32, 41, 42].map(|key| longest(dialect, key, ""));
            assert_eq!(found, [Some(40), Some(10), Some(9), Some(0), None], "{dialect:?}");
        }
        let found = [1, 31, 32, 62, 120].map(|key| longest(Dialect::valkey(9, 1), key, ""));
        assert_eq!(found, [Some(112), Some(82), Some(79), Some(49), None]);
        assert_eq!(longest(Dialect::redis(8, 2), 1, " EX 100"), Some(32));
        assert_eq!(longest(Dialect::redis(8, 6), 1, " EX 100"), Some(40));
    }
}
