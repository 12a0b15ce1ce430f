//! Which scripts are attempted where others wait for them: those that have not turned out long.
//!
//! Owns what is remembered of attempts. Never runs a script.

use std::collections::HashMap;

/// A script whose last attempt was in vain. It may have been the machine that was slow, and which way a script takes is
/// for its arguments to say; so it is attempted again, but each time later.
#[derive(Clone, Copy, Debug)]
struct InVain {
    /// So many more are not made.
    left: u32,
    /// So many will not be made if the next is in vain too.
    next: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    in_vain: HashMap<String, InVain>,
}

impl Attempts {
    /// So many scripts are remembered; then they are attempted again.
    const REMEMBERED_MAX: usize = 10_000;
    const PASSED_OVER_MAX: u32 = 256;

    /// Whether this run of a script is to be attempted.
    pub(crate) fn is_due(&mut self, name: &str) -> bool {
        let Some(known) = self.in_vain.get_mut(name) else { return true };
        let is_due = known.left == 0;
        known.left = known.left.saturating_sub(1);
        is_due
    }

    /// Remembers what came of attempting a script.
    pub(crate) fn made(&mut self, name: String, in_vain: bool) {
        if !in_vain {
            self.in_vain.remove(&name);
            return;
        }
        if self.in_vain.len() >= Attempts::REMEMBERED_MAX {
            self.in_vain.clear();
        }
        let next = self.in_vain.get(&name).map_or(1, |known| known.next);
        self.in_vain.insert(name, InVain { left: next, next: (next * 2).min(Attempts::PASSED_OVER_MAX) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_is_attempted_less_and_less() {
        let mut attempts = Attempts::default();
        let runs_until_due = |attempts: &mut Attempts| (0..).take_while(|_| !attempts.is_due("one")).count();
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 256] {
            attempts.made("one".into(), true);
            assert_eq!(runs_until_due(&mut attempts), expected);
            assert!(attempts.is_due("another"));
        }
        attempts.made("one".into(), false);
        attempts.made("one".into(), true);
        assert_eq!(runs_until_due(&mut attempts), 1);
    }
}
