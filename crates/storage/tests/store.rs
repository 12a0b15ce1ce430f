//! The store against a `BTreeMap`.

#![allow(clippy::unwrap_used)] // a panic is a failed test
#![allow(missing_docs)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use storage::value::Text;
use storage::{
    DbIndex, DbMut, Limits, Lookups, Missed, ScanCursor, Store, StoreConfig, UnixMillis, Usage, Value,
    WrongKind,
};

const NOW: UnixMillis = UnixMillis(1000);
const DB: DbIndex = DbIndex(0);

fn store() -> Store {
    Store::new(StoreConfig { databases: 4, hash_key: [1, 2], limits: Limits::default() })
}

fn text(db: &storage::Db<'_>, key: &[u8]) -> Option<Vec<u8>> {
    db.get(key).map(|found| found.text().unwrap().to_vec())
}

fn all(db: &storage::Db<'_>, count: usize) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut cursor = ScanCursor::START;
    loop {
        cursor = db.scan(cursor, count, |key, _| keys.push(key.to_vec()));
        if cursor == ScanCursor::START {
            keys.sort();
            return keys;
        }
    }
}

#[test]
fn what_was_set_is_read() {
    let store = store();
    let writer = store.writer();
    let mut db = writer.db(DB, NOW);
    db.edit(b"a", |slot| slot.put_text(b"1"));
    db.edit(b"b", |slot| slot.put(Value::String(Text::Raw(b"two".to_vec()))));
    db.edit(b"c", |slot| {
        slot.put_text(&[b'x'; 100_000]);
        assert!(slot.set_deadline(Some(UnixMillis(999))));
    });
    assert_eq!((db.len(), db.deadlines()), (3, 1));
    drop(db);
    drop(writer);
    let reader = store.reader();
    let db = reader.db(DB, NOW);
    assert_eq!(text(&db, b"a").unwrap(), b"1");
    assert_eq!(db.get(b"a").unwrap().encoding(), "int");
    assert_eq!(db.get(b"b").unwrap().encoding(), "raw");
    assert_eq!(text(&db, b"c"), None, "its deadline is past");
    assert_eq!(text(&reader.db(DB, UnixMillis::NOTHING_EXPIRED), b"c").unwrap().len(), 100_000);
    let many = db.get_many(&[b"b", b"nothing", b"a", b"b", b"c"]);
    let found: Vec<_> = many.iter().map(|entry| entry.map(|entry| entry.key().to_vec())).collect();
    assert_eq!(found, [Some(b"b".to_vec()), None, Some(b"a".to_vec()), Some(b"b".to_vec()), None]);
    assert_eq!(all(&db, 1), [b"a", b"b"]);
    assert!(matches!(db.random_key().as_deref(), Some(b"a" | b"b")));
}

#[test]
fn flush_swap_and_functions() {
    let store = store();
    let writer = store.writer();
    writer.db(DB, NOW).edit(b"a", |slot| slot.put_text(b"1"));
    writer.swap_db(DB, DbIndex(3));
    assert_eq!((writer.db(DB, NOW).len(), writer.db(DbIndex(3), NOW).len()), (0, 1));
    let mut db = writer.db(DbIndex(3), NOW);
    writer.flush_all();
    assert_eq!(db.len(), 0, "a database is looked up anew at each use");
    db.edit(b"b", |slot| slot.put_text(b"2"));
    assert_eq!(db.len(), 1);
    let mut functions = writer.functions().clone();
    functions.insert(b"lib", storage::Library { engine: "LUA".into(), code: "#!lua name=lib".into() });
    writer.set_functions(functions);
    assert_eq!(writer.functions().len(), 1);
}

