//! Seeded choices: the same seed makes the same run.

/// A small generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed of `NEARSIDE_SEED`, or `fixed`; printed, so that a failing run can be had again.
    pub fn from_env(fixed: u64) -> Random {
        Self::from_env_after(fixed, 0)
    }
    /// The same for one of several runs, of which each has the seed after that of the one before.
    pub fn from_env_after(fixed: u64, runs: u64) -> Random {
        let first = std::env::var("NEARSIDE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(fixed);
        let seed = first.wrapping_add(runs);
        println!("seed: NEARSIDE_SEED={seed}");
        Random(seed)
    }
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }
    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
    /// One of these.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
