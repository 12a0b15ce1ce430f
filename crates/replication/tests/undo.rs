//! A transaction of the stream that fails leaves nothing of itself behind, whatever it did before.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test's helpers

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use replication::{Applier, Pace, Position, PositionCell, ReplId, Stopped};
use storage::{DbIndex, EntryView, Limits, Store, StoreConfig, UnixMillis, Value, ValueRef};

struct Still(Instant);

impl Pace for Still {
    fn now(&self) -> Instant {
        self.0
    }
    fn pause(&self, _: Duration) {}
}

#[allow(clippy::disallowed_methods)]
fn still() -> Still {
    Still(Instant::now())
}

/// Keys of every kind, small and big.
const KEYS: [&str; 15] = [
    "int",
    "text",
    "long",
    "hash",
    "bighash",
    "set",
    "bigset",
    "zset",
    "bigzset",
    "list",
    "biglist",
    "stream",
    "bigstream",
    "none",
    "other",
];

fn wire(lines: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    bytes
}

fn populated() -> Vec<String> {
    let mut lines = vec![
        "SET int 5".into(),
        "SET text hello".into(),
        format!("SET long {} PX 77777", "x".repeat(100_000)),
        "XGROUP CREATE stream group 0 MKSTREAM".into(),
        "XGROUP CREATE bigstream group 0 MKSTREAM".into(),
    ];
    for (prefix, count) in [("", 3), ("big", 400)] {
        for number in 0..count {
            lines.push(format!("HSET {prefix}hash f{number} {number}"));
            lines.push(format!("SADD {prefix}set m{number}"));
            lines.push(format!("ZADD {prefix}zset {number} m{number}"));
            lines.push(format!("RPUSH {prefix}list e{number}"));
            lines.push(format!("XADD {prefix}stream 100-{} a {number} b x", number + 1));
            lines.push(format!(
                "XCLAIM {prefix}stream group me 0 100-{} TIME 1 RETRYCOUNT 1 FORCE JUSTID LASTID 100-{}",
                number + 1,
                number + 1
            ));
        }
    }
    lines.push("HPEXPIREAT bighash 9999999999999 FIELDS 2 f1 f2".into());
    lines.push("PEXPIREAT biglist 99999999999999".into());
    lines.push("SELECT 1".into());
    lines.push("SET elsewhere 1".into());
    lines.push("SELECT 0".into());
    lines
}

/// A command of the pool, for these numbers.
fn command(which: u16, a: u16, b: u16) -> String {
    let key = KEYS[usize::from(a) % KEYS.len()];
    let other = KEYS[usize::from(b) % KEYS.len()];
    let n = b % 450;
    // The key of the right kind twice as often as any.
    let of = |kind: &str| {
        if a.is_multiple_of(3) {
            key.to_owned()
        } else if a.is_multiple_of(2) {
            format!("big{kind}")
        } else {
            kind.to_owned()
        }
    };
    match which % 60 {
        0 => format!("SET {key} {n}"),
        1 => format!("SET {key} v PXAT 88888888888888"),
        2 => format!("DEL {key} {other}"),
        3 => format!("UNLINK {key}"),
        4 => format!("INCRBY {key} {n}"),
        5 => format!("APPEND {key} tail"),
        6 => format!("SETRANGE {key} {n} patch"),
        7 => format!("RENAME {key} {other}"),
        8 => format!("RENAMENX {key} {other}"),
        9 => format!("COPY {key} {other} REPLACE"),
        10 => format!("MOVE {key} 1"),
        11 => "SWAPDB 0 1".into(),
        12 => "FLUSHDB".into(),
        13 => "FLUSHALL".into(),
        14 => format!("PEXPIREAT {key} 9999999999{n}"),
        15 => format!("PERSIST {key}"),
        16 => format!("HSET {} f{n} new g{n} new", of("hash")),
        17 => format!("HDEL {} f{n} f1 f2 f0", of("hash")),
        18 => format!("HINCRBY {} f{n} 3", of("hash")),
        19 => format!("HPEXPIREAT {} 9999999999999 FIELDS 1 f{n}", of("hash")),
        20 => format!("SADD {} m{n} x{n}", of("set")),
        21 => format!("SREM {} m{n} m0 m1 m2", of("set")),
        22 => format!("SMOVE {} {other} m{n}", of("set")),
        23 => format!("ZADD {} {a} m{n}", of("zset")),
        24 => format!("ZADD {} XX INCR 5 m{n}", of("zset")),
        25 => format!("ZREM {} m{n} m0 m1 m2", of("zset")),
        26 => format!("ZINCRBY {} 2.5 m{n}", of("zset")),
        27 => format!("ZREMRANGEBYRANK {} 0 {n}", of("zset")),
        28 => format!("ZPOPMIN {} 3", of("zset")),
        29 => format!("LPUSH {} a b c", of("list")),
        30 => format!("RPUSHX {} a b", of("list")),
        31 => format!("LPOP {} {n}", of("list")),
        32 => format!("RPOP {}", of("list")),
        33 => format!("LMOVE {} {other} LEFT RIGHT", of("list")),
        34 => format!("LMOVE {0} {0} RIGHT LEFT", of("list")),
        35 => format!("RPOPLPUSH {} {}", of("list"), of("list")),
        36 => format!("LSET {} {n} changed", of("list")),
        37 => format!("LTRIM {} 1 {n}", of("list")),
        38 => format!("LREM {} 0 e{n}", of("list")),
        39 => format!("LINSERT {} BEFORE e{n} new", of("list")),
        40 => format!("XADD {} 2{a}-{b} k v", of("stream")),
        41 => format!("XADD {} MAXLEN = {n} 3{a}-{b} k v", of("stream")),
        42 => format!("XADD {} MINID = 100-{n} 4{a}-{b} k v", of("stream")),
        43 => format!("XDEL {} 100-{n} 100-1", of("stream")),
        44 => format!("XTRIM {} MAXLEN = {n}", of("stream")),
        45 => format!("XACK {} group 100-{n} 100-2", of("stream")),
        46 => format!(
            "XCLAIM {} group you{a} 0 100-{n} TIME 7 RETRYCOUNT 2 FORCE JUSTID LASTID 100-{n}",
            of("stream")
        ),
        47 => format!("XGROUP SETID {} group 100-{n} ENTRIESREAD {n}", of("stream")),
        48 => format!("XGROUP CREATECONSUMER {} group new{n}", of("stream")),
        49 => format!("XGROUP DESTROY {} group", of("stream")),
        50 => format!("XGROUP CREATE {} group2 0", of("stream")),
        51 => format!("SETBIT {key} {n} 1"),
        52 => format!("PFADD {key} {n}"),
        53 => format!("SINTERSTORE {key} {} {}", of("set"), of("set")),
        54 => format!("ZUNIONSTORE {key} 2 {} {}", of("zset"), of("set")),
        55 => format!("BITOP OR {key} text int"),
        56 => format!("SORT {} ALPHA STORE {other}", of("list")),
        57 => "SELECT 1".into(),
        58 => "SELECT 0".into(),
        _ => format!("DECR {key}"),
    }
}

