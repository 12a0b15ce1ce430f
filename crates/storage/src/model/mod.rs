//! Models: the files that rest on an order of steps between threads, compiled once more over Shuttle's primitives, and
//! tried in many interleavings.
//!
//! `gate`, the keyspace's `line`, `marks`, `patience` and `word` are the very files that the store is made of. What
//! they stand on is a model: a shard's lock (DashMap's own cannot be scheduled), and an entry, which tells when it is
//! freed twice or read after. Of each set of rules some are broken on purpose, and the model must find it.
//!
//! Shuttle's atomics are sequentially consistent: why weaker orderings do is argued where they stand.

#![allow(unsafe_code)] // words are made of addresses, here as there
#![allow(clippy::duplicate_mod)] // compiled once over each family of primitives: that is the point
#![allow(dead_code)] // a model needs less than the store

mod primitives {
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
    pub(crate) use shuttle::thread::yield_now as rest;

    /// Going to sleep at once shows more than looking again.
    pub(crate) const SPINS: usize = 1;
    pub(crate) const LOCK_SPINS: usize = 1;

    use std::sync::PoisonError;

    // A thread that finds a rule broken panics with locks in its hands: what it says is to be heard, not that of those
    // who find the locks poisoned, in destructors at worst.

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}

// The files themselves.
#[path = "../gate.rs"]
mod gate;
#[path = "../keyspace/line.rs"]
mod line;
#[path = "../keyspace/marks.rs"]
mod marks;
#[path = "../keyspace/patience.rs"]
mod patience;
#[path = "../keyspace/word.rs"]
mod word;

// What they stand on.
mod entry;
mod shard;

// What must hold.
mod gate_rules;
mod line_rules;
mod swap_rules;

/// More steps than any run here takes that comes to its end: one that goes on has somebody who waits for ever.
const STEPS_MAX: usize = 20_000;

/// What the interleavings of a run follow from: the same in each, unless `NEARSIDE_SEED` says otherwise.
const SEED: u64 = 7;

/// Tries the model in so many interleavings.
fn random(runs: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS_MAX);
    let seed = std::env::var("NEARSIDE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    println!("NEARSIDE_SEED={seed}");
    let scheduler = shuttle::scheduler::RandomScheduler::new_from_seed(seed, runs);
    shuttle::Runner::new(scheduler, config).run(model);
}
