//! How much output is held for a client that does not read.
//!
//! Owns `client-output-buffer-limit`: its words, and what they mean. Never touches a socket.
//!
//! Nothing more is run for a client before it has taken its replies, so what waits for it is one batch's replies and
//! at most one long one; the limit of the class `normal` is for those who want less, and for those who never read. What
//! is sent unasked has no such bound: there the limits of the class `pubsub` hold.

use std::fmt;
use std::time::Duration;

use crate::config::{c_string, parse_set_bytes};

/// The limits of one class of clients. Zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// More than this ends the connection at once.
    pub hard_bytes: u64,
    /// More than this, for as long as `soft_time`, ends it too.
    pub soft_bytes: u64,
    /// How long more than `soft_bytes` may wait.
    pub soft_time: Duration,
}

/// The limits of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Who is only answered.
    pub normal: OutputLimit,
    /// Those who follow us.
    pub replica: OutputLimit,
    /// Who is sent something unasked: messages, events, invalidations.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    /// Redis' defaults.
    fn default() -> Self {
        let limit = |hard_bytes, soft_bytes, seconds| OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_time: Duration::from_secs(seconds),
        };
        OutputLimits {
            normal: OutputLimit::default(),
            replica: limit(256 << 20, 64 << 20, 60),
            pubsub: limit(32 << 20, 8 << 20, 60),
        }
    }
}

impl OutputLimits {
    /// Reads `<class> <hard> <soft> <seconds>`, once or for several classes, over the defaults.
    ///
    /// # Errors
    /// As [`OutputLimits::changed`].
    pub fn parse(text: &str) -> Result<Self, String> {
        OutputLimits::default().changed(text)
    }

    /// These limits, with those of the classes that `text` names changed.
    ///
    /// # Errors
    /// What is wrong with it, in Redis' words.
    pub fn changed(mut self, text: &str) -> Result<Self, String> {
        // At each blank, so that two of them have an empty word between them; and a word is a string of C.
        let words: Vec<&str> = text.split(' ').map(c_string).collect();
        // Said before anything of a class is.
        if !words.len().is_multiple_of(4) {
            return Err(String::from(WRONG_NUMBER));
        }
        for class in words.chunks(4) {
            let [class, hard, soft, seconds] = class else { continue };
            let limit = match class.to_ascii_lowercase().as_str() {
                "normal" => &mut self.normal,
                "slave" | "replica" => &mut self.replica,
                "pubsub" => &mut self.pubsub,
                _ => {
                    return Err(String::from(
                        "Invalid client class specified in buffer limit configuration.",
                    ));
                }
            };
            *limit = OutputLimit::from_words(hard, soft, seconds)
                .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        Ok(self)
    }
}

/// What a real server has a client's own buffer for, which is not counted: with whatever limit a short answer is given.
const UNCOUNTED_BYTES: u64 = 16 * 1024;

impl OutputLimit {
    fn from_words(hard: &str, soft: &str, seconds: &str) -> Option<Self> {
        Some(OutputLimit {
            hard_bytes: parse_set_bytes(hard).ok()?,
            soft_bytes: parse_set_bytes(soft).ok()?,
            soft_time: Duration::from_secs(parse_seconds(seconds)?),
        })
    }

    /// Whether so much ends the connection at once.
    pub(crate) fn is_over(&self, bytes: u64) -> bool {
        self.most_bytes().is_some_and(|most| bytes > most)
    }

    /// How much that is at the most; `None`: any.
    pub(crate) fn most_bytes(&self) -> Option<u64> {
        (self.hard_bytes > 0).then(|| self.hard_bytes.saturating_add(UNCOUNTED_BYTES))
    }

    /// How long so much may wait; `None`: for ever.
    pub(crate) fn patience(&self, bytes: u64) -> Option<Duration> {
        let is_bounded = self.soft_bytes > 0 && !self.soft_time.is_zero();
        (is_bounded && bytes.saturating_sub(UNCOUNTED_BYTES) > self.soft_bytes).then_some(self.soft_time)
    }
}

/// As `strtoll` reads them, blanks and signs before the digits and no digits at all too, into an `int`.
fn parse_seconds(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '\x0b');
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        // A sign alone is no number, and is left over.
        return text.is_empty().then_some(0);
    }
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let most = if is_negative { i64::MIN } else { i64::MAX };
    let wide = digits.bytes().try_fold(0_i64, |sum, digit| {
        let digit = i64::from(digit - b'0');
        sum.checked_mul(10)?.checked_add(if is_negative { -digit } else { digit })
    });
    u64::try_from(wide.unwrap_or(most) as i32).ok()
}

const WRONG_NUMBER: &str = "Wrong number of arguments in buffer limit configuration.";

impl fmt::Display for OutputLimits {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [("normal", &self.normal), ("slave", &self.replica), ("pubsub", &self.pubsub)];
        for (at, (class, limit)) in classes.into_iter().enumerate() {
            let (hard, soft) = (limit.hard_bytes, limit.soft_bytes);
            let space = if at == 0 { "" } else { " " };
            write!(to, "{space}{class} {hard} {soft} {}", limit.soft_time.as_secs())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_redis_reads_it() {
        let limits = OutputLimits::parse("normal 1mb 64kb 30").unwrap();
        assert_eq!(
            limits.to_string(),
            "normal 1048576 65536 30 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        );
        let limits = limits.changed("replica 1 2 3 PubSub 4 5 6").unwrap();
        assert_eq!(limits.to_string(), "normal 1048576 65536 30 slave 1 2 3 pubsub 4 5 6");
        let limit = limits.normal;
        let hard = (1 << 20) + UNCOUNTED_BYTES;
        assert!(limit.is_over(hard + 1) && !limit.is_over(hard));
        assert_eq!(limit.patience(65_537 + UNCOUNTED_BYTES), Some(Duration::from_secs(30)));
        assert_eq!(limit.patience(65_536 + UNCOUNTED_BYTES), None);
        let none = OutputLimit::default();
        assert!(!none.is_over(u64::MAX) && none.patience(u64::MAX).is_none());
        for bad in
            ["", "normal", "normal 1 2", "normal x 0 0", "normal 0 0 x", "nosuch 0 0 0", "normal 1 2 3 4"]
        {
            assert!(OutputLimits::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_read_as_strtoll_reads_them() {
        let some = [
            ("", 0),
            ("5", 5),
            ("05", 5),
            ("+5", 5),
            ("\t5", 5),
            ("\t", 0),
            ("-0", 0),
            ("4294967296", 0),
            ("99999999999", 1_215_752_191),
            ("-4294967295", 1),
            ("-99999999999999999999", 0),
        ];
        for (text, seconds) in some {
            assert_eq!(parse_seconds(text), Some(seconds), "{text:?}");
        }
        for bad in
            ["-1", "-", "+", "x", "5\t", "0x10", "2147483648", "9223372036854775807", "99999999999999999999"]
        {
            assert_eq!(parse_seconds(bad), None, "{bad:?}");
        }
    }
}
