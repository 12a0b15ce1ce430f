//! WATCH notices whatever touches a key, and nothing else.

#![allow(clippy::unwrap_used)] // a panic is a failed test
#![allow(missing_docs)]

use storage::value::Text;
use storage::{DbIndex, DbMut, Limits, Store, StoreConfig, UnixMillis, Writer};

const NOW: UnixMillis = UnixMillis(1000);
const DB: DbIndex = DbIndex(0);

/// Watches `key` in a store with `a` and `b` (which has a deadline at 2000) and `gone` (at 500), runs `then`, and
/// looks at `later`.
fn touched_at(key: &[u8], later: i64, then: impl FnOnce(&Writer<'_>, DbMut<'_>)) -> bool {
    let store = Store::new(StoreConfig { databases: 4, hash_key: [1, 2], limits: Limits::default() });
    {
        let writer = store.writer();
        let mut db = writer.db(DB, UnixMillis::NOTHING_EXPIRED);
        db.edit(b"a", |slot| slot.put_text(b"1"));
        for (key, deadline) in [(&b"b"[..], 2000), (b"gone", 500)] {
            db.edit(key, |slot| {
                slot.put_text(b"1");
                slot.set_deadline(Some(UnixMillis(deadline)))
            });
        }
    }
    let watch = store.watch(DB, key, NOW);
    let other = store.watch(DB, b"nobody touches this", NOW);
    {
        let writer = store.writer();
        then(&writer, writer.db(DB, UnixMillis::NOTHING_EXPIRED));
    }
    let reader = store.reader();
    assert!(!other.is_touched(&reader, UnixMillis(later)));
    watch.is_touched(&reader, UnixMillis(later))
}

fn touched(key: &[u8], then: impl FnOnce(&Writer<'_>, DbMut<'_>)) -> bool {
    touched_at(key, NOW.0, then)
}

#[test]
fn edits_removals_and_deadlines_touch() {
    assert!(touched(b"a", |_, mut db| db.edit(b"a", |slot| slot.put_text(b"1"))));
    assert!(touched(b"new", |_, mut db| db.edit(b"new", |slot| slot.put_text(b"1"))));
    assert!(touched(b"a", |_, mut db| assert!(db.remove(b"a"))));
    assert!(touched(b"a", |_, mut db| assert!(db.edit(b"a", |slot| slot.set_deadline(Some(NOW))))));
    assert!(touched(b"a", |_, mut db| {
        db.edit(b"a", |slot| slot.edit(|text: &mut Text| text.edit(|bytes| bytes.push(b'1')))).unwrap();
    }));
}

#[test]
fn what_changes_nothing_does_not_touch() {
    assert!(!touched(b"a", |_, _| ()));
    assert!(!touched(b"a", |_, mut db| db.edit(b"b", |slot| slot.put_text(b"1"))));
    assert!(!touched(b"a", |_, mut db| assert!(db.edit(b"a", |slot| slot.set_deadline(None)))));
    assert!(!touched(b"new", |_, mut db| assert!(!db.remove(b"new"))));
    assert!(!touched(b"a", |writer, _| writer.db(DbIndex(1), NOW).edit(b"a", |slot| slot.put_text(b"1"))));
    assert!(!touched(b"a", |_, mut db| {
        db.edit(b"a", |slot| {
            slot.edit(|_: &mut Text| ()).unwrap();
            slot.unchanged();
        });
    }));
}

#[test]
fn flush_and_swap_touch_what_is_there_on_either_side() {
    assert!(touched(b"a", |writer, _| writer.flush_all()));
    assert!(!touched(b"new", |writer, _| writer.flush(DB)));
    assert!(touched(b"a", |writer, _| writer.swap_db(DbIndex(2), DB)));
    assert!(!touched(b"new", |writer, _| writer.swap_db(DB, DbIndex(2))));
    assert!(touched(b"new", |writer, _| {
        writer.db(DbIndex(2), NOW).edit(b"new", |slot| slot.put_text(b"1"));
        writer.swap_db(DB, DbIndex(2));
    }));
    assert!(!touched(b"a", |writer, _| writer.swap_db(DbIndex(1), DbIndex(2))));
}

#[test]
fn a_deadline_that_comes_touches_but_one_that_was_past_does_not() {
    assert!(!touched_at(b"b", 2000, |_, _| ()));
    assert!(touched_at(b"b", 2001, |_, _| ()));
    assert!(!touched_at(b"gone", 2001, |_, _| ()));
    assert!(!touched(b"gone", |_, mut db| assert!(db.remove(b"gone"))));
    assert!(touched(b"gone", |_, mut db| db.edit(b"gone", |slot| slot.put_text(b"1"))));
    assert!(touched(b"gone", |_, mut db| {
        db.remove(b"gone");
        db.edit(b"gone", |slot| slot.put_text(b"1"));
    }));
}
