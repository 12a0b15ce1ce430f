//! Finding keys with deadlines, for a node that is nobody's replica: a replica deletes only what its master deletes.
//!
//! Owns the search. Never deletes: who finds a key past its deadline removes it afterwards, under the token.

use crate::db::Db;
use crate::entry::EntryView;
use crate::scan::ScanCursor;

impl Db<'_> {
    /// Visits the keys that have a deadline, past or not, of some more shards (about 400 keys each, of which the others
    /// are not looked at); the answer is where to go on, and [`ScanCursor::START`] at the end.
    pub fn with_deadline(
        &self,
        cursor: ScanCursor,
        shards: usize,
        visit: impl FnMut(&EntryView),
    ) -> ScanCursor {
        let Some(keyspace) = self.keyspace().filter(|keyspace| keyspace.counts.deadlines() > 0) else {
            return ScanCursor::START;
        };
        keyspace.with_deadline(cursor, shards, visit)
    }
}
