//! How long requests of one command took: counts by ranges of time.
//!
//! Owns the ranges, whose bounds are those that Redis' LATENCY HISTOGRAM tells, and what is read from the counts. Never
//! measures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Ranges of a doubling: a percentile is known to an eighth of it.
const PARTS: usize = 8;
/// Doublings. The first ends at 1.03 microseconds, the last at 17 seconds and holds what takes longer too.
const DOUBLINGS: usize = 25;
/// Nanoseconds of each of the first ranges. Redis' counters are 1/128 of a power of two wide there, and what lies in
/// one with the power itself is counted below it: so every bound is 129 times a power of two.
const FIRST_NANOS: u64 = 129;

/// The counts.
#[derive(Debug)]
pub(crate) struct Counters([AtomicU64; PARTS * DOUBLINGS]);

impl Default for Counters {
    fn default() -> Self {
        Counters([const { AtomicU64::new(0) }; PARTS * DOUBLINGS])
    }
}

impl Counters {
    /// Counts requests that took as long as this range says.
    #[inline]
    pub(crate) fn add(&self, range: Range, calls: u64) {
        if let Some(counter) = self.0.get(range.0) {
            counter.fetch_add(calls, Relaxed);
        }
    }

    /// Sets all to zero.
    pub(crate) fn reset(&self) {
        self.0.iter().for_each(|counter| counter.store(0, Relaxed));
    }

    /// Adds what was counted to a sum.
    pub(crate) fn add_to(&self, sum: &mut Histogram) {
        for (counter, sum) in self.0.iter().zip(&mut sum.0) {
            *sum += counter.load(Relaxed);
        }
    }
}

/// One of the ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range(usize);

impl Range {
    /// The one that so many nanoseconds lie in.
    #[inline]
    pub(crate) fn of(nanos: u64) -> Range {
        let units = nanos / FIRST_NANOS;
        // Below 16 units ranges are one unit wide; then the width doubles with each doubling.
        let shift = (units | PARTS as u64).ilog2() - PARTS.ilog2();
        let range =
            (shift as usize * PARTS).saturating_add(usize::try_from(units >> shift).unwrap_or(usize::MAX));
        Range(range.min(PARTS * DOUBLINGS - 1))
    }

    /// Its last nanosecond.
    fn end(self) -> u64 {
        let (doubling, part) = (self.0 / PARTS, (self.0 % PARTS) as u64);
        let units = if doubling == 0 { part + 1 } else { (PARTS as u64 + part + 1) << (doubling - 1) };
        units * FIRST_NANOS - 1
    }
}

/// Counts by range, summed at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram([u64; PARTS * DOUBLINGS]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; PARTS * DOUBLINGS])
    }
}

impl Histogram {
    /// How many requests were counted.
    pub(crate) fn calls(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many took at most so many microseconds, for each power of two of them that more took than the one before.
    pub(crate) fn by_doubling(&self) -> Vec<(u64, u64)> {
        let mut sum = 0;
        let mut steps = Vec::new();
        for (doubling, counts) in self.0.chunks(PARTS).enumerate() {
            let more: u64 = counts.iter().sum();
            sum += more;
            if more > 0 {
                steps.push((Range(doubling * PARTS + PARTS - 1).end() / 1000, sum));
            }
        }
        steps
    }

    /// The microseconds that `percent` of the requests took at most: the end of the range where that is reached.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let wanted = (percent / 100.0 * self.calls() as f64 + 0.5) as u64;
        let mut sum = 0;
        let reached = self.0.iter().position(|count| {
            sum += count;
            sum >= wanted.max(1)
        });
        reached.map_or(0.0, |range| Range(range).end() as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_meet_and_their_ends_are_in_them() {
        for range in 0..PARTS * DOUBLINGS - 1 {
            let end = Range(range).end();
            assert_eq!((Range::of(end), Range::of(end + 1)), (Range(range), Range(range + 1)), "{end}");
        }
        assert_eq!(Range::of(0), Range(0));
        assert_eq!(Range::of(u64::MAX), Range(PARTS * DOUBLINGS - 1));
    }

    #[test]
    fn bounds_are_those_that_redis_tells() {
        let counters = Counters::default();
        for micros in [0, 1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056] {
            counters.add(Range::of(micros * 1000), 1);
        }
        let mut sum = Histogram::default();
        counters.add_to(&mut sum);
        counters.add_to(&mut sum);
        let bounds: Vec<u64> = sum.by_doubling().iter().map(|(micros, _)| *micros).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056]);
        assert_eq!(sum.by_doubling().first(), Some(&(1, 4)));
        assert_eq!(sum.calls(), 24);
        assert_eq!(sum.percentile(100.0), 1056.767);
        counters.reset();
        let mut none = Histogram::default();
        counters.add_to(&mut none);
        assert_eq!(none, Histogram::default());
    }

    #[test]
    fn a_percentile_is_at_most_an_eighth_too_long() {
        let mut sum = Histogram::default();
        let counters = Counters::default();
        (1..=1000).for_each(|micros| counters.add(Range::of(micros * 1000), 1));
        counters.add_to(&mut sum);
        for (percent, micros) in [(0.0, 1.0), (50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1000.0)] {
            let told = sum.percentile(percent);
            assert!((micros..micros * 1.126).contains(&told), "{percent}: {told}");
        }
        assert_eq!(Histogram::default().percentile(99.0), 0.0);
    }
}
