//! What a load does to keyspaces: fills a new one beside the old, taking over the old one's entries where they are
//! the same, and clears the marks afterwards.
//!
//! Owns the *shared* marks. While a load is under way the old keyspace takes no write (the store sees to it), so an
//! entry that both have stays as it is.

use std::sync::Arc;

use super::table::{self, KeyHash};
use super::word::Word;
use super::{KeyHasher, Keyspace, Table, prefetch};
use crate::entry::Entry;

/// How many shards have their marks cleared at a time.
const SHARDS_PER_STEP: usize = 64;

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct AddedBatch {
    /// How many keys were new.
    pub(crate) keys: usize,
    /// How many of those are the old keyspace's entries.
    pub(crate) shared: usize,
    /// An entry whose key was there already.
    pub(crate) twice: Option<Entry>,
}

impl Keyspace {
    /// An empty keyspace for a load. For as long as it [respects marks](Keyspace::respect_marks) the entries it shares
    /// are the old one's.
    pub(crate) fn for_load(hasher: KeyHasher, expected: usize, keys_per_shard: usize) -> Keyspace {
        let mut keyspace = Keyspace::new(hasher, expected, keys_per_shard);
        keyspace.loaded_per_shard = expected / keyspace.shards();
        keyspace.respect_marks(true);
        keyspace
    }

    /// Adds entries, or the old keyspace's in their place where both are the same, and leaves `batch` empty.
    ///
    /// Nobody else sees the keyspace, so nothing is locked: with two locked instructions a key (one to prefetch, one to
    /// add), each of which waits for the shard's line, this was 27 % of loading a million small hashes.
    pub(crate) fn add_loaded(
        &mut self,
        old: Option<&Keyspace>,
        batch: &mut Vec<(KeyHash, Entry)>,
    ) -> AddedBatch {
        let table = Arc::get_mut(&mut self.current).expect("a keyspace that is being loaded has one owner");
        // Each step asks for the memory of the next one.
        batch.iter().for_each(|(hash, _)| prefetch::line(table.head_of(table.shard_of(*hash))));
        for (hash, _) in batch.iter() {
            let (shard, bits) = (table.shard_of(*hash), table.bits_of(*hash));
            let (control, slots) = table::lines_of(table.shard_mut(shard), bits);
            prefetch::line(control);
            prefetch::line(slots);
        }
        if let Some(old) = old {
            old.prefetch(batch.iter().map(|(hash, _)| *hash));
        }
        let mut added = AddedBatch::default();
        for (hash, entry) in batch.drain(..) {
            let (at, bits) = (table.shard_of(hash), table.bits_of(hash));
            let shard = table.shard_mut(at);
            if shard.is_empty() {
                table::reserve(shard, self.loaded_per_shard);
            }
            let Some(vacancy) = table::vacancy(shard, bits, entry.view().key()) else {
                added.twice = Some(entry);
                continue;
            };
            let shared = old.and_then(|old| old.share_same(hash, bits, &entry));
            added.shared += usize::from(shared.is_some());
            let word = shared.unwrap_or_else(|| Word::new(entry, bits));
            // SAFETY: nobody else sees a new entry, and nobody changes a shared one while a load is under way.
            self.counts.came(&unsafe { word.view() });
            vacancy.fill(word);
            if shard.len() == 1 {
                table.occupied.note(at, true);
            }
            added.keys += 1;
        }
        if self.counts.keys() > self.plan.above() {
            self.grow_at_once();
        }
        added
    }

    /// A marked word for the entry of the same key, when that is the same altogether; marks it here too.
    fn share_same(&self, hash: KeyHash, bits: u16, entry: &Entry) -> Option<Word> {
        let (table, guard) = self.read(hash);
        let word = table::find(&guard, table.bits_of(hash), entry.view().key())?;
        // SAFETY: the guard is held.
        let is_same = unsafe { word.view() }.is_same_as(entry.view());
        is_same.then(|| word.share(bits))
    }

    /// Gives a keyspace that nobody else sees the shards it needs; marks go along.
    pub(super) fn grow_at_once(&mut self) {
        let shards = super::resize::shards_while_changing(self.counts.keys(), self.plan.keys_per_shard());
        let next = Table::new(shards);
        next.marks.respect(self.current.marks.are_respected());
        let mut from = 0;
        while let Some(shard) = self.current.occupied.next(from) {
            self.move_words(&self.current, &next, shard, Word::moved_marked);
            from = shard + 1;
        }
        self.current = Arc::new(next);
        self.loaded_per_shard = 0;
        self.plan = super::resize::Plan::new(self.plan.keys_per_shard(), shards);
    }

    fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        std::iter::once(&self.current).chain(self.next.get())
    }

    /// Whether entries with a mark are another keyspace's, and not freed with this one.
    pub(crate) fn respect_marks(&self, respect: bool) {
        for table in self.tables() {
            table.marks.respect(respect);
        }
    }

    /// Notes that there may be marks from now on.
    pub(crate) fn expect_marks(&self) {
        for table in self.tables() {
            table.marks.expect();
        }
    }

    /// Clears the marks of some more shards; `false` when there is none left. Not while a load is under way.
    pub(crate) fn clear_marks(&self) -> bool {
        let Some(table) = self.tables().find(|table| table.marks.may_be_there()) else {
            return false;
        };
        table.marks.clear_some(&table.occupied, SHARDS_PER_STEP, |shard| {
            let guard = table.lock(shard).read();
            table::words(&guard).filter(|word| word.is_shared()).for_each(|word| word.mark_shared(false));
        });
        true
    }

    /// How many entries are marked.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> usize {
        self.tables()
            .map(|table| {
                let shards = (0..table.shards()).map(|shard| table.lock(shard).read());
                shards
                    .map(|guard| table::words(&guard).filter(|word| word.is_shared()).count())
                    .sum::<usize>()
            })
            .sum()
    }
}
