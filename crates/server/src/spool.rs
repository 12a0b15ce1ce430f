//! The spool: what the master sent and nobody has taken yet, in order.
//!
//! The socket is always drained into it, so that the master's output buffer never overflows because we are busy
//! loading or applying. It holds pieces in memory up to one bound, then in files up to another; both full, it
//! refuses the piece, the caller stops reading, and nothing is lost.
//!
//! A load that keeps up is not outrun, though: a few megabytes of a snapshot are held, and the next piece is refused
//! for some milliseconds. Were all of it taken at wire speed, 64 MiB of pieces would lie here that a loader gets to no
//! sooner for it: 0.3 of the size of a million small strings, for which memory is found, filled and given back. It is
//! the loader that does not take a piece in that time that the master is not made to wait for.
//!
//! Files are segments, unlinked as soon as they are open: what is in them dies with the process, and each goes as
//! soon as its last piece is taken.
//!
//! One producer ([`SpoolIn`]), one consumer ([`SpoolOut`]), who waits in it. Owns the order, the bounds and the
//! moment at which each piece was received. Never looks at what a piece means.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use storage::UnixMillis;
use tokio::sync::Notify;

/// What one file holds at most: space is given back in steps of it.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Pieces in a file are joined up to this length, so that a long queue of small ones stays a short list.
const JOINED_BYTES_MAX: u64 = 256 << 10;
/// Pieces in a file are joined when they came within this time, for each is dated by its first byte.
const JOINED_MILLIS_MAX: i64 = 10;
/// A snapshot's piece waits for the load when so much is in memory: some twenty pieces, more than what a loader takes
/// while this side does not run, and little enough to stay in the processor's cache.
const SNAPSHOT_BYTES_AHEAD: u64 = 4 << 20;
/// ... for so long. Loads take a piece of 256 KiB in about 1 ms; one that does not take it in this is behind, and is
/// waited for no more until it is back.
pub(crate) const SNAPSHOT_WAIT: Duration = Duration::from_millis(5);
/// What a piece in memory costs beside its bytes.
const PIECE_COST: u64 = 96;

/// One thing in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item<M> {
    /// Bytes, of the kind that the caller gave them.
    Bytes {
        /// The caller's word for them; only pieces with the same are joined.
        kind: Kind,
        /// They themselves.
        bytes: Bytes,
        /// When they were received.
        received: UnixMillis,
    },
    /// A mark between bytes.
    Mark(M),
}

/// What bytes are part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A snapshot.
    Snapshot,
    /// The stream.
    Stream,
}

/// Why a piece was not taken in.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A load takes what came before, and the piece is taken in [`SNAPSHOT_WAIT`] from now at the latest.
    Soon,
    /// Both bounds are reached.
    Full,
    /// The file cannot be written.
    Failed(io::Error),
}

/// The bounds of a spool.
#[derive(Clone, Debug)]
pub(crate) struct SpoolLimits {
    /// Where its files go.
    pub(crate) dir: PathBuf,
    /// Bytes held in memory.
    pub(crate) memory_max: u64,
    /// Bytes held in files.
    pub(crate) disk_max: u64,
}

/// What lies in the spool now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// In memory, what its pieces cost included.
    pub(crate) memory: u64,
    /// In files, what was taken from them but not yet given back included.
    pub(crate) disk: u64,
    /// When the oldest byte was received, the piece that is being worked on included.
    pub(crate) oldest: Option<UnixMillis>,
    /// Nothing is in it and nobody works on what was.
    pub(crate) idle: bool,
}

#[derive(Debug)]
enum Held<M> {
    Memory { kind: Kind, bytes: Bytes, received: UnixMillis },
    File { kind: Kind, segment: Arc<Segment>, at: u64, length: u64, received: UnixMillis },
    Mark(M),
}

