//! WATCH: whether a key was touched since somebody began to watch it.
//!
//! Owns the list of watched keys. While it is empty an edit pays one look at a counter. Never says what happened to
//! a key, and never keeps a key in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::db::Db;
use crate::store::{Inner, Reader, Store};
use crate::time::{DbIndex, UnixMillis};

/// The keys that are watched, by database.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// How many keys are watched; one more while all of them are followed.
    count: AtomicUsize,
    /// Whether changes of every key are noted.
    follows_all: AtomicBool,
    watched: Mutex<Watched>,
}

type Watched = HashMap<DbIndex, HashMap<Box<[u8]>, Vec<Arc<State>>>>;

#[derive(Debug)]
struct State {
    touched: AtomicBool,
    /// The key was there when it began to be watched, but expired: that it is removed since is no news.
    was_expired: AtomicBool,
}

/// Watches one key from the moment it was made; see [`Store::watch`].
#[derive(Debug)]
pub struct Watch {
    store: Arc<Inner>,
    index: DbIndex,
    key: Box<[u8]>,
    state: Arc<State>,
}

impl Store {
    /// Begins to watch a key: [`Watch::is_touched`] tells whether anything happened to it since.
    ///
    /// Enters this thread's slot of the gate, and waits while that is closed; in a batch use [`Reader::watch`].
    pub fn watch(&self, index: DbIndex, key: &[u8], now: UnixMillis) -> Watch {
        watch(&self.inner, &self.reader(), index, key, now)
    }
}

impl Reader<'_> {
    /// The same as [`Store::watch`], in a batch.
    pub fn watch(&self, store: &Store, index: DbIndex, key: &[u8], now: UnixMillis) -> Watch {
        watch(&store.inner, self, index, key, now)
    }
}

fn is_expired(db: &Db<'_>, key: &[u8], now: UnixMillis) -> bool {
    let found = db.peek(key);
    found.is_some_and(|entry| !entry.is_visible(now))
}

fn watch(store: &Arc<Inner>, reader: &Reader<'_>, index: DbIndex, key: &[u8], now: UnixMillis) -> Watch {
    let state = Arc::new(State { touched: AtomicBool::new(false), was_expired: AtomicBool::new(false) });
    {
        let mut watched = store.watches.lock();
        store.watches.count.fetch_add(1, Ordering::Release);
        let states = watched.entry(index).or_default().entry(key.into()).or_default();
        states.push(Arc::clone(&state));
    }
    // After it is on the list: an edit comes either before this look or finds the watch.
    let expired = is_expired(&reader.db(index, UnixMillis::NOTHING_EXPIRED), key, now);
    state.was_expired.store(expired, Ordering::Relaxed);
    Watch { store: Arc::clone(store), index, key: key.into(), state }
}

impl Watch {
    /// Whether the key was edited, removed, flushed, swapped away or exchanged with a whole data set since, or has
    /// come to its deadline by `now`.
    pub fn is_touched(&self, reader: &Reader<'_>, now: UnixMillis) -> bool {
        if self.state.touched.load(Ordering::Acquire) {
            return true;
        }
        !self.state.was_expired.load(Ordering::Relaxed)
            && is_expired(&reader.db(self.index, UnixMillis::NOTHING_EXPIRED), &self.key, now)
    }

    /// Which key, of which database.
    pub fn key(&self) -> (DbIndex, &[u8]) {
        (self.index, &self.key)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.store.watches.lock();
        self.store.watches.count.fetch_sub(1, Ordering::Release);
        let Some(keys) = watched.get_mut(&self.index) else { return };
        if let Some(states) = keys.get_mut(&*self.key) {
            states.retain(|state| !Arc::ptr_eq(state, &self.state));
            if states.is_empty() {
                keys.remove(&*self.key);
            }
        }
        if keys.is_empty() {
            watched.remove(&self.index);
        }
    }
}

impl Watches {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody watches anything. Asked under the lock of the edited key's shard: who begins to watch later
    /// also looks later, and sees the edit.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Has changes of every key noted, or no more.
    pub(crate) fn follow_all(&self, follow: bool) {
        let _one_at_a_time = self.lock();
        if self.follows_all.swap(follow, Ordering::AcqRel) != follow {
            if follow {
                self.count.fetch_add(1, Ordering::Release);
            } else {
                self.count.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Whether changes of every key are noted.
    pub(crate) fn follows_all(&self) -> bool {
        self.follows_all.load(Ordering::Acquire)
    }

    /// Tells those who watch this key that it was changed; `is_there` says whether it is there afterwards.
    #[cold]
    pub(crate) fn touch(&self, index: DbIndex, key: &[u8], is_there: bool) {
        let watched = self.lock();
        for state in watched.get(&index).and_then(|keys| keys.get(key)).into_iter().flatten() {
            if is_there || !state.was_expired.swap(false, Ordering::Relaxed) {
                state.touched.store(true, Ordering::Release);
            }
        }
    }

    /// The same for every watched key of a database that `is_there`, before or after all its keys were exchanged.
    pub(crate) fn touch_all(&self, index: DbIndex, is_there: impl Fn(&[u8]) -> bool) {
        if !self.any() {
            return;
        }
        for (key, states) in self.lock().get(&index).into_iter().flatten() {
            if is_there(key) {
                states.iter().for_each(|state| state.touched.store(true, Ordering::Release));
            }
        }
    }
}
