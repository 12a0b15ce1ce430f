//! A writer's patience with the lock of a shard.
//!
//! DashMap's lock admits readers while a writer waits, so a hot key could starve it. A writer that has waited some 50
//! µs closes the gate: whoever is inside leaves when its batch is over, nobody else comes in, and the lock is to be
//! had.
//!
//! Owns how long a writer waits, and for what. Never knows what the lock protects.
//!
//! This file is compiled twice: as it is, and by `model` over Shuttle's primitives, which tries its interleavings.

use super::gate::Token;
use super::primitives::{LOCK_SPINS, rest, spin_loop};

/// A shard's lock, as far as who writes is concerned.
pub(crate) trait ShardLock {
    /// The shard, locked for writing.
    type Guard<'a>
    where
        Self: 'a;

    fn try_write(&self) -> Option<Self::Guard<'_>>;

    fn write(&self) -> Self::Guard<'_>;
}

/// Locks a shard for writing.
pub(crate) fn lock_for_write<'a, L: ShardLock>(token: &Token<'_>, lock: &'a L) -> L::Guard<'a> {
    if let Some(guard) = lock.try_write() {
        return guard;
    }
    // With the gate closed by us nobody is inside, and whoever has the lock (a long read has not: it has the token)
    // lets it go soon.
    if token.has_closed() {
        return lock.write();
    }
    for _ in 0..LOCK_SPINS {
        spin_loop();
        if let Some(guard) = lock.try_write() {
            return guard;
        }
    }
    rest();
    if let Some(guard) = lock.try_write() {
        return guard;
    }
    let _closed = token.close();
    lock.write()
}
