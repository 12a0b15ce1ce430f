//! SCAN's promise, under churn, growth, shrinking and replacement: what stays is seen exactly once.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is a failed test; its seed is printed
#![allow(missing_docs)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use storage::value::Text;
use storage::{DbIndex, KeyMeta, Limits, ScanCursor, Store, StoreConfig, UnixMillis};

const NOW: UnixMillis = UnixMillis(1000);
const DB: DbIndex = DbIndex(0);

/// One key to a shard: a database of 2,048 shards grows above 16,384 keys, and one of 32,768 shards shrinks below 512.
fn store(seed: u64) -> Store {
    let config = StoreConfig { databases: 2, hash_key: [seed, !seed], limits: Limits::default() };
    Store::with_keys_per_shard(config, 1)
}

fn set(store: &Store, keys: impl Iterator<Item = String>) {
    let writer = store.writer();
    let mut db = writer.db(DB, NOW);
    for key in keys {
        db.edit(key.as_bytes(), |slot| slot.put_text(b"v"));
    }
}

fn remove(store: &Store, keys: impl Iterator<Item = String>) {
    let writer = store.writer();
    let mut db = writer.db(DB, NOW);
    for key in keys {
        assert!(db.remove(key.as_bytes()), "{key}");
    }
}

/// One whole SCAN, with `between` run between its calls.
fn walk(
    store: &Store,
    mut count: impl FnMut() -> usize,
    mut between: impl FnMut(),
) -> HashMap<String, usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut cursor = ScanCursor::START;
    loop {
        let count = count();
        let mut given = 0;
        cursor = store.reader().db(DB, NOW).scan(cursor, count, |key, _| {
            *seen.entry(String::from_utf8(key.to_vec()).unwrap()).or_default() += 1;
            given += 1;
        });
        assert!(given <= count + 8, "{given} of {count}");
        if cursor == ScanCursor::START {
            return seen;
        }
        between();
    }
}

fn volatile(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|i| format!("volatile:{i}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_stays_is_seen_exactly_once(seed in any::<u64>(), step in 1usize..2000, stable in 1usize..400, grows in any::<bool>()) {
        let store = store(seed);
        let stays = || (0..stable).map(|i| format!("stable:{i}"));
        set(&store, stays());
        let total = 45_000;
        if !grows {
            set(&store, volatile(0..total));
            store.settle();
        }
        let (mut done, mut state) = (0, seed);
        let mut dice = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for _ in 0..3 {
            let seen = walk(&store, || 1 + dice(30), || {
                let next = (done + step).min(total);
                if grows {
                    set(&store, volatile(done..next));
                } else {
                    remove(&store, volatile(done..next));
                }
                done = next;
            });
            for key in stays() {
                prop_assert_eq!(seen.get(&key), Some(&1), "{}", key);
            }
            prop_assert!(seen.values().all(|times| *times == 1));
        }
        let finds = |key: &str| store.reader().db(DB, NOW).contains(key.as_bytes());
        prop_assert!(stays().all(|key| finds(&key)));
        prop_assert_eq!(volatile(0..done).filter(|key| finds(key)).count(), if grows { done } else { 0 });
        let reader = store.reader();
        let db = reader.db(DB, NOW);
        prop_assert_eq!(db.len(), stable + if grows { done } else { total - done });
        let names: Vec<String> = stays().collect();
        let keys: Vec<&[u8]> = names.iter().map(|key| key.as_bytes()).collect();
        let found = db.get_many(&keys);
        prop_assert!(found.iter().zip(&keys).all(|(entry, key)| entry.unwrap().key() == *key));
    }
}

/// Loads a data set of these keys beside the one that is there, with a table planned for `expected`, and swaps it in.
fn replace(store: &Store, keys: impl Iterator<Item = String>, expected: usize) {
    store.settle();
    let mut loading = store.begin_load().expect("the last one is over");
    loading.expect(DB, expected).unwrap();
    for key in keys {
        loading.insert_text(DB, key.as_bytes(), b"v", KeyMeta::default()).unwrap();
    }
    loading.commit(&store.writer(), None).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_both_data_sets_have_is_seen_exactly_once_when_one_replaces_the_other(
        seed in any::<u64>(),
        stable in 1usize..300,
        count in 1usize..100,
        plans in prop::collection::vec((0usize..3, 0usize..500), 1..5),
    ) {
        let store = store(seed);
        let stays = || (0..stable).map(|i| format!("stable:{i}"));
        set(&store, stays());
        let mut turn = 0;
        let seen = walk(&store, || count, || {
            let (plan, volatile_keys) = plans[turn % plans.len()];
            turn += 1;
            // Not at each step, or a long walk would take all day.
            if turn % 3 == 1 {
                // 2,048 shards, 16,384 and 65,536.
                replace(&store, stays().chain(volatile(turn..turn + volatile_keys)), [1, 10_000, 40_000][plan]);
            }
        });
        for key in stays() {
            prop_assert_eq!(seen.get(&key), Some(&1), "{}", key);
        }
        prop_assert!(seen.values().all(|times| *times == 1));
    }
}