#[test]
fn an_edit_that_panics_leaves_the_value() {
    let store = store();
    for value in [b"short".to_vec(), vec![b'x'; 100_000]] {
        let writer = store.writer();
        writer.db(DB, NOW).edit(b"a", |slot| slot.put_text(&value));
        let edit = std::panic::AssertUnwindSafe(|| {
            writer
                .db(DB, NOW)
                .edit(b"a", |slot| slot.edit(|_: &mut Text| panic!("in the middle")).map(|_: Option<()>| ()))
        });
        assert!(std::panic::catch_unwind(edit).is_err());
        assert_eq!(text(&writer.db(DB, NOW), b"a").unwrap(), value);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8, Vec<u8>),
    Append(u8, Vec<u8>),
    Deadline(u8, Option<i64>),
    Remove(u8),
    Take(u8),
    Now(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = prop_oneof![
        4 => "[0-9]{1,4}".prop_map(String::into_bytes),
        4 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => Just(vec![b'x'; 65_537]),
    ];
    prop_oneof![
        4 => (any::<u8>(), bytes.clone()).prop_map(|(key, value)| Op::Put(key, value)),
        2 => (any::<u8>(), bytes).prop_map(|(key, value)| Op::Append(key, value)),
        2 => (any::<u8>(), proptest::option::of(0i64..2000)).prop_map(|(key, at)| Op::Deadline(key, at)),
        1 => any::<u8>().prop_map(Op::Remove),
        1 => any::<u8>().prop_map(Op::Take),
        1 => (0i64..2000).prop_map(Op::Now),
    ]
}

fn apply(db: &mut DbMut<'_>, model: &mut BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>, now: i64, op: Op) {
    let visible = |entry: &(Vec<u8>, Option<i64>)| entry.1.is_none_or(|at| now <= at);
    match op {
        Op::Put(key, value) => {
            db.edit(&[key], |slot| slot.put_text(&value));
            let deadline = model.get(&vec![key]).filter(|old| visible(old)).and_then(|old| old.1);
            model.insert(vec![key], (value, deadline));
        }
        Op::Append(key, more) => {
            let edited: Result<(), WrongKind> = db.edit(&[key], |slot| {
                slot.edit_or_new(|text: &mut Text| text.edit(|bytes| bytes.extend(&more)))
            });
            edited.unwrap();
            let mut old = model.remove(&vec![key]).filter(|old| visible(old)).unwrap_or_default();
            old.0.extend(&more);
            model.insert(vec![key], old);
        }
        Op::Deadline(key, at) => {
            let there = db.edit(&[key], |slot| slot.set_deadline(at.map(UnixMillis)));
            let old = model.get_mut(&vec![key]).filter(|old| visible(old));
            assert_eq!(there, old.is_some());
            if let Some(old) = old {
                old.1 = at;
            }
        }
        Op::Remove(key) => {
            let old = model.remove(&vec![key]);
            assert_eq!(db.remove(&[key]), old.is_some_and(|old| visible(&old)));
        }
        Op::Take(key) => {
            let old = model.remove(&vec![key]).filter(|old| visible(old));
            let taken = db.edit(&[key], |slot| slot.take());
            match (taken, old) {
                (Some(Value::String(text)), Some((bytes, _))) => assert_eq!(text.view().to_vec(), bytes),
                (None, None) => {}
                other => panic!("{other:?}"),
            }
        }
        Op::Now(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_database_agrees_with_a_map(ops in proptest::collection::vec(op(), 0..200)) {
        let store = store();
        let mut model = BTreeMap::new();
        let mut now = 0;
        let writer = store.writer();
        for op in ops {
            if let Op::Now(moment) = op {
                now = moment;
            }
            let mut db = writer.db(DB, UnixMillis(now));
            apply(&mut db, &mut model, now, op);
            assert_eq!(db.len(), model.len());
            assert_eq!(db.deadlines(), model.values().filter(|entry| entry.1.is_some()).count());
        }
        let db = writer.db(DB, UnixMillis::NOTHING_EXPIRED);
        for (key, (value, deadline)) in &model {
            let found = db.get(key).unwrap();
            assert_eq!(&found.text().unwrap().to_vec(), value);
            assert_eq!(found.deadline(), deadline.map(UnixMillis));
        }
        assert_eq!(all(&db, 7), model.keys().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn keys_with_deadlines_are_found_and_the_numbers_add_up() {
    let store = store();
    {
        let writer = store.writer();
        let mut db = writer.db(DB, UnixMillis::NOTHING_EXPIRED);
        for i in 0..1000i64 {
            let deadline = (i % 2 == 0).then_some(UnixMillis(i));
            db.edit(format!("{i}").as_bytes(), |slot| slot.put_text_until(b"x", deadline));
        }
    }
    let reader = store.reader();
    let db = reader.db(DB, NOW);
    let mut found = Vec::new();
    let mut cursor = ScanCursor::START;
    loop {
        cursor = db.with_deadline(cursor, 100, |entry| found.push((entry.key().to_vec(), entry.deadline())));
        if cursor == ScanCursor::START {
            break;
        }
    }
    found.sort_by_key(|(_, deadline)| *deadline);
    let even = (0..1000i64).filter(|i| i % 2 == 0);
    let all: Vec<_> = even.map(|i| (i.to_string().into_bytes(), Some(UnixMillis(i)))).collect();
    assert_eq!(found, all);
    let stats = reader.stats(&store);
    assert_eq!(stats.len(), 1);
    let (index, stats) = stats[0];
    assert_eq!((index, stats.keys, stats.deadlines), (DB, 1000, 500));
    // A short key and value, without and with a deadline; keys of one digit take a class less.
    assert_eq!(stats.entry_bytes, 5 * 8 + 495 * 16 + 5 * 16 + 495 * 32);
    assert!(stats.table_bytes > 2048 * 128);
    assert_eq!(db.random_key().map(|key| key.len() <= 3), Some(true));
    assert_eq!(reader.db(DB, UnixMillis(i64::MAX)).random_key().map(|key| key.len() <= 3), Some(true));
}

#[test]
fn no_key_by_chance_where_all_have_expired() {
    let store = store();
    let writer = store.writer();
    let mut db = writer.db(DB, UnixMillis::NOTHING_EXPIRED);
    for i in 0..1000i64 {
        db.edit(format!("{i}").as_bytes(), |slot| slot.put_text_until(b"x", Some(UnixMillis(i))));
    }
    assert_eq!(writer.db(DB, UnixMillis(1000)).random_key(), None);
    assert_eq!(writer.db(DB, UnixMillis(999)).random_key(), Some(b"999".to_vec()));
}

/// Each way of waiting for the token or for the readers, from inside a slot.
#[test]
#[cfg(debug_assertions)]
fn nobody_waits_for_the_token_inside_a_slot() {
    let store = store();
    let refused = |wait: &dyn Fn()| {
        let _reader = store.reader();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait)).unwrap_err();
        let said = caught.downcast_ref::<&str>().copied().unwrap_or_default();
        assert!(said.contains("inside a slot"), "{said}");
    };
    refused(&|| drop(store.writer()));
    refused(&|| drop(store.applier()));
    refused(&|| drop(store.try_writer().expect("asking is no waiting").close_gate()));
    refused(&|| drop(store.begin_load()));
    // Whoever has left waits like everybody else; and a load that was refused is no load.
    drop(store.writer());
    drop(store.begin_load().expect("none is under way"));
}

/// A key that is edited, or replaced, is there all the time: readers count keys, and choose one, without its lock.
#[test]
fn a_key_that_is_edited_is_counted_all_the_time() {
    let store = store();
    let look = || {
        std::thread::scope(|scope| {
            let counted = scope.spawn(|| {
                let reader = store.reader();
                let db = reader.db(DB, NOW);
                (db.len(), db.deadlines())
            });
            counted.join().unwrap()
        })
    };
    let writer = store.writer();
    let mut db = writer.db(DB, NOW);
    let deadline = Some(UnixMillis(5000));
    db.edit(b"key", |slot| {
        slot.put_text_until(b"value", deadline);
        assert_eq!(look(), (1, 1));
        slot.put_text_until(b"a longer value, which takes another entry", deadline);
        assert_eq!(look(), (1, 1));
        slot.edit(|text: &mut Text| text.edit(|_| assert_eq!(look(), (1, 1)))).unwrap();
        slot.put_used(Text::new(b"one").into(), deadline, Usage::default());
        assert_eq!(look(), (1, 1));
        slot.put_new(Text::new(b"two").into(), None);
        assert_eq!(look(), (1, 0));
        slot.set_deadline(deadline);
        assert_eq!(look(), (1, 1));
        slot.remove();
        assert_eq!(look(), (0, 0));
    });
}

/// What has expired is hidden from a look-up, noted by who wants to know, and removed by who may.
#[test]
fn expired_keys_that_are_met_are_noted_and_can_be_removed() {
    let store = store();
    let put = |key: &[u8], deadline: Option<UnixMillis>| {
        store.writer().db(DB, UnixMillis(0)).edit(key, |slot| slot.put_text_until(b"v", deadline));
    };
    put(b"past", Some(UnixMillis(10)));
    put(b"coming", Some(UnixMillis(1000)));
    let missed = |key: &[u8], is_expired: bool, is_asked: bool| Missed {
        db: DB,
        key: key.into(),
        is_expired,
        fields: None,
        is_asked,
    };
    for (misses, expired, kept) in [
        (false, false, vec![]),
        (true, false, vec![missed(b"past", false, true), missed(b"no", false, true)]),
        (false, true, vec![missed(b"past", true, false)]),
        (true, true, vec![missed(b"past", true, true), missed(b"no", false, true)]),
    ] {
        let (lookups, reader) = (Lookups::new(misses, expired), store.reader());
        let db = reader.db(DB, UnixMillis(11)).counted(&lookups);
        let found = db.get_many(&[b"past", b"coming", b"no"]);
        assert_eq!(found.iter().map(|found| found.is_some()).collect::<Vec<_>>(), [false, true, false]);
        drop(found);
        assert_eq!((lookups.hits(), lookups.misses(), lookups.has_expired()), (1, 2, expired));
        assert_eq!(lookups.take(), kept);
        assert!(!lookups.has_expired() && lookups.take().is_empty());
        // Who counts for itself is told of what has expired all the same.
        assert!(db.uncounted().get(b"past").is_none());
        assert_eq!(lookups.take(), if expired { vec![missed(b"past", true, false)] } else { vec![] });
        assert_eq!((lookups.hits(), lookups.misses()), (1, 2));
    }
    let writer = store.writer();
    let mut db = writer.db(DB, UnixMillis(11));
    assert!(!db.expire(b"coming") && !db.expire(b"no") && db.expire(b"past") && !db.expire(b"past"));
    assert_eq!(db.len(), 1);
    drop(db);
    // Who looks for it counts it itself; who writes over it has met it.
    assert_eq!(store.expired_when_met(), [0, 0]);
    drop(writer);
    store.writer().db(DB, UnixMillis(1001)).edit(b"coming", |slot| slot.put_text(b"new"));
    assert_eq!(store.expired_when_met(), [1, 0]);
}
