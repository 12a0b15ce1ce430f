//! A snapshot: every entry as it was at one moment, while the writer goes on.
//!
//! From its beginning on every keyspace that had keys is walked in the order of positions (see [`crate::ScanCursor`]),
//! in steps that its owner makes under the token and may make as short as he likes. Who edits a key whose position the
//! walk has not reached hands over what stands at that position first, whole, and the position is noted, so that the
//! walk passes over it; what is new there by then is passed over with it. So every entry of the beginning is recorded
//! once, as it was, and nothing else is.
//!
//! Owns how far the walk is, which positions ahead of it are recorded already, and the keyspaces that were emptied
//! meanwhile, until they are walked. Never knows what becomes of an entry: a [`Recorder`] does; never asks what time it
//! is.
//!
//! # What a keyspace may go through meanwhile
//! A keyspace is known by its address, which is its own for as long as it is not walked to the end: so it may be
//! swapped with another database's or be aside for a while, and the snapshot is the same. When it gets other shards its
//! successor takes its place: positions mean the same in both. One that is emptied is the snapshot's from the end of
//! that hold of the token on; nobody writes to it any more, and it is freed when it is walked. Only a load that
//! replaces the data set ends a snapshot, for what the new one shares with the old may be changed without anybody
//! asking the old.
//!
//! # What it costs
//! An edit looks at one byte, at which it looks anyway. The first edit of a position in a snapshot looks through its
//! shard (some 400 words) and records what is there; a big value is recorded in one piece, by its writer or by the
//! walk, whoever comes first. A note takes a bit, and no database more than some 20 MB.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::caution::Reason;
use crate::entry::EntryView;
use crate::keyspace::{KeyHash, Keyspace};
use crate::primitives::lock;
use crate::scan::ScanCursor;
use crate::store::{Inner, Store};
use crate::time::DbIndex;
use crate::writer::Writer;

/// Takes what a snapshot finds. Called with the token and the entry's shard held, for each entry once.
pub trait Recorder: Send {
    /// An entry that the walk has come to, and the number that its database had when the snapshot began.
    fn walked(&mut self, db: DbIndex, entry: &EntryView) -> Taken;

    /// The same of one that is about to be changed, for whoever changes it.
    fn preserved(&mut self, db: DbIndex, entry: &EntryView) -> Taken;
}

/// What a recorder says to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// There may be more.
    More,
    /// That is enough for this step. (Who preserves an entry has no step to end.)
    Enough,
    /// It cannot be recorded: the snapshot is over.
    Refused,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more.
    More,
    /// Everything is recorded.
    Whole,
}

/// Why there is nothing to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotOver {
    /// It is whole.
    #[error("the snapshot is whole")]
    Whole,
    /// A load has put another data set in the place of the one that it was of.
    #[error("the data set was replaced by another while it was recorded")]
    Superseded,
    /// Its recorder has refused an entry.
    #[error("an entry could not be recorded")]
    Refused,
    /// Its recorder has panicked.
    #[error("recording an entry failed inside")]
    Broken,
}

/// Another snapshot is being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another snapshot is being taken")]
pub struct SnapshotBusy;

/// A snapshot that is being taken; dropping it gives it up.
///
/// ```
/// use storage::{DbIndex, EntryView, Limits, Progress, Recorder, Store, StoreConfig, Taken, UnixMillis};
/// use std::sync::mpsc::{Sender, channel};
///
/// struct Names(Sender<String>);
///
/// impl Recorder for Names {
///     fn walked(&mut self, _: DbIndex, entry: &EntryView) -> Taken {
///         self.0.send(String::from_utf8_lossy(entry.key()).into_owned()).map_or(Taken::Refused, |()| Taken::More)
///     }
///     fn preserved(&mut self, db: DbIndex, entry: &EntryView) -> Taken {
///         self.walked(db, entry)
///     }
/// }
///
/// let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
/// let set = |key: &[u8]| store.writer().db(DbIndex(0), UnixMillis(0)).edit(key, |slot| slot.put_text(b"1"));
/// set(b"before");
/// let (names, seen) = channel();
/// let snapshot = store.begin_snapshot(&store.writer(), Box::new(Names(names))).expect("it is the only one");
/// set(b"after");
/// store.writer().flush(DbIndex(0));
/// while snapshot.step(&store.writer(), || false).expect("nothing ends it") == Progress::More {}
/// assert_eq!(seen.iter().collect::<Vec<_>>(), ["before"]);
/// ```
#[derive(Debug)]
pub struct Snapshot {
    store: Store,
    over: Arc<OnceLock<SnapshotOver>>,
}

