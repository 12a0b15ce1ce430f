//! What ARINFO says of the directory in which Redis keeps an array's slices.
//!
//! We keep them in a tree, but the numbers follow from which slices there were: a table of a power of two places, up
//! to 2,048, that shrinks again; and from then on a sorted list of blocks of slices, the room of which doubles from
//! four and never shrinks.
//!
//! Owns those numbers. Never finds a slice.

use std::collections::BTreeMap;

/// The largest plain table.
const FLAT_MAX: u64 = 2048;
/// How many slices one block has.
const BLOCK_SLICES: u64 = 2048;
/// Blocks that a new list has room for.
const BLOCKS_FIRST: u64 = 4;

/// The directory as it would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory {
    /// How many blocks the list has room for; 0 while there is none.
    room: u64,
    /// How many blocks there are, while there is a list.
    blocks: u64,
}

impl Directory {
    /// A new slice is among these.
    pub(super) fn admit<T>(&mut self, slice: u64, slices: &BTreeMap<u64, T>) {
        if self.room == 0 {
            if slice < FLAT_MAX {
                return;
            }
            let mut before = None;
            let numbers = slices.keys().map(|slice| slice / BLOCK_SLICES);
            self.blocks = numbers.filter(|block| before.replace(*block) != Some(*block)).count() as u64;
        } else if in_block_of(slice, slices).nth(1).is_none() {
            self.blocks += 1;
        }
        self.room = self.blocks.next_power_of_two().max(self.room).max(BLOCKS_FIRST);
    }

    /// A slice is no longer among these.
    pub(super) fn dismiss<T>(&mut self, slice: u64, slices: &BTreeMap<u64, T>) {
        if self.room > 0 && in_block_of(slice, slices).next().is_none() {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    /// How many places (or blocks' room) there are, and how many blocks.
    pub(super) fn numbers<T>(self, slices: &BTreeMap<u64, T>) -> (u64, u64) {
        match self.room {
            0 => (slices.last_key_value().map_or(1, |(last, _)| (last + 1).next_power_of_two()), 0),
            room => (room, self.blocks),
        }
    }
}

/// The slices of one block.
fn in_block_of<T>(slice: u64, slices: &BTreeMap<u64, T>) -> impl Iterator<Item = &u64> {
    let first = slice - slice % BLOCK_SLICES;
    slices.range(first..=first + (BLOCK_SLICES - 1)).map(|(slice, _)| slice)
}