/// With `NEARSIDE_LONG` set, many seeds.
#[test]
fn readers_beside_a_writer_miss_nothing_while_the_database_grows_and_shrinks() {
    let seeds = if std::env::var_os("NEARSIDE_LONG").is_some() { 200 } else { 2 };
    for seed in 0..seeds {
        println!("seed {seed}");
        grow_and_shrink_beside_readers(seed);
    }
}

fn grow_and_shrink_beside_readers(seed: u64) {
    const STABLE: usize = 300;
    // More than eight times as many keys as shards; with few of them left it shrinks.
    const VOLATILE: usize = 17_000;
    let store = store(seed);
    set(&store, (0..STABLE).map(|i| format!("stable:{i}")));
    /// Set when the writer is done, or has failed.
    struct Ended<'a>(&'a AtomicBool);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ended = Ended(&ended);
        for _ in 0..2 {
            scope.spawn(|| {
                let names: Vec<String> = (0..STABLE).map(|i| format!("stable:{i}")).collect();
                let keys: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
                let mut walks = 0;
                while !ended.load(Ordering::Relaxed) || walks == 0 {
                    let seen = walk(&store, || 50, || ());
                    for name in &names {
                        assert_eq!(seen.get(name), Some(&1), "{name} in walk {walks}");
                    }
                    assert!(seen.values().all(|times| *times == 1));
                    let reader = store.reader();
                    let db = reader.db(DB, NOW);
                    assert!(keys.iter().all(|key| db.contains(key)));
                    assert!(
                        keys.chunks(20).all(|keys| db.get_many(keys).iter().all(|entry| entry.is_some()))
                    );
                    assert!(db.random_key().is_some());
                    walks += 1;
                }
            });
        }
        set(&store, volatile(0..VOLATILE));
        // A key at a time, so that the table is moved shard by shard; the background thread makes it first.
        let again = |until: usize| {
            for turn in 0..1 << 18 {
                if store.reader().db(DB, NOW).shards() == until {
                    return;
                }
                if turn % 1000 == 0 {
                    store.settle();
                }
                set(&store, ["stable:0".to_owned()].into_iter());
            }
            panic!("the database did not come to {until} shards");
        };
        again(1 << 15);
        // All the way: `shards` tells of the second table from the beginning of a move.
        set(&store, (0..1 << 12).map(|_| "stable:0".to_owned()));
        remove(&store, volatile(0..VOLATILE));
        again(1 << 11);
        set(&store, (0..1 << 12).map(|_| "stable:0".to_owned()));
    });
    assert_eq!(store.reader().db(DB, NOW).len(), STABLE);
}

/// What happens to the database in the middle of a walk.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Grow,
    Shrink,
    Replace,
    FailToReplace,
    Churn,
}

