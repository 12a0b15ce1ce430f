//! The data-set swap: the old set is read until the new one is whole, equal entries are shared, a failed load leaves
//! everything as it was, and no byte is lost or freed twice.

#![allow(clippy::unwrap_used)] // a panic is a failed test
#![allow(missing_docs, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use storage::value::{Set, Text};
use storage::{
    DbIndex, Functions, KeyMeta, Library, Limits, LoadBusy, LoadError, Loading, ScanCursor, Store,
    StoreConfig, UnixMillis, Value, ValueRef,
};

/// Counts the bytes that are allocated, by all threads: so the tests of this file take turns.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static TURN: Mutex<()> = Mutex::new(());

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: UnixMillis = UnixMillis(1000);
const DB: DbIndex = DbIndex(0);

/// A value of a kind and size that depend on `seed`; the same for the same seed.
fn value(seed: u16) -> Value {
    let limits = Limits::default();
    match seed % 5 {
        0 => Value::from(Text::new(seed.to_string().as_bytes())),
        1 => Value::from(Text::new(&vec![b'x'; usize::from(seed)])),
        2 => Value::from(Text::new(&vec![seed as u8; 70_000])),
        3 => {
            let mut set = Set::default();
            for member in 0..=seed % 7 {
                set.add(format!("member {member}").as_bytes(), &limits);
            }
            set.into()
        }
        _ => {
            let mut set = Set::default();
            for member in 0..200 + seed {
                set.add(format!("member {member}").as_bytes(), &limits);
            }
            set.into()
        }
    }
}

type Model = BTreeMap<(u32, Vec<u8>), (u16, Option<i64>)>;

fn store() -> Store {
    let config = StoreConfig { databases: 3, hash_key: [1, 2], limits: Limits::default() };
    Store::with_keys_per_shard(config, 1)
}

fn fill(store: &Store, model: &Model) {
    let writer = store.writer();
    for ((index, key), (seed, deadline)) in model {
        let mut db = writer.db(DbIndex(*index), UnixMillis::NOTHING_EXPIRED);
        db.edit(key, |slot| slot.put_until(value(*seed), deadline.map(UnixMillis)));
    }
}

fn load(loading: &mut Loading, model: &Model) -> Result<(), LoadError> {
    for ((index, key), (seed, deadline)) in model {
        let meta = KeyMeta { deadline: deadline.map(UnixMillis), ..KeyMeta::default() };
        match value(*seed) {
            Value::String(text) if seed % 2 == 0 => {
                loading.insert_text(DbIndex(*index), key, &text.view().to_vec(), meta)?;
            }
            value => loading.insert(DbIndex(*index), key, value, meta)?,
        }
    }
    Ok(())
}

/// Asserts that the store has exactly what the model has.
fn check(store: &Store, model: &Model) {
    let reader = store.reader();
    for index in 0..3 {
        let db = reader.db(DbIndex(index), UnixMillis::NOTHING_EXPIRED);
        let wanted: Vec<_> = model.iter().filter(|((of, _), _)| *of == index).collect();
        assert_eq!(db.len(), wanted.len());
        assert_eq!(db.deadlines(), wanted.iter().filter(|(_, (_, deadline))| deadline.is_some()).count());
        for ((_, key), (seed, deadline)) in wanted {
            let found = db.get(key).expect("the model has it");
            assert!(found.value().same(value(*seed).view()), "{key:?}");
            assert_eq!(found.deadline(), deadline.map(UnixMillis));
        }
        let mut cursor = ScanCursor::START;
        let mut seen = 0;
        loop {
            cursor = db.scan(cursor, 10, |_, _| seen += 1);
            if cursor == ScanCursor::START {
                break;
            }
        }
        assert_eq!(seen, db.len());
    }
}

fn edit_everything(store: &Store, model: &mut Model) {
    let writer = store.writer();
    let mut keep = false;
    model.retain(|(index, key), (seed, deadline)| {
        keep = !keep;
        let mut db = writer.db(DbIndex(*index), UnixMillis::NOTHING_EXPIRED);
        if keep {
            *seed += 1;
            *deadline = if deadline.is_some() { None } else { Some(5000) };
            db.edit(key, |slot| slot.put_until(value(*seed), deadline.map(UnixMillis)));
        } else {
            assert!(db.remove(key));
        }
        keep
    });
}

fn models() -> impl Strategy<Value = (Model, Model)> {
    let key = (0u32..3, 0u8..60).prop_map(|(index, key)| (index, vec![key; usize::from(key % 5) + 1]));
    let held = (0u16..60, proptest::option::of(0i64..3));
    let old = proptest::collection::btree_map(key.clone(), held.clone(), 0..80);
    let changes = proptest::collection::btree_map(key, held, 0..40);
    (old, changes, any::<u8>()).prop_map(|(old, changes, drop)| {
        // The new set: most of the old, some of it changed, some gone.
        let mut new = old.clone();
        new.extend(changes);
        let mut count = 0u8;
        new.retain(|_, _| {
            count = count.wrapping_add(37);
            count > drop / 4
        });
        (old, new)
    })
}

