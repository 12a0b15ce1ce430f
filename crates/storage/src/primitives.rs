//! The words of waiting, as [`crate::gate`] and the keyspace's line use them: here std's; in their models, Shuttle's.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use std::sync::PoisonError;

/// How often one looks again before going to sleep; a batch of reads is over in microseconds.
pub(crate) const SPINS: usize = 200;

/// Locks. Nothing that runs under these locks can panic half-way, so poison means nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be woken; wakes for nothing too.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
