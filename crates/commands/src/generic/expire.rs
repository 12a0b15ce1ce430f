//! Deadlines of keys: asked for, set, and taken away.
//!
//! Owns the conditions NX, XX, GT and LT. Never removes a key on a replica, whatever its deadline.

use protocol::{Args, Reply};
use storage::{UnixMillis, Wanted};

use super::Done;
use crate::context::{ReadContext, WriteContext};
use crate::error::CommandError;
use crate::expiry::Unit;

/// Answered for a key without a deadline, and for no key.
const NO_DEADLINE: i64 = -1;
const NO_KEY: i64 = -2;

/// TTL key
pub(crate) fn ttl(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let now = ctx.now;
    answer(ctx, args, reply, |deadline| seconds(left(deadline, now)))
}

/// PTTL key
pub(crate) fn pttl(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let now = ctx.now;
    answer(ctx, args, reply, |deadline| left(deadline, now))
}

/// EXPIRETIME key
pub(crate) fn expiretime(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    answer(ctx, args, reply, |deadline| seconds(deadline.0))
}

/// PEXPIRETIME key
pub(crate) fn pexpiretime(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    answer(ctx, args, reply, |deadline| deadline.0)
}

fn answer(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    shown: impl Fn(UnixMillis) -> i64,
) -> Done {
    reply.int(match ctx.db.peek(args.get(0)) {
        None => NO_KEY,
        Some(found) => found.deadline().map_or(NO_DEADLINE, shown),
    });
    Ok(())
}

fn left(deadline: UnixMillis, now: UnixMillis) -> i64 {
    deadline.0.saturating_sub(now.0).max(0)
}

/// Rounded to the nearest, as Redis does.
fn seconds(millis: i64) -> i64 {
    millis.saturating_add(500) / 1000
}

/// EXPIRE key seconds [NX | XX | GT | LT]
pub(crate) fn expire(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    set(ctx, args, reply, Unit { seconds: true, absolute: false }, "expire")
}

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub(crate) fn pexpire(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    set(ctx, args, reply, Unit { seconds: false, absolute: false }, "pexpire")
}

/// EXPIREAT key seconds [NX | XX | GT | LT]
pub(crate) fn expireat(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    set(ctx, args, reply, Unit { seconds: true, absolute: true }, "expireat")
}

/// PEXPIREAT key milliseconds [NX | XX | GT | LT]
pub(crate) fn pexpireat(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    set(ctx, args, reply, Unit { seconds: false, absolute: true }, "pexpireat")
}

/// On which of the key's present deadlines a new one is set.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    none: bool,
    some: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut conditions = Conditions::default();
        for word in args.iter() {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            match () {
                () if is(b"nx") => conditions.none = true,
                () if is(b"xx") => conditions.some = true,
                () if is(b"gt") => conditions.later = true,
                () if is(b"lt") => conditions.earlier = true,
                () => return Err(CommandError::naming("ERR Unsupported option ", word, "")),
            }
        }
        if conditions.none && (conditions.some || conditions.later || conditions.earlier) {
            return Err(CommandError::new(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.later && conditions.earlier {
            return Err(CommandError::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether a key with this deadline may be given the new one. No deadline counts as later than any.
    fn allow(self, present: Option<UnixMillis>, new: UnixMillis) -> bool {
        let refused = self.none && present.is_some()
            || self.some && present.is_none()
            || self.later && present.is_none_or(|present| new <= present)
            || self.earlier && present.is_some_and(|present| new >= present);
        !refused
    }
}

fn set(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    unit: Unit,
    command: &'static str,
) -> Done {
    let conditions = Conditions::parse(args.from(2))?;
    let value = ctx.reads_as().integer(args.get(1)).ok_or(CommandError::NotInteger)?;
    let deadline =
        unit.moment(value, ctx.reads_as(), ctx.clock).ok_or(CommandError::InvalidExpire(command))?;
    let past = ctx.past(deadline);
    let done = ctx.db.edit(args.get(0), |slot| {
        if !slot.exists() || !conditions.allow(slot.deadline(), deadline) {
            return false;
        }
        match past {
            Some(past) => past.removes(slot),
            None => {
                slot.event(Wanted::GENERIC, "expire");
                slot.set_deadline(Some(deadline))
            }
        }
    });
    reply.int(i64::from(done));
    Ok(())
}

/// PERSIST key
pub(crate) fn persist(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let done = ctx.db.edit(args.get(0), |slot| {
        let done = slot.deadline().is_some() && slot.set_deadline(None);
        if done {
            slot.event(Wanted::GENERIC, "persist");
        }
        done
    });
    reply.int(i64::from(done));
    Ok(())
}
