//! A snapshot has every entry as it was when it began, once, and nothing else, whatever happens until it is whole.

#![allow(clippy::unwrap_used)] // a panic is a failed test
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use storage::value::{Set, Text};
use storage::{
    DbIndex, EntryView, KeyMeta, Limits, Progress, Recorder, Snapshot, SnapshotBusy, SnapshotOver, Store,
    StoreConfig, Taken, UnixMillis, Value, ValueRef, Writer,
};

const DATABASES: u32 = 3;
const NOW: UnixMillis = UnixMillis(1000);
const DB: DbIndex = DbIndex(0);

/// What is told of an entry: its content, and its deadline.
type Told = (Vec<u8>, Option<i64>);
type Data = BTreeMap<(u32, Vec<u8>), Told>;

/// One key to a shard: a database of 2,048 shards grows above 16,384 keys, and one of 32,768 shards shrinks below 512.
fn store() -> Store {
    let config = StoreConfig { databases: DATABASES, hash_key: [3, 4], limits: Limits::default() };
    Store::with_keys_per_shard(config, 1)
}

fn told(entry: &EntryView) -> Told {
    let content = match entry.value() {
        ValueRef::String(text) => text.to_vec(),
        ValueRef::Set(set) => {
            let mut members: Vec<String> = set.iter().map(|member| format!("{member:?}")).collect();
            members.sort();
            members.concat().into_bytes()
        }
        other => panic!("{other:?}"),
    };
    (content, entry.deadline().map(|deadline| deadline.0))
}

fn data(writer: &Writer<'_>) -> Data {
    let mut data = Data::new();
    for db in 0..DATABASES {
        writer.db(DbIndex(db), UnixMillis::NOTHING_EXPIRED).for_each(|key, entry| {
            data.insert((db, key.to_vec()), told(entry));
        });
    }
    data
}

/// Keeps what it gets; says that it is enough after so many.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    data: Data,
    preserved: usize,
    twice: Vec<Vec<u8>>,
    step: usize,
    left: usize,
    refuses: Option<Vec<u8>>,
    panics: Option<Vec<u8>>,
}

impl Kept {
    fn every(step: usize) -> Kept {
        Kept(Arc::new(Mutex::new(Inside { step, left: step, ..Inside::default() })))
    }

