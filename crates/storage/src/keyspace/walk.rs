//! Walking a keyspace: SCAN's steps, a key by chance, and prefetching for a batch.
//!
//! Owns the meaning of a position in a table. Never hides an expired entry: callers do.

use dashmap::RwLock;

use super::line::{Occupied, Part, Shards};
use super::patience::ShardLock;
use super::table::Shard;
use super::word::Word;
use super::{EntryView, KeyHash, Keyspace, ReadGuard, Table, WriteGuard, line, prefetch, table};
use crate::scan::ScanCursor;

/// The largest batch whose memory is asked for at once: the cache would lose the first again.
const PREFETCH_MAX: usize = 256;

/// How many entries a walk asks for at once, while it visits those that it asked for before. Together, for the
/// processor looks only so many instructions ahead: asked for one by one, each between two visits, a key of a million
/// took twice the time.
const WALK_AHEAD: usize = 24;

/// How many shards a prefetch has locked at once, none of which it waits for: a few, because a writer may want one; and
/// no processor has more misses under way.
const LOCKED_AT_ONCE: usize = 16;

/// How many shards RANDOMKEY tries by chance before it takes the next one that is not empty. Few keys in many shards
/// take a hundred tries on the average, many keys two.
const RANDOM_SHARDS_MAX: usize = 1024;

/// So few keys are counted through.
const RANDOM_COUNTED_MAX: usize = 128;

/// How many keys more than twice the average a shard may have before its keys are taken less often than others.
const RANDOM_SPARE: usize = 8;

impl Shards for Table {
    type Guard<'a> = ReadGuard<'a>;

    fn occupied(&self) -> &Occupied {
        &self.occupied
    }

    fn shard_at(&self, position: u64) -> usize {
        self.shard_at(position)
    }

    fn first_position(&self, shard: usize) -> u64 {
        self.first_position(shard)
    }

    fn read(&self, shard: usize) -> ReadGuard<'_> {
        self.lock(shard).read()
    }
}

impl ShardLock for RwLock<Shard> {
    type Guard<'a> = WriteGuard<'a>;

    fn try_write(&self) -> Option<WriteGuard<'_>> {
        RwLock::try_write(self)
    }

    fn write(&self) -> WriteGuard<'_> {
        RwLock::write(self)
    }
}

impl Part<'_, Table> {
    /// The words of these positions, each with its position.
    fn words(&self) -> impl Iterator<Item = (u64, &Word)> {
        table::words(&self.guard)
            .map(|word| (self.table.position(self.shard, word.bits()), word))
            .filter(|(position, _)| (self.from..self.end).contains(position))
    }
}

/// Visits the entries of these words, which the caller keeps from being changed, and asks for their memory in time.
fn visit_ahead<'w>(
    count: usize,
    word: impl Fn(usize) -> Option<&'w Word>,
    visit: &mut impl FnMut(&EntryView),
) {
    let ask = |index: usize| {
        if let Some(word) = word(index) {
            prefetch::line(word.raw().as_ptr());
        }
    };
    (0..WALK_AHEAD).for_each(ask);
    for start in (0..count).step_by(WALK_AHEAD) {
        let next = start + WALK_AHEAD;
        (next..next + WALK_AHEAD).for_each(ask);
        for word in (start..next).filter_map(&word) {
            // SAFETY: the view is lent for the call, under the guard of the shard that the word was borrowed from.
            visit(&unsafe { word.view() });
        }
    }
}

