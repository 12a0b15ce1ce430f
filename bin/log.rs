//! The log: lines on standard error, kept apart from the progress bar.
//!
//! Owns the subscriber. Never decides what is worth a line.

use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, OnceLock};

use indicatif::MultiProgress;
use nearside::config::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// The bars; a line of the log goes above them.
pub(crate) static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How the level is changed.
static LEVEL: OnceLock<Handle<LevelFilter, Registry>> = OnceLock::new();

/// Begins to log.
pub(crate) fn start(level: LogLevel) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = fmt::layer().with_target(false).with_ansi(io::stderr().is_terminal()).with_writer(AboveBars);
    tracing_subscriber::registry().with(filter).with(lines).init();
    // Called once.
    let _ = LEVEL.set(handle);
}

/// Logs so much from now on.
pub(crate) fn set(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails only when the subscriber is gone, and lives as long as the program.
        let _ = handle.modify(|known| *known = filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

struct AboveBars;

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = AboveBars;

    fn make_writer(&'a self) -> AboveBars {
        AboveBars
    }
}

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(line))
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
