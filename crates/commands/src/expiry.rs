//! Deadlines as arguments: EX, PX, EXAT, PXAT, and what is valid in them.
//!
//! Owns the arithmetic from an argument to a moment. Never decides what a passed deadline means: a master deletes, a
//! replica obeys (see [`WriteContext::deletes_at`]).

use protocol::number::parse_int;
use storage::UnixMillis;

use crate::context::{Role, WriteContext};
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
        clock: UnixMillis,
        command: &'static str,
    ) -> Result<UnixMillis, CommandError> {
        let value = parse_int(argument).ok_or(CommandError::NotInteger)?;
        if value <= 0 {
            return Err(CommandError::InvalidExpire(command));
        }
        self.moment(value, clock).ok_or(CommandError::InvalidExpire(command))
    }

    /// The moment that `value` means; `None` beyond what 64 bits hold.
    pub(crate) fn moment(self, value: i64, clock: UnixMillis) -> Option<UnixMillis> {
        let millis = if self.seconds { value.checked_mul(1000)? } else { value };
        let millis = if self.absolute { millis } else { millis.checked_add(clock.0)? };
        Some(UnixMillis(millis))
    }
}

impl WriteContext<'_> {
    /// Whether a key given this deadline goes at once. A master deletes (and says so to its replicas); a replica
    /// that is told a passed deadline keeps the key, hidden, until it is told to delete it.
    pub(crate) fn deletes_at(&self, deadline: UnixMillis) -> bool {
        self.role == Role::Master && deadline <= self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_their_limits() {
        let clock = UnixMillis(1_000_000);
        let at = |word: &[u8], value: &[u8]| Unit::of_word(word).unwrap().positive(value, clock, "set");
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
