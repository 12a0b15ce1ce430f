//! One database, for reading.
//!
//! Owns what a reader sees of the keyspace: expired keys are hidden here. Never changes anything but the time of
//! access.

use std::cell::{Cell, RefCell};

use crate::entry::EntryView;
use crate::gate::Access;
use crate::keyspace::{KeyHash, Keyspace, Ref, Refs};
use crate::scan::ScanCursor;
use crate::store::{Hashed, Inner};
use crate::time::{DbIndex, UnixMillis};
use crate::usage::UsageRules;
use crate::value::Kind;

/// How many expired keys RANDOMKEY passes over before it walks on in order.
const RANDOM_TRIES_MAX: usize = 100;
/// ... and how many it walks over before it says that there is none.
const RANDOM_WALK_MAX: usize = 10_000;

/// How many expired keys that were met and not asked for are kept; the others are for who meets them next.
const MET_MAX: usize = 10_000;

/// How many keys were looked up, and found or not: `keyspace_hits` and `keyspace_misses` of INFO. Plain cells, for one
/// thread's batch.
#[derive(Debug, Default)]
pub struct Lookups {
    hits: Cell<u64>,
    misses: Cell<u64>,
    /// Whether it is kept which were not found.
    keeps_missed: bool,
    /// Whether it is kept which were past their deadline.
    keeps_expired: bool,
    /// What is kept, in order: as many as a request names, or as many as are passed over for it.
    kept: RefCell<Vec<Missed>>,
    met_expired: Cell<bool>,
}

/// A key that was looked up in vain, or passed over; or fields of a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Of which database.
    pub db: DbIndex,
    /// The key.
    pub key: Box<[u8]>,
    /// It is there, and past its deadline; or its fields are.
    pub is_expired: bool,
    /// Which, where it is a hash that is there, and some of its fields are past their deadlines.
    pub fields: Option<Vec<Box<[u8]>>>,
    /// It was asked for, and not only met on the way.
    pub is_asked: bool,
}

/// How many there were at some moment: see [`Lookups::back_to`].
#[derive(Clone, Copy, Debug)]
pub struct LookupsUntil {
    hits: u64,
    misses: u64,
}

impl Lookups {
    /// None yet. With `missed` it is kept which keys were not found; with `expired`, which of those were met, whether
    /// they were asked for or not, that are past their deadline.
    pub fn new(missed: bool, expired: bool) -> Lookups {
        Lookups { keeps_missed: missed, keeps_expired: expired, ..Lookups::default() }
    }
    /// How many were there.
    pub fn hits(&self) -> u64 {
        self.hits.get()
    }
    /// How many were not.
    pub fn misses(&self) -> u64 {
        self.misses.get()
    }
    /// Whether keys past their deadline are among those that are kept.
    #[inline]
    pub fn has_expired(&self) -> bool {
        self.met_expired.get()
    }
    /// What was kept, in order, since this was asked last.
    #[inline]
    pub fn take(&self) -> Vec<Missed> {
        if self.kept.borrow().is_empty() { Vec::new() } else { self.take_some() }
    }
    #[cold]
    fn take_some(&self) -> Vec<Missed> {
        self.met_expired.set(false);
        self.kept.take()
    }
    /// As it is now, between two requests.
    pub fn until_now(&self) -> LookupsUntil {
        LookupsUntil { hits: self.hits(), misses: self.misses() }
    }
    /// Forgets what was noted since: those look-ups will be made again.
    #[cold]
    pub fn back_to(&self, then: LookupsUntil) {
        self.hits.set(then.hits);
        self.misses.set(then.misses);
        self.take();
    }
    #[inline]
    fn found(&self) {
        self.hits.set(self.hits.get() + 1);
    }
    #[inline]
    fn missed(&self, db: DbIndex, key: &[u8], is_expired: bool) {
        self.misses.set(self.misses.get() + 1);
        if self.keeps_missed || is_expired {
            self.keep(Missed { db, key: key.into(), is_expired, fields: None, is_asked: true });
        }
    }
    #[cold]
    fn keep(&self, missed: Missed) {
        let is_expired = missed.is_expired && self.keeps_expired;
        let is_asked = missed.is_asked && self.keeps_missed;
        if is_expired || is_asked {
            self.met_expired.set(self.met_expired.get() || is_expired);
            self.kept.borrow_mut().push(Missed { is_expired, is_asked, ..missed });
        }
    }
}

