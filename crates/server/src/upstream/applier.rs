//! The applier's thread: takes from the spool, loads snapshots, applies the stream.
//!
//! Owns what is under way: a load, or a stream at a position, or nothing. After a failure it passes over everything
//! until the next connection's data begin. It alone moves the position and takes a role. Never touches the socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use replication::load::{Load, Loaded};
use replication::{
    Applier, DivergenceKind, ErrorCode, Fit, LinkError, Pace, Policy, Position, Remedy, ReplId, Stopped,
};
use storage::{Store, UnixMillis};
use tokio::sync::mpsc::UnboundedSender;

use super::Role;
use super::driver::Event;
use super::shared::{Shared, random_replid};
use crate::spool::{Item, Kind, SpoolOut};
use crate::{clock, memory};

/// Passing over commands is logged at most this often.
const PASSED_OVER_LOGGED: Duration = Duration::from_secs(1);
/// A load that is slowed down takes so many bytes at once, so that its pauses lie between them.
const SLOWED_BYTES: usize = 256;
/// A pause is made of such ones: whoever ends the load waits no longer.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// What stands between the bytes in the spool.
#[derive(Debug)]
pub(super) enum Mark {
    /// A snapshot follows, of this size where it is known, which brings the data set to `target`.
    SnapshotBegin { target: Position, size: Option<u64> },
    /// It is whole.
    SnapshotEnd,
    /// A stream follows that goes on from the position, under this name if it has changed.
    Continue(Option<ReplId>),
    /// The connection is gone.
    Cut,
    /// Another role: what came before is over.
    Role { epoch: u64, role: Role },
}

/// What is under way.
enum Work {
    /// Nothing: what comes is passed over.
    Nothing,
    /// A snapshot is being loaded.
    Loading { target: Position, diskless: bool, load: Box<Load> },
    /// The stream is being followed.
    Streaming,
}

/// See the module.
pub(super) struct Applying {
    store: Store,
    shared: Arc<Shared>,
    applier: Applier,
    policy: Policy,
    events: UnboundedSender<Event>,
    epoch: u64,
    work: Work,
    logged: Option<Instant>,
    /// Nobody listens any more.
    over: bool,
}

/// The server's clock, for the applier's bounds.
struct Steady;

impl Pace for Steady {
    fn now(&self) -> Instant {
        clock::steady()
    }
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Applying {
    pub(super) fn new(
        store: Store,
        applier: Applier,
        policy: Policy,
        shared: Arc<Shared>,
        events: UnboundedSender<Event>,
    ) -> Self {
        Applying {
            store,
            shared,
            applier,
            policy,
            events,
            epoch: 0,
            work: Work::Nothing,
            logged: None,
            over: false,
        }
    }

    /// Runs until the spool is closed and empty.
    pub(super) fn run(mut self, mut spool: SpoolOut<Mark>) {
        while !self.over {
            match spool.take() {
                Ok(Some(Item::Mark(mark))) => self.mark(mark),
                Ok(Some(Item::Bytes { kind: Kind::Snapshot, bytes, .. })) => self.load(&bytes),
                Ok(Some(Item::Bytes { kind: Kind::Stream, bytes, received })) => self.apply(&bytes, received),
                Ok(None) => return,
                Err(error) => {
                    self.failed(LinkError::new(ErrorCode::SpoolFailed, error.to_string()), Remedy::Retry);
                }
            }
        }
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::SnapshotBegin { target, size } => match Load::begin(&self.store, size) {
                Ok(load) => {
                    self.work = Work::Loading { target, diskless: size.is_none(), load: Box::new(load) };
                    if self.shared.load_rules.lock().room.drops_first() && self.has_old() {
                        self.drop_old("as resync says");
                    }
                }
                Err(error) => self.failed(error, Remedy::Retry),
            },
            Mark::SnapshotEnd => self.swap_in(),
            Mark::Continue(replid) => self.go_on(replid),
            Mark::Cut => self.stop(),
            Mark::Role { epoch, role } => self.take_role(epoch, role),
        }
    }