/// A round is a whole walk, and something that goes on in its middle: the same database grows and shrinks, is moved to
/// more or fewer shards, replaced by a load, kept by one that fails. 10,000 with `NEARSIDE_LONG` set.
#[test]
fn rounds_of_growth_shrinking_and_resyncs_miss_nothing() {
    use Disturbance::{Churn, FailToReplace, Grow, Replace, Shrink};
    const STABLE: usize = 200;
    // Above 16,384 keys a table of the fewest shards is to grow, and below 512 the larger one is to shrink.
    const GROWN: usize = 18_000;
    const STEP: usize = 4_000;
    let rounds = if std::env::var_os("NEARSIDE_LONG").is_some() { 10_000 } else { 60 };
    let store = store(77);
    let stays = || (0..STABLE).map(|i| format!("stable:{i}"));
    set(&store, stays());
    let mut state = 7_u64;
    let mut dice = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    // Volatile keys that are there: `first..last`.
    let (mut first, mut last) = (0, 0);
    let mut shards_seen = std::collections::BTreeSet::new();
    for round in 0..rounds {
        let disturbance = [Grow, Grow, Shrink, Shrink, Replace, FailToReplace, Churn][dice(7)];
        let (count, every) = (1 + dice(100), 1 + dice(8));
        let mut call = 0;
        let seen = walk(
            &store,
            || count,
            || {
                call += 1;
                if call % every != 0 || call > every * 20 {
                    return;
                }
                match disturbance {
                    Grow if last - first < GROWN => {
                        set(&store, volatile(last..last + STEP));
                        last += STEP;
                        store.settle();
                    }
                    Shrink => {
                        let until = (first + STEP).min(last);
                        remove(&store, volatile(first..until));
                        first = until;
                        store.settle();
                        // Moves are a step at each edit.
                        set(&store, stays());
                    }
                    Replace if call == every => {
                        (first, last) = (last, last + 300);
                        let plan = [1, 10_000, 40_000][round % 3];
                        replace(&store, stays().chain(volatile(first..last)), plan);
                    }
                    FailToReplace if call == every => {
                        store.settle();
                        let mut loading = store.begin_load().expect("the last one is over");
                        for key in stays().take(STABLE / 2).chain(volatile(0..100)) {
                            loading.insert_text(DB, key.as_bytes(), b"v", KeyMeta::default()).unwrap();
                        }
                        drop(loading);
                    }
                    Grow | Replace | FailToReplace | Churn => {
                        set(&store, volatile(last..last + 50));
                        last += 50;
                        remove(&store, volatile(first..first + 50));
                        first += 50;
                        // The walk may have begun before they came.
                        set(&store, stays().take(20));
                    }
                }
            },
        );
        for key in stays() {
            assert_eq!(seen.get(&key), Some(&1), "{key} in round {round}, {disturbance:?}");
        }
        assert!(seen.values().all(|times| *times == 1), "round {round}, {disturbance:?}");
        assert_eq!(store.reader().db(DB, NOW).len(), STABLE + last - first);
        shards_seen.insert(store.reader().db(DB, NOW).shards());
    }
    assert!(shards_seen.len() >= 3, "it was never moved: {shards_seen:?}");
}

#[test]
fn any_number_is_a_cursor() {
    let store = store(3);
    set(&store, (0..100).map(|i| format!("{i}")));
    let reader = store.reader();
    let db = reader.db(DB, NOW);
    for cursor in [1, 77, (1 << 27) - 1, 1 << 27, u64::MAX] {
        let mut rest = ScanCursor(cursor);
        let mut turns = 0;
        loop {
            rest = db.scan(rest, 10, |_, _| ());
            turns += 1;
            if rest == ScanCursor::START {
                break;
            }
        }
        assert!(turns <= 12);
    }
}

#[test]
fn a_cursor_means_the_same_in_another_store_with_the_same_hash_key() {
    let (small, large) = (store(9), store(9));
    set(&small, (0..1000).map(|i| format!("{i}")));
    set(&large, (0..1000).map(|i| format!("{i}")).chain(volatile(0..40_000)));
    let mut first = Vec::new();
    let cursor = small.reader().db(DB, NOW).scan(ScanCursor::START, 500, |key, _| first.push(key.to_vec()));
    let mut cursor = cursor;
    while cursor != ScanCursor::START {
        cursor = large.reader().db(DB, NOW).scan(cursor, 500, |key, _| {
            if !key.starts_with(b"volatile") {
                first.push(key.to_vec());
            }
        });
    }
    first.sort();
    first.dedup();
    assert_eq!(first.len(), 1000);
}

/// A key that is replaced is there all the time, also where its shard has no other.
#[test]
fn a_key_that_is_replaced_is_seen() {
    let store = store(1);
    set(&store, std::iter::once("key".into()));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let writer = store.writer();
                writer.db(DB, NOW).edit(b"key", |slot| {
                    slot.put_new(Text::new(b"v").into(), None);
                });
                writer.db(DB, NOW).edit(b"key", |slot| {
                    slot.remove();
                    slot.put_text(b"v");
                });
            }
        });
        for _ in 0..20_000 {
            assert_eq!(walk(&store, || 10, || {}).get("key"), Some(&1));
        }
        over.store(true, Ordering::Relaxed);
    });
}
