//! What a store holds, in numbers: keys, deadlines and bytes, by database and in total.
//!
//! Owns the meaning of the numbers. What is behind big values is not in them: to sum it up every value would have to be
//! looked at; the allocator's statistics have it, and [`crate::EntryView::memory_usage`] for one key.

use crate::db::Db;
use crate::store::{Reader, Store};
use crate::time::{DbIndex, UnixMillis};

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
