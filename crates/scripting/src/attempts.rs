//! Which scripts are attempted where others wait for them: those that have not turned out long, and that can be ended.
//!
//! Owns what is remembered of attempts. Never runs a script.

use std::collections::HashMap;

/// Functions that may take long by themselves, whatever they are given: a script is ended between two instructions, and
/// not inside of these; and what makes a script that was not seen. Looked for as a part of a name too: who is passed over
/// for nothing runs as all did before.
///
/// (A script that hides them holds up the connections of one thread for as long as its pattern takes, once.)
const UNENDED: &[&[u8]] = &[b"rep", b"find", b"match", b"gsub", b"load"];

/// Whether a script with this text can be ended soon, whatever it does.
pub(crate) fn can_be_ended(text: &[u8]) -> bool {
    !UNENDED.iter().any(|name| text.windows(name.len()).any(|part| part == *name))
}

/// A script whose last attempt was in vain. It may have been the machine that was slow, and which way a script takes is for
/// its arguments to say; so it is attempted again, but each time later.
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

    #[test]
    fn what_cannot_be_ended_is_seen() {
        assert!(can_be_ended(b"return redis.call('get', KEYS[1])"));
        for text in [
            "return ('x'):rep(1e9)",
            "return string.find(a, b)",
            "for a in s:gmatch('.') do end",
            "loadstring(x)()",
        ] {
            assert!(!can_be_ended(text.as_bytes()), "{text}");
        }
    }
}
