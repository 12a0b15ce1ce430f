//! `maxmemory`: room for what is written, on a node that follows nobody.
//!
//! Owns the choice of keys that go (approximated as in Redis: the best of a few by chance, kept in a small pool), and
//! what is known of the memory in use. Never evicts on a replica: there a key goes when the master says so. Works
//! under the writer token, which the caller holds.
//!
//! A request makes room for a moment; what is then too much still goes in rounds of the same length beside others,
//! which follow one upon another until there is room, as Redis' timer does that it sets for that.
//!
//! The allocator is not asked at each write, which would take longer than the write. Between two looks requests spend a
//! budget: some of the room that was left, so that it is asked more often the less there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Db, DbIndex, EntryView, Noted, ScanCursor, UnixMillis, UsageRules, Writer};
use tokio::sync::Notify;

use crate::config::Word;
use crate::latency::Event;
use crate::node::Node;
use crate::pause::Paused;
use crate::stats::add;
use crate::{clock, memory};

/// How many candidates are remembered, as in Redis.
const POOL: usize = 16;
/// How long one request makes room; the rest goes on beside others, round by round, and meanwhile it may write.
const ROUND_MAX: Duration = Duration::from_millis(1);
/// How long one makes room that brings much, until as much has gone as it brings: else keys of a kilobyte could not go
/// as fast as values of a megabyte come.
const LARGE_ROUND_MAX: Duration = Duration::from_millis(20);
/// The least that is spent between two looks, in bytes: a look takes some ten microseconds.
const BUDGET_MIN: u64 = 64 << 10;
/// What a request costs beside its own bytes.
const REQUEST_COST: usize = 128;
/// Keys looked at, at most, to find a few that have a deadline.
const VOLATILE_WALK_MAX: usize = 2_000;

/// Which keys go when there is no room: `maxmemory-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What the best candidate is; none: nothing goes.
    rank: Option<Rank>,
    /// Whether only keys with a deadline go.
    volatile: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// The one that was not used, or changed, for longest.
    Idle,
    /// The same, but only changes count.
    Unchanged,
    /// The one that is used least often.
    Rare,
    /// Any.
    Chance,
    /// The one with the soonest deadline.
    Deadline,
}

impl Policy {
    const fn of(rank: Rank, volatile: bool) -> Self {
        Policy { rank: Some(rank), volatile }
    }

    /// What entries note for it.
    pub(crate) fn noted(self) -> Noted {
        match self.rank {
            Some(Rank::Rare) => Noted::Count,
            Some(Rank::Unchanged) => Noted::Change,
            Some(Rank::Idle | Rank::Chance | Rank::Deadline) | None => Noted::Access,
        }
    }
}

impl Word for Policy {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("volatile-lru", Policy::of(Rank::Idle, true)),
        ("volatile-lfu", Policy::of(Rank::Rare, true)),
        ("volatile-random", Policy::of(Rank::Chance, true)),
        ("volatile-ttl", Policy::of(Rank::Deadline, true)),
        ("volatile-lrm", Policy::of(Rank::Unchanged, true)),
        ("allkeys-lru", Policy::of(Rank::Idle, false)),
        ("allkeys-lfu", Policy::of(Rank::Rare, false)),
        ("allkeys-random", Policy::of(Rank::Chance, false)),
        ("allkeys-lrm", Policy::of(Rank::Unchanged, false)),
        ("noeviction", Policy { rank: None, volatile: false }),
    ];
}

/// How much memory data may take, and what goes when it is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictionRules {
    /// Bytes; 0: no bound.
    pub maxmemory: u64,
    /// Which keys go.
    pub policy: Policy,
    /// How many keys are looked at to choose one.
    pub samples: usize,
    /// What is noted of accesses, but for what the policy says.
    pub usage: UsageRules,
}

impl Default for EvictionRules {
    fn default() -> Self {
        EvictionRules { maxmemory: 0, policy: Policy::default(), samples: 5, usage: UsageRules::default() }
    }
}

