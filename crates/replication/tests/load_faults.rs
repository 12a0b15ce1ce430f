//! Loads that fail, wherever they fail: the old data are as they were, the memory is back, the next load is right.
//!
//! A program of its own, for it counts what the whole process has allocated.
#![allow(unsafe_code)] // an allocator that counts
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test's helpers

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicIsize, Ordering};

use commands::digest::{self, Digest};
use replication::LinkError;
use replication::load::{Load, Loaded};
use storage::{DbIndex, DbStats, Limits, Store, StoreConfig, UnixMillis};

/// Bytes allocated and not freed.
static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: everything is the system's; only sums are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What may be allocated after any number of failed loads that was not before: buffers of the queue to the thread that
/// frees. An entry lost in each would be more.
const KEPT_BYTES_MAX: isize = 4096;

/// Where loads fail: this many places in CI, a thousand in the long tier.
fn places() -> usize {
    if std::env::var("NEARSIDE_LONG").is_ok() { 1000 } else { 60 }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

fn dump(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../../tests/dumps/{name}.rdb", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn feed(store: &Store, file: &[u8]) -> Result<Load, LinkError> {
    let mut load = Load::begin(store, None)?;
    file.chunks(1000).try_for_each(|piece| load.feed(piece))?;
    Ok(load)
}

fn load(store: &Store, file: &[u8]) -> Result<Loaded, LinkError> {
    feed(store, file)?.finish(|_| ())
}

/// Everything that can be seen of a data set.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    digest: Digest,
    stats: Vec<(DbIndex, DbStats)>,
    libraries: usize,
}

fn seen(store: &Store) -> Seen {
    let digest = digest::of_data(&store.writer(), commands::Dialect::NEWEST, UnixMillis::NOTHING_EXPIRED);
    let libraries = store.reader().functions().iter().count();
    Seen { digest, stats: stats(store), libraries }
}

fn stats(store: &Store) -> Vec<(DbIndex, DbStats)> {
    store.reader().stats(store)
}

/// What is allocated when nothing is going on.
fn live(store: &Store) -> isize {
    store.settle();
    LIVE.load(Ordering::Relaxed)
}

#[test]
fn a_load_that_fails_anywhere_leaves_the_old_data_and_the_memory_as_they_were() {
    let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
    let old = dump("redis-8.10");
    // the same data, so that entries are shared; some of them; none
    let files = [old.clone(), dump("redis-7.4"), dump("valkey-9.1")];
    load(&store, &old).unwrap();
    // What is allocated once and kept (buffers, a thread's own) is there from here on.
    for file in &files {
        load(&store, &file[..file.len() - 9]).unwrap_err();
    }
    let before = seen(&store);
    assert!(before.libraries > 0 && !before.stats.is_empty());
    let live_before = live(&store);
    let mut random = Random(20_260_102);
    for round in 0..places() {
        let file = &files[round % files.len()];
        let place = random.below(file.len());
        match random.below(4) {
            // the wire was cut
            0 => drop(load(&store, &file[..place]).unwrap_err()),
            // a byte was changed: the checksum finds what the format does not
            1 => {
                let mut spoiled = file.clone();
                spoiled[place] ^= 1 << random.below(8);
                drop(load(&store, &spoiled).unwrap_err());
            }
            // a promotion, or another master: what is half built is dropped, at some byte or when it is whole
            2 => drop(feed(&store, &file[..place]).unwrap()),
            _ => drop(feed(&store, file).unwrap()),
        }
        let live_now = live(&store);
        let what = format!("round {round}, byte {place} of file {}", round % files.len());
        let kept = live_now - live_before;
        assert!(kept <= KEPT_BYTES_MAX, "{what}: {kept} bytes are still allocated");
        assert_eq!(stats(&store), before.stats, "{what}");
        if round % 20 == 19 {
            assert_eq!(seen(&store), before, "{what}");
            // the next sync is right, and so is the one after it
            let fresh =
                Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
            for next in [file, &old] {
                load(&store, next).unwrap();
                load(&fresh, next).unwrap();
                let (found, expected) = (seen(&store), seen(&fresh));
                assert_eq!(found.digest, expected.digest, "{what}");
                assert_eq!(found.libraries, expected.libraries, "{what}");
            }
            drop(fresh);
            assert_eq!(seen(&store).digest, before.digest, "{what}");
        }
    }
}
