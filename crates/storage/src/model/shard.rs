//! A shard's lock as DashMap has it: readers come in while a writer waits.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use super::patience::ShardLock;
use super::primitives::{Condvar, Mutex, lock, wait};

/// A lock and what it protects.
#[derive(Default)]
pub(super) struct Shard<T> {
    state: Mutex<State>,
    changed: Condvar,
    content: UnsafeCell<T>,
}

#[derive(Default)]
struct State {
    readers: usize,
    has_writer: bool,
}

// SAFETY: the content is only reached through guards, of which one alone writes.
unsafe impl<T: Send + Sync> Sync for Shard<T> {}

pub(super) struct ReadGuard<'a, T>(&'a Shard<T>);

pub(super) struct WriteGuard<'a, T>(&'a Shard<T>);

impl<T> Shard<T> {
    pub(super) fn new(content: T) -> Shard<T> {
        Shard { state: Mutex::default(), changed: Condvar::new(), content: UnsafeCell::new(content) }
    }

    pub(super) fn read(&self) -> ReadGuard<'_, T> {
        let mut state = lock(&self.state);
        while state.has_writer {
            state = wait(&self.changed, state);
        }
        state.readers += 1;
        ReadGuard(self)
    }
}

impl<T> ShardLock for Shard<T> {
    type Guard<'a>
        = WriteGuard<'a, T>
    where
        Self: 'a;

    fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        let mut state = lock(&self.state);
        if state.readers > 0 || state.has_writer {
            return None;
        }
        state.has_writer = true;
        Some(WriteGuard(self))
    }

    fn write(&self) -> WriteGuard<'_, T> {
        let mut state = lock(&self.state);
        while state.readers > 0 || state.has_writer {
            state = wait(&self.changed, state);
        }
        state.has_writer = true;
        WriteGuard(self)
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // A model that fails unwinds, where nothing is to be scheduled any more.
        if !std::thread::panicking() {
            lock(&self.0.state).readers -= 1;
            self.0.changed.notify_all();
        }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            lock(&self.0.state).has_writer = false;
            self.0.changed.notify_all();
        }
    }
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: readers are counted, so there is no writer.
        unsafe { &*self.0.content.get() }
    }
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: there is this writer alone.
        unsafe { &*self.0.content.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is this writer alone.
        unsafe { &mut *self.0.content.get() }
    }
}