impl EvictionRules {
    /// What is noted of accesses.
    pub(crate) fn usage(&self) -> UsageRules {
        UsageRules { noted: self.policy.noted(), ..self.usage }
    }
}

/// Whether what is written finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It does, or more is being made.
    Some,
    /// It does not, and nothing may go.
    None,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Eviction {
    /// `maxmemory`, where it is in force; 0: nothing is looked at.
    limit: AtomicU64,
    /// What may be written until memory is looked at again.
    budget: AtomicI64,
    /// Whether the last look found no room.
    is_full: AtomicBool,
    search: Mutex<Search>,
    /// Told where a round was over before there was room.
    behind: Notify,
}

/// What one choice leaves for the next.
#[derive(Debug, Default)]
struct Search {
    /// The best candidates so far, the best last.
    pool: Vec<Candidate>,
    /// Where the walk for keys with deadlines is, in each database.
    cursors: Vec<ScanCursor>,
    /// The database whose turn it is, where chance decides.
    turn: u32,
    /// Bytes of what went and is being freed in the background.
    leaving: u64,
}

#[derive(Debug)]
struct Candidate {
    score: u64,
    db: DbIndex,
    key: Vec<u8>,
}

impl Eviction {
    /// Takes other rules: CONFIG SET. `rules` is asked with the search held, which who evicts holds while it asks for options.
    pub(crate) fn renew(&self, rules: impl FnOnce() -> EvictionRules, is_writable: bool) {
        let mut search = self.search.lock();
        search.pool.clear();
        let rules = rules();
        let limit = rules.maxmemory;
        self.limit.store(limit, Relaxed);
        // Who queues a write is to be told now, and not after somebody's next one.
        let nothing_goes = is_writable && rules.policy.rank.is_none();
        self.is_full.store(nothing_goes && limit != 0 && memory::look().used > limit, Relaxed);
        self.look_soon();
    }

    /// Has memory looked at before the next write.
    pub(crate) fn look_soon(&self) {
        if self.limit.load(Relaxed) != 0 {
            self.budget.store(0, Relaxed);
        }
    }

    /// Whether a request of these words may write as things stand, or must first see whether there is room. One load
    /// where there is no bound.
    #[inline]
    pub(crate) fn may_write(&self, words: &[&[u8]]) -> bool {
        self.limit.load(Relaxed) == 0 || self.spend(words)
    }

    #[cold]
    fn spend(&self, words: &[&[u8]]) -> bool {
        let bytes = words.iter().map(|word| word.len()).sum::<usize>() + REQUEST_COST;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.budget.fetch_sub(bytes, Relaxed) >= bytes
    }

    /// Whether there is a bound.
    pub(crate) fn is_bounded(&self) -> bool {
        self.limit.load(Relaxed) != 0
    }

    /// Whether the last look found no room.
    pub(crate) fn is_full(&self) -> bool {
        self.limit.load(Relaxed) != 0 && self.is_full.load(Relaxed)
    }

    /// Makes room, if there is none. For the holder of the token, on a thread that may wait.
    pub(crate) fn make_room(&self, node: &Node, writer: &Writer<'_>) -> Room {
        self.make_room_for(node, writer, 0)
    }

    /// The same for a request of so many bytes: those in use that are a second copy of it go when it has run.
    pub(crate) fn make_room_for(&self, node: &Node, writer: &Writer<'_>, brought: u64) -> Room {
        let (room, is_behind) = self.round(node, writer, brought);
        if is_behind {
            self.behind.notify_one();
        }
        room
    }

    /// Makes room until there is some, or nothing more may go, with the token free for others between rounds. On a
    /// thread that may wait.
    fn catch_up(&self, node: &Node) {
        let mut is_behind = true;
        while is_behind {
            let writer = node.store.writer();
            is_behind = self.round(node, &writer, 0).1;
            // Who waits for a stream hears that it is gone.
            node.blocking.serve_ready(node, &writer);
        }
    }

