//! What is counted in instructions: parsing requests, answering reads, applying a stream, loading a snapshot.
//!
//! `instructions WHAT` prepares, and then does WHAT inside a function whose name begins with `measured_`, which is what
//! callgrind counts (`benches/instructions.py`). Everything is fixed: keys of hashes, data, order, time, and an allocator
//! of its own, so that the C library's has no part in it. Without a word it does each once, and asserts the answers.

#![allow(missing_docs, unsafe_code)] // a program that is measured, with an allocator
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // what fails is not measured

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use commands::Dialect;
use protocol::limits::Peer;
use protocol::parse::Parser;
use replication::load::Load;
use replication::{Applier, Pace, Position, PositionCell, ReplId};
use server::Loopback;
use server::config::Config;
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis};

const DB: DbIndex = DbIndex(0);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const KEYS: usize = 2_000;
/// As many as a connection runs in one batch.
const BATCH: usize = 64;
/// What a socket gives at once.
const PIECE: usize = 16 * 1024;

/// An allocator without surprises: a free list for each power of two, filled from large chunks of the system's.
struct Simple {
    taken: AtomicBool,
    state: UnsafeCell<State>,
}

struct State {
    free: [*mut u8; 64],
    chunk: *mut u8,
    left: usize,
}

/// What is taken from the system at once.
const CHUNK_BYTES: usize = 1 << 24;

// SAFETY: whoever holds `taken` alone reaches the state.
unsafe impl Sync for Simple {}

impl Simple {
    /// The power of two that has room for the layout.
    fn class(layout: Layout) -> u32 {
        layout.size().max(layout.align()).max(16).next_power_of_two().trailing_zeros()
    }

    fn locked<R>(&self, body: impl FnOnce(&mut State) -> R) -> R {
        while self.taken.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: `taken` is ours.
        let answer = body(unsafe { &mut *self.state.get() });
        self.taken.store(false, Ordering::Release);
        answer
    }
}

// SAFETY: a block has the size and alignment (a page's at most) of its power of two, and is in one list or in use.
unsafe impl GlobalAlloc for Simple {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = Simple::class(layout);
        let bytes = 1usize << class;
        self.locked(|state| {
            let free = &mut state.free[class as usize];
            if !free.is_null() {
                let block = *free;
                // SAFETY: a free block begins with the address of the next.
                *free = unsafe { *block.cast::<*mut u8>() };
                return block;
            }
            let skip = state.chunk.align_offset(bytes.min(4096));
            if state.left < bytes + skip {
                let size = CHUNK_BYTES.max(bytes);
                // SAFETY: the size is not zero, and the alignment a power of two.
                state.chunk = unsafe { System.alloc(Layout::from_size_align_unchecked(size, 4096)) };
                state.left = size;
                if state.chunk.is_null() {
                    state.left = 0;
                    return state.chunk;
                }
            }
            let skip = state.chunk.align_offset(bytes.min(4096));
            let block = state.chunk.wrapping_add(skip);
            state.chunk = block.wrapping_add(bytes);
            state.left -= skip + bytes;
            block
        })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.locked(|state| {
            let free = &mut state.free[Simple::class(layout) as usize];
            // SAFETY: the block is free, and has room for an address.
            unsafe { *block.cast::<*mut u8>() = *free };
            *free = block;
        });
    }
}

#[global_allocator]
static ALLOCATOR: Simple = Simple {
    taken: AtomicBool::new(false),
    state: UnsafeCell::new(State { free: [std::ptr::null_mut(); 64], chunk: std::ptr::null_mut(), left: 0 }),
};

fn store() -> Store {
    Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() })
}

/// Requests; one line is one.
fn wire(lines: &[String]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        wire.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            wire.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    wire
}

fn key(kind: &str, number: usize) -> String {
    // In no order.
    format!("{kind}:{:012}", number * 7_919 % KEYS)
}