    fn load(&mut self, bytes: &Bytes) {
        let is_slowed = self.shared.load_rules.lock().key_delay != 0;
        for piece in bytes.chunks(if is_slowed { SLOWED_BYTES } else { usize::MAX }) {
            if self.shared.is_left(self.epoch) {
                return self.stop();
            }
            let Work::Loading { load, .. } = &mut self.work else { return };
            let fed = load.feed(piece);
            let progress = load.progress();
            self.shared.snapshot_loaded.store(progress.bytes, Ordering::Relaxed);
            let before = self.shared.snapshot_keys.swap(progress.keys, Ordering::Relaxed);
            if let Err(error) = fed {
                return self.failed(error, Remedy::Retry);
            }
            self.slow_down(progress.keys.saturating_sub(before));
        }
        let room = self.shared.load_rules.lock().room;
        if room.bytes_max == 0 {
            return;
        }
        match room.fit(memory::look().used, self.has_old()) {
            Fit::Fits => {}
            Fit::DropOld => {
                self.drop_old("there is no memory for both");
                if let Fit::Fails(error) = room.fit(memory::look().used, false) {
                    self.failed(error, Remedy::Retry);
                }
            }
            Fit::Fails(error) => self.failed(error, Remedy::Retry),
        }
    }

    /// Whether there is a data set beside the one that is being loaded.
    fn has_old(&self) -> bool {
        self.shared.loaded.load(Ordering::Acquire) && !self.shared.emptied.load(Ordering::Acquire)
    }

    /// Drops the data set that is read, for the one that is being loaded.
    fn drop_old(&mut self, why: &str) {
        let Work::Loading { load, .. } = &mut self.work else { return };
        tracing::warn!("the old data are dropped while the new are loaded: {why}");
        let shared = &self.shared;
        // Reads are answered LOADING before anything is missing.
        shared.emptied.store(true, Ordering::Release);
        load.drop_old(|| shared.position.left(random_replid()));
    }

    /// Makes a load slow, as `key-load-delay` says. The socket is drained meanwhile: it is another thread's.
    fn slow_down(&self, keys: u64) {
        let mut slept = Duration::ZERO;
        // Another role, the end, or a smaller delay is not kept waiting.
        while !self.shared.is_left(self.epoch) {
            let delay = self.shared.load_rules.lock().key_delay;
            let micros = match u64::try_from(delay) {
                Ok(each) => keys.saturating_mul(each),
                Err(_) => keys / u64::from(delay.unsigned_abs()),
            };
            let left = Duration::from_micros(micros).saturating_sub(slept);
            if left.is_zero() {
                return;
            }
            let pause = left.min(PAUSE_MAX);
            std::thread::sleep(pause);
            slept += pause;
        }
    }

    /// The snapshot is whole: its data set takes the place of the old one, and the position becomes its own.
    fn swap_in(&mut self) {
        if self.shared.is_left(self.epoch) {
            return self.stop();
        }
        let work = std::mem::replace(&mut self.work, Work::Nothing);
        let Work::Loading { target, diskless, load } = work else { return };
        let shared = &self.shared;
        // With the last few keys, which are added first: readers are held up for less.
        let since = clock::steady();
        let swapped = load.finish(|loaded: &Loaded| {
            shared.position.set(Position { db: loaded.db, ..target });
            if diskless && loaded.dialect.tells_diskless_offset_early() {
                shared.position.doubted();
            }
            *shared.dialect.lock() = loaded.dialect;
            let mut facts = shared.facts.lock();
            facts.previous = None;
            drop(facts);
            shared.emptied.store(false, Ordering::Release);
            shared.loaded.store(true, Ordering::Release);
        });
        match swapped {
            Ok(loaded) => {
                let stopped = clock::steady().duration_since(since);
                let position = self.shared.position.get();
                self.shared.sync_ends(Some(stopped));
                tracing::info!(
                    keys = loaded.keys, replid = %position.replid, offset = position.offset,
                    stopped_readers = ?stopped, "full sync: the new data set is in",
                );
                self.applier.loaded(&loaded.scripts, loaded.dialect);
                self.applier.begin(position, loaded.dialect);
                self.work = Work::Streaming;
                self.tell(Event::Loaded { epoch: self.epoch, applied: position.offset });
                self.trim();
            }
            Err(error) => self.failed(error, Remedy::Retry),
        }
    }