/// One unlinked file.
#[derive(Debug)]
struct Segment {
    file: File,
    /// Bytes written to it; taken off the sum when it goes.
    size: AtomicU64,
    on_disk: Arc<AtomicU64>,
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.on_disk.fetch_sub(self.size.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Queue<M> {
    items: VecDeque<Held<M>>,
    memory: u64,
    /// When what the consumer works on was received; `None` while it waits.
    working: Option<UnixMillis>,
    waiting: bool,
    closed: bool,
}

#[derive(Debug)]
struct Shared<M> {
    queue: Mutex<Queue<M>>,
    filled: Condvar,
    on_disk: Arc<AtomicU64>,
    /// Told when room was made and when all was taken.
    taken: Notify,
}

/// Makes a spool: its two ends and its gauge.
pub(crate) fn spool<M>(limits: SpoolLimits) -> (SpoolIn<M>, SpoolOut<M>, SpoolGauge<M>) {
    let shared = Arc::new(Shared {
        queue: Mutex::new(Queue {
            items: VecDeque::new(),
            memory: 0,
            working: None,
            waiting: false,
            closed: false,
        }),
        filled: Condvar::new(),
        on_disk: Arc::new(AtomicU64::new(0)),
        taken: Notify::new(),
    });
    let input =
        SpoolIn { shared: Arc::clone(&shared), limits, segment: None, waiting: None, is_behind: false };
    (input, SpoolOut { shared: Arc::clone(&shared) }, SpoolGauge { shared })
}

/// The end where pieces go in.
#[derive(Debug)]
pub(crate) struct SpoolIn<M> {
    shared: Arc<Shared<M>>,
    limits: SpoolLimits,
    /// The file that is being filled, and how far.
    segment: Option<(Arc<Segment>, u64)>,
    /// Since when a snapshot's piece waits for the load.
    waiting: Option<Instant>,
    /// A piece waited in vain, and the load has not caught up since.
    is_behind: bool,
}

impl<M> SpoolIn<M> {
    /// Takes in a mark. There is always room for one.
    pub(crate) fn mark(&mut self, mark: M) {
        self.append(self.shared.queue.lock(), Held::Mark(mark));
    }

    /// Takes in bytes, or refuses them as a whole.
    ///
    /// # Errors
    /// When there is no room, now. The bytes are still the caller's.
    pub(crate) fn bytes(
        &mut self,
        kind: Kind,
        bytes: &Bytes,
        received: UnixMillis,
        now: Instant,
    ) -> Result<(), Refused> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len() as u64;
        let mut queue = self.shared.queue.lock();
        let cost = length.saturating_add(PIECE_COST);
        if kind == Kind::Snapshot && !queue.items.is_empty() && queue.memory > SNAPSHOT_BYTES_AHEAD {
            let since = *self.waiting.get_or_insert(now);
            if !self.is_behind && now.saturating_duration_since(since) < SNAPSHOT_WAIT {
                return Err(Refused::Soon);
            }
            self.is_behind = true;
        } else {
            self.is_behind = false;
        }
        self.waiting = None;
        // An empty queue takes any piece: bounds smaller than one must not stop the stream.
        if queue.items.is_empty() {
            // What is left of the last file was taken: its space goes back.
            self.segment = None;
        }
        if queue.items.is_empty() || queue.memory.saturating_add(cost) <= self.limits.memory_max {
            queue.memory = queue.memory.saturating_add(cost);
            self.append(queue, Held::Memory { kind, bytes: bytes.clone(), received });
            return Ok(());
        }
        drop(queue);
        if self.shared.on_disk.load(Ordering::Relaxed).saturating_add(length) > self.limits.disk_max {
            return Err(Refused::Full);
        }
        let (segment, at) = self.write(bytes).map_err(Refused::Failed)?;
        let mut queue = self.shared.queue.lock();
        if let Some(Held::File { kind: last_kind, segment: last, at: from, length: joined, received: first }) =
            queue.items.back_mut()
            && *last_kind == kind
            && Arc::ptr_eq(last, &segment)
            && from.saturating_add(*joined) == at
            && joined.saturating_add(length) <= JOINED_BYTES_MAX
            && received.0.saturating_sub(first.0) <= JOINED_MILLIS_MAX
        {
            *joined = joined.saturating_add(length);
            return Ok(());
        }
        self.append(queue, Held::File { kind, segment, at, length, received });
        Ok(())
    }

    /// Throws away all that was not taken yet.
    pub(crate) fn clear(&mut self) {
        let mut queue = self.shared.queue.lock();
        let items = std::mem::take(&mut queue.items);
        queue.memory = 0;
        (self.waiting, self.is_behind) = (None, false);
        drop(queue);
        // Freeing a long queue takes a while, and closing its files too.
        drop(items);
        self.segment = None;
    }

    /// Nothing more will come: the consumer gets what is in it, then the end.
    pub(crate) fn close(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.filled.notify_one();
    }

    fn append(&self, mut queue: MutexGuard<'_, Queue<M>>, held: Held<M>) {
        queue.items.push_back(held);
        let waiting = queue.waiting;
        drop(queue);
        if waiting {
            self.shared.filled.notify_one();
        }
    }

    fn write(&mut self, bytes: &Bytes) -> io::Result<(Arc<Segment>, u64)> {
        let length = bytes.len() as u64;
        let (segment, at) = match self.segment.take() {
            Some((segment, at)) if at < SEGMENT_BYTES_MAX => (segment, at),
            _ => {
                let file = unlinked_file(&self.limits.dir)?;
                let on_disk = Arc::clone(&self.shared.on_disk);
                (Arc::new(Segment { file, size: AtomicU64::new(0), on_disk }), 0)
            }
        };
        // What a failed write leaves behind is written over by the next.
        let written = segment.file.write_all_at(bytes, at);
        let end = if written.is_ok() { at + length } else { at };
        self.segment = Some((Arc::clone(&segment), end));
        written?;
        segment.size.fetch_add(length, Ordering::Relaxed);
        self.shared.on_disk.fetch_add(length, Ordering::Relaxed);
        Ok((segment, at))
    }
}

impl<M> Drop for SpoolIn<M> {
    fn drop(&mut self) {
        self.close();
    }
}

/// The end where pieces come out.
#[derive(Debug)]
pub(crate) struct SpoolOut<M> {
    shared: Arc<Shared<M>>,
}

impl<M> SpoolOut<M> {
    /// Waits for the next thing; `None` when it is closed and empty. Asking for it says that the one before is
    /// dealt with.
    ///
    /// # Errors
    /// When a file cannot be read; the piece is lost.
    pub(crate) fn take(&mut self) -> io::Result<Option<Item<M>>> {
        self.take_for(None)
    }