/// The same, as the store knows it.
pub(crate) struct Running {
    recorder: Box<dyn Recorder>,
    /// What is not walked to its end, in the order of the databases' numbers. So few that they are looked through.
    parts: Vec<Part>,
    over: Arc<OnceLock<SnapshotOver>>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// One keyspace of the beginning.
#[derive(Debug)]
struct Part {
    /// The number that its database had.
    db: DbIndex,
    keyspace: Id,
    /// The walk has passed what is below.
    walked: u64,
    /// What is recorded beyond.
    noted: Positions,
    /// It was emptied since.
    own: Option<Box<Keyspace>>,
}

/// Which keyspace it is: its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id(usize);

impl Id {
    fn of(keyspace: &Keyspace) -> Id {
        Id(std::ptr::from_ref(keyspace).addr())
    }
}

impl Store {
    /// Begins a snapshot of this moment: from here on `recorder` gets every entry that is here now, expired ones
    /// included.
    ///
    /// # Errors
    /// [`SnapshotBusy`] while another is being taken.
    ///
    /// # Panics
    /// When the writer is another store's.
    pub fn begin_snapshot(
        &self,
        writer: &Writer<'_>,
        recorder: Box<dyn Recorder>,
    ) -> Result<Snapshot, SnapshotBusy> {
        assert!(
            std::ptr::eq(writer.inner, Arc::as_ptr(&self.inner)),
            "a snapshot is taken of the writer's store"
        );
        let mut running = lock(&self.inner.snapshot);
        if running.is_some() {
            return Err(SnapshotBusy);
        }
        let parts = (0..self.databases()).map(DbIndex).filter_map(|db| {
            let keyspace = writer.all(db).keyspace().filter(|keyspace| keyspace.counts.keys() > 0)?;
            Some(Part { db, keyspace: Id::of(keyspace), walked: 0, noted: Positions::default(), own: None })
        });
        let over = Arc::new(OnceLock::new());
        *running = Some(Running { recorder, parts: parts.collect(), over: Arc::clone(&over) });
        self.inner.caution.raise(Reason::Snapshot);
        Ok(Snapshot { store: self.clone(), over })
    }
}

impl Snapshot {
    /// Walks on until the recorder or `is_enough`, which is asked before each position, says that it is enough.
    ///
    /// What was emptied in this very hold of the token is walked in a later one: until then there is more.
    ///
    /// # Errors
    /// [`SnapshotOver`]; then there is nothing to go on with.
    ///
    /// # Panics
    /// When the writer is another store's.
    pub fn step(
        &self,
        writer: &Writer<'_>,
        mut is_enough: impl FnMut() -> bool,
    ) -> Result<Progress, SnapshotOver> {
        let inner = &*self.store.inner;
        assert!(std::ptr::eq(writer.inner, inner), "a snapshot goes on in the store that it began in");
        let step = |running: &mut Running| {
            if !Arc::ptr_eq(&running.over, &self.over) {
                return (None, None);
            }
            match running.step(writer, &mut is_enough) {
                Ok(Progress::More) => (Some(Progress::More), None),
                Ok(Progress::Whole) => (Some(Progress::Whole), Some(SnapshotOver::Whole)),
                Err(Refused) => (None, Some(SnapshotOver::Refused)),
            }
        };
        let stepped = inner.with_snapshot(step).flatten();
        stepped.ok_or_else(|| self.over.get().copied().unwrap_or(SnapshotOver::Broken))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let given_up = |running: &mut Running| {
            let is_own = Arc::ptr_eq(&running.over, &self.over);
            // The reason is told to nobody.
            ((), is_own.then_some(SnapshotOver::Broken))
        };
        self.store.inner.with_snapshot(given_up);
    }
}

/// See [`Taken::Refused`].
struct Refused;

impl Running {
    fn step(
        &mut self,
        writer: &Writer<'_>,
        is_enough: &mut dyn FnMut() -> bool,
    ) -> Result<Progress, Refused> {
        let mut taken = Taken::More;
        let mut index = 0;
        while let Some(part) = self.parts.get_mut(index) {
            let own = part.own.as_deref();
            let Some(keyspace) = own.or_else(|| writer.inner.keyspace_at(writer, part.keyspace)) else {
                // Emptied or aside in this hold of the token.
                index += 1;
                continue;
            };
            let (db, noted) = (part.db, &part.noted);
            // `taken` is read before each position and written after it.
            let said = std::cell::Cell::new(taken);
            let walked = keyspace.in_order(
                part.walked,
                |position, entry| {
                    if said.get() != Taken::Refused && !noted.contains(position) {
                        said.set(self.recorder.walked(db, entry));
                    }
                },
                || said.get() != Taken::More || is_enough(),
            );
            taken = said.get();
            part.walked = walked;
            part.noted.forget_below(walked);
            if taken == Taken::Refused {
                return Err(Refused);
            }
            if walked < ScanCursor::END {
                return Ok(Progress::More);
            }
            let part = self.parts.remove(index);
            if let Some(own) = part.own {
                writer.inner.reclaimer.run_later(move || drop(own));
            }
        }
        Ok(if self.parts.is_empty() { Progress::Whole } else { Progress::More })
    }

    fn part(&mut self, keyspace: Id) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.keyspace == keyspace)
    }

    /// Records what is at a position, unless it was before.
    fn preserve(&mut self, keyspace: &Keyspace, position: u64) -> Result<(), Refused> {
        let id = Id::of(keyspace);
        let Some(part) = self.parts.iter_mut().find(|part| part.keyspace == id) else { return Ok(()) };
        if position < part.walked || !part.noted.add(position) {
            return Ok(());
        }
        let mut taken = Taken::More;
        keyspace.at(position, |entry| {
            if taken != Taken::Refused {
                taken = self.recorder.preserved(part.db, entry);
            }
        });
        if taken == Taken::Refused { Err(Refused) } else { Ok(()) }
    }
}

