//! Changing the number of shards: a second table beside the first, and a mark that moves shard by shard.
//!
//! The token's holder does it, a step at a time between his edits. The second table is made by the background
//! thread (its shards alone may be many megabytes); the first goes back there, empty, when all is moved.
//!
//! Owns when to resize and the order of locks while moving. Never frees an entry.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::line::Mark;
use super::table::{self, KeyHash, SHARDS_MIN, WriteGuard};
use super::{Counts, Keyspace, Table, Word, prefetch};
use crate::gate::Token;

/// A database grows to this many times its plan before the number of its shards follows.
const GROW_ABOVE: usize = 8;
/// ... and it falls below this share of its plan before it is given fewer.
const SHRINK_BELOW: usize = 64;
/// How many entries ahead are asked for while their keys are hashed again.
const AHEAD: usize = 16;

/// What a keyspace knows of its own size.
#[derive(Debug)]
pub(super) struct Plan {
    keys_per_shard: usize,
    /// Above so many keys it grows.
    above: usize,
    /// Below so many it shrinks.
    below: usize,
    edits: AtomicUsize,
    /// The second table, ordered from the background thread.
    ordered: OnceLock<Arc<OnceLock<Arc<Table>>>>,
}

impl Plan {
    pub(super) fn new(keys_per_shard: usize, shards: usize) -> Plan {
        let plan = keys_per_shard.saturating_mul(shards);
        // Below twice the smallest there is nothing worth the move.
        let is_smallest = shards < 2 * SHARDS_MIN;
        Plan {
            keys_per_shard,
            above: plan.saturating_mul(GROW_ABOVE),
            below: if is_smallest { 0 } else { plan / SHRINK_BELOW },
            edits: AtomicUsize::new(0),
            ordered: OnceLock::new(),
        }
    }
}

impl Plan {
    pub(super) fn keys_per_shard(&self) -> usize {
        self.keys_per_shard
    }

    pub(super) fn above(&self) -> usize {
        self.above
    }
}

/// What is to be done about a keyspace's size after an edit.
pub(crate) enum Resize {
    /// Nothing, or a step was done.
    Settled,
    /// A table is to be made in the background: run this there.
    Order(Box<dyn FnOnce() + Send>),
    /// All is moved: the keyspace is to be replaced by its successor.
    Finished(Box<Keyspace>),
}

impl Keyspace {
    /// Whether [`Keyspace::resize`] has something to do; to be asked after each edit.
    #[inline]
    pub(crate) fn wants_resize(&self) -> bool {
        let keys = self.counts.keys();
        if self.next.get().is_none() && (self.plan.below..=self.plan.above).contains(&keys) {
            return false;
        }
        let edits = self.plan.edits.load(Ordering::Relaxed) + 1;
        self.plan.edits.store(edits, Ordering::Relaxed);
        // A move takes a few hundred microseconds, as much as some hundred edits. With one at each so many edits as
        // a shard is planned for keys, a database that grows is through after an eighth as many edits as it has keys.
        edits.is_multiple_of(self.plan.keys_per_shard)
    }

    /// One step of growing or shrinking. The token is held, and no shard's lock.
    pub(crate) fn resize(&self, token: &Token<'_>) -> Resize {
        let Some(next) = self.next.get() else {
            return self.begin_resize();
        };
        let shards = self.current.shards();
        let mark = self.moved.get();
        match self.current.occupied.next(mark) {
            Some(shard) => self.move_shard(token, next, shard),
            None => self.moved.pass_empty(shards - 1),
        }
        if self.moved.get() < shards {
            return Resize::Settled;
        }
        Resize::Finished(Box::new(Keyspace {
            hasher: self.hasher,
            current: Arc::clone(next),
            next: OnceLock::new(),
            moved: Mark::default(),
            counts: self.counts.copy(),
            loaded_per_shard: 0,
            plan: Plan::new(self.plan.keys_per_shard, next.shards()),
        }))
    }

    fn begin_resize(&self) -> Resize {
        if let Some(ordered) = self.plan.ordered.get() {
            if let Some(table) = ordered.get() {
                self.next.get_or_init(|| Arc::clone(table));
            }
            return Resize::Settled;
        }
        let shards = shards_while_changing(self.counts.keys(), self.plan.keys_per_shard);
        if shards == self.current.shards() {
            // As many as there can be.
            return Resize::Settled;
        }
        let ordered = Arc::clone(self.plan.ordered.get_or_init(Arc::default));
        Resize::Order(Box::new(move || {
            ordered.get_or_init(|| Arc::new(Table::new(shards)));
        }))
    }

