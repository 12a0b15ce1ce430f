//! WATCH: whether a key was touched since somebody began to watch it; and keys that are awaited: who holds the token is
//! told which of them were touched.
//!
//! Owns the list of such keys. While it is empty an edit pays one look at a counter. Never says what happened to
//! a key, and never keeps a key in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

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
    /// Whether there is something in `ready`.
    has_ready: AtomicBool,
    /// Awaited keys that were touched, in that order.
    ready: Mutex<Vec<(DbIndex, Box<[u8]>)>>,
}

type Watched = HashMap<DbIndex, HashMap<Box<[u8]>, Vec<Arc<State>>>>;

#[derive(Debug)]
struct State {
    touched: AtomicBool,
    /// The key was there when it began to be watched, but expired: that it is removed since is no news.
    was_expired: AtomicBool,
    /// It goes to the list of those that are ready when it is touched.
    is_awaited: bool,
    /// Who is to be woken then.
    waker: Mutex<Option<Waker>>,
}

impl State {
    fn new(is_awaited: bool) -> Arc<State> {
        Arc::new(State {
            touched: AtomicBool::new(false),
            was_expired: AtomicBool::new(false),
            is_awaited,
            waker: Mutex::default(),
        })
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.touched.store(true, Ordering::Release);
        if let Some(waker) = self.waker().take() {
            waker.wake();
        }
    }
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

fn watch(store: &Arc<Inner>, reader: &Reader<'_>, index: DbIndex, key: &[u8], now: UnixMillis) -> Watch {
    let state = State::new(false);
    store.watches.add(index, key, &state);
    // After it is on the list: an edit comes either before this look or finds the watch.
    let expired = reader.db(index, now).is_expired(key);
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
        !self.state.was_expired.load(Ordering::Relaxed) && reader.db(self.index, now).is_expired(&self.key)
    }

    /// Ready when the key was edited, removed, flushed, swapped away or exchanged; until then the task is woken for it.
    /// (That it has expired is no news of this sort.)
    pub fn poll_touched(&self, context: &mut Context<'_>) -> Poll<()> {
        *self.state.waker() = Some(context.waker().clone());
        // Looked at after the waker is there: who touches it later finds that.
        if self.state.touched.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What tells others, without looking at data, whether the key was edited, removed, flushed, swapped away or
    /// exchanged since.
    pub fn mark(&self) -> Touched {
        Touched(Arc::clone(&self.state))
    }

    /// Which key, of which database.
    pub fn key(&self) -> (DbIndex, &[u8]) {
        (self.index, &self.key)
    }
}

/// See [`Watch::mark`].
#[derive(Clone, Debug)]
pub struct Touched(Arc<State>);

impl Touched {
    /// Whether it was.
    pub fn is_touched(&self) -> bool {
        self.0.touched.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.store.watches.remove(self.index, &self.key, &self.state);
    }
}

/// Awaits a key for as long as it is kept: see [`Store::await_key`].
#[derive(Debug)]
pub struct Awaited {
    store: Arc<Inner>,
    index: DbIndex,
    key: Box<[u8]>,
    state: Arc<State>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.store.watches.remove(self.index, &self.key, &self.state);
    }
}

impl Store {
    /// From the next edit on, a key that is touched is among those that [`Store::take_ready`] gives.
    pub fn await_key(&self, index: DbIndex, key: &[u8]) -> Awaited {
        let state = State::new(true);
        self.inner.watches.add(index, key, &state);
        Awaited { store: Arc::clone(&self.inner), index, key: key.into(), state }
    }

    /// Whether an awaited key was touched. One load.
    #[inline]
    pub fn has_ready(&self) -> bool {
        self.inner.watches.has_ready.load(Ordering::Acquire)
    }

    /// The awaited keys that were touched since they were taken last, in that order, each once.
    pub fn take_ready(&self) -> Vec<(DbIndex, Box<[u8]>)> {
        let mut ready = self.inner.watches.ready();
        self.inner.watches.has_ready.store(false, Ordering::Release);
        std::mem::take(&mut *ready)
    }
}

impl Watches {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> MutexGuard<'_, Vec<(DbIndex, Box<[u8]>)>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, index: DbIndex, key: &[u8], state: &Arc<State>) {
        let mut watched = self.lock();
        self.count.fetch_add(1, Ordering::Release);
        watched.entry(index).or_default().entry(key.into()).or_default().push(Arc::clone(state));
    }

    fn remove(&self, index: DbIndex, key: &[u8], state: &Arc<State>) {
        let mut watched = self.lock();
        self.count.fetch_sub(1, Ordering::Release);
        let Some(keys) = watched.get_mut(&index) else { return };
        if let Some(states) = keys.get_mut(key) {
            states.retain(|known| !Arc::ptr_eq(known, state));
            if states.is_empty() {
                keys.remove(key);
            }
        }
        if keys.is_empty() {
            watched.remove(&index);
        }
    }

    fn touch_states(&self, index: DbIndex, key: &[u8], states: &[Arc<State>]) {
        states.iter().for_each(|state| state.touch());
        self.note_ready(index, key, states);
    }

    fn note_ready(&self, index: DbIndex, key: &[u8], states: &[Arc<State>]) {
        if states.iter().any(|state| state.is_awaited) {
            let mut ready = self.ready();
            if !ready.iter().any(|(at, known)| *at == index && **known == *key) {
                ready.push((index, key.into()));
            }
            self.has_ready.store(true, Ordering::Release);
        }
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
        let Some(states) = watched.get(&index).and_then(|keys| keys.get(key)) else { return };
        self.touch_those(index, key, states, is_there);
    }

    fn touch_those(&self, index: DbIndex, key: &[u8], states: &[Arc<State>], is_there: bool) {
        if is_there {
            return self.touch_states(index, key, states);
        }
        // That an expired key is removed is no news for who knew that it was.
        let told = |state: &&Arc<State>| !state.was_expired.swap(false, Ordering::Relaxed);
        let told: Vec<_> = states.iter().filter(told).cloned().collect();
        self.touch_states(index, key, &told);
    }

    /// Tells only those who await this key.
    #[cold]
    pub(crate) fn touch_awaited(&self, index: DbIndex, key: &[u8]) {
        if let Some(states) = self.lock().get(&index).and_then(|keys| keys.get(key)) {
            self.note_ready(index, key, states);
        }
    }

    /// The same for every watched key of a database of which all keys are exchanged: that `was_there`, or `is_there`
    /// afterwards.
    pub(crate) fn touch_all(
        &self,
        index: DbIndex,
        was_there: impl Fn(&[u8]) -> bool,
        is_there: impl Fn(&[u8]) -> bool,
    ) {
        if !self.any() {
            return;
        }
        for (key, states) in self.lock().get(&index).into_iter().flatten() {
            let is_there = is_there(key);
            if is_there || was_there(key) {
                self.touch_those(index, key, states, is_there);
            }
        }
    }
}
