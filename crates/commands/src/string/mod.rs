//! Strings: set and read whole; the other files of this folder read and change parts of them.
//!
//! Owns what SET and its relatives mean. Never knows how a string is stored.

mod conditional;
mod counter;
mod digest;
mod lcs;
mod options;
mod part;

pub(crate) use conditional::{delex, delifeq, msetex, msetnx};
pub(crate) use counter::{decr, decrby, incr, incrby, incrbyfloat, increx};
pub(crate) use digest::digest;
pub(crate) use lcs::lcs;
pub(crate) use part::{append, getrange, setrange, strlen, substr};

use protocol::{Args, Reply};
use storage::value::TextRef;
use storage::{Kind, Slot, UnixMillis, Wanted};

use crate::context::{ReadContext, WriteContext};
use crate::error::CommandError;
use crate::expiry::{Past, Unit};
use options::{Deadline, Options};

type Done = Result<(), CommandError>;

/// Answers with a string's value; a long one is not copied.
fn answer(text: TextRef<'_>, reply: &mut Reply) {
    match text {
        TextRef::Int(number) => reply.bulk_int(number),
        TextRef::Short(bytes) | TextRef::Raw(bytes) => reply.bulk(bytes),
        TextRef::Long(bytes) => match text.shared() {
            Some(shared) => reply.bulk_shared(shared),
            None => reply.bulk(bytes),
        },
    }
}

fn answer_or_null(text: Option<TextRef<'_>>, reply: &mut Reply) {
    match text {
        Some(text) => answer(text, reply),
        None => reply.null(),
    }
}

/// GET key
pub(crate) fn get(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.get(args.get(0)) {
        Some(found) => answer(found.text()?, reply),
        None => reply.null(),
    }
    Ok(())
}

/// MGET key [key …]
pub(crate) fn mget(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.names(args.len())?;
    let found = ctx.db.get_many(args.as_slice());
    reply.array(args.len());
    for entry in found.iter() {
        // A key of another kind reads as missing here.
        answer_or_null(entry.and_then(|entry| entry.text().ok()), reply);
    }
    Ok(())
}

/// SET key value [NX | XX | IFEQ v | IFNE v | IFDEQ d | IFDNE d] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
pub(crate) fn set(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let options = Options::of_set(args.from(2), ctx.dialect)?;
    let deadline = match options.deadline {
        Deadline::At(unit, argument) => Some(unit.positive(argument, ctx.reads_as(), ctx.clock, "set")?),
        _ => None,
    };
    let past = deadline.and_then(|deadline| ctx.past(deadline));
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        if options.get {
            asking.asked(args.get(0), slot.exists());
        }
        if options.get || options.condition.looks_at_value() {
            slot.text()?;
        }
        let met = options.condition.is_met(slot)?;
        if options.get {
            answer_or_null(slot.text()?, reply);
        } else if met {
            reply.ok();
        } else {
            reply.null();
        }
        if met {
            let deadline = if options.deadline == Deadline::Keep { slot.deadline() } else { deadline };
            store(slot, args.get(1), deadline, past);
            if past.is_none() && options.deadline != Deadline::Keep && deadline.is_some() {
                slot.event(Wanted::GENERIC, "expire");
            }
        }
        Ok(())
    })
}

/// Stores a string with its deadline; with one that makes it go at once, only the old value goes.
fn store(slot: &mut Slot<'_>, value: &[u8], deadline: Option<UnixMillis>, past: Option<Past<'_>>) {
    match past {
        Some(past) => past.replaces(slot),
        None => set_text(slot, value, deadline),
    }
}

/// Puts a string in the place of whatever is there.
fn set_text(slot: &mut Slot<'_>, value: &[u8], deadline: Option<UnixMillis>) {
    slot.event_of_replacing(Kind::String);
    slot.put_text_until(value, deadline);
    slot.event(Wanted::STRING, "set");
}

/// SETNX key value
pub(crate) fn setnx(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let set = ctx.db.edit(args.get(0), |slot| {
        let free = !slot.exists();
        if free {
            set_text(slot, args.get(1), None);
        }
        free
    });
    reply.int(i64::from(set));
    Ok(())
}

/// SETEX key seconds value
pub(crate) fn setex(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    set_with_deadline(ctx, args, reply, Unit { seconds: true, absolute: false }, "setex")
}

/// PSETEX key milliseconds value
pub(crate) fn psetex(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    set_with_deadline(ctx, args, reply, Unit { seconds: false, absolute: false }, "psetex")
}

fn set_with_deadline(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    unit: Unit,
    command: &'static str,
) -> Done {
    let deadline = unit.positive(args.get(1), ctx.reads_as(), ctx.clock, command)?;
    let past = ctx.past(deadline);
    ctx.db.edit(args.get(0), |slot| {
        store(slot, args.get(2), Some(deadline), past);
        if past.is_none() {
            slot.event(Wanted::GENERIC, "expire");
        }
    });
    reply.ok();
    Ok(())
}

/// GETSET key value
pub(crate) fn getset(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        answer_or_null(slot.text()?, reply);
        set_text(slot, args.get(1), None);
        Ok(())
    })
}

