//! What a store holds, in numbers: keys, deadlines and bytes, by database and in total.
//!
//! Owns the meaning of the numbers. What is behind big values is not in them: to sum it up every value would have to be
//! looked at; the allocator's statistics have it, and [`crate::EntryView::memory_usage`] for one key.

use crate::db::Db;
use crate::store::{Reader, Store};
use crate::time::{DbIndex, UnixMillis};

/// What the allocator takes for so many bytes: jemalloc's size classes, four to each doubling above 128. Another
/// allocator is only asked for slightly rounder sizes.
pub(crate) fn size_class(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)),
    }
}

/// What is allocated for so many elements side by side.
pub(crate) fn array_bytes<T>(capacity: usize) -> usize {
    size_class(capacity * size_of::<T>())
}

/// What a `BTreeMap` of so many elements has allocated, when they came in their order, as IDs do and whatever an RDB
/// lists: each node was cut behind its sixth element, and the seventh stands above. One that was filled in another
/// order takes a tenth less.
pub(crate) fn tree_bytes<K, V>(len: usize) -> usize {
    // The standard library's nodes: eleven elements at most, the node above, and two u16; above the leaves twelve
    // edges.
    const ELEMENTS: usize = 11;
    const LEFT_BEHIND: usize = 6;
    let leaf = ELEMENTS * (size_of::<K>() + size_of::<V>()) + size_of::<usize>() + 4;
    let align = align_of::<K>().max(align_of::<V>()).max(align_of::<usize>());
    let leaf_bytes = size_class(leaf.next_multiple_of(align));
    let inner_bytes = size_class((leaf + (ELEMENTS + 1) * size_of::<usize>()).next_multiple_of(align));
    let (mut total, mut left, mut node_bytes) = (0, len, leaf_bytes);
    while left > 0 {
        // The last node of each level is filled to the brim before it is cut.
        let nodes = left.saturating_sub(ELEMENTS).div_ceil(LEFT_BEHIND + 1) + 1;
        total += nodes * node_bytes;
        left = nodes - 1;
        node_bytes = inner_bytes;
    }
    total
}

/// What a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbStats {
    /// Keys, expired ones included.
    pub keys: usize,
    /// Keys with a deadline.
    pub deadlines: usize,
    /// Bytes of the entries: keys, and values that are not behind a pointer.
    pub entry_bytes: usize,
    /// Bytes of the tables that find them.
    pub table_bytes: usize,
}

impl std::ops::AddAssign for DbStats {
    fn add_assign(&mut self, other: DbStats) {
        self.keys += other.keys;
        self.deadlines += other.deadlines;
        self.entry_bytes += other.entry_bytes;
        self.table_bytes += other.table_bytes;
    }
}

impl Db<'_> {
    /// What the database holds. Locks each of its shards for a moment.
    pub fn stats(&self) -> DbStats {
        self.keyspace().map_or(DbStats::default(), |keyspace| DbStats {
            keys: keyspace.counts.keys(),
            deadlines: keyspace.counts.deadlines(),
            entry_bytes: keyspace.counts.entry_bytes(),
            table_bytes: keyspace.table_bytes(),
        })
    }
}

impl Reader<'_> {
    /// The databases that have keys, with what they hold: `INFO keyspace`.
    pub fn stats(&self, store: &Store) -> Vec<(DbIndex, DbStats)> {
        (0..store.databases())
            .map(|index| (DbIndex(index), self.db(DbIndex(index), UnixMillis::NOTHING_EXPIRED).stats()))
            .filter(|(_, stats)| stats.keys > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_four_to_a_doubling() {
        let wanted = [
            (0, 0),
            (1, 8),
            (8, 8),
            (9, 16),
            (16, 16),
            (17, 32),
            (113, 128),
            (128, 128),
            (129, 160),
            (160, 160),
            (161, 192),
            (256, 256),
            (257, 320),
            (513, 640),
            (1025, 1280),
            (4097, 5120),
            (16_385, 20_480),
        ];
        for (bytes, class) in wanted {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
    }
}
