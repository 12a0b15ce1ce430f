//! The only place that asks what time it is.
//!
//! Owns both clocks: the wall's, for deadlines, and the steady one, for lengths of time.
//! Never waits; everything below takes the time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use storage::UnixMillis;

/// The wall clock in milliseconds, as deadlines count.
pub fn unix_millis() -> UnixMillis {
    UnixMillis(unix_micros() / 1000)
}

/// The wall clock in microseconds since the epoch; 0 for a clock set before it.
#[allow(clippy::disallowed_methods)] // this is the one place
pub fn unix_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}

/// Nanoseconds since `since`.
#[inline]
#[allow(clippy::cast_possible_truncation)] // 584 years
pub(crate) fn nanos_since(since: Instant) -> u64 {
    steady().saturating_duration_since(since).as_nanos() as u64
}

/// The steady clock.
#[allow(clippy::disallowed_methods)] // this is the one place
pub fn steady() -> Instant {
    Instant::now()
}