    /// One round; and whether it was over before there was room.
    fn round(&self, node: &Node, writer: &Writer<'_>, brought: u64) -> (Room, bool) {
        let limit = self.limit.load(Relaxed);
        // Without a limit, on a replica, or while a load compares with these data.
        if limit == 0 || !node.upstream.is_writable() || writer.is_frozen() {
            return (Room::Some, false);
        }
        // Nothing goes by itself while clients are paused; whoever writes afterwards looks again.
        if node.pause.at(clock::steady()) != Paused::Nothing {
            return (Room::Some, false);
        }
        let rules = node.settings.read().eviction;
        let mut search = self.search.lock();
        if node.store.is_settled() {
            search.leaving = 0;
        }
        let used = memory::look().used.saturating_sub(search.leaving).saturating_sub(brought);
        let (room, is_behind) = match used.checked_sub(limit) {
            None | Some(0) => (Room::Some, false),
            Some(over) => {
                let began = clock::steady();
                let before = writer.writes_for(None);
                let made = search.evict(node, writer, &rules, over, brought.min(over));
                writer.writes_for(before);
                node.note_event(Event::EvictionCycle, clock::nanos_since(began));
                made
            }
        };
        let left = limit.saturating_sub(used) / 4;
        let budget = i64::try_from(left.max(BUDGET_MIN)).unwrap_or(i64::MAX);
        // While there is too little, each that writes makes some.
        self.budget.store(if room == Room::Some && !is_behind { budget } else { 0 }, Relaxed);
        self.is_full.store(room == Room::None, Relaxed);
        (room, is_behind)
    }
}

/// Makes room, round by round, whenever what was written needs more than a request may make. Runs until dropped.
pub(crate) async fn keep_in_bounds(node: Arc<Node>) {
    loop {
        node.eviction.behind.notified().await;
        let own = Arc::clone(&node);
        // A panic inside ends this turn; the next write begins another.
        let _ = tokio::task::spawn_blocking(move || own.eviction.catch_up(&own)).await;
    }
}

impl Search {
    /// Evicts until so many bytes are free, or the time is over, which is longer for the first `brought` of them. Says
    /// whether time was too short, too.
    fn evict(
        &mut self,
        node: &Node,
        writer: &Writer<'_>,
        rules: &EvictionRules,
        over: u64,
        brought: u64,
    ) -> (Room, bool) {
        let Some(rank) = rules.policy.rank else { return (Room::None, false) };
        let began = clock::steady();
        let now = clock::unix_millis();
        let mut freed = 0;
        while freed < over {
            let Some(victim) = self.choose(writer, rules, rank, now) else {
                // Keys with a deadline may be far apart: the walk for them goes on at the next turn.
                let any = (0..writer.databases()).any(|index| is_candidate(writer, DbIndex(index), rules));
                return (if any { Room::Some } else { Room::None }, false);
            };
            let mut db = writer.db(victim.db, UnixMillis::NOTHING_EXPIRED);
            let Some(bytes) = db.peek(&victim.key).map(|entry| entry.memory_usage() as u64) else { continue };
            writer.uncounted(|| db.remove(&victim.key));
            writer.event(storage::Wanted::EVICTED, "evicted", victim.db, &victim.key);
            add(&node.stats.local().evicted_keys, 1);
            freed += bytes;
            let most = if freed < brought { LARGE_ROUND_MAX } else { ROUND_MAX };
            if clock::steady().saturating_duration_since(began) > most {
                break;
            }
        }
        if !node.store.is_settled() {
            self.leaving += freed;
        }
        (Room::Some, freed < over)
    }

