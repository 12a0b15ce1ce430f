//! The hash's line: where a walk finds the next positions, while shards move from one table to another.
//!
//! Owns what is known of that without a lock: which shards are occupied, and how many have been moved. Never looks
//! into a shard.
//!
//! This file is compiled twice: as it is, and by `model` over Shuttle's primitives, which tries its interleavings.

use super::primitives::{AtomicU64, AtomicUsize, Ordering};

/// A bit for each shard of a table that is not empty: walks over nearly empty databases skip the rest. Written under
/// the shard's write lock.
#[derive(Debug)]
pub(crate) struct Occupied(Box<[AtomicU64]>);

impl Occupied {
    pub(crate) fn new(shards: usize) -> Occupied {
        Occupied((0..shards.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn allocated(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// Notes whether the shard is empty; its write lock is held.
    pub(crate) fn note(&self, shard: usize, occupied: bool) {
        let word = self.0.get(shard / 64).expect("one bit for each shard");
        let bit = 1 << (shard % 64);
        if (word.load(Ordering::Relaxed) & bit != 0) != occupied {
            if occupied {
                word.fetch_or(bit, Ordering::Release);
            } else {
                word.fetch_and(!bit, Ordering::Release);
            }
        }
    }

    /// The first shard from `shard` on that is (or was a moment ago) not empty.
    pub(crate) fn next(&self, shard: usize) -> Option<usize> {
        let first = shard / 64;
        for (index, word) in self.0.iter().enumerate().skip(first) {
            let mut bits = word.load(Ordering::Acquire);
            if index == first {
                bits &= u64::MAX << (shard % 64);
            }
            if bits != 0 {
                return Some(index * 64 + bits.trailing_zeros() as usize);
            }
        }
        None
    }
}

/// How many shards of the first table have been moved to the second.
///
/// Moved by the token's holder alone, under the write locks of the shard that it passes and of those that have its
/// entries now. Stored with release and loaded with acquire, for walks look at it, and at the shards' bits, without a
/// lock: who sees a shard's bit gone sees the mark beyond it ([`Mark::pass`] stores the mark first). Under a shard's
/// lock the lock itself orders them.
#[derive(Debug, Default)]
pub(crate) struct Mark(AtomicUsize);

impl Mark {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// Moves past a shard that is empty now, for its entries are in the second table; the locks of both are held.
    pub(crate) fn pass(&self, moved_from: &Occupied, shard: usize) {
        // In this order: a walk that finds the shard empty must find out by the mark that it is not for long.
        self.pass_empty(shard);
        moved_from.note(shard, false);
    }

    /// Moves past shards that were empty anyway: whoever looks into one meanwhile finds nothing, and rightly so.
    pub(crate) fn pass_empty(&self, shard: usize) {
        self.0.store(shard + 1, Ordering::Release);
    }
}

/// A table, as far as a walk is concerned.
pub(crate) trait Shards {
    /// A shard that is locked for reading.
    type Guard<'a>
    where
        Self: 'a;

    fn occupied(&self) -> &Occupied;

    /// The shard that has this position, which is on the line.
    fn shard_at(&self, position: u64) -> usize;

    /// The first position of a shard; of the one behind the last, the line's end.
    fn first_position(&self, shard: usize) -> u64;

    fn read(&self, shard: usize) -> Self::Guard<'_>;
}

/// Which table has this position, and in which shard; true for as long as that shard is locked, if it still is then.
#[inline]
pub(crate) fn locate<'k, T: Shards>(
    position: u64,
    current: &'k T,
    next: impl FnOnce() -> Option<&'k T>,
    mark: &Mark,
) -> (&'k T, usize) {
    let shard = current.shard_at(position);
    match next() {
        Some(next) if shard < mark.get() => (next, next.shard_at(position)),
        _ => (current, shard),
    }
}

/// The shard that has this position, locked.
#[inline]
pub(crate) fn read_at<'k, T: Shards>(
    position: u64,
    current: &'k T,
    next: impl Fn() -> Option<&'k T>,
    mark: &Mark,
) -> (&'k T, T::Guard<'k>) {
    loop {
        let (table, shard) = locate(position, current, &next, mark);
        let guard = table.read(shard);
        // The mark may have passed this shard while we waited; under its lock it cannot.
        if std::ptr::eq(locate(position, current, &next, mark).0, table) {
            return (table, guard);
        }
    }
}

/// The shards that have these positions, locked together, so that all are seen as of one moment; `look` is called for
/// each of them under its lock. `wanted` ascends: all readers take the locks in the order of the line, and so does who
/// moves shards. `None` when a shard was moved meanwhile, so that some were perhaps looked at in vain: try again.
pub(crate) fn read_together<'k, T: Shards, W>(
    wanted: impl Iterator<Item = (W, u64)>,
    current: &'k T,
    next: impl Fn() -> Option<&'k T>,
    mark: &Mark,
    mut look: impl FnMut(W, &T, &T::Guard<'k>),
) -> Option<Vec<T::Guard<'k>>> {
    let before = mark.get();
    let mut locks = Vec::new();
    let mut last: Option<(*const T, usize)> = None;
    for (who, position) in wanted {
        let (table, shard) = locate(position, current, &next, mark);
        if last != Some((std::ptr::from_ref(table), shard)) {
            locks.push(table.read(shard));
            last = Some((std::ptr::from_ref(table), shard));
        }
        look(who, table, locks.last().expect("one was pushed for the first"));
    }
    // Under our locks none moves; one that moves beside them does no harm, but is rare enough.
    (mark.get() == before).then_some(locks)
}

/// A locked shard, and which of its positions are wanted and are to be found there.
pub(crate) struct Part<'k, T: Shards> {
    pub(crate) table: &'k T,
    pub(crate) shard: usize,
    pub(crate) guard: T::Guard<'k>,
    pub(crate) from: u64,
    pub(crate) end: u64,
}

/// The next shard that is not empty, locked, of those that have positions from `from` on and below `line_end`. Below
/// the mark they are in the table that `next` gives.
pub(crate) fn part_from<'k, T: Shards>(
    mut from: u64,
    line_end: u64,
    current: &'k T,
    next: impl Fn() -> Option<&'k T>,
    mark: &Mark,
) -> Option<Part<'k, T>> {
    let moved_below = || current.first_position(mark.get());
    while from < line_end {
        let moved = moved_below();
        let (table, is_next, end) = match next() {
            Some(next) if from < moved => (next, true, moved),
            _ => (current, false, line_end),
        };
        let shard = table.shard_at(from);
        let occupied = table.occupied().next(shard);
        if occupied != Some(shard) {
            if !is_next && from < moved_below() {
                // Empty because moved, perhaps, since we looked at the mark.
                continue;
            }
            // Empty up to there; but what is beyond `end` is in the other table.
            let next = occupied.map_or(line_end, |next| table.first_position(next));
            from = next.min(end);
            continue;
        }
        let guard = table.read(shard);
        let moved = moved_below();
        if !is_next && from < moved {
            // Moved away before we had the lock; under it the mark cannot pass.
            continue;
        }
        // A shard of the second table may be half filled: what is above the mark is still in the first.
        let shard_end = table.first_position(shard + 1);
        let end = if is_next { shard_end.min(moved) } else { shard_end };
        return Some(Part { table, shard, guard, from, end });
    }
    None
}