impl Inner {
    /// Works on the snapshot that is being taken, if one is, and ends it when `work` gives a reason to. A panic inside
    /// ends it too: whatever was being recorded is not whole.
    fn with_snapshot<R>(&self, work: impl FnOnce(&mut Running) -> (R, Option<SnapshotOver>)) -> Option<R> {
        let mut cell = lock(&self.snapshot);
        let Some(mut running) = cell.take() else {
            // Nobody else clears it after a panic.
            self.caution.clear(Reason::Snapshot);
            return None;
        };
        let (answer, over) = work(&mut running);
        let Some(over) = over else {
            *cell = Some(running);
            return Some(answer);
        };
        self.caution.clear(Reason::Snapshot);
        drop(cell);
        let Running { recorder, parts, over: told } = running;
        // It is told once.
        let _first = told.set(over);
        drop(recorder);
        if !parts.is_empty() {
            self.reclaimer.run_later(move || drop(parts));
        }
        Some(answer)
    }

    fn is_in_snapshot(&self) -> bool {
        self.caution.is_raised(Reason::Snapshot)
    }

    /// Has recorded what an edit of a key with this hash may change.
    pub(crate) fn preserve(&self, keyspace: &Keyspace, hash: KeyHash) {
        if self.is_in_snapshot() {
            self.with_snapshot(|running| {
                let preserved = running.preserve(keyspace, hash.position());
                ((), preserved.err().map(|Refused| SnapshotOver::Refused))
            });
        }
    }

    /// A keyspace is about to be replaced by one that has the same entries in other shards.
    pub(crate) fn snapshot_goes_on_in(&self, keyspace: &Keyspace, successor: &Keyspace) {
        if self.is_in_snapshot() {
            self.with_snapshot(|running| {
                if let Some(part) = running.part(Id::of(keyspace)) {
                    part.keyspace = Id::of(successor);
                }
                ((), None)
            });
        }
    }

    /// Takes a keyspace that no database has any more, if the snapshot has not walked it; else gives it back.
    pub(crate) fn unless_in_snapshot(&self, keyspace: Box<Keyspace>) -> Option<Box<Keyspace>> {
        if !self.is_in_snapshot() {
            return Some(keyspace);
        }
        let mut keyspace = Some(keyspace);
        self.with_snapshot(|running| {
            if let Some(part) = keyspace.as_deref().and_then(|keyspace| running.part(Id::of(keyspace))) {
                part.own = keyspace.take();
            }
            ((), None)
        });
        keyspace
    }

    /// The data set is about to be replaced by another.
    pub(crate) fn supersede_snapshot(&self) {
        if self.is_in_snapshot() {
            self.with_snapshot(|_| ((), Some(SnapshotOver::Superseded)));
        }
    }

    /// The keyspace with this address, where a database has it.
    fn keyspace_at<'a>(&'a self, writer: &'a Writer<'_>, id: Id) -> Option<&'a Keyspace> {
        let mut all = self.databases.iter().filter_map(|database| database.get(writer.access()));
        all.find(|keyspace| Id::of(keyspace) == id)
    }
}

/// So many positions stand together.
const POSITIONS: u64 = 512;

/// A set of positions: a bit for each, of those parts of the line that have any. Were they numbers, a hundred million
/// keys could not be written to while a snapshot is taken.
#[derive(Debug, Default)]
struct Positions(BTreeMap<u64, [u64; (POSITIONS / 64) as usize]>);

impl Positions {
    /// Adds one; says whether it is new.
    fn add(&mut self, position: u64) -> bool {
        let (index, bit) = place(position);
        let bits = self.0.entry(position / POSITIONS).or_default();
        let word = bits.get_mut(index).expect("a place is among them");
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn contains(&self, position: u64) -> bool {
        let (index, bit) = place(position);
        let bits = self.0.get(&(position / POSITIONS));
        bits.and_then(|bits| bits.get(index)).is_some_and(|word| word & bit != 0)
    }

    /// Forgets those that are below; some of them may stay.
    fn forget_below(&mut self, position: u64) {
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() < position / POSITIONS) {
            first.remove();
        }
    }
}

/// Which bit of which word of its part of the line.
fn place(position: u64) -> (usize, u64) {
    ((position % POSITIONS / 64) as usize, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_a_set() {
        let mut positions = Positions::default();
        for position in [0, 63, 64, 511, 512, 513, ScanCursor::END - 1] {
            assert!(!positions.contains(position));
            assert!(positions.add(position), "{position}");
            assert!(!positions.add(position));
        }
        assert!(!positions.contains(1) && !positions.contains(510));
        positions.forget_below(513);
        assert!(
            !positions.contains(64) && positions.contains(513) && positions.contains(ScanCursor::END - 1)
        );
        positions.forget_below(ScanCursor::END);
        assert!(positions.0.is_empty());
    }
}
