//! What a load costs from the snapshot's bytes to the swap: `cargo bench -p nearside-replication`. Prints nanoseconds a
//! key or an element of the thread's processor time, the best of several rounds; `rdb=FILE` measures that file instead.
//!
//! The files are made here, in the form in which a server writes them; each is first checked to give what was put in.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used)] // a program that measures

use replication::load::Load;
use storage::{DbIndex, Store, StoreConfig};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 200_000;
const BIG_ELEMENTS: usize = 25_000;
const ROUNDS: usize = 15;
/// Bytes that come in pieces of this length, as the spool gives them.
const PIECE_BYTES: usize = 256 << 10;

/// Nanoseconds that this thread was on a processor: the machine may be busy with something else.
fn on_processor() -> u64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split_whitespace().next().unwrap().parse().unwrap()
}

fn length(out: &mut Vec<u8>, length: usize) {
    match u32::try_from(length).unwrap() {
        short @ 0..64 => out.push(short as u8),
        medium @ 64..16_384 => out.extend_from_slice(&[0x40 | (medium >> 8) as u8, medium as u8]),
        long => {
            out.push(0x80);
            out.extend_from_slice(&long.to_be_bytes());
        }
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn file(keys: usize, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = b"REDIS0010\xfe\x00\xfb".to_vec();
    length(&mut file, keys);
    length(&mut file, 0);
    body(&mut file);
    file.push(0xff);
    let sum = rdb::checksum(&file);
    file.extend_from_slice(&sum.to_le_bytes());
    file
}

/// A listpack of these short strings.
fn listpack<'a>(elements: impl ExactSizeIterator<Item = &'a str>) -> Vec<u8> {
    let count = u16::try_from(elements.len()).unwrap();
    let mut body = Vec::new();
    for element in elements {
        match element.parse::<i32>() {
            Ok(int @ 0..=127) => body.extend_from_slice(&[int as u8, 1]),
            Ok(int) => {
                body.push(0xF3);
                body.extend_from_slice(&int.to_le_bytes());
                body.push(5);
            }
            Err(_) => {
                body.push(0x80 | element.len() as u8);
                body.extend_from_slice(element.as_bytes());
                body.push(element.len() as u8 + 1);
            }
        }
    }
    let total = u32::try_from(body.len() + 7).unwrap();
    [&total.to_le_bytes()[..], &count.to_le_bytes(), &body, &[0xFF]].concat()
}

fn load(store: &Store, file: &[u8]) -> u64 {
    let mut load = Load::begin(store, None).unwrap();
    file.chunks(PIECE_BYTES).for_each(|piece| load.feed(piece).unwrap());
    let loaded = load.finish(|_| {}).unwrap();
    store.settle();
    loaded.keys
}

fn measure(name: &str, file: &[u8], keys: usize, items: usize) {
    let new =
        || Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: storage::Limits::default() });
    let rounds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    let mut best = [u64::MAX; 2];
    for _ in 0..rounds {
        let store = new();
        for best in &mut best {
            let began = on_processor();
            let loaded = load(&store, std::hint::black_box(file));
            *best = (*best).min(on_processor() - began);
            assert_eq!(loaded, keys as u64, "{name}");
        }
        assert_eq!(store.reader().db(DbIndex(0), storage::UnixMillis(0)).stats().keys, keys, "{name}");
    }
    let [first, again] = best.map(|nanos| nanos as f64 / items as f64);
    println!("{name:40} {first:7.1} ns each, {again:7.1} when it is there already");
}

fn main() {
    let given = std::env::args().find_map(|arg| arg.strip_prefix("rdb=").map(str::to_owned));
    if let Some(path) = given {
        let file = std::fs::read(&path).unwrap();
        let store =
            Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: storage::Limits::default() });
        let keys = load(&store, &file) as usize;
        drop(store);
        return measure(&path, &file, keys, keys);
    }
    let strings = file(KEYS, |out| {
        for i in 0..KEYS {
            out.push(0);
            text(out, format!("key:{i:012}").as_bytes());
            text(out, &[b'v'; 100]);
        }
    });
    measure("strings of 100 bytes", &strings, KEYS, KEYS);
    let hashes = file(KEYS, |out| {
        for i in 0..KEYS {
            out.push(16);
            text(out, format!("key:{i:012}").as_bytes());
            let (name, seen) = (format!("{:08x}", i * 7919), (1_600_000_000 + i).to_string());
            let fields =
                ["name", &name, "city", "aBcDeFgH", "age", "42", "mail", "abcdefghijklmn", "seen", &seen];
            text(out, &listpack(fields.into_iter()));
        }
    });
    measure("hashes of 5 fields", &hashes, KEYS, KEYS);
    let sets = file(KEYS / 10, |out| {
        for i in 0..KEYS / 10 {
            out.push(2);
            text(out, format!("key:{i:012}").as_bytes());
            length(out, 10);
            (0..10).for_each(|n| text(out, format!("member:{i}:{n}").as_bytes()));
        }
    });
    measure("an element of sets of 10", &sets, KEYS / 10, KEYS);
    let big_set = file(1, |out| {
        out.push(2);
        text(out, b"key");
        length(out, BIG_ELEMENTS);
        (0..BIG_ELEMENTS).for_each(|n| text(out, format!("member:{n}").as_bytes()));
    });
    measure("an element of a big set", &big_set, 1, BIG_ELEMENTS);
    let big_hash = file(1, |out| {
        out.push(4);
        text(out, b"key");
        length(out, BIG_ELEMENTS);
        for n in 0..BIG_ELEMENTS {
            text(out, format!("field:{n}").as_bytes());
            text(out, b"0123456789");
        }
    });
    measure("a field of a big hash", &big_hash, 1, BIG_ELEMENTS);
    let big_sorted_set = file(1, |out| {
        out.push(5);
        text(out, b"key");
        length(out, BIG_ELEMENTS);
        for n in (0..BIG_ELEMENTS).rev() {
            text(out, format!("member:{n}").as_bytes());
            out.extend_from_slice(&(n as f64 * 3.0).to_le_bytes());
        }
    });
    measure("an element of a big sorted set", &big_sorted_set, 1, BIG_ELEMENTS);
}