    /// As [`SpoolOut::take`], without waiting: `None` when there is nothing now.
    #[cfg(test)]
    pub(crate) fn take_now(&mut self) -> io::Result<Option<Item<M>>> {
        self.take_for(Some(Duration::ZERO))
    }

    fn take_for(&mut self, wait: Option<Duration>) -> io::Result<Option<Item<M>>> {
        let mut queue = self.shared.queue.lock();
        let held = loop {
            if let Some(held) = queue.items.pop_front() {
                break held;
            }
            if wait.is_some() {
                return Ok(None);
            }
            queue.working = None;
            if queue.closed {
                drop(queue);
                self.shared.taken.notify_one();
                return Ok(None);
            }
            queue.waiting = true;
            self.shared.taken.notify_one();
            self.shared.filled.wait(&mut queue);
            queue.waiting = false;
        };
        queue.working = Some(match &held {
            Held::Memory { received, .. } | Held::File { received, .. } => *received,
            // A mark is no byte; what it stands between is what counts.
            Held::Mark(_) => queue.working.unwrap_or(UnixMillis(i64::MAX)),
        });
        if let Held::Memory { bytes, .. } = &held {
            queue.memory = queue.memory.saturating_sub((bytes.len() as u64).saturating_add(PIECE_COST));
        }
        drop(queue);
        self.shared.taken.notify_one();
        match held {
            Held::Mark(mark) => Ok(Some(Item::Mark(mark))),
            Held::Memory { kind, bytes, received } => Ok(Some(Item::Bytes { kind, bytes, received })),
            Held::File { kind, segment, at, length, received } => {
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                segment.file.read_exact_at(&mut bytes, at)?;
                Ok(Some(Item::Bytes { kind, bytes: bytes.into(), received }))
            }
        }
    }
}

/// The spool looked at from outside.
#[derive(Debug)]
pub(crate) struct SpoolGauge<M> {
    shared: Arc<Shared<M>>,
}

impl<M> Clone for SpoolGauge<M> {
    fn clone(&self) -> Self {
        SpoolGauge { shared: Arc::clone(&self.shared) }
    }
}

impl<M> SpoolGauge<M> {
    /// What lies in it.
    pub(crate) fn holding(&self) -> Holding {
        let queue = self.shared.queue.lock();
        let front = queue.items.iter().find_map(|held| match held {
            Held::Memory { received, .. } | Held::File { received, .. } => Some(*received),
            Held::Mark(_) => None,
        });
        let working = queue.working.filter(|received| received.0 != i64::MAX);
        Holding {
            memory: queue.memory,
            disk: self.shared.on_disk.load(Ordering::Relaxed),
            oldest: working.or(front),
            idle: queue.items.is_empty() && queue.working.is_none(),
        }
    }