/// The stream of a master's day: every kind of value made, changed, and some removed.
fn writes() -> Vec<String> {
    let text = "v".repeat(100);
    let mut lines = vec!["SELECT 0".to_owned()];
    for number in 0..KEYS {
        lines.push(format!("SET {} {text}", key("text", number)));
        lines.push(format!("SET {} {number}", key("number", number)));
        lines.push(format!("HSET {} name one city two age {number}", key("hash", number)));
        lines.push(format!("ZADD {} 1 a 2.5 b 3 c", key("zset", number)));
        lines.push(format!("RPUSH {} a b {number}", key("list", number)));
        lines.push(format!("SADD {} 1 2 {number}", key("set", number)));
        lines.push(format!("ZADD board {number} member:{number}"));
        lines.push(format!("HSET table field:{number} value:{number}"));
    }
    for number in 0..KEYS {
        lines.push(format!("SET {} {text}", key("text", number)));
        lines.push(format!("INCR {}", key("number", number)));
        lines.push(format!("PEXPIREAT {} 4000000000000", key("hash", number)));
        if number % 8 == 0 {
            lines.push("MULTI".to_owned());
            lines.push(format!("DEL {}", key("list", number)));
            lines.push(format!("SADD {} other", key("set", number)));
            lines.push("EXEC".to_owned());
        }
    }
    lines
}

/// A string as a snapshot has it.
fn add_text(rdb: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        length @ ..64 => rdb.push(length as u8),
        length => rdb.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]),
    }
    rdb.extend_from_slice(text);
}

/// Strings, numbers, and small values, without a checksum.
fn snapshot() -> Vec<u8> {
    let mut rdb = b"REDIS0009\xfe\x00\xfb\x80".to_vec();
    rdb.extend_from_slice(&((5 * KEYS) as u32).to_be_bytes());
    rdb.push(0);
    for number in 0..KEYS {
        rdb.push(0);
        add_text(&mut rdb, key("text", number).as_bytes());
        add_text(&mut rdb, &[b'v'; 100]);
        rdb.push(0);
        add_text(&mut rdb, key("number", number).as_bytes());
        rdb.push(0xc2);
        rdb.extend_from_slice(&(number as i32).to_le_bytes());
        rdb.push(1);
        add_text(&mut rdb, key("list", number).as_bytes());
        rdb.push(2);
        ["first", "second"].iter().for_each(|word| add_text(&mut rdb, word.as_bytes()));
        rdb.push(4);
        add_text(&mut rdb, key("hash", number).as_bytes());
        rdb.push(2);
        ["name", "one", "city", "two"].iter().for_each(|word| add_text(&mut rdb, word.as_bytes()));
        rdb.push(5);
        add_text(&mut rdb, key("zset", number).as_bytes());
        rdb.push(2);
        for (member, score) in [("a", 1.0f64), ("b", 2.5)] {
            add_text(&mut rdb, member.as_bytes());
            rdb.extend_from_slice(&score.to_le_bytes());
        }
    }
    rdb.push(0xff);
    rdb.extend_from_slice(&[0; 8]);
    rdb
}

/// A clock that moves by a microsecond each time it is asked.
struct Ticking(Cell<Instant>);

impl Pace for Ticking {
    fn now(&self) -> Instant {
        self.0.set(self.0.get() + Duration::from_micros(1));
        self.0.get()
    }
    fn pause(&self, time: Duration) {
        self.0.set(self.0.get() + time);
    }
}

struct Replica {
    store: Store,
    applier: Applier,
    position: PositionCell,
    pace: Ticking,
}

impl Replica {
    #[allow(clippy::disallowed_methods)] // some moment to begin with
    fn new() -> Self {
        let store = store();
        let position = PositionCell::new(ReplId::from_random([0; 20]));
        let at = Position { replid: ReplId::from_random([7; 20]), offset: 1, db: DB };
        position.set(at);
        let mut applier = Applier::new(store.clone(), false);
        applier.begin(at, Dialect::NEWEST);
        Replica { store, applier, position, pace: Ticking(Cell::new(Instant::now())) }
    }
}

#[inline(never)]
fn measured_parse(parser: &mut Parser, wire: &[u8]) -> usize {
    let mut bytes = 0;
    let mut rest = wire;
    while !rest.is_empty() {
        parser.parse(rest, Peer::Client, BATCH).unwrap();
        bytes += parser.requests(rest).map(|request| request.word(0).len()).sum::<usize>();
        rest = &rest[parser.consume()..];
    }
    bytes
}

