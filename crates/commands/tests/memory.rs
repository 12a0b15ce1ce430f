//! What broken dumps may cost: decoding one and building all its values takes memory in proportion to its bytes.
//!
//! Owns an allocator that counts, so it is a program with one test at a time.
#![allow(unsafe_code, missing_docs, clippy::expect_used, clippy::indexing_slicing)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use commands::convert::{self, Rules, ValueBuilder};
use rdb::{Decoder, Flavour, Item, Step};
use storage::Limits;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting what is held and the most that was.
struct Counting;

impl Counting {
    fn took(bytes: usize) {
        let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
        MOST.fetch_max(held, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::took(layout.size());
        // SAFETY: the caller's promise is ours.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is ours.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it moves both are there.
        Counting::took(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is ours.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The tests here look at the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Room for one value whose count lies: [`convert`] makes room for some elements before they have come.
const FIXED_BYTES: usize = 4 << 20;

/// LZF gives up to 88 bytes for one; they may be there twice, unpacked and in a value that grows.
const BYTES_FOR_ONE: usize = 88 * 3;

/// Reads it to its end or its first mistake, keeping every value. The most bytes that were held for it.
fn cost(file: &[u8], decoder: Decoder) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    read(file, decoder);
    MOST.load(Ordering::Relaxed).saturating_sub(before)
}

fn read(file: &[u8], mut decoder: Decoder) {
    let limits = Limits::default();
    let mut rules = Rules::new(&limits, Flavour::Redis);
    let (mut at, mut kept, mut open) = (0, Vec::new(), None::<ValueBuilder>);
    while let Ok(Step::Item { item, used }) = decoder.next(&file[at..]) {
        match (item, &mut open) {
            (Item::Header { flavour, .. }, _) => rules = Rules::new(&limits, flavour),
            (Item::Whole { value, .. }, _) => match convert::whole(value, rules) {
                Ok(value) => kept.push(value),
                Err(_) => {
                    assert!(convert::in_place(value, rules).is_none(), "what is broken is not stored");
                    return;
                }
            },
            (Item::Open { run, .. }, _) => match ValueBuilder::open(run, rules) {
                Ok(builder) => open = Some(builder),
                Err(_) => return,
            },
            (Item::Close, building @ Some(_)) => match building.take().map(|builder| builder.finish(rules)) {
                Some(Ok(value)) => kept.push(value),
                _ => return,
            },
            (piece, Some(builder)) => match builder.add(&piece, rules) {
                Ok(()) => {}
                Err(_) => return,
            },
            _ => {}
        }
        at += used;
    }
}

fn dumps() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/dumps"));
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the dumps stand there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "rdb"))
        .map(|path| {
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), fs::read(&path).expect("it"))
        })
        .collect();
    found.sort();
    assert!(found.len() >= 40, "the dumps stand there");
    found
}

/// Dumps of which a neighbour says nearly the same: for the long tier.
const NEARLY_THE_SAME: [&str; 10] = [
    "layout-0008",
    "layout-0014",
    "redict-7.3",
    "redis-6.0-nosum",
    "redis-6.2",
    "redis-7.0",
    "redis-8.2",
    "redis-8.6",
    "valkey-8.1",
    "valkey-9.0",
];

/// Each byte of each dump, one bit of it turned (each of its bits in the long tier): an error or other values, no
/// panic, and no more memory than the bytes are worth.
#[test]
fn a_turned_bit_anywhere_costs_no_more_than_its_bytes() {
    let _alone = ALONE.lock();
    let long = std::env::var("NEARSIDE_LONG").is_ok();
    let (mut most, mut tried) = ((0, String::new()), 0);
    for (name, mut file) in dumps() {
        if !long && (file.len() > 4000 || NEARLY_THE_SAME.contains(&name.as_str())) {
            continue;
        }
        for at in 0..file.len() {
            for bit in (0..8).filter(|bit| long || *bit == (at * 5 + at / 8) % 8) {
                file[at] ^= 1 << bit;
                let cost = cost(&file, Decoder::without_checksum());
                file[at] ^= 1 << bit;
                let bound = FIXED_BYTES + BYTES_FOR_ONE * file.len();
                assert!(cost <= bound, "{name}: {cost} bytes for bit {bit} of byte {at}, above {bound}");
                most = most.max((cost, format!("{name}, byte {at}, bit {bit}")));
                tried += 1;
            }
        }
    }
    assert!(tried > 20_000, "{tried}");
    eprintln!("at most {} bytes: {}", most.0, most.1);
}

/// A file of a few bytes that announces as much as can be announced, in each type.
#[test]
fn a_count_that_lies_costs_a_fixed_room() {
    let _alone = ALONE.lock();
    let huge = b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff";
    let millions = b"\x80\x00\x10\x00\x00";
    for count in [&huge[..], millions] {
        for code in 0..=32 {
            for between in [&b""[..], b"\0\0\0\0\0\0\0\0", b"\0", b"\x01\x05"] {
                for version in [15, 80] {
                    let mut body = vec![code];
                    body.extend_from_slice(between);
                    body.extend_from_slice(count);
                    body.extend_from_slice(b"\x01a\x01b\x01c\x01d");
                    let flavour = rdb::of_dump_version(version).expect("a version that we know");
                    let cost = cost(&body, Decoder::payload(flavour, u32::from(version)));
                    assert!(cost <= FIXED_BYTES, "type {code}: {cost} bytes for {} of file", body.len());
                }
            }
        }
    }
}
