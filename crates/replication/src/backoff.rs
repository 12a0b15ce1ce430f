//! How long to wait before the master is tried again.
//!
//! Owns the schedule: doubling, bounded, spread by a seeded generator so that a hundred replicas of one master do
//! not come back in the same millisecond. Never waits itself.

use std::time::Duration;

/// The first wait is at most this: a master that only dropped the connection is back at once.
const FIRST: Duration = Duration::from_millis(200);
/// No wait is longer: a master that comes back is found within seconds.
const LONGEST: Duration = Duration::from_secs(5);
/// The longest wait after a snapshot that could not be loaded: each try costs the master a whole one.
const LONGEST_AFTER_SNAPSHOT: Duration = Duration::from_secs(60);

/// The schedule of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// Failures in a row.
    failures: u32,
    /// State of the generator (SplitMix64).
    random: u64,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Backoff { failures: 0, random: seed }
    }

    /// All is well again: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(crate) fn after_failure(&mut self) -> Duration {
        self.next(LONGEST)
    }

    /// The wait after one more failure that cost the master a snapshot.
    pub(crate) fn after_snapshot(&mut self) -> Duration {
        self.next(LONGEST_AFTER_SNAPSHOT)
    }

    fn next(&mut self, longest: Duration) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        // Between half of it and all of it.
        let half = doubled / 2;
        let thousandths = u32::try_from(self.draw() % 1001).expect("below 1001");
        half + half * thousandths / 1000
    }

    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::new(7);
        let first = backoff.after_failure();
        assert!(first >= FIRST / 2 && first <= FIRST);
        let waits: Vec<_> = (0..40).map(|_| backoff.after_failure()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[20..].iter().all(|wait| *wait >= LONGEST / 2));
        assert!(backoff.after_snapshot() > LONGEST);
        backoff.reset();
        assert!(backoff.after_failure() <= FIRST);
    }

    #[test]
    fn two_replicas_do_not_come_back_together() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..8).map(|_| backoff.after_failure()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
