//! How big the keys' values are: INFO keysizes.
//!
//! Owns the walk over all keys and the ranges that it counts by. Nothing is counted beforehand, which every write would
//! pay for: who asks pays. Never runs in a batch, and a value's elements are never walked over.

use std::fmt;

use commands::Source;
use storage::value::ValueRef;
use storage::{DbIndex, EntryView, Reader, ScanCursor, UnixMillis};

use crate::node::Node;

/// About as many keys are looked at within one stay inside the gate: as long as a batch may take.
const KEYS_A_STAY: usize = 1024;

/// What has a size: in the order in which it is told, and what the sizes are of.
const KINDS: [&str; 5] = ["strings_sizes", "lists_items", "sets_items", "zsets_items", "hashes_items"];

/// One range for nothing, and one for each power of two.
const RANGES: usize = 1 + usize::BITS as usize;

/// How many values of a database are how big.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    db: DbIndex,
    counts: [[u64; RANGES]; KINDS.len()],
}

impl Sizes {
    fn new(db: DbIndex) -> Sizes {
        Sizes { db, counts: [[0; RANGES]; KINDS.len()] }
    }

    fn add(&mut self, entry: &EntryView) {
        let (kind, size) = match entry.value() {
            ValueRef::String(text) => (0, text.len()),
            ValueRef::List(list) => (1, list.len()),
            ValueRef::Set(set) => (2, set.len()),
            ValueRef::SortedSet(set) => (3, set.len()),
            ValueRef::Hash(hash) => (4, hash.len()),
            // Real servers do not tell of these.
            ValueRef::Stream(_) | ValueRef::Array(_) | ValueRef::Module(_) => return,
        };
        let range = (usize::BITS - size.leading_zeros()) as usize;
        if let Some(count) = self.counts.get_mut(kind).and_then(|counts| counts.get_mut(range)) {
            *count += 1;
        }
    }
}

/// Its lines.
impl fmt::Display for Sizes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, counts) in KINDS.iter().zip(&self.counts) {
            let counted = || counts.iter().enumerate().filter(|(_, count)| **count > 0);
            for (place, (range, count)) in counted().enumerate() {
                if place == 0 {
                    write!(to, "db{}_distrib_{kind}:", self.db.0)?;
                } else {
                    to.write_str(",")?;
                }
                let (least, unit) = least_of(range);
                write!(to, "{least}{unit}={count}")?;
            }
            if counted().next().is_some() {
                to.write_str("\r\n")?;
            }
        }
        Ok(())
    }
}

/// The smallest size of a range, as it is written.
fn least_of(range: usize) -> (u64, &'static str) {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match range.checked_sub(1) {
        None => (0, ""),
        Some(bit) => (1 << (bit % 10), UNITS.get(bit / 10).copied().unwrap_or_default()),
    }
}

/// Counts every key, one that has expired and is not removed yet too, as DBSIZE does. For the token's holder as of one
/// moment; else some keys at a time, with others' writes between: a key that is there all the while counts once.
pub(super) fn count(node: &Node, source: Option<Source<'_>>) -> Vec<Sizes> {
    let mut all = Vec::new();
    for db in (0..node.databases).map(DbIndex) {
        let mut sizes = Sizes::new(db);
        match source {
            Some(source) => {
                source.db(db, UnixMillis::NOTHING_EXPIRED).for_each(|_, entry| sizes.add(entry));
            }
            None => step_by_step(|| node.store.reader(), db, &mut sizes),
        }
        all.push(sizes);
    }
    all
}

/// Counts the keys of a database, and lets whoever waits at the gate in between.
fn step_by_step<'a>(reader: impl Fn() -> Reader<'a>, db: DbIndex, sizes: &mut Sizes) {
    let mut cursor = ScanCursor::START;
    loop {
        let reader = reader();
        let looked_at = reader.db(db, UnixMillis::NOTHING_EXPIRED);
        cursor = looked_at.scan(cursor, KEYS_A_STAY, |_, entry| sizes.add(entry));
        if cursor == ScanCursor::START {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use storage::value::{Text, Value};
    use storage::{Limits, Store, StoreConfig};

    use super::*;

    #[test]
    fn ranges_are_named_by_their_smallest_size() {
        let named = |size: u64| {
            let (least, unit) = least_of((u64::BITS - size.leading_zeros()) as usize);
            format!("{least}{unit}")
        };
        let sizes = [0, 1, 3, 4, 1023, 1024, 2047, (1 << 20) - 1, 1 << 20, 512 << 20, 1 << 32, u64::MAX];
        let names = ["0", "1", "2", "4", "512", "1K", "1K", "512K", "1M", "512M", "4G", "8E"];
        assert_eq!(sizes.map(named), names);
    }

    #[test]
    fn a_walk_leaves_the_gate_again_and_again_and_counts_each_key_once() {
        const KEYS: usize = 5000;
        let store = Store::new(StoreConfig { databases: 1, hash_key: [1, 2], limits: Limits::default() });
        let db = DbIndex(0);
        let writer = store.writer();
        for number in 0..KEYS {
            let value = Value::String(Text::new(&vec![b'x'; number % 3]));
            writer.db(db, UnixMillis(0)).edit(format!("key:{number}").as_bytes(), |slot| slot.put(value));
        }
        drop(writer);
        let stays = AtomicUsize::new(0);
        let mut sizes = Sizes::new(db);
        let reader = || {
            stays.fetch_add(1, Relaxed);
            store.reader()
        };
        step_by_step(reader, db, &mut sizes);
        assert_eq!(sizes.to_string(), "db0_distrib_strings_sizes:0=1667,1=1667,2=1666\r\n");
        assert!(stays.load(Relaxed) > KEYS / KEYS_A_STAY, "one stay for all keys");
    }
}