#[derive(Clone, Copy, Debug)]
enum End {
    Commit,
    Drop,
    DropHalf,
    Duplicate,
    DiscardAndCommit,
    DiscardAndDrop,
}

fn one_load(store: &Store, old: &Model, new: &Model, end: End) -> Model {
    let mut loading = store.begin_load().expect("the last one is over");
    assert_eq!(store.begin_load().unwrap_err(), LoadBusy);
    assert!(store.writer().is_frozen());
    let half: Model = new.iter().take(new.len() / 2).map(|(key, held)| (key.clone(), *held)).collect();
    let rest: Model = new.iter().skip(new.len() / 2).map(|(key, held)| (key.clone(), *held)).collect();
    loading.expect(DB, new.len()).unwrap();
    load(&mut loading, &half).unwrap();
    check(store, old);
    let committed = match end {
        End::Commit => {
            load(&mut loading, &rest).unwrap();
            check(store, old);
            loading.commit(&store.writer(), Some(Functions::default())).unwrap();
            true
        }
        End::DiscardAndCommit | End::DiscardAndDrop => {
            loading.discard_old(&store.writer());
            check(store, &Model::new());
            load(&mut loading, &rest).unwrap();
            if matches!(end, End::DiscardAndDrop) {
                drop(loading);
                store.settle();
                return Model::new();
            }
            loading.commit(&store.writer(), None).unwrap();
            true
        }
        End::Drop => {
            load(&mut loading, &rest).unwrap();
            drop(loading);
            false
        }
        End::DropHalf => {
            drop(loading);
            false
        }
        End::Duplicate => {
            let again = load(&mut loading, &half);
            let failed = again.and_then(|()| loading.commit(&store.writer(), None));
            assert_eq!(failed.is_err(), !half.is_empty());
            half.is_empty()
        }
    };
    if committed { if matches!(end, End::Duplicate) { half } else { new.clone() } } else { old.clone() }
}

#[test]
fn loads_end_well_and_lose_no_memory() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let ends = prop_oneof![
        3 => Just(End::Commit),
        1 => Just(End::Drop),
        1 => Just(End::DropHalf),
        1 => Just(End::Duplicate),
        1 => Just(End::DiscardAndCommit),
        1 => Just(End::DiscardAndDrop),
    ];
    let strategy = (models(), proptest::collection::vec((ends, any::<bool>()), 1..4));
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    runner
        .run(&strategy, |((old, new), turns)| {
            // What the model and the thread's slot take is the same before and after.
            let body = || {
                let store = store();
                fill(&store, &old);
                let mut now = old.clone();
                for (end, edits) in &turns {
                    now = one_load(&store, &now, &new, *end);
                    check(&store, &now);
                    if *edits {
                        // At once, while marks are being cleared and the old set is taken apart.
                        edit_everything(&store, &mut now);
                        check(&store, &now);
                    }
                    store.settle();
                    assert!(!store.is_loading());
                    check(&store, &now);
                }
                store.settle();
            };
            body();
            // Other threads (the tests' own, and a store's background thread after the store is gone) allocate a
            // little now and then; what is lost here is lost each time.
            for _ in 0..4 {
                let before = LIVE.load(Ordering::Relaxed);
                body();
                for _ in 0..50 {
                    if LIVE.load(Ordering::Relaxed) <= before {
                        return Ok(());
                    }
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            prop_assert!(false, "memory is lost");
            Ok(())
        })
        .unwrap();
}

#[test]
fn unchanged_data_is_shared_and_a_failed_load_gives_its_memory_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let store = Store::new(StoreConfig { databases: 1, hash_key: [1, 2], limits: Limits::default() });
    let text = |i: u32| format!("value {i} {}", "x".repeat(80));
    {
        let writer = store.writer();
        let mut db = writer.db(DB, NOW);
        for i in 0..20_000u32 {
            db.edit(format!("key {i}").as_bytes(), |slot| slot.put_text(text(i).as_bytes()));
        }
    }
    let load_all = |changed: u32| {
        let mut loading = store.begin_load().unwrap();
        loading.expect(DB, 20_000).unwrap();
        for i in 0..20_000u32 {
            let text = if i < changed { text(i + 1) } else { text(i) };
            let key = format!("key {i}");
            loading.insert_text(DB, key.as_bytes(), text.as_bytes(), KeyMeta::default()).unwrap();
        }
        loading
    };
    drop(load_all(0));
    store.settle();
    let before = LIVE.load(Ordering::Relaxed);
    let loading = load_all(100);
    let extra = LIVE.load(Ordering::Relaxed) - before;
    // The table of the new set (its shards are half a megabyte), and a hundred entries; not two megabytes of values.
    assert!(extra < 1_200_000, "{extra}");
    assert!(loading.shared_keys() >= 20_000 - 100 - 64);
    drop(loading);
    store.settle();
    // Other threads allocate a little; a hundred entries are 12 KB, the table is half a megabyte.
    let left = LIVE.load(Ordering::Relaxed) - before;
    assert!(left.abs() < 4096, "{left}");
    assert!(!store.is_loading());
    load_all(100).commit(&store.writer(), None).unwrap();
    store.settle();
    let after = LIVE.load(Ordering::Relaxed) - before;
    assert!(after.abs() < 100_000, "{after}");
    let reader = store.reader();
    assert_eq!(reader.db(DB, NOW).get(b"key 99").unwrap().text().unwrap().to_vec(), text(100).as_bytes());
}