/// A numbered database, looked at under a [`crate::Reader`] or [`crate::Writer`], at a given moment.
#[derive(Clone, Copy, Debug)]
pub struct Db<'a> {
    pub(crate) inner: &'a Inner,
    access: Access<'a>,
    index: DbIndex,
    now: UnixMillis,
    touches: bool,
    /// What is behind the number, where that stays so: nobody puts another keyspace there while a reader is inside.
    keyspace: Option<&'a Keyspace>,
    hashed: Option<Hashed<'a>>,
    /// Where it is counted what is looked up.
    lookups: Option<&'a Lookups>,
    /// Where it is noted what has expired.
    meets: Option<&'a Lookups>,
}

impl<'a> Db<'a> {
    pub(crate) fn new(inner: &'a Inner, access: Access<'a>, index: DbIndex, now: UnixMillis) -> Db<'a> {
        Db {
            inner,
            access,
            index,
            now,
            touches: true,
            keyspace: None,
            hashed: None,
            lookups: None,
            meets: None,
        }
    }

    /// The same for a reader: the keyspace is found once.
    #[inline]
    pub(crate) fn of_reader(inner: &'a Inner, access: Access<'a>, index: DbIndex, now: UnixMillis) -> Db<'a> {
        let db = Db::new(inner, access, index, now);
        Db { keyspace: db.keyspace(), ..db }
    }

    /// The same, leaving no trace of access on the keys (`CLIENT NO-TOUCH`).
    pub fn untouching(self) -> Db<'a> {
        Db { touches: false, ..self }
    }

    /// The same, with the hash of a key that will be asked for: when its very slice is, it is not hashed again.
    #[inline]
    pub fn hashed(self, hashed: Option<Hashed<'a>>) -> Db<'a> {
        Db { hashed, ..self }
    }

    /// The same, counting what is looked up.
    pub fn counted(self, lookups: &'a Lookups) -> Db<'a> {
        Db { lookups: Some(lookups), meets: Some(lookups), ..self }
    }

    /// The same, not counting it: who asks says [`Db::asked`] instead.
    pub fn uncounted(self) -> Db<'a> {
        Db { lookups: None, ..self }
    }

    /// Counts a look-up that was not made here, where look-ups are counted.
    pub fn asked(&self, key: &[u8], found: bool) {
        self.note(key, found, false);
    }

    #[inline]
    fn note(&self, key: &[u8], found: bool, is_expired: bool) {
        match self.lookups {
            Some(lookups) if found => lookups.found(),
            Some(lookups) => lookups.missed(self.index, key, is_expired),
            None if is_expired => self.met_expired(key),
            None => {}
        }
    }

    #[cold]
    fn missed(&self, key: &[u8], is_expired: bool) {
        self.note(key, false, is_expired);
    }

    /// Notes a key that was met on the way to others, and is past its deadline; of very many only the first.
    #[cold]
    pub fn met_expired(&self, key: &[u8]) {
        if let Some(lookups) = self.meets
            && lookups.kept.borrow().len() < MET_MAX
        {
            lookups.keep(Missed {
                db: self.index,
                key: key.into(),
                is_expired: true,
                fields: None,
                is_asked: false,
            });
        }
    }

    /// Whether somebody wants to know which fields of hashes that are looked at are past their deadlines.
    #[inline]
    pub fn meets_expired(&self) -> bool {
        self.meets.is_some_and(|lookups| lookups.keeps_expired)
    }

    /// Notes such fields.
    #[cold]
    pub fn met_expired_fields(&self, key: &[u8], fields: Vec<Box<[u8]>>) {
        if let Some(lookups) = self.meets.filter(|_| !fields.is_empty()) {
            let fields = Some(fields);
            lookups.keep(Missed {
                db: self.index,
                key: key.into(),
                is_expired: true,
                fields,
                is_asked: false,
            });
        }
    }

    /// The database's number.
    pub fn index(&self) -> DbIndex {
        self.index
    }

    /// The moment as of which it is read.
    pub fn now(&self) -> UnixMillis {
        self.now
    }

    #[inline]
    pub(crate) fn keyspace(&self) -> Option<&'a Keyspace> {
        // An empty cell may be filled meanwhile.
        self.keyspace.or_else(|| self.inner.database(self.index)?.get(self.access))
    }

    pub(crate) fn access(&self) -> Access<'a> {
        self.access
    }

    pub(crate) fn touches(&self) -> bool {
        self.touches
    }

    /// The hash that was given for this very slice, or a new one.
    #[inline]
    pub(crate) fn hash_of(&self, key: &[u8]) -> KeyHash {
        match self.hashed {
            // The given key is borrowed for longer than this, so the same place still holds the same bytes.
            Some(hashed) if std::ptr::eq(hashed.key, key) => hashed.hash,
            _ => self.inner.hasher.hash(key),
        }
    }

    /// Looks a key up, and notes that it was used. The result holds the read lock of the key's shard: let it go soon.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Ref<'_>> {
        let found = self.peek(key)?;
        if self.touches {
            self.inner.touch(&found, false);
        }
        Some(found)
    }

    /// Looks a key up without noting that it was used (TYPE, TTL, OBJECT, EXISTS).
    #[inline]
    pub fn peek(&self, key: &[u8]) -> Option<Ref<'_>> {
        let found = self.keyspace().and_then(|keyspace| keyspace.find(key, self.hash_of(key)));
        if found.as_ref().is_some_and(|found| !found.is_visible(self.now)) {
            drop(found);
            self.missed(key, true);
            return None;
        }
        self.note(key, found.is_some(), false);
        found
    }

    /// Looks several keys up as of one moment: locks all their shards together.
    pub fn get_many(&self, keys: &[&[u8]]) -> Refs<'_> {
        self.get_all(keys, |_| false)
    }

    /// The same, for who asks for them one by one and gives up at the first of another kind: those behind it are not
    /// counted.
    pub fn get_many_of(&self, keys: &[&[u8]], kind: Kind) -> Refs<'_> {
        self.get_all(keys, |entry| entry.kind() != kind)
    }

    fn get_all(&self, keys: &[&[u8]], ends: impl Fn(&EntryView) -> bool) -> Refs<'_> {
        let mut found = match self.keyspace() {
            Some(keyspace) => {
                let wanted: Vec<(&[u8], KeyHash)> =
                    keys.iter().map(|key| (*key, self.hash_of(key))).collect();
                keyspace.find_many(&wanted)
            }
            None => Refs::none(keys.len()),
        };
        let mut counts = true;
        for (key, entry) in keys.iter().zip(found.entries()) {
            let is_there = entry.is_some();
            *entry = entry.take().filter(|entry| entry.is_visible(self.now));
            if counts && (self.lookups.is_some() || is_there && entry.is_none()) {
                self.note(key, entry.is_some(), is_there);
            }
            counts = counts && !entry.as_ref().is_some_and(&ends);
        }
        if self.touches {
            found.iter().flatten().for_each(|entry| self.inner.touch(entry, false));
        }
        found
    }

    /// Whether the key is there and past its deadline.
    pub fn is_expired(&self, key: &[u8]) -> bool {
        let found = self.keyspace().and_then(|keyspace| keyspace.find(key, self.hash_of(key)));
        found.is_some_and(|entry| !entry.is_visible(self.now))
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// How many keys, expired ones included: `DBSIZE`.
    pub fn len(&self) -> usize {
        self.keyspace().map_or(0, |keyspace| keyspace.counts.keys())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys have a deadline: `expires` of INFO keyspace.
    pub fn deadlines(&self) -> usize {
        self.keyspace().map_or(0, |keyspace| keyspace.counts.deadlines())
    }

    /// How many hashes have fields with deadlines: `subexpiry` of INFO keyspace.
    pub fn field_deadlines(&self) -> usize {
        self.keyspace().map_or(0, |keyspace| keyspace.counts.field_deadlines())
    }

    /// How many shards the database has, for those who look after it; 0 when it has never had a key.
    pub fn shards(&self) -> usize {
        self.keyspace().map_or(0, Keyspace::shards)
    }

    /// A key by chance, that has not expired; `None` when there is none, or when only a long search would find one.
    pub fn random_key(&self) -> Option<Vec<u8>> {
        let keyspace = self.keyspace()?;
        let visible = |entry: &EntryView| entry.is_visible(self.now).then(|| entry.key().to_vec());
        for _ in 0..RANDOM_TRIES_MAX {
            let look = |entry: &EntryView| {
                visible(entry).or_else(|| {
                    self.met_expired(entry.key());
                    None
                })
            };
            if let Some(key) = keyspace.random(|| self.inner.random(), look)? {
                return Some(key);
            }
        }
        let mut found = None;
        let start = ScanCursor(self.inner.random() >> (64 - ScanCursor::BITS));
        let mut left = RANDOM_WALK_MAX;
        let mut cursor = start;
        while found.is_none() && left > 0 {
            cursor = keyspace.scan(cursor, 100, |entry| found = found.take().or_else(|| visible(entry)));
            left = left.saturating_sub(100);
        }
        found
    }

    /// Looks at a key by chance, an expired one too; `None` when there is none.
    pub fn look_at_any<R>(&self, look: impl FnOnce(&EntryView) -> R) -> Option<R> {
        self.keyspace()?.random(|| self.inner.random(), look)
    }

    /// Seconds since a key of this store was last used, by the clock that noted it ([`crate::Store::tick`]): 0 for one
    /// that was used since the clock moved. Means nothing where accesses are counted.
    pub fn idle_seconds(&self, entry: &EntryView) -> u64 {
        entry.idle_seconds(self.inner.clock())
    }

    /// By which rules accesses to keys are noted.
    pub fn usage_rules(&self) -> UsageRules {
        self.inner.usage_rules()
    }

    /// One step of a walk over all keys: about `count` of them, from `cursor` on; the answer is where to go on,
    /// and [`ScanCursor::START`] at the end. Expired keys are passed over.
    ///
    /// A key that is there from the beginning to the end of a walk is seen exactly once, whatever is added, removed
    /// or moved meanwhile.
    pub fn scan(
        &self,
        cursor: ScanCursor,
        count: usize,
        mut visit: impl FnMut(&[u8], &EntryView),
    ) -> ScanCursor {
        self.scan_all(cursor, count, |key, entry| {
            if entry.is_visible(self.now) {
                visit(key, entry);
            }
        })
    }

    /// The same step, of which keys that have expired are a part.
    pub fn scan_all(
        &self,
        cursor: ScanCursor,
        count: usize,
        mut visit: impl FnMut(&[u8], &EntryView),
    ) -> ScanCursor {
        let Some(keyspace) = self.keyspace() else { return ScanCursor::START };
        keyspace.scan(cursor, count, |entry| visit(entry.key(), entry))
    }

    /// Visits every key, in hash order of shards. As of one moment only for the token's holder, or while one batch
    /// lasts.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &EntryView)) {
        let Some(keyspace) = self.keyspace() else { return };
        keyspace.for_each(|entry| {
            if entry.is_visible(self.now) {
                visit(entry.key(), entry);
            }
        });
    }

    /// Asks the processor for the memory of these keys, so that looking them up does not wait for it: for a batch,
    /// just before it is run.
    pub fn prefetch(&self, hashes: impl Iterator<Item = KeyHash> + Clone) {
        if let Some(keyspace) = self.keyspace() {
            keyspace.prefetch(hashes);
        }
    }
}
