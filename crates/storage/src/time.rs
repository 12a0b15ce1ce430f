//! Small checked numbers: a moment, and the number of a database.
//!
//! Never asks what time it is: time is an argument everywhere.

/// A moment, in milliseconds since the Unix epoch; what Redis calls a deadline's absolute form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Before every deadline: with this as "now" nothing has expired. The applier of a master's stream reads
    /// with it, for only the master decides that a key is gone.
    pub const NOTHING_EXPIRED: UnixMillis = UnixMillis(i64::MIN);

    /// Whether a key or field with this deadline is past it at `now` (Redis: expired when `now > deadline`).
    pub fn is_past(self, now: UnixMillis) -> bool {
        now.0 > self.0
    }
}

/// The number of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DbIndex(pub u32);
