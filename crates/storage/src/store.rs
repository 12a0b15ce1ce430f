//! The store: numbered databases, function libraries and limits, behind one gate.
//!
//! Owns what all databases have in common. Never parses, never waits for IO, never asks what time it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use crate::caution::Caution;
use crate::db::Db;
use crate::entry::EntryView;
use crate::functions::Functions;
use crate::gate::{Access, Asker, Gate, Inside};
use crate::keyspace::{Guarded, KEYS_PER_SHARD, KeyHash, KeyHasher, Keyspace};
use crate::news::Listener;
use crate::reclaim::Reclaimer;
use crate::snapshot::Running;
use crate::threads;
use crate::time::{DbIndex, UnixMillis};
use crate::usage::{AccessClock, Ticking, UsageRules};
use crate::value::Limits;
use crate::watch::Watches;
use crate::writer::Writer;

/// What a store is made with.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// How many numbered databases.
    pub databases: u32,
    /// The key of the keys' hash: secret and random, or names could be made to collide. SCAN cursors stay valid
    /// across a restart when it is kept.
    pub hash_key: [u64; 2],
    /// When values leave their packed forms.
    pub limits: Limits,
}

/// A data set that is shared: one writer, any number of readers. Cloning it is cheap, and gives the same store.
///
/// ```
/// use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis};
///
/// let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
/// let now = UnixMillis(1_700_000_000_000);
/// {
///     let writer = store.writer();
///     writer.db(DbIndex(0), now).edit(b"greeting", |slot| slot.put_text(b"hello"));
/// }
/// let reader = store.reader();
/// let db = reader.db(DbIndex(0), now);
/// let found = db.get(b"greeting").expect("it was just set");
/// assert_eq!(found.text().expect("a string").to_vec(), b"hello");
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) gate: Arc<Gate>,
    pub(crate) hasher: KeyHasher,
    pub(crate) databases: Box<[Guarded<Keyspace>]>,
    pub(crate) functions: Guarded<Functions>,
    pub(crate) limits: Guarded<Limits>,
    pub(crate) watches: Watches,
    /// See [`Store::changes`].
    pub(crate) changes: AtomicU64,
    /// See [`Store::expired_when_met`].
    pub(crate) expired_when_met: [AtomicU64; 2],
    pub(crate) listener: OnceLock<Arc<dyn Listener>>,
    pub(crate) reclaimer: Reclaimer,
    /// What accesses note; see [`Store::tick`].
    ticking: Ticking,
    pub(crate) caution: Caution,
    /// The snapshot that is being taken.
    pub(crate) snapshot: Mutex<Option<Running>>,
    /// A load is under way, or its rests are being cleared up.
    pub(crate) loading: AtomicBool,
    random: AtomicU64,
    pub(crate) keys_per_shard: usize,
}

impl Inner {
    pub(crate) fn clock(&self) -> AccessClock {
        self.ticking.clock()
    }

    /// The rules by which accesses are noted.
    pub(crate) fn usage_rules(&self) -> UsageRules {
        self.ticking.rules()
    }

    /// Notes an access, or a change.
    #[inline]
    pub(crate) fn touch(&self, entry: &EntryView, is_change: bool) {
        entry.touch(&self.ticking, is_change, || self.random());
    }

    /// A number by chance; good enough to choose keys, not to keep secrets.
    pub(crate) fn random(&self) -> u64 {
        // Splitmix: a counter, stirred.
        let mut mixed = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    #[inline]
    pub(crate) fn database(&self, index: DbIndex) -> Option<&Guarded<Keyspace>> {
        self.databases.get(usize::try_from(index.0).ok()?)
    }
}

impl Store {
    /// An empty store.
    pub fn new(config: StoreConfig) -> Store {
        Store::with_keys_per_shard(config, KEYS_PER_SHARD)
    }

    /// The same, with another plan for the size of a database's shards than the usual 400 keys: for tests, which
    /// would rather not need millions of keys to see a database grow.
    ///
    /// # Panics
    /// When `keys_per_shard` is 0.
    pub fn with_keys_per_shard(config: StoreConfig, keys_per_shard: usize) -> Store {
        assert_ne!(keys_per_shard, 0, "a shard is planned for a key at least");
        let gate = Arc::new(Gate::new());
        let [first, second] = config.hash_key;
        Store {
            inner: Arc::new(Inner {
                hasher: KeyHasher::new(config.hash_key),
                databases: (0..config.databases).map(|_| Guarded::new(&gate, None)).collect(),
                functions: Guarded::new(&gate, Some(Box::default())),
                limits: Guarded::new(&gate, Some(Box::new(config.limits))),
                watches: Watches::default(),
                changes: AtomicU64::new(0),
                expired_when_met: Default::default(),
                listener: OnceLock::new(),
                reclaimer: Reclaimer::default(),
                ticking: Ticking::default(),
                caution: Caution::default(),
                snapshot: Mutex::new(None),
                loading: AtomicBool::new(false),
                random: AtomicU64::new(first ^ second.rotate_left(32)),
                gate,
                keys_per_shard,
            }),
        }
    }

    /// How many databases there are.
    pub fn databases(&self) -> u32 {
        // Made from a u32.
        self.inner.databases.len() as u32
    }

    /// Enters this thread's slot, and waits for as long as the gate is closed. For user threads and tests; a task
    /// uses [`Store::try_reader`] and [`Store::gate_opened`].
    pub fn reader(&self) -> Reader<'_> {
        let thread = threads::slot_in(&self.inner.gate);
        Reader { inside: self.inner.gate.enter(&thread), inner: &self.inner }
    }

