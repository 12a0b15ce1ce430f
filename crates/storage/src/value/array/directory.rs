//! What ARINFO says of the directory in which Redis keeps an array's slices.
//!
//! We keep them in a tree, but the numbers follow from which slices there were: a table that doubles up to 2,048
//! places, and then a sorted list of blocks of slices that doubles from four.
//!
//! Owns those numbers. Never finds a slice.

/// The largest plain table.
const FLAT_MAX: u64 = 2048;
/// How many slices one block has.
const BLOCK_SLICES: u64 = 2048;
/// Blocks that a new list has room for.
const BLOCKS_FIRST: u64 = 4;

/// The directory as it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    /// A table of so many places.
    Flat(u64),
    /// A list with room for so many blocks.
    Blocks(u64),
}

impl Default for Directory {
    fn default() -> Self {
        Directory::Flat(1)
    }
}

impl Directory {
    /// Makes room for a slice, the number of blocks being what it is with it.
    pub(super) fn admit(&mut self, slice: u64, blocks: impl FnOnce() -> u64) {
        match self {
            Directory::Flat(places) if slice < *places => {}
            Directory::Flat(places) if slice < FLAT_MAX => *places = (slice + 1).next_power_of_two(),
            Directory::Flat(_) => *self = Directory::Blocks(blocks().next_power_of_two().max(BLOCKS_FIRST)),
            Directory::Blocks(room) => *room = blocks().next_power_of_two().max(*room),
        }
    }

    /// In which block a slice stands.
    pub(super) fn block(slice: u64) -> u64 {
        slice / BLOCK_SLICES
    }
}
