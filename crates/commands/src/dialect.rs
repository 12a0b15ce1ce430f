//! Where servers differ: which one we do as.
//!
//! Owns vendor and version of the master followed (the newest Redis when there is none), and what follows from them
//! in texts, digests and payloads. Never decides whether a command exists: the table understands all of them.

use protocol::{Quotes, Reply};
use storage::score::{DoubleForm, DoubleText, format_double};
use storage::value::hyperloglog::Estimator;

use crate::convert::save::Target;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Redis, and what was forked from it before 7.2 or says that it is one.
    Redis,
    /// Valkey
    Valkey,
}

/// What of a text SORT takes for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortedNumbers {
    /// The whole of it.
    Whole,
    /// What is before its first zero byte.
    ToZeroByte,
    /// The same, and as C's `strtod` goes over it: past blanks before it, and nothing at all is zero.
    AsStrtod,
    /// The same, and what is beyond a double is the nearest thing: whatever any master took for a number (Redis 8.0 to
    /// 8.6 take that).
    OfAnyMaster,
}

/// What we do as, where versions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Whose server it is.
    pub vendor: Vendor,
    /// The first part of its version.
    pub major: u16,
    /// The second part.
    pub minor: u16,
    /// The third, which decides nothing.
    pub patch: u16,
    /// The form of what DUMP writes, where one was chosen: see [`Dialect::dumping`].
    chosen: Option<Target>,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect::NEWEST
    }
}

impl Dialect {
    /// What every Valkey tells those who ask it for Redis' version.
    pub const REDIS_VERSION_OF_VALKEY: &str = "7.2.4";

    /// The newest Redis we know.
    pub const NEWEST: Dialect = Dialect::redis(8, 10);

    /// A Redis of this version.
    pub const fn redis(major: u16, minor: u16) -> Self {
        Dialect { vendor: Vendor::Redis, major, minor, patch: 0, chosen: None }
    }

    /// A Valkey of this version.
    pub const fn valkey(major: u16, minor: u16) -> Self {
        Dialect { vendor: Vendor::Valkey, major, minor, patch: 0, chosen: None }
    }

    /// The same with the third part of its version.
    pub const fn patched(self, patch: u16) -> Self {
        Dialect { patch, ..self }
    }

    /// What a Valkey says that its version is; a Redis is of the version that the operator wants.
    pub fn valkey_version(self) -> Option<String> {
        self.is_valkey().then(|| format!("{}.{}.{}", self.major, self.minor, self.patch))
    }

    /// The same, but that values are written in this form, whoever reads it; none: in one that such a server reads.
    pub const fn dumping(self, chosen: Option<Target>) -> Self {
        Dialect { chosen, ..self }
    }

    /// The form in which values are written, where one was chosen.
    pub fn chosen_form(self) -> Option<Target> {
        self.chosen
    }

    /// Whether it is a Redis of at least this version.
    pub fn is_redis_from(self, major: u16, minor: u16) -> bool {
        self.vendor == Vendor::Redis && (self.major, self.minor) >= (major, minor)
    }

    /// Whether it is a Valkey.
    pub fn is_valkey(self) -> bool {
        self.vendor == Vendor::Valkey
    }

    /// Whether LSET takes the low 32 bits of its index for the whole of it (Redis 7.2 to 8.6, every Valkey).
    pub fn cuts_list_index(self) -> bool {
        self.is_valkey() || (self.is_redis_from(7, 2) && !self.is_redis_from(8, 8))
    }

    /// Whether a packed sorted set keeps a score of `-0` (up to 6.2), which later becomes `0`.
    pub fn keeps_packed_minus_zero(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(7, 0)
    }

    /// Whether `+` in XREAD is the last ID that the stream gave, so that nothing is read when its entry was deleted
    /// (Redis 7.4, which brought it, and every Valkey that has it).
    pub fn reads_deleted_last(self) -> bool {
        self.is_valkey() || !self.is_redis_from(8, 0)
    }

    /// Whether a negative offset in LIMIT counts from the other end of the range, in sorted sets that are not packed
    /// (Redis 7.4 and 8.0, Valkey from 8.0 on); it passes over everything otherwise.
    pub fn counts_offset_from_end(self) -> bool {
        match self.vendor {
            Vendor::Valkey => self.major >= 8,
            Vendor::Redis => self.is_redis_from(7, 4) && !self.is_redis_from(8, 2),
        }
    }