impl Keyspace {
    /// The next shard that is not empty, locked, of those that have positions from `from` on.
    fn part_from(&self, from: u64) -> Option<Part<'_, Table>> {
        line::part_from(from, ScanCursor::END, &*self.current, || self.next(), &self.moved)
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
        while wanted > 0 {
            let Some(part) = self.part_from(from) else { return ScanCursor::START };
            let mut chosen: Vec<(u64, &Word)> = part.words().collect();
            if chosen.len() > wanted {
                // All entries of one position come together.
                let (_, (last, _), _) =
                    chosen.select_nth_unstable_by_key(wanted - 1, |(position, _)| *position);
                from = *last + 1;
                chosen.retain(|(position, _)| *position < from);
            } else {
                from = part.end;
            }
            visit_ahead(chosen.len(), |index| chosen.get(index).map(|(_, word)| *word), &mut visit);
            wanted = wanted.saturating_sub(chosen.len());
        }
        if from < ScanCursor::END { ScanCursor(from) } else { ScanCursor::START }
    }

    /// Visits every entry.
    pub(crate) fn for_each(&self, visit: impl FnMut(&EntryView)) {
        self.visit(ScanCursor::START, usize::MAX, |_| true, visit);
    }

    /// Visits the entries with a deadline of some more shards; see [`crate::Db::with_deadline`].
    pub(crate) fn with_deadline(
        &self,
        cursor: ScanCursor,
        shards: usize,
        visit: impl FnMut(&EntryView),
    ) -> ScanCursor {
        self.visit(cursor, shards, Word::has_deadline, visit)
    }

    /// Visits the entries of some more shards whose words are `chosen`, a shard under its lock at a time.
    fn visit(
        &self,
        cursor: ScanCursor,
        shards: usize,
        chosen: impl Fn(&Word) -> bool,
        mut visit: impl FnMut(&EntryView),
    ) -> ScanCursor {
        let mut from = cursor.0;
        for _ in 0..shards {
            let Some(part) = self.part_from(from) else { return ScanCursor::START };
            // The words tell: entries that are not chosen are not read.
            let words: Vec<&Word> = part.words().map(|(_, word)| word).filter(|word| chosen(word)).collect();
            visit_ahead(words.len(), |index| words.get(index).copied(), &mut visit);
            from = part.end;
        }
        if from < ScanCursor::END { ScanCursor(from) } else { ScanCursor::START }
    }

    /// Visits entries in the order of their positions, from `from` on, until it is enough, which is asked before each
    /// position; the answer is the first position that was not visited, and the line's end when all were.
    pub(crate) fn in_order(
        &self,
        mut from: u64,
        mut visit: impl FnMut(u64, &EntryView),
        mut is_enough: impl FnMut() -> bool,
    ) -> u64 {
        while let Some(part) = self.part_from(from) {
            let mut words: Vec<(u64, &Word)> = part.words().collect();
            words.sort_unstable_by_key(|(position, _)| *position);
            let ask = |(_, word): &(u64, &Word)| prefetch::line(word.raw().as_ptr());
            words.iter().take(WALK_AHEAD).for_each(ask);
            let mut last = None;
            for (index, (position, word)) in words.iter().enumerate() {
                if last != Some(*position) && is_enough() {
                    return *position;
                }
                last = Some(*position);
                if index % WALK_AHEAD == 0 {
                    words.iter().skip(index + WALK_AHEAD).take(WALK_AHEAD).for_each(ask);
                }
                // SAFETY: the view is lent for the call, under the part's guard.
                visit(*position, &unsafe { word.view() });
            }
            from = part.end;
        }
        ScanCursor::END
    }

    /// Visits the entries of one position.
    pub(crate) fn at(&self, position: u64, mut visit: impl FnMut(&EntryView)) {
        let part = line::part_from(position, position + 1, &*self.current, || self.next(), &self.moved);
        let Some(part) = part else { return };
        for (_, word) in part.words().filter(|(at, _)| *at == position) {
            // SAFETY: the view is lent for the call, under the part's guard.
            visit(&unsafe { word.view() });
        }
    }

    /// Some entry by chance, each as likely as the others, as `choose` sees it; `None` when there is none at all.
    pub(crate) fn random<R>(
        &self,
        mut random: impl FnMut() -> u64,
        choose: impl FnOnce(&EntryView) -> R,
    ) -> Option<R> {
        let keys = self.counts.keys();
        if keys == 0 {
            return None;
        }
        if keys <= RANDOM_COUNTED_MAX {
            let mut left = (random() >> 7) as usize % keys;
            let mut choose = Some(choose);
            let mut found = None;
            self.for_each(|entry| {
                if left > 0 {
                    left -= 1;
                } else if let Some(choose) = choose.take() {
                    found = Some(choose(entry));
                }
            });
            return found;
        }
        // By chance where the line is cut; and a shard is taken the more often the more keys it has.
        let bound = keys / self.shards().max(1) * 2 + RANDOM_SPARE;
        for _ in 0..RANDOM_SHARDS_MAX {
            let (_, guard) = self.read(KeyHash(random() >> 7));
            if (random() >> 7) as usize % bound < guard.len()
                && let Some(word) = table::any_word(&guard, &mut random)
            {
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
        let mut hashes = hashes.take(PREFETCH_MAX);
        self.prefetch_heads(hashes.clone());
        loop {
            // Locked once for both looks: taking a shard's lock costs more than a look.
            let mut locked: [Option<(ReadGuard<'_>, u16)>; LOCKED_AT_ONCE] = [const { None }; LOCKED_AT_ONCE];
            let mut taken = 0;
            for (slot, hash) in locked.iter_mut().zip(&mut hashes) {
                taken += 1;
                *slot = self.prefetch_group(hash);
            }
            for (guard, bits) in locked.iter().flatten() {
                if let Some(word) = table::find_candidate(guard, *bits) {
                    let entry: *const u8 = word.raw().as_ptr();
                    prefetch::line(entry);
                    prefetch::line(entry.wrapping_add(64));
                }
            }
            if taken < LOCKED_AT_ONCE {
                return;
            }
        }
    }

    /// The heads of the keys' shards.
    fn prefetch_heads(&self, hashes: impl Iterator<Item = KeyHash>) {
        for hash in hashes {
            let (table, shard) = self.locate(hash);
            prefetch::line(table.head_of(shard));
        }
    }

    /// Where the look-up of a key begins in its shard. The head is read under its lock, for a writer may be growing
    /// the table; when that is taken, never mind. Says which shard it was, and for what bits to look there.
    #[inline]
    fn prefetch_group(&self, hash: KeyHash) -> Option<(ReadGuard<'_>, u16)> {
        let (table, shard) = self.locate(hash);
        let guard = table.lock(shard).try_read()?;
        let bits = table.bits_of(hash);
        let (control, slots) = table::lines_of(&guard, bits);
        prefetch::line(control);
        prefetch::line(slots);
        Some((guard, bits))
    }
}