    fn take(&self, db: DbIndex, entry: &EntryView) -> Taken {
        let mut inside = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert_ne!(inside.panics.as_deref(), Some(entry.key()), "it was told to");
        if inside.refuses.as_deref() == Some(entry.key()) {
            return Taken::Refused;
        }
        if inside.data.insert((db.0, entry.key().to_vec()), told(entry)).is_some() {
            inside.twice.push(entry.key().to_vec());
        }
        if inside.left == 0 {
            inside.left = inside.step;
            return Taken::Enough;
        }
        inside.left -= 1;
        Taken::More
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Recorder for Kept {
    fn walked(&mut self, db: DbIndex, entry: &EntryView) -> Taken {
        self.take(db, entry)
    }

    fn preserved(&mut self, db: DbIndex, entry: &EntryView) -> Taken {
        self.inside().preserved += 1;
        self.take(db, entry)
    }
}

fn begin(store: &Store, kept: &Kept) -> (Snapshot, Data) {
    let writer = store.writer();
    let snapshot = store.begin_snapshot(&writer, Box::new(kept.clone())).unwrap();
    (snapshot, data(&writer))
}

fn finish(store: &Store, snapshot: &Snapshot) {
    while snapshot.step(&store.writer(), || false).unwrap() == Progress::More {}
}

fn value(seed: u16) -> Value {
    match seed % 8 {
        0 => Value::from(Text::new(&vec![seed as u8; 70_000])),
        1 => {
            let mut set = Set::default();
            (0..200 + seed % 100).for_each(|member| {
                set.add(format!("member {member}").as_bytes(), &Limits::default());
            });
            set.into()
        }
        _ => Value::from(Text::new(format!("value {seed}").as_bytes())),
    }
}

fn key(number: u16) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

#[derive(Clone, Debug)]
enum Edit {
    Put(u32, u16, u16),
    /// Adds to what is there, where it is.
    More(u32, u16),
    Deadline(u32, u16, Option<i64>),
    Remove(u32, u16),
    /// Another key, of another database, gets the value itself.
    Move(u32, u16, u32),
    /// So many new keys, from this number on.
    Many(u32, u16, u16),
    RemoveMany(u32, u16, u16),
    Swap(u32, u32),
    Flush(u32),
    FlushAll,
}

#[derive(Clone, Debug)]
enum Op {
    /// Several in one hold of the token.
    Edits(Vec<Edit>),
    /// A database is set aside, there are edits, and it is brought back, or not.
    Aside(u32, Vec<Edit>, bool),
    Step,
    StepAfter(Edit),
}

fn edit() -> impl Strategy<Value = Edit> {
    let db = || 0..DATABASES;
    let number = || 0u16..400;
    prop_oneof![
        6 => (db(), number(), any::<u16>()).prop_map(|(db, key, seed)| Edit::Put(db, key, seed)),
        4 => (db(), number()).prop_map(|(db, key)| Edit::More(db, key)),
        3 => (db(), number(), proptest::option::of(0i64..2000)).prop_map(|(db, key, at)| Edit::Deadline(db, key, at)),
        3 => (db(), number()).prop_map(|(db, key)| Edit::Remove(db, key)),
        2 => (db(), number(), db()).prop_map(|(from, key, to)| Edit::Move(from, key, to)),
        2 => (db(), 0u16..30_000, 1u16..5000).prop_map(|(db, from, count)| Edit::Many(db, from, count)),
        1 => (db(), 0u16..30_000, 1u16..9000).prop_map(|(db, from, count)| Edit::RemoveMany(db, from, count)),
        1 => (db(), db()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => db().prop_map(Edit::Flush),
        1 => Just(Edit::FlushAll),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let edits = || proptest::collection::vec(edit(), 1..6);
    prop_oneof![
        4 => edits().prop_map(Op::Edits),
        1 => (0..DATABASES, edits(), any::<bool>()).prop_map(|(db, edits, back)| Op::Aside(db, edits, back)),
        3 => Just(Op::Step),
        1 => edit().prop_map(Op::StepAfter),
    ]
}

fn apply(writer: &Writer<'_>, edit: &Edit) {
    let db = |db: u32| writer.db(DbIndex(db), NOW);
    match *edit {
        Edit::Put(at, number, seed) => db(at).edit(&key(number), |slot| slot.put(value(seed))),
        Edit::More(at, number) => db(at).edit(&key(number), |slot| {
            let text = slot.edit(|text: &mut Text| text.edit(|bytes| bytes.push(b'+')));
            if text.is_err() {
                let set = slot.edit(|set: &mut Set| set.add(b"one more", &Limits::default()));
                set.unwrap();
            }
        }),
        Edit::Deadline(at, number, deadline) => {
            db(at).edit(&key(number), |slot| slot.set_deadline(deadline.map(UnixMillis)));
        }
        Edit::Remove(at, number) => {
            db(at).remove(&key(number));
        }
        Edit::Move(from, number, to) => {
            if let Some(value) = db(from).edit(&key(number), |slot| slot.take()) {
                db(to).edit(&key(number + 1), |slot| slot.put(value));
            }
        }
        Edit::Many(at, from, count) => {
            let mut db = db(at);
            (from..from + count)
                .for_each(|number| db.edit(&key(number), |slot| slot.put_text(b"one of many")));
        }
        Edit::RemoveMany(at, from, count) => {
            let mut db = db(at);
            (from..from + count).for_each(|number| {
                db.remove(&key(number));
            });
        }
        Edit::Swap(one, other) => writer.swap_db(DbIndex(one), DbIndex(other)),
        Edit::Flush(at) => writer.flush(DbIndex(at)),
        Edit::FlushAll => writer.flush_all(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_is_what_was_there_when_it_began(
        before in proptest::collection::vec(edit(), 1..12),
        ops in proptest::collection::vec(op(), 1..40),
        step in 0usize..3000,
        about_to_grow in any::<bool>(),
    ) {
        let store = store();
        if about_to_grow {
            apply(&store.writer(), &Edit::Many(0, 0, 16_380));
        }
        before.iter().for_each(|edit| apply(&store.writer(), edit));
        let kept = Kept::every(step);
        let (snapshot, wanted) = begin(&store, &kept);
        let mut is_whole = false;
        let mut go_on = |writer: &Writer<'_>| {
            if !is_whole {
                is_whole = snapshot.step(writer, || false).unwrap() == Progress::Whole;
            }
        };
        for op in &ops {
            match op {
                Op::Edits(edits) => {
                    let writer = store.writer();
                    edits.iter().for_each(|edit| apply(&writer, edit));
                }
                Op::Aside(db, edits, comes_back) => {
                    let writer = store.writer();
                    let at_first = data(&writer);
                    let aside = writer.set_aside(DbIndex(*db));
                    let edits = edits.iter().filter(|edit| matches!(edit, Edit::Put(..) | Edit::Many(..)));
                    edits.for_each(|edit| apply(&writer, edit));
                    if *comes_back {
                        aside.bring_back();
                        let in_db = |data: &Data| data.iter().filter(|((at, _), _)| at == db).map(|(key, told)| (key.clone(), told.clone())).collect::<Data>();
                        prop_assert_eq!(in_db(&data(&writer)), in_db(&at_first));
                    }
                }
                Op::Step => go_on(&store.writer()),
                Op::StepAfter(edit) => {
                    let writer = store.writer();
                    apply(&writer, edit);
                    go_on(&writer);
                }
            }
            // Tables are made in the background.
            store.settle();
        }
        if !is_whole {
            finish(&store, &snapshot);
        }
        let inside = kept.inside();
        prop_assert!(inside.twice.is_empty(), "{:?}", inside.twice);
        prop_assert_eq!(inside.data.len(), wanted.len());
        prop_assert!(inside.data == wanted);
        prop_assert_eq!(snapshot.step(&store.writer(), || false), Err(SnapshotOver::Whole));
    }
}

/// So many keys of one letter each, or more.
fn filled(count: u16) -> Store {
    let store = store();
    apply(&store.writer(), &Edit::Many(0, 0, count));
    store
}

#[test]
fn a_step_ends_when_it_is_enough_and_writes_between_are_not_in_it() {
    let store = filled(1000);
    let kept = Kept::every(usize::MAX);
    let (snapshot, wanted) = begin(&store, &kept);
    let mut steps = 0;
    loop {
        let (before, mut asked) = (kept.inside().data.len(), 0);
        let enough = || {
            asked += 1;
            asked > 10
        };
        let progress = snapshot.step(&store.writer(), enough).unwrap();
        steps += 1;
        if progress == Progress::Whole {
            break;
        }
        // A position may have two keys, hardly three; those that were preserved are passed over.
        assert!(kept.inside().data.len() - before < 15);
        // A key, an old one, a removed one and one that expires.
        let writer = store.writer();
        apply(&writer, &Edit::Put(0, 2000 + steps, 5));
        apply(&writer, &Edit::Put(0, steps, 5));
        apply(&writer, &Edit::Remove(0, 500 + steps));
        apply(&writer, &Edit::Deadline(0, 700 + steps, Some(5000)));
    }
    assert!(steps > 50, "{steps}");
    let inside = kept.inside();
    assert!(inside.preserved > steps.into(), "{}", inside.preserved);
    assert!(inside.data == wanted);
    assert_eq!(inside.twice, Vec::<Vec<u8>>::new());
}

#[test]
fn there_is_one_at_a_time_and_one_that_is_given_up_costs_nothing_more() {
    let store = filled(10);
    let kept = Kept::default();
    let (snapshot, _) = begin(&store, &kept);
    let second = store.begin_snapshot(&store.writer(), Box::new(Kept::default()));
    assert_eq!(second.err(), Some(SnapshotBusy));
    store.writer().flush(DB);
    drop(snapshot);
    apply(&store.writer(), &Edit::Many(0, 0, 10));
    assert_eq!(kept.inside().preserved, 0);
    assert_eq!(Arc::strong_count(&kept.0), 1, "its recorder is gone");
    let (snapshot, wanted) = begin(&store, &kept);
    finish(&store, &snapshot);
    assert!(kept.inside().data == wanted);
}

#[test]
fn a_load_ends_it_and_the_old_data_are_read_until_then() {
    for discards in [false, true] {
        let store = filled(1000);
        let kept = Kept::default();
        let (snapshot, _) = begin(&store, &kept);
        assert_eq!(snapshot.step(&store.writer(), || false), Ok(Progress::More));
        let mut loading = store.begin_load().unwrap();
        for number in 0..600 {
            loading.insert_text(DB, &key(number), b"one of many", KeyMeta::default()).unwrap();
        }
        // Nothing is written, so nothing stands against it.
        assert_eq!(snapshot.step(&store.writer(), || false), Ok(Progress::More));
        if discards {
            loading.discard_old(&store.writer());
            assert_eq!(snapshot.step(&store.writer(), || false), Err(SnapshotOver::Superseded));
        }
        loading.commit(&store.writer(), None).unwrap();
        assert_eq!(snapshot.step(&store.writer(), || false), Err(SnapshotOver::Superseded));
        apply(&store.writer(), &Edit::RemoveMany(0, 0, 300));
        let again = Kept::default();
        let (snapshot, wanted) = begin(&store, &again);
        assert_eq!(wanted.len(), 300);
        finish(&store, &snapshot);
        assert!(again.inside().data == wanted);
    }
}

#[test]
fn a_recorder_that_refuses_or_panics_ends_it_and_nothing_else() {
    for (panics, walks) in [(false, false), (false, true), (true, false), (true, true)] {
        let store = filled(100);
        let kept = Kept::every(usize::MAX);
        let (snapshot, _) = begin(&store, &kept);
        let mut inside = kept.inside();
        *(if panics { &mut inside.panics } else { &mut inside.refuses }) = Some(key(7));
        drop(inside);
        let work = AssertUnwindSafe(|| {
            if walks {
                assert_eq!(snapshot.step(&store.writer(), || false), Err(SnapshotOver::Refused));
            } else {
                apply(&store.writer(), &Edit::Put(0, 7, 77));
            }
        });
        assert_eq!(catch_unwind(work).is_err(), panics);
        let over = if panics { SnapshotOver::Broken } else { SnapshotOver::Refused };
        assert_eq!(snapshot.step(&store.writer(), || false), Err(over));
        // The store goes on, and so may another.
        apply(&store.writer(), &Edit::Put(0, 7, 78));
        let (another, wanted) = begin(&store, &Kept::default());
        finish(&store, &another);
        assert_eq!(wanted.get(&(0, key(7))), Some(&(b"value 78".to_vec(), None)));
    }
}

#[test]
fn what_is_emptied_is_freed_when_it_is_walked() {
    let store = filled(5000);
    let kept = Kept::every(100);
    let (snapshot, wanted) = begin(&store, &kept);
    store.writer().flush(DB);
    apply(&store.writer(), &Edit::Many(0, 0, 5000));
    assert_eq!(kept.inside().preserved, 0, "the new keys are in another keyspace");
    finish(&store, &snapshot);
    store.settle();
    assert!(kept.inside().data == wanted);
    assert_eq!(store.reader().db(DB, NOW).len(), 5000);
}

#[test]
fn a_database_that_gets_other_shards_meanwhile_is_walked_on() {
    // Growing; shrinking; and emptied in the middle of that.
    for (count, after, is_flushed) in [(16_000, 20_000, false), (20_000, 300, false), (16_000, 20_000, true)]
    {
        let store = filled(16_000);
        let shards = || store.reader().db(DB, NOW).shards();
        let settle = |edits: u16| {
            // The table is made in the background, and its shards are filled with edits.
            store.settle();
            apply(&store.writer(), &Edit::RemoveMany(1, 0, 1));
            (0..edits).for_each(|_| apply(&store.writer(), &Edit::Put(0, 1, 6)));
        };
        if count > 16_000 {
            apply(&store.writer(), &Edit::Many(0, 0, count));
            settle(5000);
        }
        let kept = Kept::every(100);
        let (snapshot, wanted) = begin(&store, &kept);
        let shards_before = shards();
        assert_eq!(snapshot.step(&store.writer(), || false), Ok(Progress::More));
        if after > count {
            apply(&store.writer(), &Edit::Many(0, count, after - count));
        } else {
            apply(&store.writer(), &Edit::RemoveMany(0, after, count - after));
        }
        settle(900);
        assert_eq!(snapshot.step(&store.writer(), || false), Ok(Progress::More), "in the middle of the move");
        if is_flushed {
            store.writer().flush(DB);
        } else {
            settle(u16::MAX);
            assert_ne!(shards(), shards_before);
        }
        finish(&store, &snapshot);
        let inside = kept.inside();
        assert!(inside.data == wanted, "{} of {}", inside.data.len(), wanted.len());
        assert_eq!(inside.twice, Vec::<Vec<u8>>::new());
    }
}