    /// Whether a string that was set, and not edited since, is in one piece with its object (`embstr`): since Redis
    /// 8.2 and Valkey 8.1 the key has to fit in there too.
    ///
    /// A deadline takes room in Redis 8.2 to 8.4. (That a key had one, and that a long key got one later, shows in some
    /// servers; not here.)
    pub fn embeds(self, key: &[u8], value_bytes: usize, has_deadline: bool) -> bool {
        /// Longer keys have a longer header in Valkey 9.1.
        const SHORT_KEY_BYTES_MAX: usize = 31;
        let bytes = key.len().saturating_add(value_bytes);
        match self.vendor {
            Vendor::Valkey if (self.major, self.minor) >= (9, 1) => {
                bytes <= if key.len() <= SHORT_KEY_BYTES_MAX { 113 } else { 111 }
            }
            Vendor::Valkey if (self.major, self.minor) >= (8, 1) => bytes <= 41,
            Vendor::Redis if self.is_redis_from(8, 6) => bytes <= 41,
            Vendor::Redis if self.is_redis_from(8, 2) => bytes <= if has_deadline { 33 } else { 41 },
            _ => value_bytes <= 44,
        }
    }

    /// Whether the offset of a diskless transfer may be that of the moment when it was asked for (up to 3.0): the
    /// snapshot is of a later one, and what lies between is not sent again.
    pub fn tells_diskless_offset_early(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(3, 1)
    }

    /// Whether SORT BY what is no pattern gives a list backwards when told DESC (not up to 3.0).
    pub fn reverses_unsorted_lists(self) -> bool {
        self.is_valkey() || self.is_redis_from(3, 1)
    }

    /// What SORT takes for a number.
    pub fn sorted_numbers(self) -> SortedNumbers {
        match self.vendor {
            Vendor::Valkey if (self.major, self.minor) < (9, 1) => SortedNumbers::AsStrtod,
            Vendor::Valkey => SortedNumbers::ToZeroByte,
            Vendor::Redis if self.is_redis_from(8, 0) => SortedNumbers::Whole,
            Vendor::Redis => SortedNumbers::AsStrtod,
        }
    }

    /// Whether BITPOS of a key that is not there is answered whatever range was asked for (up to Redis 7.2).
    pub fn reads_range_of_bits_last(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(7, 4)
    }

    /// Whether ZPOPMIN and ZPOPMAX take a count below zero for none (up to 6.2).
    pub fn pops_less_than_nothing(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(7, 0)
    }

    /// Whether what is pending may be claimed when the stream has it no more, as nothing (up to 6.2).
    pub fn claims_deleted(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(7, 0)
    }

    /// Whether a group knows a consumer who was given nothing (Redis from 7.2 on, and every Valkey).
    pub fn knows_consumers_of_nothing(self) -> bool {
        self.is_valkey() || self.is_redis_from(7, 2)
    }

    /// Whether small integers are one value for all keys that hold them, as OBJECT REFCOUNT tells (up to Redis 8.0 and
    /// Valkey 8.0).
    pub fn shares_integers(self) -> bool {
        match self.is_valkey() {
            true => (self.major, self.minor) < (8, 1),
            false => !self.is_redis_from(8, 2),
        }
    }

    /// Whether DECRBY of the lowest number adds it: its bits, negated, are itself (up to 6.2).
    pub fn negates_lowest_to_itself(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(7, 0)
    }

    /// The version of the RDB format that such a server's DUMP writes.
    pub fn rdb_version(self) -> u32 {
        if self.is_valkey() {
            return if self.major >= 9 { rdb::flavour::VALKEY_VERSION } else { 11 };
        }
        match (self.major, self.minor) {
            (..3, _) => 6,
            (3, _) => 7,
            (4, _) => 8,
            (5 | 6, _) => 9,
            (7, ..2) => 10,
            (7, 2 | 3) => 11,
            (7, _) | (8, ..6) => 12,
            (8, 6 | 7) => 13,
            _ => 15,
        }
    }

    /// Whether a payload's checksum of zero means that there is none (Redis 8.6 and later, which pass HIMPORT SET on
    /// so).
    pub fn takes_unsummed_payloads(self) -> bool {
        self.is_redis_from(8, 6)
    }

    /// How replies and stored texts write a double (`%.17g` up to Redis 7.0).
    pub fn double_form(self) -> DoubleForm {
        if self.is_valkey() || self.is_redis_from(7, 2) {
            DoubleForm::Shortest
        } else {
            DoubleForm::Seventeen
        }
    }