    /// Moves the entries of one shard to the second table, and the mark past it.
    fn move_shard(&self, token: &Token<'_>, next: &Table, shard: usize) {
        let targets = targets(&self.current, next, shard);
        // The second table's shards first: readers of several keys take locks in the order of the hash's line, in
        // which the second table's stand before. Nothing may be locked while the gate is closed, for a reader inside
        // may be waiting for it: so if one lock is not to be had at once, all are let go, and the gate closed first.
        let try_all = || -> Option<(Vec<WriteGuard<'_>>, WriteGuard<'_>)> {
            let into = targets.clone().map(|target| next.lock(target).try_write()).collect::<Option<_>>()?;
            Some((into, self.current.lock(shard).try_write()?))
        };
        let closed;
        let (mut into, mut from) = match try_all() {
            Some(guards) => guards,
            None => {
                closed = token.close();
                let _closed = &closed;
                (
                    targets.clone().map(|target| next.lock(target).write()).collect(),
                    self.current.lock(shard).write(),
                )
            }
        };
        self.move_locked(&mut from, &mut into, (next, targets.start), Word::moved);
        // Under the lock: whoever waited for this shard looks at the mark again, and goes to the second table.
        self.moved.pass(&self.current.occupied, shard);
    }
}

impl Keyspace {
    /// Moves the entries of one shard between tables that nobody else sees.
    pub(super) fn move_words(
        &self,
        current: &Table,
        next: &Table,
        shard: usize,
        word: fn(Word, u16) -> Word,
    ) {
        let targets = targets(current, next, shard);
        let mut into: Vec<_> = targets.clone().map(|target| next.lock(target).write()).collect();
        self.move_locked(&mut current.lock(shard).write(), &mut into, (next, targets.start), word);
        current.occupied.note(shard, false);
    }

    /// Moves all words of a shard `into` the shards of `next` that begin with `first`.
    fn move_locked(
        &self,
        from: &mut WriteGuard<'_>,
        into: &mut [WriteGuard<'_>],
        (next, first): (&Table, usize),
        moved: fn(Word, u16) -> Word,
    ) {
        let taken: Vec<_> = std::mem::take(&mut **from).into_iter().map(|(word, _)| word).collect();
        let share = taken.len() / into.len();
        for target in &mut *into {
            table::reserve(target, share);
        }
        let addresses: Vec<_> = taken.iter().map(Word::raw).collect();
        for address in addresses.iter().take(AHEAD) {
            prefetch::line(address.as_ptr());
        }
        for (index, word) in taken.into_iter().enumerate() {
            if let Some(ahead) = addresses.get(index + AHEAD) {
                prefetch::line(ahead.as_ptr());
            }
            // SAFETY: the word is out of its table, but the entry stays as it is: all locks of both are held.
            let hash: KeyHash = self.hasher.hash(unsafe { word.view() }.key());
            let target = next.shard_of(hash);
            let guard = into.get_mut(target - first).expect("both tables order shards by the same bits");
            table::add(guard, moved(word, next.bits_of(hash)));
            next.occupied.note(target, true);
        }
    }
}

/// How many shards for a database whose size is about to be another anyway: no table is to be filled exactly.
pub(super) fn shards_while_changing(keys: usize, keys_per_shard: usize) -> usize {
    table::shards_for(keys, keys_per_shard).next_power_of_two()
}

/// The shards of `next` that have the keys of this shard of `current`.
fn targets(current: &Table, next: &Table, shard: usize) -> std::ops::Range<usize> {
    let (first, behind) = (current.first_position(shard), current.first_position(shard + 1));
    next.shard_at(first)..next.shard_at(behind - 1) + 1
}

impl Counts {
    pub(super) fn copy(&self) -> Counts {
        Counts {
            keys: self.keys().into(),
            deadlines: self.deadlines().into(),
            field_deadlines: self.field_deadlines().into(),
            entry_bytes: self.entry_bytes().into(),
        }
    }
}
