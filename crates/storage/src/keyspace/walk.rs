//! Walking a keyspace: SCAN's steps, a key by chance, and prefetching for a batch.
//!
//! Owns the meaning of a position in a table. Never hides an expired entry: callers do.

use std::sync::atomic::Ordering;

use super::{EntryView, KeyHash, Keyspace, Table, prefetch, table};
use crate::scan::ScanCursor;

/// The largest batch whose memory is asked for at once: the cache would lose the first again.
const PREFETCH_MAX: usize = 256;

/// How many shards RANDOMKEY tries by chance before it takes the next one that is not empty.
const RANDOM_SHARDS_MAX: usize = 16;

impl Table {
    /// How many positions a shard has, as a power of two.
    fn position_shift(&self) -> u32 {
        ScanCursor::BITS - self.shard_bits()
    }

    fn position(&self, shard: usize, bits: u16) -> u64 {
        // The highest 28 of the shard's number and the word's bits together; a table has at least 2^12 shards.
        let shift = self.position_shift();
        ((shard as u64) << shift) | u64::from(bits) >> (16 - shift)
    }
}

impl Keyspace {
    /// The positions below this one are in the second table.
    fn moved_below(&self) -> u64 {
        (self.moved.load(Ordering::Acquire) as u64) << self.current.position_shift()
    }

    /// See [`crate::Db::scan`].
    pub(crate) fn scan(
        &self,
        cursor: ScanCursor,
        count: usize,
        mut visit: impl FnMut(&EntryView),
    ) -> ScanCursor {
        let mut from = cursor.0;
        let mut wanted = count.max(1);
        let mut chosen: Vec<(u64, EntryView)> = Vec::new();
        while from < ScanCursor::END {
            let moved = self.moved_below();
            let (table, end) = match self.next.get() {
                Some(next) if from < moved => (&**next, moved),
                _ => (&*self.current, ScanCursor::END),
            };
            let shard = (from >> table.position_shift()) as usize;
            match table.next_occupied(shard) {
                Some(occupied) if occupied == shard => {}
                occupied => {
                    // Empty up to there; but what is beyond `end` is in the other table.
                    let next =
                        occupied.map_or(ScanCursor::END, |next| (next as u64) << table.position_shift());
                    from = next.min(end);
                    continue;
                }
            }
            let guard = table.lock(shard).read();
            let moved = self.moved_below();
            let is_next = !std::ptr::eq(table, &*self.current);
            if !is_next && from < moved {
                // Moved away before we had the lock.
                continue;
            }
            // A shard of the second table may be half filled: what is above the mark is still in the first.
            let shard_end = ((shard as u64) + 1) << table.position_shift();
            let end = if is_next { shard_end.min(moved) } else { shard_end };
            chosen.clear();
            for word in table::words(&guard) {
                let position = table.position(shard, word.bits());
                if (from..end).contains(&position) {
                    // SAFETY: the view is lent below, under the guard.
                    chosen.push((position, unsafe { word.view() }));
                }
            }
            chosen.sort_unstable_by_key(|(position, _)| *position);
            // All entries of one position come together.
            let stop = match chosen.get(wanted - 1) {
                Some((last, _)) => last + 1,
                None => end,
            };
            let seen = chosen
                .iter()
                .take_while(|(position, _)| *position < stop)
                .map(|(_, entry)| visit(entry))
                .count();
            from = stop;
            if seen >= wanted {
                break;
            }
            wanted -= seen;
        }
        chosen.clear();
        if from < ScanCursor::END { ScanCursor(from) } else { ScanCursor::START }
    }

    /// Some entry by chance, as `choose` sees it; `None` when there is none at all.
    pub(crate) fn random<R>(
        &self,
        mut random: impl FnMut() -> u64,
        choose: impl FnOnce(&EntryView) -> R,
    ) -> Option<R> {
        if self.counts.keys() == 0 {
            return None;
        }
        // By chance where the line is cut; from there the first shard that has something.
        let mut tries = 0;
        loop {
            let hash = KeyHash(random() >> 7);
            let (_, guard) = self.read(hash);
            let word = if tries < RANDOM_SHARDS_MAX {
                tries += 1;
                table::any_word(&guard, &mut random)
            } else {
                break;
            };
            if let Some(word) = word {
                // SAFETY: the view is lent for the call, under the guard.
                return Some(choose(&unsafe { word.view() }));
            }
        }
        let start = random() >> (64 - ScanCursor::BITS);
        let mut choose = Some(choose);
        let mut found = None;
        let mut first = |entry: &EntryView| {
            if let Some(choose) = choose.take() {
                found = Some(choose(entry));
            }
        };
        self.scan(ScanCursor(start), 1, &mut first);
        self.scan(ScanCursor::START, 1, &mut first);
        found
    }

    /// Brings the memory of these keys nearer: first the heads of all shards, then the tables' groups, then the
    /// entries, so that the waits overlap.
    pub(crate) fn prefetch(&self, hashes: impl Iterator<Item = KeyHash> + Clone) {
        let hashes = hashes.take(PREFETCH_MAX);
        for hash in hashes.clone() {
            let (table, shard) = self.locate(hash);
            prefetch::line(std::ptr::from_ref(table.lock(shard)).cast());
        }
        for hash in hashes.clone() {
            // The head is read under its lock, for a writer may be growing the table. When that is taken, never mind.
            let (table, shard) = self.locate(hash);
            if let Some(guard) = table.lock(shard).try_read() {
                let (control, slots) = table::lines_of(&guard, table.bits_of(hash));
                prefetch::line(control);
                prefetch::line(slots);
            }
        }
        for hash in hashes {
            let (table, shard) = self.locate(hash);
            if let Some(guard) = table.lock(shard).try_read()
                && let Some(word) = table::find_candidate(&guard, table.bits_of(hash))
            {
                let entry: *const u8 = word.raw().as_ptr();
                prefetch::line(entry);
                prefetch::line(entry.wrapping_add(64));
            }
        }
    }
}
