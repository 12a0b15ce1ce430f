//! What the end-to-end tests stand on: real servers, nearside itself, a client that keeps the exact bytes.
//!
//! Owns processes and ports, and ends what it started. Never waits for time to pass: it waits for events.

pub mod client; // a blocking RESP client
pub mod process; // real masters and nearside, on free ports, in temp folders
pub mod proxy; // a wire that fails on purpose
pub mod certificates; // for TLS, made on the spot
pub mod scripted; // a master that is a script
pub mod random; // seeded choices
pub mod walk; // two servers, compared key by key
pub mod grammar; // requests from a grammar of all commands
pub mod lua; // programs with one answer
pub mod found; // what differs
pub mod workload; // seeded random writes over all types

pub use client::{Client, Frame};
pub use process::{Master, Node, free_port};
pub use random::Random;

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long an event may take before the test says that it never came; far above what any of them needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// So much, and in the long tier so much.
pub fn tiered<T>(count: T, long: T) -> T {
    if std::env::var("NEARSIDE_LONG").is_ok() { long } else { count }
}

/// What it gives, and how long that took.
#[allow(clippy::disallowed_methods)] // what counts down is compared by how far apart it was asked for
pub fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let since = Instant::now();
    let done = run();
    (done, since.elapsed())
}

/// Says that a test is left out, even where it passes and what it prints is kept back.
pub fn skipped(what: &str) {
    // A message that nobody reads is no reason to fail.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

/// Asks again until `probe` answers; panics, naming `what`, after [`PATIENCE`].
#[allow(clippy::disallowed_methods)] // a test's patience is real time
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "never came: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends the others, however this one ends.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The master of this name, started, or a return from the test where it is not to be had (a failure in CI).
#[macro_export]
macro_rules! master_or_skip {
    ($name:expr $(, $arg:expr)* $(,)?) => {
        match $crate::harness::Master::start($name, &[$($arg),*]) {
            Some(master) => master,
            None => return,
        }
    };
}
