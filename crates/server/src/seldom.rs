//! Lines of the log that strangers can cause as often as they like: they must not fill a disk.
//!
//! Owns when the next line of a kind may be written, and how many were left out since the last. Never writes one.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Between two lines of a kind so much time lies, at least.
const BETWEEN: Duration = Duration::from_secs(1);

/// One kind of lines.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    last: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether a line may be written at `now`: then how many were left out since the last.
    pub(crate) fn turn(&self, now: Instant) -> Option<u64> {
        let mut past = self.0.lock();
        if past.last.is_some_and(|last| now.saturating_duration_since(last) < BETWEEN) {
            past.left_out += 1;
            return None;
        }
        past.last = Some(now);
        Some(std::mem::take(&mut past.left_out))
    }
}

/// The kinds that clients cause one by one.
#[derive(Debug, Default)]
pub(crate) struct OfClients {
    /// A handshake failed.
    pub(crate) handshakes: Seldom,
    /// One spoke HTTP.
    pub(crate) http: Seldom,
    /// One was let go for its requests.
    pub(crate) requests: Seldom,
    /// One was let go for the memory of all.
    pub(crate) clients: Seldom,
    /// One was let go for its output.
    pub(crate) output: Seldom,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_left_out() {
        let (seldom, began) = (Seldom::default(), crate::clock::steady());
        assert_eq!(seldom.turn(began), Some(0));
        for _ in 0..1000 {
            assert_eq!(seldom.turn(began + BETWEEN / 2), None);
        }
        assert_eq!(seldom.turn(began + BETWEEN), Some(1000));
        assert_eq!(seldom.turn(began + BETWEEN), None);
        assert_eq!(seldom.turn(began + 9 * BETWEEN), Some(1));
    }
}
