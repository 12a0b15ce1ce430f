//! Deadlines as arguments: EX, PX, EXAT, PXAT, and what is valid in them.
//!
//! Owns the arithmetic from an argument to a moment, and what a passed deadline means: a master deletes, a replica
//! obeys (see [`WriteContext::past`]).

use storage::{Slot, UnixMillis, Wanted, Writer};

use crate::context::{Role, WriteContext};
use crate::dialect::Dialect;
use crate::error::CommandError;

/// What an argument counts, and from when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Seconds, not milliseconds.
    pub(crate) seconds: bool,
    /// From the epoch, not from now.
    pub(crate) absolute: bool,
}

impl Unit {
    /// EX, PX, EXAT or PXAT, in any case.
    pub(crate) fn of_word(word: &[u8]) -> Option<Unit> {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        let (seconds, absolute) = match () {
            () if is(b"ex") => (true, false),
            () if is(b"px") => (false, false),
            () if is(b"exat") => (true, true),
            () if is(b"pxat") => (false, true),
            () => return None,
        };
        Some(Unit { seconds, absolute })
    }

    /// The moment that `argument` means, for the commands that set a value along with it: it must be positive.
    ///
    /// # Errors
    /// No integer, not positive, or beyond what 64 bits hold.
    pub(crate) fn positive(
        self,
        argument: &[u8],
        role: Role,
        clock: UnixMillis,
        command: &'static str,
    ) -> Result<UnixMillis, CommandError> {
        let value = role.integer(argument).ok_or(CommandError::NotInteger)?;
        if value <= 0 {
            return Err(CommandError::InvalidExpire(command));
        }
        self.moment(value, role, clock).ok_or(CommandError::InvalidExpire(command))
    }

    /// The moment that `value` means; `None` beyond what 64 bits hold. What a master up to 6.0 sends may be beyond: it
    /// means what the lower 64 bits are there.
    pub(crate) fn moment(self, value: i64, role: Role, clock: UnixMillis) -> Option<UnixMillis> {
        let (factor, base) = (if self.seconds { 1000 } else { 1 }, if self.absolute { 0 } else { clock.0 });
        match role {
            Role::Replica => Some(UnixMillis(value.wrapping_mul(factor).wrapping_add(base))),
            Role::Master => Some(UnixMillis(value.checked_mul(factor)?.checked_add(base)?)),
        }
    }
}

impl<'a> WriteContext<'a> {
    /// How a key given this deadline goes, if it does at once. A master deletes (and says so to its replicas); a
    /// replica that is told a passed deadline keeps the key, hidden, until it is told to delete it.
    pub(crate) fn past(&self, deadline: UnixMillis) -> Option<Past<'a>> {
        let goes = self.role == Role::Master && deadline <= self.clock;
        goes.then_some(Past { writer: self.writer, dialect: self.dialect })
    }
}

/// How a key goes whose new deadline is past: what is said of it, and counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past<'a> {
    writer: &'a Writer<'a>,
    dialect: Dialect,
}

impl Past<'_> {
    /// The deadline was to be that of the value that is there. Says whether one was.
    pub(crate) fn removes(self, slot: &mut Slot<'_>) -> bool {
        let was_there = slot.remove();
        if was_there && self.dialect.expires_at_once() {
            slot.event(Wanted::EXPIRED, "expired");
            self.writer.expired_key();
        } else if was_there {
            slot.event(Wanted::GENERIC, "del");
        }
        was_there
    }

    /// It was to be that of a new value, which is not stored.
    pub(crate) fn replaces(self, slot: &mut Slot<'_>) {
        self.removes(slot);
        self.stores_nothing();
    }

    /// Counts that: Redis does, whether a key was there or not.
    pub(crate) fn stores_nothing(self) {
        if !self.dialect.is_valkey() {
            self.writer.expired_key();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_their_limits() {
        let clock = UnixMillis(1_000_000);
        let at = |word: &[u8], value: &[u8]| {
            Unit::of_word(word).unwrap().positive(value, Role::Master, clock, "set")
        };
        assert_eq!(at(b"ex", b"2"), Ok(UnixMillis(1_002_000)));
        assert_eq!(at(b"PX", b"2"), Ok(UnixMillis(1_000_002)));
        assert_eq!(at(b"ExAt", b"2"), Ok(UnixMillis(2000)));
        assert_eq!(at(b"pxat", b"9223372036854775807"), Ok(UnixMillis(i64::MAX)));
        for (word, value) in [
            (&b"ex"[..], &b"0"[..]),
            (b"px", b"-1"),
            (b"ex", b"9223372036854775807"),
            (b"exat", b"9223372036854776"),
            (b"px", b"9223372036854775807"),
        ] {
            assert_eq!(at(word, value), Err(CommandError::InvalidExpire("set")));
        }
        assert_eq!(at(b"px", b"x"), Err(CommandError::NotInteger));
        assert_eq!(Unit::of_word(b"keepttl"), None);
    }
}
