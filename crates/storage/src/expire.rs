//! Finding keys whose deadline is past, for a node that is nobody's replica: a replica deletes only what its master
//! deletes.
//!
//! Owns the search. Never deletes: who finds a key deletes it as a command, so that it goes to the backlog too.

use crate::db::Db;
use crate::scan::ScanCursor;
use crate::time::UnixMillis;

impl Db<'_> {
    /// Looks through some more shards (about 400 keys each, of which only those with a deadline are looked at) for keys
    /// that have expired by `now`; the answer is where to go on, and [`ScanCursor::START`] at the end.
    pub fn expired(
        &self,
        cursor: ScanCursor,
        shards: usize,
        now: UnixMillis,
        mut found: impl FnMut(&[u8]),
    ) -> ScanCursor {
        let Some(keyspace) = self.keyspace().filter(|keyspace| keyspace.counts.deadlines() > 0) else {
            return ScanCursor::START;
        };
        keyspace.with_deadline(cursor, shards, |entry| {
            if !entry.is_visible(now) {
                found(entry.key());
            }
        })
    }
}