    /// Enters this thread's slot; `None` while the gate is closed.
    #[inline]
    pub fn try_reader(&self) -> Option<Reader<'_>> {
        let thread = threads::slot_in(&self.inner.gate);
        Some(Reader { inside: self.inner.gate.try_enter(thread)?, inner: &self.inner })
    }

    /// Ready when the gate is (or was, a moment ago) open: then try again.
    pub fn gate_opened(&self) -> GateOpened {
        GateOpened { gate: Arc::clone(&self.inner.gate), is_refusable: false }
    }

    /// The same, and ready with `false` where nobody is to wait for it ([`Store::refuse_waiting`]).
    pub fn gate_opened_unless_refused(&self) -> GateOpened {
        GateOpened { gate: Arc::clone(&self.inner.gate), is_refusable: true }
    }

    /// Takes the token; waits while another has it.
    ///
    /// # Panics
    /// In debug builds, when this thread holds a [`Reader`]: the token's holder may be waiting for it to leave.
    pub fn writer(&self) -> Writer<'_> {
        self.token(Asker::Other)
    }

    /// Takes the token before everybody else who waits: for the applier of the master's stream.
    ///
    /// # Panics
    /// As [`Store::writer`].
    pub fn applier(&self) -> Writer<'_> {
        self.token(Asker::Applier)
    }

    fn token(&self, asker: Asker) -> Writer<'_> {
        self.assert_outside();
        Writer::new(&self.inner, self.inner.gate.token(asker))
    }

    fn assert_outside(&self) {
        debug_assert!(
            !threads::is_inside(&self.inner.gate),
            "nobody waits for the token inside a slot: its holder may wait for that slot to be empty"
        );
    }

    /// Takes the token as [`Store::writer`] does, unless its holder refuses to be waited for
    /// ([`Store::refuse_waiting`]), now or while this waits.
    ///
    /// # Panics
    /// As [`Store::writer`].
    pub fn writer_unless_refused(&self) -> Option<Writer<'_>> {
        self.assert_outside();
        Some(Writer::new(&self.inner, self.inner.gate.token_unless_refused()?))
    }

    /// From now on, until it is taken back: [`Store::writer_unless_refused`] does not wait for the token, and
    /// [`Store::gate_opened_unless_refused`] not for the gate. For a holder of the token who takes long, and says so to
    /// those who wait.
    pub fn refuse_waiting(&self, refuses: bool) {
        self.inner.gate.refuse(refuses);
    }

    /// Takes the token if nobody has it.
    pub fn try_writer(&self) -> Option<Writer<'_>> {
        Some(Writer::new(&self.inner, self.inner.gate.try_token()?))
    }

    /// Tells the store what time it is, for what is noted of accesses: to be called more often than
    /// once a second.
    pub fn tick(&self, now: UnixMillis) {
        self.inner.ticking.tick(now);
    }

    /// Notes accesses by other rules from now on.
    pub fn set_usage_rules(&self, rules: UsageRules, now: UnixMillis) {
        self.inner.ticking.set_rules(rules, now);
    }

    /// Whether nothing waits to be freed in the background.
    pub fn is_settled(&self) -> bool {
        self.inner.reclaimer.is_settled()
    }

    /// A key's hash, to look it up with later; see [`Hashed`].
    #[inline]
    pub fn hash<'k>(&self, key: &'k [u8]) -> Hashed<'k> {
        Hashed { key, hash: self.inner.hasher.hash(key) }
    }

    /// How many large values and the like wait to be freed, and how many were, by the thread that does it.
    pub fn garbage(&self) -> (usize, usize) {
        self.inner.reclaimer.counts()
    }

    /// Counts anew how many were.
    pub fn forget_freed(&self) {
        self.inner.reclaimer.forget_freed();
    }

    /// Waits until everything that is freed in the background is free. For tests, and before memory is measured.
    pub fn settle(&self) {
        self.inner.reclaimer.settle();
    }
}

/// A key with its hash: computed once for a batch, used to prefetch and to look up.
#[derive(Clone, Copy, Debug)]
pub struct Hashed<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) hash: KeyHash,
}

impl<'k> Hashed<'k> {
    /// A key with the hash that [`Store::hash`] gave for it before. (With another's it is not found.)
    #[inline]
    pub fn new(key: &'k [u8], hash: KeyHash) -> Hashed<'k> {
        Hashed { key, hash }
    }

    /// The key.
    pub fn key(&self) -> &'k [u8] {
        self.key
    }

    /// Its hash.
    #[inline]
    pub fn hash(&self) -> KeyHash {
        self.hash
    }
}

/// A slot of the gate, occupied by this thread: what it reads is not swapped away meanwhile. Held for a batch of
/// requests, never across a wait.
#[derive(Debug)]
pub struct Reader<'s> {
    inner: &'s Inner,
    inside: Inside<'s>,
}

impl Reader<'_> {
    /// A database as it is at `now`: keys whose deadline is past are hidden.
    #[inline]
    pub fn db(&self, index: DbIndex, now: UnixMillis) -> Db<'_> {
        Db::of_reader(self.inner, self.inside.access(), index, now)
    }

    pub(crate) fn access(&self) -> Access<'_> {
        self.inside.access()
    }

    /// The function libraries.
    pub fn functions(&self) -> &Functions {
        self.inner.functions.get(self.inside.access()).expect("a store always has functions, if none")
    }

    /// When values leave their packed forms.
    #[inline]
    pub fn limits(&self) -> &Limits {
        self.inner.limits.get(self.inside.access()).expect("a store always has limits")
    }
}

/// See [`Store::gate_opened`]. Gives whether it is open.
#[derive(Debug)]
pub struct GateOpened {
    gate: Arc<Gate>,
    is_refusable: bool,
}

impl Future for GateOpened {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        self.gate.poll_open(context.waker(), self.is_refusable)
    }
}