type State = BTreeMap<(u32, Vec<u8>), (Value, Option<UnixMillis>)>;

fn copied(entry: &EntryView) -> Value {
    match entry.value() {
        ValueRef::String(text) => Value::String(text.to_text()),
        ValueRef::List(list) => Value::List(list.to_list()),
        ValueRef::Set(set) => Value::Set(set.to_set()),
        ValueRef::SortedSet(set) => Value::SortedSet(set.to_sorted_set()),
        ValueRef::Hash(hash) => Value::Hash(hash.to_hash()),
        ValueRef::Stream(stream) => Value::Stream(Box::new(stream.clone())),
        other => panic!("{other:?}"),
    }
}

fn state(store: &Store) -> State {
    let reader = store.reader();
    let mut all = State::new();
    for db in 0..2 {
        reader.db(DbIndex(db), UnixMillis::NOTHING_EXPIRED).for_each(|key, entry| {
            all.insert((db, key.to_vec()), (copied(entry), entry.deadline()));
        });
    }
    all
}

fn assert_same(before: &State, after: &State, lines: &[String]) {
    let names = |state: &State| {
        state.keys().map(|(db, key)| format!("{db}:{}", key.escape_ascii())).collect::<Vec<_>>()
    };
    assert_eq!(names(before), names(after), "{lines:?}");
    for ((key, old), (_, new)) in before.iter().zip(after) {
        assert!(old.0.view().same(new.0.view()), "{} differs: {lines:?}", key.1.escape_ascii());
        assert_eq!(old.1, new.1, "deadline of {}: {lines:?}", key.1.escape_ascii());
    }
}

/// Applies these lines as one transaction that ends in a failure; everything must be as it was.
fn fails_without_a_trace(store: &Store, before: &State, lines: &[String]) {
    let position = PositionCell::new(ReplId::from_random([0; 20]));
    let at = Position { replid: ReplId::from_random([7; 20]), offset: 0, db: DbIndex(0) };
    position.set(at);
    let mut applier = Applier::new(store.clone(), false);
    applier.begin(at, commands::Dialect::NEWEST);
    let mut unit = vec!["MULTI".to_owned()];
    unit.extend_from_slice(lines);
    unit.extend(["SELECT 0".into(), "SET own x".into(), "LPUSH own 1".into(), "EXEC".into()]);
    let result = applier.feed(&wire(&unit), UnixMillis(1_700_000_000_000), &position, &still());
    assert!(matches!(result, Err(Stopped::Diverged(_))), "{result:?}");
    assert_eq!(position.get(), at);
    assert_same(before, &state(store), lines);
}

fn fresh() -> Store {
    let store = Store::new(StoreConfig { databases: 2, hash_key: [1, 2], limits: Limits::default() });
    let position = PositionCell::new(ReplId::from_random([0; 20]));
    let at = Position { replid: ReplId::from_random([7; 20]), offset: 0, db: DbIndex(0) };
    let mut applier = Applier::new(store.clone(), false);
    applier.begin(at, commands::Dialect::NEWEST);
    let populated = applier.feed(&wire(&populated()), UnixMillis(1_700_000_000_000), &position, &still());
    populated.unwrap();
    store
}

#[test]
fn any_failed_transaction_leaves_no_trace() {
    let store = fresh();
    let before = state(&store);
    assert_eq!(before.len(), 14);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    let units = prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>()), 1..12);
    let outcome = runner.run(&units, |numbers| {
        let lines: Vec<String> = numbers.iter().map(|(which, a, b)| command(*which, *a, *b)).collect();
        fails_without_a_trace(&store, &before, &lines);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Nothing is pushed onto a list where nothing is taken from another.
#[test]
fn what_moved_nothing_is_undone_by_nothing() {
    let store = fresh();
    let before = state(&store);
    for moving in ["LMOVE list biglist LEFT RIGHT", "RPOPLPUSH list biglist"] {
        fails_without_a_trace(&store, &before, &["DEL list".to_owned(), moving.to_owned()]);
    }
}

/// Each command alone, on each key, big and small.
#[test]
fn each_command_leaves_no_trace() {
    let store = fresh();
    let before = state(&store);
    for which in 0..60 {
        for a in 0..15 {
            fails_without_a_trace(&store, &before, &[command(which, a, a * 7 + which)]);
        }
    }
}
