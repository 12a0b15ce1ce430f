//! `MEMORY USAGE` beside the allocator: what a key is said to take is what jemalloc counts for it.
//!
//! It stands alone in its program, because the allocator is the whole program's.
#![allow(clippy::unwrap_used)] // a panic is a failed test

use storage::score::Score;
use storage::value::hash::{DeadlineForm, FieldDeadline};
use storage::value::list::End;
use storage::value::stream::{Group, Pending, StreamId};
use storage::value::{Array, Hash, List, Set, SortedSet, Stream, Text};
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis, Value};
use tikv_jemalloc_ctl::thread;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const DB: DbIndex = DbIndex(0);
const NOW: UnixMillis = UnixMillis(1000);
/// What each key is said to take in its table, whose own bytes are known.
const SLOT_BYTES: usize = 14;
const COUNTS: [usize; 7] = [1, 10, 100, 129, 1000, 10_000, 100_000];

/// What this thread has allocated and not freed, as jemalloc counts it: in its size classes.
fn held() -> i64 {
    let counted =
        |counter: tikv_jemalloc_ctl::Result<thread::ThreadLocal<u64>>| counter.unwrap().get() as i64;
    counted(thread::allocatedp::read()) - counted(thread::deallocatedp::read())
}

/// Element number `index` of so many bytes; they do not come in their order.
fn element(index: usize, bytes: usize) -> Vec<u8> {
    let digits = format!("{:08x}", (index as u32).wrapping_mul(0x9e37_79b1));
    digits.bytes().chain(std::iter::repeat(b'x')).take(bytes).collect()
}

type Make = fn(usize, usize, &Limits) -> Value;

fn text(count: usize, bytes: usize, _: &Limits) -> Value {
    Text::new(&vec![b'x'; count * bytes]).into()
}

fn list(count: usize, bytes: usize, limits: &Limits) -> Value {
    let mut list = List::default();
    for index in 0..count {
        list.push_all(End::Tail, std::iter::once(&*element(index, bytes)), limits);
    }
    list.into()
}

fn set(count: usize, bytes: usize, limits: &Limits) -> Value {
    let mut set = Set::default();
    for index in 0..count {
        set.add(&element(index, bytes), limits);
    }
    set.into()
}

fn ints(count: usize, bytes: usize, limits: &Limits) -> Value {
    let mut set = Set::ints();
    for index in 0..count {
        set.add((index * bytes).to_string().as_bytes(), limits);
    }
    set.into()
}

fn sorted_set(count: usize, bytes: usize, limits: &Limits) -> Value {
    let mut set = SortedSet::default();
    for index in 0..count {
        set.insert(&element(index, bytes), Score::from((index * 7919 % 1000) as i64), limits);
    }
    set.into()
}

fn ascending(count: usize, bytes: usize, limits: &Limits) -> Value {
    let mut set = SortedSet::default();
    for index in 0..count {
        set.insert(&element(index, bytes), Score::from(index as i64), limits);
    }
    set.into()
}

fn hash_with(count: usize, bytes: usize, limits: &Limits, deadline: FieldDeadline) -> Value {
    let mut hash = Hash::default();
    for index in 0..count {
        let field = element(index, bytes);
        hash.set(&field, &field, deadline, limits, DeadlineForm::default());
    }
    hash.into()
}

fn hash(count: usize, bytes: usize, limits: &Limits) -> Value {
    hash_with(count, bytes, limits, FieldDeadline::Cleared)
}

fn hash_with_deadlines(count: usize, bytes: usize, limits: &Limits) -> Value {
    hash_with(count, bytes, limits, FieldDeadline::At(UnixMillis(1_700_000_000_000)))
}

fn entries(count: usize, bytes: usize, limits: &Limits) -> Stream {
    let mut stream = Stream::default();
    for index in 0..count {
        let field = element(index, bytes);
        let id = StreamId { ms: index as u64 + 1, seq: 0 };
        stream.append(id, &[(b"field", &field)], limits).unwrap();
    }
    stream
}

fn stream(count: usize, bytes: usize, limits: &Limits) -> Value {
    entries(count, bytes, limits).into()
}

fn stream_with_groups(count: usize, bytes: usize, limits: &Limits) -> Value {
    let mut stream = entries(count, bytes, limits);
    for name in [&b"one"[..], b"another"] {
        let mut group = Group::new(StreamId { ms: count as u64, seq: 0 }, None);
        let owner = |group: &mut Group, name: &[u8]| group.consumer_or_new(name, 1000, None).0;
        let owners = [owner(&mut group, b"somebody"), owner(&mut group, b"somebody else")];
        for index in 0..count {
            let consumer = owners.get(index % owners.len()).copied();
            let pending = Pending { consumer, delivered_ms: 1000, deliveries: 1 };
            group.set_pending(StreamId { ms: index as u64 + 1, seq: 0 }, pending);
        }
        stream.add_group(name, group).unwrap();
    }
    stream.into()
}

fn array(count: usize, bytes: usize, _: &Limits) -> Value {
    let mut array = Array::default();
    for index in 0..count {
        array.set(index as u64, &element(index, bytes));
    }
    array.into()
}

fn sparse_array(count: usize, bytes: usize, _: &Limits) -> Value {
    let mut array = Array::default();
    for index in 0..count {
        array.set(index as u64 * 1000, &element(index, bytes));
    }
    array.into()
}

#[test]
fn what_a_key_is_said_to_take_is_what_the_allocator_gave_for_it() {
    let makers: [(&str, Make); 13] = [
        ("text", text),
        ("list", list),
        ("set", set),
        ("ints", ints),
        ("sorted set", sorted_set),
        ("sorted set, ascending", ascending),
        ("hash", hash),
        ("hash with deadlines", hash_with_deadlines),
        ("stream", stream),
        ("stream with groups", stream_with_groups),
        ("array", array),
        ("sparse array", sparse_array),
        ("number", |count, bytes, _| Text::new((count * bytes).to_string().as_bytes()).into()),
    ];
    let limits = Limits::default();
    let store = Store::new(StoreConfig { databases: 1, hash_key: [1, 2], limits });
    // What the first edit allocates for the database is not a key's.
    store.writer().db(DB, NOW).edit(b"first", |slot| slot.put(Text::new(b"x").into()));
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (name, make) in makers {
        for count in COUNTS {
            // The largest at one size: what grows is the same.
            for bytes in if count < 100_000 { &[8, 16, 64][..] } else { &[16] } {
                let bytes = *bytes;
                let key = format!("key:{name}:{count}:{bytes}").into_bytes();
                let table_before = store.reader().db(DB, NOW).stats().table_bytes;
                let before = held();
                let value = make(count, bytes, &Limits::default());
                store.writer().db(DB, NOW).edit(&key, |slot| slot.put(value));
                let held = usize::try_from(held() - before).unwrap();
                let reader = store.reader();
                let db = reader.db(DB, NOW);
                let truth = held - (db.stats().table_bytes - table_before) + SLOT_BYTES;
                let entry = db.peek(&key).unwrap();
                let said = entry.memory_usage();
                compared += 1;
                if said.abs_diff(truth) * 100 > truth {
                    wrong.push(format!(
                        "{name} of {count} × {bytes} ({}): said {said}, allocated {truth}, {:.3}",
                        entry.encoding(),
                        said as f64 / truth as f64
                    ));
                }
            }
        }
    }
    assert_eq!(compared, 13 * (6 * 3 + 1));
    assert!(wrong.is_empty(), "more than 1 % off:\n{}", wrong.join("\n"));
}