    /// How a script's number becomes a word of a command (Redis 7.2 cares for no integers).
    pub fn form_of_words(self) -> DoubleForm {
        let is_redis_7_2 = !self.is_valkey() && self.is_redis_from(7, 2) && !self.is_redis_from(7, 4);
        if is_redis_7_2 { DoubleForm::Digits } else { self.double_form() }
    }

    /// How DEBUG DIGEST writes a score.
    pub fn digest_form(self) -> DoubleForm {
        if self.is_valkey() || self.is_redis_from(7, 2) { DoubleForm::Digits } else { DoubleForm::Seventeen }
    }

    /// How PFCOUNT counts.
    pub fn estimator(self) -> Estimator {
        if self.is_valkey() || self.is_redis_from(5, 0) { Estimator::Ertl } else { Estimator::LessBias }
    }

    /// Whether what PFMERGE stores is dense, whatever it was made of (3.2, and the servers before it).
    pub fn merges_densely(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(4, 0)
    }

    /// Whether DEBUG DIGEST tells a field with a deadline from one without.
    pub fn digests_field_deadlines(self) -> bool {
        self.is_redis_from(7, 4)
    }

    /// Whether LREM takes the lowest integer for its count too (up to Redis 7.2).
    pub fn removes_by_any_count(self) -> bool {
        !self.is_valkey() && !self.is_redis_from(7, 4)
    }

    /// Whether BITCOUNT takes a start without an end (every Valkey).
    pub fn counts_bits_to_the_end(self) -> bool {
        self.is_valkey()
    }

    /// Whether a stream's count of entries ever added stays at the highest signed integer (8.10; up to Redis 8.6, and
    /// in every Valkey, it goes on and is told as a negative one).
    pub fn stops_counting_added(self) -> bool {
        self.is_redis_from(8, 10)
    }

    /// Whether RESTORE takes a stream only when its counts can be true (8.10; Redis 8.6 and every Valkey take any).
    pub fn checks_counts_of_streams(self) -> bool {
        self.is_redis_from(8, 10)
    }

    /// Whether a script's table for a map or a set has room for all from the start (Valkey from 8.1 on), where others
    /// let it grow: `pairs` goes another way then.
    pub fn sizes_maps_of_scripts(self) -> bool {
        self.is_valkey() && (self.major, self.minor) >= (8, 1)
    }

    /// Whether a key that is given a deadline that is past has expired (Valkey from 8.1 on), and is not deleted.
    pub fn expires_at_once(self) -> bool {
        self.is_valkey() && (self.major, self.minor) >= (8, 1)
    }

    /// Whether users have rules for databases, and none for payloads (Valkey from 9.1 on).
    pub fn has_users_of_databases(self) -> bool {
        self.is_valkey() && (self.major, self.minor) >= (9, 1)
    }

    /// Whether MOVE takes the deadline along (2.8 leaves it behind, 3.2 does not).
    pub fn moves_deadlines(self) -> bool {
        self.is_valkey() || self.is_redis_from(3, 0)
    }

    /// What may follow a quote in a line of words.
    pub fn quotes(self) -> Quotes {
        if self.is_valkey() { Quotes::JoinWords } else { Quotes::EndWords }
    }

    /// The text of a double in replies.
    pub fn double(self, value: f64) -> DoubleText {
        format_double(value, self.double_form())
    }
}

/// Doubles in replies, in the newest form or in a dialect's.
pub trait ReplyDouble {
    /// As the newest servers write it.
    fn double(&mut self, value: f64);
    /// As this dialect writes it.
    fn double_in(&mut self, dialect: Dialect, value: f64);
}

impl ReplyDouble for Reply {
    fn double(&mut self, value: f64) {
        self.double_text(format_double(value, DoubleForm::Shortest).as_bytes());
    }
    fn double_in(&mut self, dialect: Dialect, value: f64) {
        self.double_text(dialect.double(value).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_order() {
        assert!(Dialect::NEWEST.is_redis_from(8, 9));
        assert!(!Dialect::redis(8, 6).is_redis_from(8, 10));
        assert!(!Dialect::valkey(9, 1).is_redis_from(7, 2));
        assert_eq!(Dialect::redis(7, 0).double(0.1).as_bytes(), b"0.10000000000000001");
        assert_eq!(Dialect::valkey(7, 2).double(0.1).as_bytes(), b"0.1");
    }
}
