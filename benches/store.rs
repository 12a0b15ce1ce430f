//! Measures the store: bytes a key, and nanoseconds of the common operations. Run it with `cargo bench --bench store`;
//! `KEYS` sets how many.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::print_stdout)] // it prints what it measured
use storage::{DbIndex, Hashed, KeyMeta, Limits, ScanCursor, Store, StoreConfig, UnixMillis};

use storage::score::Score;
use storage::value::hash::{DeadlineForm, FieldDeadline};
use storage::value::{Hash, InValue, Set, SortedSet};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NOW: UnixMillis = UnixMillis(1000);
const DB: DbIndex = DbIndex(0);

fn key(i: usize) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = i;
    for digit in key.iter_mut().rev().take(12) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn allocated() -> usize {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::allocated::read().unwrap()
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Nanoseconds that this thread was on a processor: the machine may be busy with something else.
fn on_processor() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split_whitespace().next().unwrap().parse().unwrap()
}

fn timed(what: &str, times: usize, body: impl FnOnce()) {
    let start = on_processor();
    body();
    println!("{what:32} {:8.1} ns", (on_processor() - start) as f64 / times as f64);
}

/// Bytes an element of `keys` keys with `elements` elements each, which `make` makes.
fn collections<T: Into<storage::Value> + InValue>(
    what: &str,
    keys: usize,
    elements: usize,
    make: impl Fn(usize, &Limits) -> T,
) {
    let limits = Limits::default();
    let (before, resident_before) = (allocated(), resident());
    let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits });
    let mut loading = store.begin_load().unwrap();
    loading.expect(DB, keys).unwrap();
    for i in 0..keys {
        let value = make(i, &Limits::default());
        loading.insert(DB, &key(i), value.into(), KeyMeta::default()).unwrap();
    }
    loading.commit(&store.writer(), None).unwrap();
    store.settle();
    let bytes = |now: usize, then: usize| now.saturating_sub(then) as f64 / (keys * elements) as f64;
    let (now, resident_now) = (bytes(allocated(), before), bytes(resident(), resident_before));
    println!("{what:32} {now:8.1} allocated, {resident_now:.1} resident");
}

fn hash(fields: usize) -> impl Fn(usize, &Limits) -> Hash {
    move |i, limits| {
        let mut hash = Hash::default();
        for field in 0..fields {
            hash.set(&key(field), &key(i), FieldDeadline::Cleared, limits, DeadlineForm::default());
        }
        hash
    }
}

fn set(members: usize) -> impl Fn(usize, &Limits) -> Set {
    move |_, limits| {
        let mut set = Set::default();
        for member in 0..members {
            set.add(&key(member), limits);
        }
        set
    }
}

fn sorted_set(members: usize) -> impl Fn(usize, &Limits) -> SortedSet {
    move |_, limits| {
        let mut set = SortedSet::default();
        for member in 0..members {
            set.insert(&key(member), Score::from(member as i64), limits);
        }
        set
    }
}

fn main() {
    let keys: usize = std::env::var("KEYS").map_or(1_000_000, |keys| keys.parse().unwrap());
    let new = || Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
    let value = [b'v'; 100];
    println!("{keys} keys of 16 bytes, values of 100 bytes");

    let (before, resident_before) = (allocated(), resident());
    let loaded = new();
    timed("load", keys, || {
        let mut loading = loaded.begin_load().unwrap();
        loading.expect(DB, keys).unwrap();
        for i in 0..keys {
            loading.insert_text(DB, &key(i), &value, KeyMeta::default()).unwrap();
        }
        loading.commit(&loaded.writer(), None).unwrap();
    });
    loaded.settle();
    let bytes = |now: usize, then: usize| (now - then) as f64 / keys as f64;
    println!(
        "{:32} {:8.1} allocated, {:.1} resident",
        "bytes a key",
        bytes(allocated(), before),
        bytes(resident(), resident_before)
    );

    timed("load again, all shared", keys, || {
        let mut loading = loaded.begin_load().unwrap();
        loading.expect(DB, keys).unwrap();
        for i in 0..keys {
            loading.insert_text(DB, &key(i), &value, KeyMeta::default()).unwrap();
        }
        println!("{:32} {:8.1} allocated", "bytes a key meanwhile", bytes(allocated(), before));
        loading.commit(&loaded.writer(), None).unwrap();
    });
    loaded.settle();

    let store = new();
    timed("SET of a new key", keys, || {
        let writer = store.writer();
        let mut db = writer.db(DB, NOW);
        for i in 0..keys {
            db.edit(&key(i), |slot| slot.put_text_until(&value, None));
        }
    });
    drop(loaded);
    store.settle();

    let order: Vec<[u8; 16]> = (0..keys).map(|i| key(i.wrapping_mul(7_919) % keys)).collect();
    timed("SET over the old value", keys, || {
        let writer = store.writer();
        let mut db = writer.db(DB, NOW);
        for key in &order {
            db.edit(key, |slot| slot.put_text_until(&value, None));
        }
    });
    timed("SET, prefetched by 64", keys, || {
        let writer = store.writer();
        for batch in order.chunks(64) {
            let hashed: Vec<Hashed<'_>> = batch.iter().map(|key| store.hash(key)).collect();
            let db = writer.db(DB, NOW);
            db.prefetch(hashed.iter().map(Hashed::hash));
            for (key, hashed) in batch.iter().zip(&hashed) {
                writer.db(DB, NOW).hashed(Some(*hashed)).edit(key, |slot| slot.put_text_until(&value, None));
            }
        }
    });
    let mut found = 0;
    timed("GET", keys, || {
        for batch in order.chunks(64) {
            let reader = store.reader();
            let db = reader.db(DB, NOW);
            for key in batch {
                found += usize::from(
                    db.get(key).is_some_and(|entry| entry.text().is_ok_and(|text| !text.is_empty())),
                );
            }
        }
    });
    timed("GET, prefetched by 64", keys, || {
        let mut hashed = Vec::new();
        for batch in order.chunks(64) {
            let reader = store.reader();
            let db = reader.db(DB, NOW);
            hashed.clear();
            hashed.extend(batch.iter().map(|key| store.hash(key)));
            db.prefetch(hashed.iter().map(Hashed::hash));
            for one in &hashed {
                let entry = db.hashed(Some(*one));
                found += usize::from(
                    entry.get(one.key()).is_some_and(|entry| entry.text().is_ok_and(|text| !text.is_empty())),
                );
            }
        }
    });
    assert_eq!(found, 2 * keys);
    timed("a batch of one, empty", keys, || {
        for _ in 0..keys {
            let reader = store.reader();
            std::hint::black_box(&reader);
        }
    });
    timed("a unit, empty", keys, || {
        for _ in 0..keys {
            let writer = store.writer();
            std::hint::black_box(&writer);
        }
    });
    timed("SCAN COUNT 10, a call", keys / 10, || {
        let reader = store.reader();
        let db = reader.db(DB, NOW);
        let mut cursor = ScanCursor::START;
        loop {
            cursor = db.scan(cursor, 10, |_, _| ());
            if cursor == ScanCursor::START {
                break;
            }
        }
    });

    let many = keys / 10;
    println!("bytes an element of 16 bytes (fields and values of 16 each):");
    collections("hashes of 10", many, 10, hash(10));
    collections("sets of 10", many, 10, set(10));
    collections("sorted sets of 10", many, 10, sorted_set(10));
    collections("a hash", 1, keys, hash(keys));
    collections("a set", 1, keys, set(keys));
    collections("a sorted set", 1, keys, sorted_set(keys));
}
