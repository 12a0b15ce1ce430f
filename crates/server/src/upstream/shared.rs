//! What the two threads of the link, and everybody who asks about it, have in common.
//!
//! Owns the facts behind [`LinkStatus`]. Counters that move with each read or unit are atomics; the rest lies behind
//! one lock that nobody holds for long; and the order in which roles are asked for. Never decides what follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use commands::Dialect;
use parking_lot::Mutex;
use replication::{Applied, ErrorCode, LinkError, LinkState, PositionCell, ReplId, Tally};
use storage::UnixMillis;
use tokio::sync::watch;

use super::LoadRules;
use super::applier::Mark;
use super::status::{
    AsClient, LinkCounts, LinkFailure, LinkStatus, MasterAddress, Readable, Role, Socket, SpoolStatus,
    Streamed, SyncProgress,
};
use crate::clock;
use crate::spool::SpoolGauge;

/// What came over the link since the last full sync: of the stream, and what we answered to that.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// The offset at which it was.
    synced_at: AtomicU64,
    output: AtomicU64,
    reads: AtomicU64,
    requests: AtomicU64,
    batches: AtomicU64,
    /// The table's index and one.
    command: AtomicU16,
}

impl Traffic {
    /// A full sync has brought the data set of this offset.
    fn begins(&self, offset: u64) {
        self.synced_at.store(offset, Ordering::Relaxed);
        for counter in [&self.output, &self.reads, &self.requests, &self.batches] {
            counter.store(0, Ordering::Relaxed);
        }
        self.command.store(0, Ordering::Relaxed);
    }

