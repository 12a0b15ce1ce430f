//! Who frees an entry that two tables hold: what a table knows of the *shared* marks in its words.
//!
//! While a load is under way, old and new table hold the same entry where a key did not change, and both words of it
//! are marked. One of the two tables *respects* marks: it keeps its hands off what is marked, and never even reads it,
//! for the other may free it at any time. First that is the new table, so that a load can be given up; with the swap it
//! becomes the old one. Afterwards the marks of the table that stays are cleared by a walk, and no load begins before
//! the other table is gone and no mark is left.
//!
//! Owns what is known of a table's marks as a whole. Never looks at an entry.
//!
//! # Orderings
//! All of it is relaxed. A mark is set under the lock of the word's shard, and read by whoever takes the table apart,
//! who has taken that lock later; so the lock orders them. Whether marks are respected is settled by the token's
//! holder, with the gate closed, or before anybody else sees the table; the table is taken apart by a job that was sent
//! later, and a channel orders what was before the sending. How far the walk has come is known to the one thread that
//! walks, and set back by the token's holder before the job that walks is sent.
//!
//! This file is compiled twice: as it is, and by `model` over Shuttle's primitives, which tries its interleavings.

use super::line::Occupied;
use super::primitives::{AtomicBool, AtomicUsize, Ordering};
use super::word::Word;

/// See the module.
#[derive(Debug)]
pub(crate) struct Marks {
    respected: AtomicBool,
    /// From this shard on there may be marks.
    cleared: AtomicUsize,
    shards: usize,
}

impl Marks {
    /// Of a table of so many shards without any mark.
    pub(crate) fn none(shards: usize) -> Marks {
        Marks { respected: AtomicBool::new(false), cleared: AtomicUsize::new(shards), shards }
    }

    /// Whether entries with a mark are another table's, and not freed with this one.
    pub(crate) fn respect(&self, respect: bool) {
        self.respected.store(respect, Ordering::Relaxed);
    }

    pub(crate) fn are_respected(&self) -> bool {
        self.respected.load(Ordering::Relaxed)
    }

    /// Whether a table with these marks frees the entry of this word.
    pub(crate) fn own(&self, word: &Word) -> bool {
        !(self.are_respected() && word.is_shared())
    }

    /// Notes that there may be marks from now on.
    pub(crate) fn expect(&self) {
        self.cleared.store(0, Ordering::Relaxed);
    }

    /// Whether there may be any.
    pub(crate) fn may_be_there(&self) -> bool {
        self.cleared.load(Ordering::Relaxed) < self.shards
    }

    /// Has `clear` clear the marks of some more shards that are not empty. For the one thread that does this.
    pub(crate) fn clear_some(&self, occupied: &Occupied, shards_max: usize, mut clear: impl FnMut(usize)) {
        let mut from = self.cleared.load(Ordering::Relaxed);
        for _ in 0..shards_max {
            let Some(shard) = occupied.next(from) else {
                from = self.shards;
                break;
            };
            clear(shard);
            from = shard + 1;
        }
        self.cleared.store(from, Ordering::Relaxed);
    }
}