    /// Has memory given back that the load took for a moment, and that of the data before it, once they are taken
    /// apart. Left to lie for the allocator's second, they were 0.17 of the size of a million small strings.
    fn trim(&self) {
        let store = self.store.clone();
        let trim = std::thread::Builder::new().name("nearside-trim".into()).spawn(move || {
            store.settle();
            memory::give_back();
        });
        if let Err(error) = trim {
            tracing::debug!(%error, "no thread to give memory back: the allocator does it in its time");
        }
    }

    fn go_on(&mut self, replid: Option<ReplId>) {
        let position = self.shared.position.get();
        if let Some(replid) = replid.filter(|replid| *replid != position.replid) {
            // Under the token, as every move of the position.
            let _writer = self.store.applier();
            self.shared.position.renamed(replid);
            self.shared.facts.lock().previous = Some((position.replid, position.offset + 1));
            tracing::info!(%replid, "the history has another name from here on");
        }
        self.applier.begin(self.shared.position.get(), *self.shared.dialect.lock());
        self.work = Work::Streaming;
    }

    fn apply(&mut self, bytes: &Bytes, received: UnixMillis) {
        if !matches!(self.work, Work::Streaming) {
            return;
        }
        match self.applier.feed(bytes, received, &self.shared.position, &Steady) {
            Ok(applied) => {
                self.shared.traffic.applied(&applied);
                if applied.ack_wanted {
                    self.tell(Event::AckWanted { epoch: self.epoch, applied: self.shared.position.offset() });
                }
                self.passed_over(applied.passed_over);
            }
            Err(Stopped::OutOfStep(error)) => self.failed(error, Remedy::FullSync),
            Err(Stopped::Diverged(divergence)) => {
                let remedy = self.policy.remedy(&divergence, clock::steady());
                if remedy == Remedy::FullSync {
                    self.shared.facts.lock().counts.divergence_resyncs += 1;
                }
                self.failed(LinkError::from(&divergence), remedy);
            }
        }
    }

    fn passed_over(&mut self, divergences: Vec<replication::Divergence>) {
        let Some(last) = divergences.last() else { return };
        let now = clock::steady();
        if self.logged.is_none_or(|logged| now.saturating_duration_since(logged) >= PASSED_OVER_LOGGED) {
            self.logged = Some(now);
            let unknown = last.kind == DivergenceKind::Unknown;
            tracing::warn!(unknown, "passed over: {last}");
        }
        let mut facts = self.shared.facts.lock();
        for divergence in divergences {
            *facts.ignored.entry(divergence.command).or_insert(0) += 1;
        }
    }

    fn take_role(&mut self, epoch: u64, role: Role) {
        self.stop();
        self.epoch = epoch;
        if role == Role::Master {
            // Under the token: who asked before it was released was refused, who asks after may write.
            let writer = self.store.applier();
            self.become_master(epoch);
            drop(writer);
        }
        self.tell(Event::RoleTaken { epoch });
    }

    /// For the holder of the token.
    fn become_master(&self, epoch: u64) {
        let shared = &self.shared;
        // All at once for who asks for another role, which may have been while the token was waited for.
        let mut facts = shared.facts.lock();
        if facts.role == Role::Master || shared.is_overtaken(epoch) {
            return;
        }
        let position = shared.position.get();
        facts.role = Role::Master;
        facts.failure = None;
        facts.previous = Some((position.replid, position.offset + 1));
        shared.position.left(random_replid());
        shared.emptied.store(false, Ordering::Release);
        shared.loaded.store(true, Ordering::Release);
        shared.writable.store(true, Ordering::Release);
        tracing::info!("a master from now on");
    }

    /// Ends what is under way; the link decides what follows.
    fn failed(&mut self, error: LinkError, remedy: Remedy) {
        self.stop();
        self.tell(Event::Failed { epoch: self.epoch, error, remedy });
    }

    /// Leaves what is under way: a half-built data set is dropped, and what was readable before is as it was.
    fn stop(&mut self) {
        if let Work::Loading { .. } = std::mem::replace(&mut self.work, Work::Nothing) {
            self.shared.sync_ends(None);
            self.trim();
        }
    }

    fn tell(&mut self, event: Event) {
        self.over |= self.events.send(event).is_err();
    }
}
