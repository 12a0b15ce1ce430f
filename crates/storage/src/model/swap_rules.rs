//! The data-set swap: a load that shares entries with the old set, readers, a writer, and the thread that clears up.
//!
//! Two keyspaces are tables of two shards of words here; a number says which of them is read. The steps are the
//! store's, in its order (`load.rs`): freeze, mark, swap with the gate closed or give up, thaw, take apart, clear the
//! marks. Broken on purpose: a table is taken apart without regard for marks, a write gets into the frozen set, and the
//! old set is swapped with the gate open.

use std::rc::Rc;

use super::entry::{Entry, EntryView};
use super::gate::{Asker, Gate};
use super::line::Occupied;
use super::marks::Marks;
use super::patience::{ShardLock, lock_for_write};
use super::primitives::{Arc, AtomicBool, AtomicUsize, Ordering};
use super::shard::Shard;
use super::word::Word;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::{Sender, channel};
use shuttle::thread;

const RUNS: usize = 300;

/// Keys and values of the old set and of the new: two are the same, one is changed, one goes, one comes.
const OLD: [(u64, u64); 4] = [(0, 10), (1, 10), (2, 10), (3, 10)];
const NEW: [(u64, u64); 4] = [(0, 10), (1, 10), (2, 20), (4, 20)];

/// What the writer puts under keys 0 and 1, once each.
const WRITTEN: u64 = 30;

#[derive(Clone, Copy, PartialEq)]
enum Broken {
    Nothing,
    /// The table that goes frees what is marked, too.
    Marks,
    /// A write does not ask whether a load is comparing.
    Freeze,
    /// Readers are inside while the old table goes.
    Gate,
}

struct Table {
    shards: [Shard<Vec<Word>>; 2],
    occupied: Occupied,
    marks: Marks,
}

fn shard_of(key: u64) -> usize {
    (key % 2) as usize
}

fn view(word: &Word) -> EntryView {
    // SAFETY: the cell behind an address is never given back; whether it may be read is what the model finds out.
    unsafe { word.view() }
}

impl Table {
    fn new() -> Table {
        Table { shards: Default::default(), occupied: Occupied::new(2), marks: Marks::none(2) }
    }

    fn add(&self, key: u64, word: Word) {
        self.shards[shard_of(key)].write().push(word);
        self.occupied.note(shard_of(key), true);
    }

    /// All keys and values, shard by shard.
    fn read(&self) -> Vec<(u64, u64)> {
        let mut seen = Vec::new();
        for shard in &self.shards {
            seen.extend(shard.read().iter().map(|word| (view(word).key(), view(word).value())));
        }
        seen.sort_unstable();
        seen
    }

    /// The old entry's word in another table, when key and value are the same.
    fn share_same(&self, key: u64, value: u64) -> Option<Word> {
        let guard = self.shards[shard_of(key)].read();
        let word = guard.iter().find(|word| view(word).key() == key && view(word).value() == value)?;
        Some(word.share(7))
    }

    fn take_apart(&self, broken: Broken) {
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.write());
            for word in taken {
                if self.marks.own(&word) || broken == Broken::Marks {
                    // SAFETY: the word is out of its table; the cell tells when another has freed the entry.
                    drop(unsafe { word.into_entry() });
                }
            }
        }
    }

    fn clear_marks(&self) {
        while self.marks.may_be_there() {
            self.marks.clear_some(&self.occupied, 1, |shard| {
                self.shards[shard]
                    .read()
                    .iter()
                    .filter(|word| word.is_shared())
                    .for_each(|word| word.mark_shared(false));
            });
        }
    }
}

struct Store {
    gate: Arc<Gate>,
    tables: [Table; 2],
    /// Which of them is read.
    content: AtomicUsize,
    frozen: AtomicBool,
    /// The load has begun: what is written later outlives it.
    has_begun: AtomicBool,
    has_ended: AtomicBool,
}

impl Store {
    fn new() -> Store {
        let store = Store {
            gate: Arc::new(Gate::new()),
            tables: [Table::new(), Table::new()],
            content: AtomicUsize::new(0),
            frozen: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        };
        OLD.into_iter()
            .for_each(|(key, value)| store.tables[0].add(key, Word::new(Entry::new(key, value), 7)));
        store
    }

    fn content(&self) -> &Table {
        &self.tables[self.content.load(Ordering::SeqCst)]
    }

    fn read_all(&self) {
        let slot = Rc::new(Gate::register(&self.gate));
        let mut is_last = false;
        while !is_last {
            is_last = self.has_ended.load(Ordering::SeqCst);
            let _inside = self.gate.enter(&slot);
            let content = self.content();
            // As a batch of several requests: the longer, the more may go wrong meanwhile.
            for _ in 0..4 {
                let seen = content.read();
                let is_like = |whole: &[(u64, u64)]| {
                    seen.len() == whole.len()
                        && seen.iter().zip(whole).all(|(seen, whole)| {
                            seen.0 == whole.0 && (seen.1 == whole.1 || (seen.0 < 2 && seen.1 == WRITTEN))
                        })
                };
                assert!(is_like(&OLD) || is_like(&NEW), "seen: {seen:?}, which was never there");
            }
        }
    }