#[inline(never)]
fn measured_serve(client: &mut Loopback, batches: &[Vec<u8>]) -> usize {
    batches.iter().map(|batch| client.run(batch).unwrap()).sum()
}

#[inline(never)]
fn measured_apply(replica: &mut Replica, stream: &[u8]) -> u64 {
    let Replica { applier, position, pace, .. } = replica;
    stream.chunks(PIECE).map(|piece| applier.feed(piece, NOW, position, pace).unwrap().commands).sum()
}

#[inline(never)]
fn measured_load(store: &Store, snapshot: &[u8]) -> u64 {
    let mut load = Load::begin(store, None).unwrap();
    snapshot.chunks(PIECE).for_each(|piece| load.feed(piece).unwrap());
    load.finish(|_| ()).unwrap().keys
}

fn parse() {
    let wire = wire(&writes());
    let bytes = measured_parse(&mut Parser::default(), black_box(&wire));
    assert!(black_box(bytes) > 40 * KEYS, "{bytes} bytes of names");
}

/// Answers these requests, a batch at a time, as a connection does between its read and its write.
fn serve(lines: &[String]) -> usize {
    serve_with(Config::default(), lines)
}

fn serve_with(config: Config, lines: &[String]) -> usize {
    let mut replica = Replica::new();
    measured_apply(&mut replica, &wire(&writes()));
    let batches: Vec<Vec<u8>> = lines.chunks(BATCH).map(wire).collect();
    let config = Config { listen: false, http: None, ..config };
    let mut client = Loopback::new(replica.store.clone(), config).unwrap();
    black_box(measured_serve(&mut client, black_box(&batches)))
}

fn gets() -> Vec<String> {
    (0..KEYS).map(|number| format!("GET {}", key("text", number))).collect()
}

const GETS_ANSWER: usize = KEYS * ("$100\r\n\r\n".len() + 100);

fn get() {
    assert_eq!(serve(&gets()), GETS_ANSWER);
}

/// The same of a user who may only read, and only such keys.
fn get_restricted() {
    let users = vec!["default on nopass resetkeys ~text:* -@all +@read".to_owned()];
    assert_eq!(serve_with(Config { users, ..Config::default() }, &gets()), GETS_ANSWER);
}

fn hget() {
    let lines: Vec<String> = (0..KEYS).map(|number| format!("HGET {} city", key("hash", number))).collect();
    assert_eq!(serve(&lines), KEYS * "$3\r\ntwo\r\n".len());
}

fn zrange() {
    let lines = vec!["ZRANGE board 0 9".to_owned(); KEYS];
    assert_eq!(serve(&lines), KEYS * ("*10\r\n".len() + 10 * "$8\r\nmember:0\r\n".len()));
}

/// Reads of every kind, among each other.
fn mixed() {
    let mut lines = Vec::new();
    for number in 0..KEYS {
        lines.push(format!("GET {}", key("number", number)));
        lines.push(format!("HGET table field:{number}"));
        lines.push(format!("GET missing:{number}"));
        lines.push(format!("SISMEMBER {} 2", key("set", number)));
        lines.push(format!("EXISTS {}", key("text", number)));
        lines.push(format!("ZSCORE board member:{number}"));
    }
    assert!(serve(&lines) > 25 * KEYS);
}

fn apply() {
    let mut replica = Replica::new();
    assert!(measured_apply(&mut replica, black_box(&wire(&writes()))) > 11 * KEYS as u64);
    let reader = replica.store.reader();
    assert_eq!(reader.db(DB, NOW).len(), 6 * KEYS + 2 - KEYS.div_ceil(8));
}

fn load() {
    let store = store();
    assert_eq!(measured_load(&store, black_box(&snapshot())), 5 * KEYS as u64);
    assert_eq!(store.reader().db(DB, NOW).len(), 5 * KEYS);
}

fn main() {
    assert!(storage::value::hasher::set_seed(42), "nothing was hashed before");
    let all: [(&str, fn()); 8] = [
        ("parse", parse),
        ("get", get),
        ("get_restricted", get_restricted),
        ("hget", hget),
        ("zrange", zrange),
        ("mixed", mixed),
        ("apply", apply),
        ("load", load),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure();
        }
    }
}