/// GETDEL key
pub(crate) fn getdel(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        answer_or_null(slot.text()?, reply);
        if slot.remove() {
            slot.event(Wanted::GENERIC, "del");
        }
        Ok(())
    })
}

/// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]
pub(crate) fn getex(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let options = Options::of_getex(args.from(1), ctx.dialect)?;
    let deadline = match options.deadline {
        Deadline::At(unit, argument) => Some(unit.positive(argument, ctx.reads_as(), ctx.clock, "getex")),
        _ => None,
    };
    let past = deadline.as_ref().and_then(|deadline| ctx.past(*deadline.as_ref().ok()?));
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        let Some(text) = slot.text()? else {
            reply.null();
            return Ok(());
        };
        // As in Redis the deadline is only looked at when there is a key.
        let deadline = deadline.transpose()?;
        answer(text, reply);
        match deadline {
            Some(deadline) => {
                if let Some(past) = past {
                    past.removes(slot);
                } else {
                    slot.set_deadline(Some(deadline));
                    slot.event(Wanted::GENERIC, "expire");
                }
            }
            None if options.deadline == Deadline::Persist && slot.deadline().is_some() => {
                slot.set_deadline(None);
                slot.event(Wanted::GENERIC, "persist");
            }
            None => {}
        }
        Ok(())
    })
}

/// MSET key value [key value …]
pub(crate) fn mset(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    if args.len() % 2 == 1 {
        return Err(CommandError::WrongArity("mset"));
    }
    let _exclusive = (args.len() > 2).then(|| ctx.writer.close_gate());
    for pair in args.as_slice().chunks_exact(2) {
        if let [key, value] = pair {
            ctx.db.edit(key, |slot| set_text(slot, value, None));
        }
    }
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Dialect;
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        Session::new().transcript(include_str!("../../tests/transcripts/string.txt"));
        Session::new().transcript(include_str!("../../tests/transcripts/string8.txt"));
    }

    /// Masters up to 6.2 take what later ones refuse.
    #[test]
    fn a_replica_counts_down_by_the_lowest_number() {
        let lowest = i64::MIN;
        let counted_down = |session: &Session| {
            session.run("SET n 5");
            session.run(&format!("DECRBY n {lowest}"))
        };
        let replica = Session::replica();
        assert_eq!(counted_down(&replica), ":-9223372036854775803|");
        assert_eq!(replica.run("GET n"), "$20|-9223372036854775803|");
        assert_eq!(counted_down(&Session::new()), "-ERR decrement would overflow|");
        assert_eq!(
            counted_down(&Session { dialect: Dialect::redis(6, 2), ..Session::new() }),
            ":-9223372036854775803|"
        );
    }

    #[test]
    fn the_last_of_an_option_that_is_said_twice_counts() {
        // From redis-8.10; of Valkey 9.1 where it says so.
        let session = Session::new();
        session.transcript(
            "> SET k 5 EX x PXAT 1
             < -ERR syntax error|
             > SET k 5 PXAT x PXAT 99999999999999
             < +OK|
             > PEXPIRETIME k
             < :99999999999999|
             > GETEX k EX 100 EX x
             < -ERR value is not an integer or out of range|
             > GETEX k PXAT 1 PXAT 88888888888888
             < $1|5|
             > MSETEX 1 k 5 PXAT 1 PXAT 77777777777777
             < :1|
             > PEXPIRETIME k
             < :77777777777777|
             > SET k 6 IFEQ 4 IFEQ 5
             < +OK|
             > SET k 6 IFEQ 6 IFNE 6
             < -ERR syntax error|",
        );
        let valkey = Session { dialect: Dialect::valkey(9, 1), ..Session::new() };
        assert_eq!(valkey.run("SET k 6 IFEQ 4 IFEQ 5"), "-ERR syntax error|");
    }

    #[test]
    fn a_replica_obeys_passed_deadlines() {
        // From scripted masters of real replicas (redis-7.0, redis-8.10, valkey-9.1).
        let replica = Session::replica();
        replica.transcript(
            "> SET k 5 PXAT 1000
             < +OK|
             > INCR k
             < :6|
             > SET k w NX
             < $-1|
             > SET k w XX KEEPTTL
             < +OK|
             > GETEX k EXAT 1
             < $1|w|
             > PEXPIRETIME k
             < :1000|
             > GETEX k PERSIST
             < $1|w|
             > PEXPIRETIME k
             < :-1|
             > MSETEX 1 k v PXAT 1000
             < :1|
             > APPEND k x
             < :2|
             > PEXPIRETIME k
             < :1000|",
        );
    }

    #[test]
    fn a_long_string_is_not_copied_into_the_reply() {
        let session = Session::new();
        let long = vec![b'x'; 100_000];
        assert_eq!(session.run_words(&[b"SET", b"k", &long]), b"+OK\r\n");
        assert_eq!(session.run_words(&[b"GET", b"k"]).len(), 100_000 + 9 + 2);
        assert_eq!(session.run("APPEND k y"), ":100001|");
        assert_eq!(session.run("SETRANGE k 99998 abcde"), ":100003|");
        assert_eq!(session.run("GETRANGE k 99996 -1"), "$7|xxabcde|");
    }
}