    /// Waits until something was taken or all is done. May come without either.
    pub(crate) async fn taken(&self) {
        self.shared.taken.notified().await;
    }
}

/// A new file in `dir` that has no name any more.
fn unlinked_file(dir: &Path) -> io::Result<File> {
    /// Two links of one process may share a directory.
    static FILES: AtomicU64 = AtomicU64::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".nearside-spool-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(memory_max: u64, disk_max: u64) -> SpoolLimits {
        SpoolLimits { dir: std::env::temp_dir(), memory_max, disk_max }
    }

    fn piece(length: usize, fill: u8) -> Bytes {
        Bytes::from(vec![fill; length])
    }

    /// Joins what a spool may join.
    fn joined(items: impl IntoIterator<Item = Item<u32>>) -> Vec<(Option<Kind>, Vec<u8>, Option<u32>)> {
        let mut all: Vec<(Option<Kind>, Vec<u8>, Option<u32>)> = Vec::new();
        for item in items {
            match item {
                Item::Mark(mark) => all.push((None, Vec::new(), Some(mark))),
                Item::Bytes { kind, bytes, .. } => match all.last_mut() {
                    Some((Some(last), before, _)) if *last == kind => before.extend_from_slice(&bytes),
                    _ => all.push((Some(kind), bytes.to_vec(), None)),
                },
            }
        }
        all
    }

    #[derive(Clone, Debug)]
    enum Step {
        Bytes(bool, usize),
        Mark,
        Take(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (any::<bool>(), 1_usize..3000).prop_map(|(stream, length)| Step::Bytes(stream, length)),
            1 => Just(Step::Mark),
            2 => (1_usize..6).prop_map(Step::Take),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever lies in memory or in files, it comes out as it went in, and what is refused is not there.
        #[test]
        fn what_goes_in_comes_out_in_order(steps in prop::collection::vec(step(), 1..200)) {
            let (mut input, mut output, gauge) = spool::<u32>(limits(8_000, 30_000));
            let (mut went_in, mut came_out) = (Vec::new(), Vec::new());
            for (number, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Bytes(stream, length) => {
                        let kind = if stream { Kind::Stream } else { Kind::Snapshot };
                        let bytes = piece(length, number as u8);
                        let received = UnixMillis(i64::from(number));
                        if input.bytes(kind, &bytes, received, crate::clock::steady()).is_ok() {
                            went_in.push(Item::Bytes { kind, bytes, received });
                        }
                    }
                    Step::Mark => {
                        input.mark(number);
                        went_in.push(Item::Mark(number));
                    }
                    Step::Take(count) => {
                        for _ in 0..count {
                            came_out.extend(output.take_now().unwrap());
                        }
                    }
                }
                let holding = gauge.holding();
                prop_assert!(holding.memory <= 8_000 + 3_100 && holding.disk <= 30_000, "{holding:?}");
            }
            input.close();
            while let Some(item) = output.take().unwrap() {
                came_out.push(item);
            }
            prop_assert_eq!(joined(came_out), joined(went_in));
            prop_assert!(gauge.holding().idle);
            drop(input);
            prop_assert_eq!((gauge.holding().memory, gauge.holding().disk), (0, 0));
        }
    }