#[test]
fn frozen_data_takes_no_write() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let store = store();
    let loading = store.begin_load().unwrap();
    let write = || {
        let writer = store.writer();
        writer.db(DB, NOW).edit(b"a", |slot| slot.put_text(b"1"));
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(write)).is_err());
    let flush = || store.writer().flush_all();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(flush)).is_err());
    drop(loading);
    write();
    assert_eq!(store.reader().db(DB, NOW).len(), 1);
}

#[test]
fn deadlines_and_functions_change_with_the_data() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let store = store();
    {
        let writer = store.writer();
        writer.db(DB, NOW).edit(b"a", |slot| slot.put_text_until(b"1", Some(UnixMillis(5000))));
        writer.db(DB, NOW).edit(b"same", |slot| slot.put_text(b"1"));
    }
    let watches =
        [store.watch(DB, b"a", NOW), store.watch(DB, b"new", NOW), store.watch(DB, b"nothing", NOW)];
    let mut loading = store.begin_load().unwrap();
    let later = KeyMeta { deadline: Some(UnixMillis(6000)), ..KeyMeta::default() };
    loading.insert_text(DB, b"a", b"1", later).unwrap();
    loading.insert_text(DB, b"same", b"1", KeyMeta::default()).unwrap();
    loading.insert_text(DbIndex(2), b"a", b"1", later).unwrap();
    loading.insert_text(DB, b"new", b"1", later).unwrap();
    assert_eq!(
        loading.insert_text(DbIndex(3), b"a", b"1", later),
        Err(LoadError::NoSuchDatabase { index: DbIndex(3) })
    );
    let mut functions = Functions::default();
    functions.insert(b"lib", Library { engine: "LUA".into(), code: "#!lua name=lib".into() });
    {
        let writer = store.writer();
        loading.commit(&writer, Some(functions.clone())).unwrap();
        assert_eq!(writer.db(DB, NOW).get(b"a").unwrap().deadline(), Some(UnixMillis(6000)));
    }
    let reader = store.reader();
    assert_eq!(reader.functions(), &functions);
    assert_eq!((reader.db(DB, NOW).len(), reader.db(DbIndex(2), NOW).len()), (3, 1));
    assert_eq!(watches.map(|watch| watch.is_touched(&reader, NOW)), [true, true, false]);
}

#[test]
fn readers_see_the_old_set_or_the_new_and_never_both() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let store = store();
    // Every value is the number of its set.
    let fill = |loading: &mut Loading, number: u32| {
        for i in 0..500u32 {
            // Every other key stays the same, and is shared.
            let text = if i % 2 == 0 { number.to_string() } else { "same".into() };
            let meta = KeyMeta::default();
            loading.insert_text(DbIndex(i % 2), format!("{i}").as_bytes(), text.as_bytes(), meta).unwrap();
        }
    };
    let mut first = store.begin_load().unwrap();
    fill(&mut first, 0);
    first.commit(&store.writer(), None).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !ended.load(Ordering::Relaxed) {
                    let reader = store.reader();
                    let db = reader.db(DB, NOW);
                    let mut numbers = Vec::new();
                    db.for_each(|_, entry| match entry.value() {
                        ValueRef::String(text) => numbers.push(text.to_vec()),
                        other => panic!("{other:?}"),
                    });
                    assert_eq!(numbers.len(), 250);
                    numbers.dedup();
                    assert_eq!(numbers.len(), 1, "a batch sees one data set");
                    let number: u32 = String::from_utf8(numbers.remove(0)).unwrap().parse().unwrap();
                    assert!(number >= last);
                    last = number;
                    let odd = reader.db(DbIndex(1), NOW);
                    assert_eq!(odd.get(b"1").unwrap().text().unwrap().to_vec(), b"same");
                }
            });
        }
        for number in 1..60 {
            let mut loading = loop {
                match store.begin_load() {
                    Ok(loading) => break loading,
                    Err(LoadBusy) => store.settle(),
                }
            };
            fill(&mut loading, number);
            if number % 3 == 0 {
                drop(loading);
            } else {
                loading.commit(&store.writer(), None).unwrap();
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
}
