//! The hash of a member inside its value, and dice.
//!
//! Owns the seed: one a process, so that the cursors of HSCAN, SSCAN and ZSCAN, which are positions in hash
//! order, mean the same for every value as long as the process lives. Never hashes a key of the keyspace.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

struct Seed {
    own: u64,
    shared: SharedSeed,
}

static SEED: OnceLock<Seed> = OnceLock::new();

/// The hash of a member's name; all 64 bits are good.
#[inline]
pub fn hash(name: &[u8]) -> u64 {
    let seed = SEED.get_or_init(|| seed_from(fresh()));
    let mut hasher = FoldHasher::with_seed(seed.own, &seed.shared);
    hasher.write(name);
    hasher.finish()
}

/// Chooses the seed (so that cursors survive a restart); false when it was chosen or used before.
pub fn set_seed(seed: u64) -> bool {
    SEED.set(seed_from(seed)).is_ok()
}

fn seed_from(seed: u64) -> Seed {
    Seed { own: seed, shared: SharedSeed::from_u64(seed.rotate_left(32)) }
}

/// A number that nobody can foresee.
fn fresh() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// A random number, for SRANDMEMBER and its like; not for secrets.
pub fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(fresh());
    }
    STATE.with(|state| {
        // SplitMix64: every state is a good one, and its period is 2^64.
        let next = state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        state.set(next);
        let mut mixed = next;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// A random number below `bound`, each as likely as the others; 0 for a bound of 0.
pub fn random_below(bound: usize) -> usize {
    let bound = bound as u64;
    if bound == 0 {
        return 0;
    }
    loop {
        // Lemire's multiplication: the high half is the answer unless the low half falls into the short rest.
        let wide = u128::from(random()) * u128::from(bound);
        if wide as u64 >= bound.wrapping_neg() % bound {
            return (wide >> 64) as usize;
        }
    }
}

/// Brings `count` of the items to the front, each choice and order as likely as the others.
pub fn shuffle_front<T>(items: &mut [T], count: usize) {
    for at in 0..count.min(items.len()) {
        items.swap(at, at + random_below(items.len() - at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_hashes_the_same_and_others_differ() {
        assert_eq!(hash(b"field"), hash(b"field"));
        assert_ne!(hash(b"field"), hash(b"fielD"));
        assert!(!set_seed(1), "the seed is in use");
    }

    #[test]
    fn dice_are_fair_enough() {
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[random_below(6)] += 1;
        }
        assert!(seen.iter().all(|count| (9_000..11_000).contains(count)), "{seen:?}");
        assert_eq!(random_below(0), 0);
        assert_eq!(random_below(1), 0);
    }
}