    /// Some of it was applied.
    pub(super) fn applied(&self, applied: &Applied) {
        if applied.requests > 0 {
            self.requests.fetch_add(applied.requests, Ordering::Relaxed);
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(command) = applied.last {
            self.command.store(command.id() + 1, Ordering::Relaxed);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where the data set stands; moved by the applier inside its hold of the token.
    pub(super) position: PositionCell,
    /// Place in [`LinkState::ALL`].
    state: AtomicU8,
    /// Whether clients' writes are taken. Set under the token, cleared at once.
    pub(super) writable: AtomicBool,
    /// Whether there is a whole data set.
    pub(super) loaded: AtomicBool,
    /// Whether reads must wait for the data set that is being loaded, the old one being gone.
    pub(super) emptied: AtomicBool,
    /// Counts changes of role; who changes it later than others wins.
    epoch: AtomicU64,
    /// The epoch that ended what was under way before it.
    left_at: AtomicU64,
    /// The epoch in which the master that is followed was named first.
    followed_at: AtomicU64,
    /// The epoch in which a master was named last, be it the same.
    named_at: AtomicU64,
    /// The offset received.
    pub(super) received: AtomicU64,
    /// When the master was heard last: milliseconds since `start`, plus one; 0: not connected.
    heard: AtomicU64,
    start: Instant,
    /// Bytes of the snapshot received, decoded; keys so far.
    pub(super) snapshot_received: AtomicU64,
    pub(super) snapshot_loaded: AtomicU64,
    pub(super) snapshot_keys: AtomicU64,
    /// Bytes read from masters, and written to them.
    pub(super) input_bytes: AtomicU64,
    pub(super) output_bytes: AtomicU64,
    pub(super) traffic: Traffic,
    /// Commands of the stream, since the start; and up to when they count for nothing any more.
    tally: Arc<Tally>,
    forgotten: Mutex<Streamed>,
    /// What we do as.
    pub(super) dialect: Mutex<Dialect>,
    pub(super) load_rules: Mutex<LoadRules>,
    pub(super) facts: Mutex<Facts>,
    /// The applier has failed inside.
    pub(super) broken: watch::Sender<bool>,
    gauge: SpoolGauge<Mark>,
}

/// What changes rarely.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) role: Role,
    /// The connection to the master, from its beginning to when it ends or is to.
    pub(super) socket: Option<Socket>,
    pub(super) failure: Option<LinkFailure>,
    /// The history before the present one, and up to where it is shared.
    pub(super) previous: Option<(ReplId, u64)>,
    /// The sync under way: when it was announced, and its length.
    pub(super) sync: Option<(Instant, Option<u64>)>,
    /// Since when the stream is not followed.
    pub(super) down: Option<Instant>,
    /// Since when the stream is followed, if it is.
    pub(super) up: Option<Instant>,
    /// It was, since a connection was tried last.
    pub(super) has_stood: bool,
    pub(super) spool_full: bool,
    pub(super) spool_full_count: u64,
    pub(super) counts: LinkCounts,
    pub(super) failures: BTreeMap<&'static str, (ErrorCode, u64)>,
    pub(super) ignored: BTreeMap<String, u64>,
}

impl Facts {
    /// The stream is not followed.
    fn is_down(&mut self) {
        self.up = None;
        self.down.get_or_insert_with(clock::steady);
    }
}

impl Shared {
    pub(super) fn new(
        gauge: SpoolGauge<Mark>,
        tally: Arc<Tally>,
        master: Option<MasterAddress>,
        load_rules: LoadRules,
    ) -> Self {
        let now = clock::steady();
        let is_master = master.is_none();
        Shared {
            position: PositionCell::new(random_replid()),
            state: AtomicU8::new(place(LinkState::Stopped)),
            writable: AtomicBool::new(is_master),
            loaded: AtomicBool::new(is_master),
            emptied: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            left_at: AtomicU64::new(0),
            followed_at: AtomicU64::new(0),
            named_at: AtomicU64::new(0),
            received: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            start: now,
            snapshot_received: AtomicU64::new(0),
            snapshot_loaded: AtomicU64::new(0),
            snapshot_keys: AtomicU64::new(0),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            traffic: Traffic::default(),
            tally,
            forgotten: Mutex::default(),
            dialect: Mutex::new(Dialect::NEWEST),
            load_rules: Mutex::new(load_rules),
            facts: Mutex::new(Facts {
                role: master.map_or(Role::Master, Role::Replica),
                socket: None,
                failure: None,
                previous: None,
                sync: None,
                down: Some(now),
                up: None,
                has_stood: false,
                spool_full: false,
                spool_full_count: 0,
                counts: LinkCounts::default(),
                failures: BTreeMap::new(),
                ignored: BTreeMap::new(),
            }),
            broken: watch::Sender::new(false),
            gauge,
        }
    }

    /// Another role begins, or the end; its epoch outdates all before it. `tell` has the driver hear of it: in the
    /// order of the epochs, whoever asks meanwhile.
    pub(super) fn leave(&self, tell: impl FnOnce(u64)) {
        let _in_order = self.facts.lock();
        let epoch = self.next_epoch();
        self.left_at.store(epoch, Ordering::Release);
        tell(epoch);
    }

    fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether what was begun in this epoch is void: another master is followed, or none.
    pub(super) fn is_left(&self, epoch: u64) -> bool {
        epoch < self.left_at.load(Ordering::Acquire)
    }

    /// Whether a master was named since. With the facts held that stays so.
    pub(super) fn is_overtaken(&self, epoch: u64) -> bool {
        epoch < self.named_at.load(Ordering::Acquire)
    }

    /// A replica of this master from now on; `tell` as in [`Shared::leave`].
    pub(super) fn follow(&self, master: MasterAddress, tell: impl FnOnce(MasterAddress, u64)) {
        let mut facts = self.facts.lock();
        let epoch = self.next_epoch();
        self.named_at.store(epoch, Ordering::Release);
        let role = Role::Replica(master.clone());
        if facts.role != role {
            self.left_at.store(epoch, Ordering::Release);
            facts.role = role;
            // The driver may be at the old link still.
            self.followed_at.store(epoch, Ordering::SeqCst);
            self.state.store(place(LinkState::WaitingRetry), Ordering::SeqCst);
            facts.is_down();
        }
        self.writable.store(false, Ordering::Release);
        tell(master, epoch);
    }

    pub(super) fn link_state(&self) -> LinkState {
        let place = usize::from(self.state.load(Ordering::Acquire));
        LinkState::ALL.get(place).copied().unwrap_or(LinkState::Stopped)
    }

    /// Notes where the link of this epoch stands, unless another master is followed by now.
    pub(super) fn link_is(&self, epoch: u64, state: LinkState, heard: Option<Instant>) {
        let heard = heard.map_or(0, |heard| millis(heard.saturating_duration_since(self.start)) + 1);
        self.heard.store(heard, Ordering::Relaxed);
        let before = self.state.swap(place(state), Ordering::SeqCst);
        // Looked at after that: either this sees the other master, or who names it comes later and overwrites the
        // state.
        if epoch < self.followed_at.load(Ordering::SeqCst) {
            self.state.store(place(LinkState::WaitingRetry), Ordering::SeqCst);
            return;
        }
        if before == place(state) {
            return;
        }
        let mut facts = self.facts.lock();
        if state == LinkState::Streaming {
            let now = clock::steady();
            if let Some(since) = facts.down.take() {
                facts.counts.down_total += now.saturating_duration_since(since);
            }
            facts.has_stood = true;
            facts.up = Some(now);
            facts.failure = None;
        } else {
            facts.is_down();
        }
    }

    /// A full sync is announced.
    pub(super) fn sync_begins(&self, size: Option<u64>) {
        for counter in [&self.snapshot_received, &self.snapshot_loaded, &self.snapshot_keys] {
            counter.store(0, Ordering::Relaxed);
        }
        let mut facts = self.facts.lock();
        facts.sync = Some((clock::steady(), size));
        facts.counts.full_syncs += 1;
    }

    /// The full sync is over. `stopped`, when it brought a new data set: for how long that held readers up.
    pub(super) fn sync_ends(&self, stopped: Option<Duration>) {
        let mut facts = self.facts.lock();
        facts.sync = None;
        if let Some(stopped) = stopped {
            facts.counts.full_syncs_done += 1;
            self.traffic.begins(self.position.offset());
            facts.counts.loaded_keys = self.snapshot_keys.load(Ordering::Relaxed);
            facts.counts.swap_stopped = stopped;
        }
    }

    /// Notes why the link ended.
    pub(super) fn failed(&self, error: &LinkError) {
        let mut facts = self.facts.lock();
        facts.failures.entry(error.code.name()).or_insert((error.code, 0)).1 += 1;
        facts.failure = Some(LinkFailure { error: error.clone(), at: clock::unix_millis() });
    }

    pub(super) fn is_loading(&self) -> bool {
        self.emptied.load(Ordering::Acquire) || !self.loaded.load(Ordering::Acquire)
    }

    pub(super) fn readable(&self) -> Readable {
        let streaming = self.link_state() == LinkState::Streaming;
        if self.is_loading() {
            Readable::Loading
        } else if streaming || self.writable.load(Ordering::Acquire) {
            Readable::Fresh
        } else {
            Readable::Stale
        }
    }

    /// Something was read.
    pub(super) fn read(&self) {
        if self.link_state() == LinkState::Streaming {
            self.traffic.reads.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// So many bytes were sent.
    pub(super) fn sent(&self, bytes: u64) {
        if self.link_state() == LinkState::Streaming {
            self.traffic.output.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The connection as one of the clients, while the stream is followed.
    pub(super) fn as_client(&self) -> Option<AsClient> {
        let facts = self.facts.lock();
        let socket = facts.socket?;
        if self.link_state() != LinkState::Streaming {
            return None;
        }
        let sync = facts.counts.full_syncs_done;
        drop(facts);
        let position = self.position.get();
        let traffic = &self.traffic;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let received = count(&self.received).max(position.offset);
        Some(AsClient {
            sync,
            socket,
            idle: self.silent_for(clock::steady()).unwrap_or_default(),
            db: position.db,
            waiting: self.gauge.holding().memory,
            input: received.saturating_sub(count(&traffic.synced_at)),
            output: count(&traffic.output),
            reads: count(&traffic.reads),
            requests: count(&traffic.requests),
            batches: count(&traffic.batches),
            command: traffic.command.load(Ordering::Relaxed),
        })
    }

    /// Since the master's last byte, while connected.
    fn silent_for(&self, now: Instant) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_millis)?;
        Some(now.saturating_duration_since(self.start).saturating_sub(heard))
    }

    /// What of the stream was applied, since it was forgotten last.
    pub(super) fn streamed(&self) -> Streamed {
        let before = self.forgotten.lock();
        let mut now = Streamed { requests: self.tally.requests(), commands: self.tally.look() };
        now.requests = now.requests.saturating_sub(before.requests);
        for (own, before) in now.commands.iter_mut().zip(&before.commands) {
            *own = own.since(*before);
        }
        now
    }

    /// From now on it counts from zero on.
    pub(super) fn forget_streamed(&self) {
        *self.forgotten.lock() = Streamed { requests: self.tally.requests(), commands: self.tally.look() };
    }

    /// Requests of the stream since the start.
    pub(super) fn requests(&self) -> u64 {
        self.tally.requests()
    }

    pub(super) fn status(&self) -> LinkStatus {
        let holding = self.gauge.holding();
        let now = clock::steady();
        let wall = clock::unix_millis();
        let state = self.link_state();
        let position = self.position.get();
        let facts = self.facts.lock();
        let age = |oldest: UnixMillis| {
            Duration::from_millis(wall.0.saturating_sub(oldest.0).try_into().unwrap_or(0))
        };
        let mut counts = facts.counts.clone();
        counts.input_bytes = self.input_bytes.load(Ordering::Relaxed);
        counts.output_bytes = self.output_bytes.load(Ordering::Relaxed);
        counts.applied = self.tally.applied().map(|(command, count)| (command.name, count)).collect();
        counts.applied_commands = counts.applied.iter().map(|(_, count)| *count).sum();
        counts.failures = facts.failures.values().copied().collect();
        counts.ignored = facts.ignored.iter().map(|(name, count)| (name.clone(), *count)).collect();
        LinkStatus {
            role: facts.role.clone(),
            state,
            failure: facts.failure.clone(),
            position,
            previous: facts.previous,
            received: self.received.load(Ordering::Relaxed).max(position.offset),
            sync: facts.sync.map(|(since, total)| SyncProgress {
                total,
                received: self.snapshot_received.load(Ordering::Relaxed),
                loaded: self.snapshot_loaded.load(Ordering::Relaxed),
                keys: self.snapshot_keys.load(Ordering::Relaxed),
                running: now.saturating_duration_since(since),
            }),
            loaded: self.loaded.load(Ordering::Acquire),
            last_io: self.silent_for(now),
            up: facts.up.map(|since| now.saturating_duration_since(since)),
            down: match facts.role {
                Role::Master => None,
                Role::Replica(_) => facts.down.map(|since| now.saturating_duration_since(since)),
            },
            lag: holding.oldest.map(age),
            spool: SpoolStatus {
                memory: holding.memory,
                disk: holding.disk,
                full: facts.spool_full,
                full_count: facts.spool_full_count,
            },
            counts,
        }
    }
}

fn place(state: LinkState) -> u8 {
    let place = LinkState::ALL.iter().position(|known| *known == state);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1)
}

/// A name for a new history, by chance.
pub(super) fn random_replid() -> ReplId {
    let mut bits = [0; 20];
    for part in bits.chunks_mut(8) {
        part.copy_from_slice(random().to_ne_bytes().get(..part.len()).unwrap_or_default());
    }
    ReplId::from_random(bits)
}

/// A number by chance: the standard library keys its hash maps from the system's generator.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
