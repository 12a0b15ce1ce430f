//! How much output is held for a client that does not read.
//!
//! Owns `client-output-buffer-limit`: its words, and what they mean. Never touches a socket.
//!
//! Nothing more is run for a client before it has taken its replies, so what waits for it is one batch's replies and
//! at most one long one; the limits are for those who want less, and for those who never read.

use std::fmt;
use std::time::Duration;

use crate::config::parse_bytes;

/// The limits for ordinary clients, the only ones there are. Zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// More than this ends the connection at once.
    pub hard_bytes: u64,
    /// More than this, for as long as `soft_time`, ends it too.
    pub soft_bytes: u64,
    /// How long more than `soft_bytes` may wait.
    pub soft_time: Duration,
}

impl OutputLimit {
    /// Reads `normal <hard> <soft> <seconds>`, over what was in force.
    ///
    /// # Errors
    /// What is wrong with it, in Redis' words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let mut limit = None;
        for class in words.chunks(4) {
            limit = Some(match class {
                [class, hard, soft, seconds] if class.eq_ignore_ascii_case("normal") => {
                    Self::from_words(hard, soft, seconds)
                        .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?
                }
                [_, _, _, _] => {
                    return Err(String::from(
                        "Invalid client class specified in buffer limit configuration.",
                    ));
                }
                _ => return Err(String::from(WRONG_NUMBER)),
            });
        }
        limit.ok_or_else(|| String::from(WRONG_NUMBER))
    }

    fn from_words(hard: &str, soft: &str, seconds: &str) -> Option<Self> {
        Some(OutputLimit {
            hard_bytes: parse_bytes(hard).ok()?,
            soft_bytes: parse_bytes(soft).ok()?,
            soft_time: Duration::from_secs(seconds.parse::<u32>().ok()?.into()),
        })
    }

    /// Whether so much ends the connection at once.
    pub(crate) fn is_over(&self, bytes: u64) -> bool {
        self.hard_bytes > 0 && bytes > self.hard_bytes
    }

    /// How long so much may wait; `None`: for ever.
    pub(crate) fn patience(&self, bytes: u64) -> Option<Duration> {
        (self.soft_bytes > 0 && !self.soft_time.is_zero() && bytes > self.soft_bytes)
            .then_some(self.soft_time)
    }
}

const WRONG_NUMBER: &str = "Wrong number of arguments in buffer limit configuration.";

impl fmt::Display for OutputLimit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "normal {} {} {}", self.hard_bytes, self.soft_bytes, self.soft_time.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_redis_reads_it() {
        let limit = OutputLimit::parse("normal 1mb 64kb 30").unwrap();
        assert_eq!(limit.to_string(), "normal 1048576 65536 30");
        assert!(limit.is_over((1 << 20) + 1) && !limit.is_over(1 << 20));
        assert_eq!(limit.patience(65_537), Some(Duration::from_secs(30)));
        assert_eq!(limit.patience(65_536), None);
        let none = OutputLimit::default();
        assert!(!none.is_over(u64::MAX) && none.patience(u64::MAX).is_none());
        for bad in
            ["", "normal", "normal 1 2", "normal x 0 0", "normal 0 0 x", "nosuch 0 0 0", "normal 1 2 3 4"]
        {
            assert!(OutputLimit::parse(bad).is_err(), "{bad}");
        }
    }
}