    /// Puts another entry in the place of one, and writes into another; each when the load has begun and nothing is
    /// frozen.
    fn write_both(&self, broken: Broken) {
        let edits: [fn(&Word) -> Option<Entry>; 2] = [
            |word| {
                // SAFETY: the word is given another entry at once.
                let old = unsafe { Entry::from_raw(word.raw()) };
                word.set(Entry::new(old.view().key(), WRITTEN));
                Some(old)
            },
            |word| {
                view(word).set(WRITTEN);
                None
            },
        ];
        for (key, edit) in (0..).zip(edits) {
            loop {
                let token = self.gate.token(Asker::Applier);
                let is_frozen = self.frozen.load(Ordering::SeqCst) && broken != Broken::Freeze;
                if is_frozen || !self.has_begun.load(Ordering::SeqCst) {
                    drop(token);
                    thread::yield_now();
                    continue;
                }
                let mut guard = lock_for_write(&token, &self.content().shards[shard_of(key)]);
                let word = guard.iter_mut().find(|word| view(word).key() == key).expect("it stands in both");
                let old = edit(word);
                drop(guard);
                drop(old);
                break;
            }
        }
    }

    fn load(&self, broken: Broken, later: &Sender<Job>) {
        let [old, new] = &self.tables;
        let token = self.gate.token(Asker::Applier);
        self.frozen.store(true, Ordering::SeqCst);
        self.has_begun.store(true, Ordering::SeqCst);
        old.marks.expect();
        drop(token);
        new.marks.respect(true);
        let length =
            if thread_rng().gen_bool(0.5) { NEW.len() } else { thread_rng().gen_range(0..NEW.len()) };
        for (key, value) in NEW.into_iter().take(length) {
            let word = old.share_same(key, value);
            new.add(key, word.unwrap_or_else(|| Word::new(Entry::new(key, value), 7)));
        }
        if length == NEW.len() {
            let token = self.gate.token(Asker::Applier);
            let closed = (broken != Broken::Gate).then(|| token.close());
            new.marks.respect(false);
            new.marks.expect();
            old.marks.respect(true);
            self.content.store(1, Ordering::SeqCst);
            drop(closed);
            self.frozen.store(false, Ordering::SeqCst);
            drop(token);
            later.send(Job::ClearMarks(1)).unwrap();
            later.send(Job::TakeApart(0)).unwrap();
        } else {
            self.frozen.store(false, Ordering::SeqCst);
            later.send(Job::TakeApart(1)).unwrap();
            later.send(Job::ClearMarks(0)).unwrap();
        }
    }
}

/// What the thread in the background does, in the order in which it is told.
enum Job {
    TakeApart(usize),
    ClearMarks(usize),
    /// Nothing: readers may end, too.
    End,
}

fn a_load_beside_reads_and_writes(broken: Broken) {
    super::random(RUNS, move || {
        let store = Arc::new(Store::new());
        let (later, jobs) = channel();
        let reader = Arc::clone(&store);
        let writer = Arc::clone(&store);
        let background = Arc::clone(&store);
        let threads = [
            thread::spawn(move || reader.read_all()),
            thread::spawn(move || writer.write_both(broken)),
            thread::spawn(move || {
                for job in jobs {
                    match job {
                        Job::TakeApart(table) => background.tables[table].take_apart(broken),
                        Job::End => background.has_ended.store(true, Ordering::SeqCst),
                        Job::ClearMarks(table) => {
                            let slot = Rc::new(Gate::register(&background.gate));
                            let _inside = background.gate.enter(&slot);
                            background.tables[table].clear_marks();
                        }
                    }
                }
            }),
        ];
        store.load(broken, &later);
        later.send(Job::End).unwrap();
        drop(later);
        for thread in threads {
            thread.join().unwrap();
        }
        let left = store.content();
        let words = || {
            left.shards.iter().flat_map(|shard| shard.read().iter().map(Word::is_shared).collect::<Vec<_>>())
        };
        assert!(words().all(|is_shared| !is_shared), "a mark was left");
        let seen = left.read();
        assert_eq!(seen[..2], [(0, WRITTEN), (1, WRITTEN)], "a write was lost");
        left.take_apart(broken);
    });
}

#[test]
fn a_load_shares_swaps_and_gives_up_and_nothing_is_freed_twice() {
    a_load_beside_reads_and_writes(Broken::Nothing);
}

#[test]
#[should_panic(expected = "freed")]
fn a_table_taken_apart_without_regard_for_marks_frees_what_the_other_has() {
    a_load_beside_reads_and_writes(Broken::Marks);
}

/// A value that the new set takes over changed, an entry freed that it has, a write lost: whichever comes first.
#[test]
#[should_panic]
fn a_write_into_the_frozen_set_is_found_out() {
    a_load_beside_reads_and_writes(Broken::Freeze);
}

/// Half a set is seen, or an entry read that is freed meanwhile (whose reader's lock the others then find poisoned).
#[test]
#[should_panic]
fn a_swap_with_the_gate_open_is_found_out() {
    a_load_beside_reads_and_writes(Broken::Gate);
}
