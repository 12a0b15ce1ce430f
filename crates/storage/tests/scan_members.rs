//! The promise of HSCAN, SSCAN and ZSCAN on a million members, under churn: what stays is seen exactly once, and no
//! call looks at many more slots than it was asked for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a panic is a failed test
#![allow(missing_docs)]

use std::collections::BTreeSet;

use storage::packed::Item;
use storage::score::Score;
use storage::value::directory::Scanned;
use storage::value::hash::{DeadlineForm, FieldDeadline};
use storage::value::{Hash, Set, SortedSet};
use storage::{Limits, UnixMillis};

const NOW: UnixMillis = UnixMillis(1000);
const MEMBERS: usize = 1_000_000;

/// A collection, as far as its scan is concerned.
trait Collection: Default {
    fn add(&mut self, name: &[u8]);
    fn remove(&mut self, name: &[u8]);
    fn scan(&self, cursor: u64, count: usize, give: impl FnMut(Item<'_>)) -> Scanned;
}

impl Collection for Hash {
    fn add(&mut self, name: &[u8]) {
        self.set(name, b"value", FieldDeadline::Cleared, &Limits::default(), DeadlineForm::Packed);
    }

    fn remove(&mut self, name: &[u8]) {
        assert!(Hash::remove(self, name).is_some());
    }

    fn scan(&self, cursor: u64, count: usize, mut give: impl FnMut(Item<'_>)) -> Scanned {
        self.view().scan(cursor, count, NOW, |field| give(field.name))
    }
}

impl Collection for Set {
    fn add(&mut self, name: &[u8]) {
        Set::add(self, name, &Limits::default());
    }

    fn remove(&mut self, name: &[u8]) {
        assert!(Set::remove(self, name));
    }

    fn scan(&self, cursor: u64, count: usize, give: impl FnMut(Item<'_>)) -> Scanned {
        self.view().scan(cursor, count, give)
    }
}

impl Collection for SortedSet {
    fn add(&mut self, name: &[u8]) {
        let score = Score::from(name.len() as i64);
        self.insert(name, score, &Limits::default());
    }

    fn remove(&mut self, name: &[u8]) {
        assert!(SortedSet::remove(self, name).is_some());
    }

    fn scan(&self, cursor: u64, count: usize, mut give: impl FnMut(Item<'_>)) -> Scanned {
        self.view().scan(cursor, count, |element| give(element.member))
    }
}

fn name(number: usize) -> Vec<u8> {
    format!("member:{number}").into_bytes()
}

/// Where a walk of `calls` calls at most ends; members that were added later have numbers above `MEMBERS`.
fn walk<C: Collection>(
    collection: &mut C,
    count: usize,
    calls: usize,
    mut between: impl FnMut(&mut C),
) -> Vec<u8> {
    let mut seen = vec![0u8; MEMBERS];
    let mut cursor = 0;
    for _ in 0..calls {
        let step = collection.scan(cursor, count, |name| {
            let name = String::from_utf8(name.to_vec()).unwrap();
            let number: usize = name.strip_prefix("member:").unwrap().parse().unwrap();
            if let Some(times) = seen.get_mut(number) {
                *times += 1;
            }
        });
        assert!(step.touched <= 4 * count + 1000, "{} slots for COUNT {count}", step.touched);
        cursor = step.cursor;
        if cursor == 0 {
            break;
        }
        between(collection);
    }
    assert!(cursor == 0 || calls < MEMBERS, "it ends");
    seen
}

fn promise<C: Collection>() {
    let mut collection = C::default();
    (0..MEMBERS).for_each(|number| collection.add(&name(number)));
    // Small steps, far from the end: what they touch is bounded wherever they are.
    let seen = walk(&mut collection, 1, 1000, |_| ());
    assert!(seen.iter().filter(|times| **times == 1).count() >= 1000);
    walk(&mut collection, 10, 1000, |_| ());
    // A whole walk. Meanwhile every tenth member goes, and as many new ones come, so that it shrinks and grows.
    let (mut gone, mut come) = (0, MEMBERS);
    let seen = walk(&mut collection, 1000, MEMBERS, |collection| {
        for _ in 0..100 {
            if gone < MEMBERS {
                collection.remove(&name(gone));
                gone += 10;
            }
            collection.add(&name(come));
            come += 1;
        }
    });
    for (number, times) in seen.into_iter().enumerate() {
        // Whatever goes is seen or not, but not twice.
        assert!(times == 1 || (times == 0 && number % 10 == 0 && number < gone), "{number}: {times}");
    }
}

/// Rounds of a whole walk each, of collections of all sizes, packed ones too, that grow, shrink, and are replaced by a
/// copy that came in another order, as a resync does. 10,000 with `NEARSIDE_LONG` set.
fn rounds<C: Collection>() {
    let rounds = if std::env::var_os("NEARSIDE_LONG").is_some() { 10_000 } else { 100 };
    let mut state = 99_u64;
    let mut dice = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for round in 0..rounds {
        let stable = 1 + dice([20, 700, 5_000][round % 3]);
        let mut volatile = BTreeSet::new();
        let mut collection = C::default();
        (0..stable).for_each(|number| collection.add(&name(number)));
        let (mut cursor, mut seen) = (0, vec![false; stable]);
        // Some tens of calls, more where it grows ahead of them.
        let (count, is_growing) = (1 + stable / 40 + dice(50), dice(2) == 0);
        let mut is_copied = false;
        for call in 0.. {
            assert!(call < 100_000, "it ends");
            let step = collection.scan(cursor, count, |name| {
                let name = String::from_utf8(name.to_vec()).unwrap();
                let number: usize = name.strip_prefix("member:").unwrap().parse().unwrap();
                if number < stable {
                    seen[number] = true;
                }
            });
            cursor = step.cursor;
            if cursor == 0 {
                break;
            }
            for _ in 0..dice(100) {
                let number = MEMBERS + dice(20_000);
                if is_growing == (dice(4) > 0) {
                    if volatile.insert(number) {
                        collection.add(&name(number));
                    }
                } else if let Some(number) = volatile.pop_first() {
                    collection.remove(&name(number));
                }
            }
            if !is_copied && dice(20) == 0 {
                is_copied = true;
                let mut copy = C::default();
                volatile.iter().rev().for_each(|number| copy.add(&name(*number)));
                (0..stable).rev().for_each(|number| copy.add(&name(number)));
                collection = copy;
            }
        }
        let missed = seen.iter().position(|seen| !seen);
        assert_eq!(missed, None, "round {round}, {stable} members, COUNT {count}");
    }
}

#[test]
fn rounds_of_hscan_miss_nothing() {
    rounds::<Hash>();
}

#[test]
fn rounds_of_sscan_miss_nothing() {
    rounds::<Set>();
}

#[test]
fn rounds_of_zscan_miss_nothing() {
    rounds::<SortedSet>();
}

#[test]
fn hscan_keeps_its_promise_on_a_million_fields() {
    promise::<Hash>();
}

#[test]
fn sscan_keeps_its_promise_on_a_million_members() {
    promise::<Set>();
}

#[test]
fn zscan_keeps_its_promise_on_a_million_elements() {
    promise::<SortedSet>();
}
