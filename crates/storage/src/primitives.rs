//! The words of waiting, as the files that are modelled use them: here std's; in `model`, Shuttle's.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

use std::sync::PoisonError;

/// How often one looks again before going to sleep; a batch of reads is over in microseconds.
pub(crate) const SPINS: usize = 200;

/// How often a writer looks again for a shard's lock before it rests.
pub(crate) const LOCK_SPINS: usize = 100;

/// Sleeps a little: a sleep of 1 µs takes Linux about 50.
pub(crate) fn rest() {
    std::thread::sleep(std::time::Duration::from_micros(1));
}

/// Locks. What runs under these locks cannot panic half-way, or has taken out what it works on, so poison means
/// nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be woken; wakes for nothing too.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
