//! SCAN: a cursor is a position in hash order.
//!
//! The position is the 27 highest bits of the hash's line (see `keyspace::table`); tables of any number of shards
//! have their entries in that order, so a cursor means the same in all of them, and after a restart with the same
//! hash key. A call returns every entry from the cursor up to the next one; all entries of one position come
//! together.

/// Where a SCAN stands. Any number is a valid cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanCursor(pub u64);

impl ScanCursor {
    /// Where a walk starts, and what it returns when it has ended.
    pub const START: ScanCursor = ScanCursor(0);

    /// How many bits of the hash a position has.
    pub(crate) const BITS: u32 = 27;

    /// The first number that is not a position.
    pub(crate) const END: u64 = 1 << ScanCursor::BITS;
}