    fn choose(
        &mut self,
        writer: &Writer<'_>,
        rules: &EvictionRules,
        rank: Rank,
        now: UnixMillis,
    ) -> Option<Candidate> {
        if rank == Rank::Chance {
            for _ in 0..writer.databases() {
                let index = DbIndex(self.turn % writer.databases());
                self.turn = self.turn.wrapping_add(1);
                let mut found = None;
                let db = writer.db(index, UnixMillis::NOTHING_EXPIRED);
                self.sample(&db, 1, rules.policy.volatile, |entry| found = Some(entry.key().to_vec()));
                if let Some(key) = found {
                    return Some(Candidate { score: 0, db: index, key });
                }
            }
            return None;
        }
        for index in (0..writer.databases()).map(DbIndex) {
            if !is_candidate(writer, index, rules) {
                continue;
            }
            let db = writer.db(index, UnixMillis::NOTHING_EXPIRED);
            let mut seen = Vec::new();
            self.sample(&db, rules.samples, rules.policy.volatile, |entry| {
                seen.push((score(&db, rank, rules, entry, now), entry.key().to_vec()));
            });
            seen.into_iter().for_each(|(score, key)| self.remember(Candidate { score, db: index, key }));
        }
        // One of an earlier turn may be gone, or have lost its deadline.
        while let Some(best) = self.pool.pop() {
            let db = writer.db(best.db, UnixMillis::NOTHING_EXPIRED);
            let is_still =
                db.peek(&best.key).is_some_and(|entry| !rules.policy.volatile || entry.deadline().is_some());
            if is_still {
                return Some(best);
            }
        }
        None
    }

    /// Looks at about so many keys by chance.
    fn sample(&mut self, db: &Db<'_>, count: usize, volatile: bool, mut visit: impl FnMut(&EntryView)) {
        if db.is_empty() {
            return;
        }
        let mut found = 0;
        // Where most keys have deadlines, keys by chance have them too.
        for _ in 0..count * if volatile { 4 } else { 1 } {
            db.look_at_any(|entry| {
                if !volatile || entry.deadline().is_some() {
                    visit(entry);
                    found += 1;
                }
            });
            if found == count {
                return;
            }
        }
        if !volatile || found > 0 {
            return;
        }
        let Ok(place) = usize::try_from(db.index().0) else { return };
        if self.cursors.len() <= place {
            self.cursors.resize(place + 1, ScanCursor::START);
        }
        let Some(cursor) = self.cursors.get_mut(place) else { return };
        let mut looked = 0;
        while found < count && looked < VOLATILE_WALK_MAX {
            let mut here = 0;
            *cursor = db.scan(*cursor, 100, |_, entry| {
                here += 1;
                if found < count && entry.deadline().is_some() {
                    visit(entry);
                    found += 1;
                }
            });
            looked += here.max(1);
        }
    }

    fn remember(&mut self, candidate: Candidate) {
        if self.pool.iter().any(|known| known.db == candidate.db && known.key == candidate.key) {
            return;
        }
        let place = self.pool.partition_point(|known| known.score <= candidate.score);
        self.pool.insert(place, candidate);
        if self.pool.len() > POOL {
            self.pool.remove(0);
        }
    }
}

fn is_candidate(writer: &Writer<'_>, index: DbIndex, rules: &EvictionRules) -> bool {
    let db = writer.db(index, UnixMillis::NOTHING_EXPIRED);
    if rules.policy.volatile { db.deadlines() > 0 } else { !db.is_empty() }
}

/// The higher, the sooner it goes.
fn score(db: &Db<'_>, rank: Rank, rules: &EvictionRules, entry: &EntryView, now: UnixMillis) -> u64 {
    match rank {
        Rank::Idle | Rank::Unchanged => db.idle_seconds(entry),
        Rank::Rare => u64::from(u8::MAX - entry.frequency(rules.usage(), now)),
        Rank::Chance => 0,
        Rank::Deadline => {
            let deadline = entry.deadline().map_or(i64::MAX, |deadline| deadline.0);
            u64::MAX - u64::try_from(deadline).unwrap_or(0)
        }
    }
}
