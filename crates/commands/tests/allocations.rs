//! What a read allocates, counted: nothing, for the ones that a cache is asked all day.
//!
//! From the bytes of the request to the bytes of the answer, by one connection whose buffers have seen such a request
//! before. It stands alone in its program, because the allocator that counts is the whole program's.
#![allow(clippy::unwrap_used)] // a panic is a failed test
#![allow(unsafe_code)] // an allocator is one

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Buf;
use commands::{Dialect, ReadContext, Run, Source, WriteContext, resolve};
use protocol::limits::Peer;
use protocol::parse::Parser;
use protocol::{Protocol, Reply, Words};
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis};

const DB: DbIndex = DbIndex(0);
const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

thread_local! {
    /// Of this thread alone: what a test's neighbours and the store's own thread allocate is not counted.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count() {
        // A thread that ends has no counter any more, and is not asked for it.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }
}

// SAFETY: everything is the system allocator's, with the layouts we were given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from `System`, with this layout.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counting::count();
        // SAFETY: `place` came from `System`, with this layout; the caller answers for `size`.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a connection keeps from request to request.
struct Connection {
    store: Store,
    parser: Parser,
    reply: Reply,
}

impl Connection {
    fn new() -> Self {
        let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
        Connection { store, parser: Parser::default(), reply: Reply::new(Protocol::Resp2) }
    }

    /// Runs what stands in `wire`, and tells how many allocations that took.
    fn run(&mut self, wire: &[u8]) -> usize {
        let before = ALLOCATIONS.get();
        let count = self.parser.parse(wire, Peer::Client, 64).unwrap();
        let mut words = Words::default();
        for index in 0..count {
            let request = self.parser.request(index, wire).unwrap();
            let (command, args) = resolve(request.collect(&mut words)).unwrap();
            match command.run {
                Run::Read(handler) => {
                    let reader = self.store.reader();
                    let context = ReadContext::new(Source::Reader(&reader), DB, NOW, Dialect::NEWEST);
                    handler(&context, args, &mut self.reply).unwrap();
                }
                Run::Write(handler) => {
                    let writer = self.store.writer();
                    let mut context = WriteContext::serving(&writer, DB, NOW, Dialect::NEWEST);
                    handler(&mut context, args, &mut self.reply).unwrap();
                }
                Run::Server(_) | Run::Container => panic!("{} is not a command on data", command.name),
            }
        }
        assert_eq!(self.parser.consume(), wire.len());
        let count = ALLOCATIONS.get() - before;
        // Written to the socket, so to say.
        self.reply.advance(self.reply.remaining());
        count
    }

    fn line(&mut self, line: &str) -> usize {
        self.run(format!("{line}\r\n").as_bytes())
    }
}

fn pipeline(requests: &[&str]) -> Vec<u8> {
    let mut wire = Vec::new();
    for request in requests {
        let words: Vec<&str> = request.split(' ').collect();
        wire.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        words
            .iter()
            .for_each(|word| wire.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes()));
    }
    wire
}

#[test]
fn common_reads_allocate_nothing() {
    let mut connection = Connection::new();
    let text = "x".repeat(100);
    connection.line(&format!("SET text {text}"));
    connection.line("SET number 12345");
    for i in 0..1_000 {
        connection.line(&format!("HSET big field:{i} {text}"));
        connection.line(&format!("ZADD bigz {i}.5 member:{i}"));
    }
    for i in 0..20 {
        connection.line(&format!("HSET small field:{i} value:{i}"));
        connection.line(&format!("ZADD smallz {i}.5 member:{i}"));
    }
    let requests = [
        "GET text",
        "GET number",
        "GET missing",
        "HGET small field:7",
        "HGET big field:7",
        "HGET big missing",
        "HGET missing field:7",
        "ZRANGE smallz 0 9",
        "ZRANGE bigz 0 9",
        "ZRANGE missing 0 9",
    ];
    // What the connection's buffers grow to, they have after a first time.
    connection.run(&pipeline(&requests));
    for request in requests {
        assert_eq!(connection.run(&pipeline(&[request])), 0, "{request}");
    }
    assert_eq!(connection.run(&pipeline(&requests)), 0, "all of them at once");
}

#[test]
fn the_counter_counts() {
    let mut connection = Connection::new();
    assert!(connection.line(&format!("SET key {}", "x".repeat(100))) > 0);
}
