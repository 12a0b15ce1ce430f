//! What parsing requests costs: `cargo bench -p nearside-protocol`.
#![allow(missing_docs, clippy::unwrap_used)] // a program that measures

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::limits::Peer;
use protocol::parse::Parser;
use protocol::{Protocol, Reply};

/// As many as a connection runs in one batch.
const REQUESTS: usize = 64;

fn pipeline(words: &[&[u8]]) -> Vec<u8> {
    let mut one = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        one.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        one.extend_from_slice(word);
        one.extend_from_slice(b"\r\n");
    }
    one.repeat(REQUESTS)
}

fn parse(c: &mut Criterion) {
    let value = [b'v'; 100];
    let mut group = c.benchmark_group("parse, 64 requests");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for (name, wire) in [
        ("GET", pipeline(&[b"GET", b"key:000000000042"])),
        ("SET of 100 B", pipeline(&[b"SET", b"key:000000000042", &value])),
        ("ZRANGE 0 9", pipeline(&[b"ZRANGE", b"zset:000000000042", b"0", b"9"])),
        ("inline GET", b"GET key:000000000042\r\n".repeat(REQUESTS)),
    ] {
        let mut parser = Parser::default();
        assert_eq!(parser.parse(&wire, Peer::Client, REQUESTS), Ok(REQUESTS));
        assert_eq!(parser.request(REQUESTS - 1, &wire).unwrap().word(1).len(), wire_key(name));
        assert_eq!(parser.consume(), wire.len());
        group.bench_function(name, |b| {
            b.iter(|| {
                let count = parser.parse(&wire, Peer::Client, REQUESTS).unwrap();
                let read = parser.requests(&wire).map(|request| request.word(1).len()).sum::<usize>();
                parser.consume();
                black_box((count, read))
            });
        });
    }
    group.finish();
}

/// How long the key is that the pipeline of this name asks for.
fn wire_key(name: &str) -> usize {
    if name.starts_with("ZRANGE") { 17 } else { 16 }
}

fn reply(c: &mut Criterion) {
    let value = [b'v'; 100];
    let mut reply = Reply::new(Protocol::Resp2);
    let mark = reply.mark();
    c.bench_function("reply, bulk of 100 B", |b| {
        b.iter(|| {
            reply.rollback(mark);
            reply.bulk(black_box(&value));
            reply.len()
        });
    });
    c.bench_function("reply, integer", |b| {
        b.iter(|| {
            reply.rollback(mark);
            reply.int(black_box(1_234_567));
            reply.len()
        });
    });
}

criterion_group!(benches, parse, reply);
criterion_main!(benches);