    #[test]
    fn a_full_spool_takes_again_when_room_is_made() {
        let (mut input, mut output, gauge) = spool::<u32>(limits(1_000, 1_000));
        let now = UnixMillis(5);
        for _ in 0..2 {
            input.bytes(Kind::Stream, &piece(800, 1), now, crate::clock::steady()).unwrap();
        }
        assert!(matches!(
            input.bytes(Kind::Stream, &piece(800, 2), now, crate::clock::steady()),
            Err(Refused::Full)
        ));
        assert_eq!(gauge.holding(), Holding { memory: 896, disk: 800, oldest: Some(now), idle: false });
        assert!(output.take_now().unwrap().is_some());
        input.bytes(Kind::Stream, &piece(800, 2), now, crate::clock::steady()).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_told_and_loses_nothing() {
        let dir = PathBuf::from("/nonexistent");
        let (mut input, mut output, _) = spool::<u32>(SpoolLimits { dir, memory_max: 10, disk_max: 1 << 30 });
        input.bytes(Kind::Stream, &piece(8, 1), UnixMillis(0), crate::clock::steady()).unwrap();
        assert!(matches!(
            input.bytes(Kind::Stream, &piece(8, 2), UnixMillis(0), crate::clock::steady()),
            Err(Refused::Failed(_))
        ));
        assert!(output.take_now().unwrap().is_some());
        input.bytes(Kind::Stream, &piece(8, 2), UnixMillis(0), crate::clock::steady()).unwrap();
        assert!(matches!(output.take_now(), Ok(Some(Item::Bytes { bytes, .. })) if bytes == piece(8, 2)));
    }

    #[test]
    fn it_is_idle_only_when_the_consumer_asks_for_more_in_vain() {
        let (mut input, mut output, gauge) = spool::<u32>(limits(1_000, 0));
        input.bytes(Kind::Stream, &piece(3, 1), UnixMillis(7), crate::clock::steady()).unwrap();
        assert!(output.take().unwrap().is_some());
        assert_eq!(gauge.holding().oldest, Some(UnixMillis(7)), "it is still worked on");
        assert!(output.take_now().unwrap().is_none());
        assert!(!gauge.holding().idle);
        let consumer = std::thread::spawn(move || output.take().unwrap());
        while !gauge.holding().idle {
            std::thread::yield_now();
        }
        input.mark(9);
        assert_eq!(consumer.join().unwrap(), Some(Item::Mark(9)));
    }

    #[test]
    fn clearing_gives_everything_back() {
        let (mut input, mut output, gauge) = spool::<u32>(limits(100, 1 << 20));
        for _ in 0..100 {
            input.bytes(Kind::Snapshot, &piece(1000, 1), UnixMillis(0), crate::clock::steady()).unwrap();
        }
        input.clear();
        input.mark(1);
        assert_eq!((gauge.holding().memory, gauge.holding().disk), (0, 0));
        assert_eq!(output.take().unwrap(), Some(Item::Mark(1)));
    }

    #[test]
    fn a_snapshot_waits_for_a_load_that_keeps_up_and_for_no_other() {
        let (mut input, mut output, _gauge) = spool::<u32>(limits(64 << 20, 0));
        let (bytes, received, start) = (piece(1 << 20, 1), UnixMillis(0), crate::clock::steady());
        let mut offer = |at: Instant| input.bytes(Kind::Snapshot, &bytes, received, at);
        while offer(start).is_ok() {}
        // Room comes in time, again and again.
        for turn in 0..100 {
            let at = start + SNAPSHOT_WAIT * turn;
            assert!(matches!(offer(at), Err(Refused::Soon)), "turn {turn}");
            assert!(output.take_now().unwrap().is_some());
            offer(at + SNAPSHOT_WAIT / 2).unwrap();
        }
        // It does not: this piece and those behind it are taken, however many lie there.
        let late = start + SNAPSHOT_WAIT * 200;
        assert!(matches!(offer(late), Err(Refused::Soon)));
        (0..20).for_each(|_| offer(late + SNAPSHOT_WAIT).unwrap());
        // Once the load has caught up, it is waited for again.
        while output.take_now().unwrap().is_some() {}
        while offer(late + SNAPSHOT_WAIT).is_ok() {}
        assert!(matches!(offer(late + SNAPSHOT_WAIT), Err(Refused::Soon)));
        // What is no snapshot never waits.
        input.bytes(Kind::Stream, &bytes, received, late).unwrap();
    }
}
