//! A full sync, shown: a bar on a terminal, lines in the log otherwise.
//!
//! Owns one thread that looks a few times a second (and at the log's level, which CONFIG SET may change). Never
//! touches the sync.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use nearside::config::LogLevel;
use nearside::{SyncProgress, Watcher};

use crate::log::{self, BARS};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two lines of the log.
const LOOKS_A_LINE: u32 = 50;

/// Shows syncs until dropped.
pub(crate) struct Shown {
    /// Dropping it ends the thread.
    _end: Sender<()>,
}

/// Begins to show syncs.
pub(crate) fn show(watcher: Watcher) -> Shown {
    let (end, ended) = channel();
    let is_terminal = io::stderr().is_terminal();
    // Without the thread nothing is shown, and nothing else is lost.
    let started = std::thread::Builder::new().name(String::from("progress")).spawn(move || {
        if is_terminal {
            bars(&watcher, &ended);
        } else {
            lines(&watcher, &ended);
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "the progress of syncs is not shown");
    }
    Shown { _end: end }
}

/// Waits for the next look; false at the end. The log's level is looked after on the way.
fn goes_on(watcher: &Watcher, ended: &Receiver<()>, level: &mut LogLevel) -> bool {
    let goes_on = ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout);
    let wanted = watcher.loglevel();
    if *level != wanted {
        log::set(wanted);
        *level = wanted;
    }
    goes_on
}

fn bars(watcher: &Watcher, ended: &Receiver<()>) {
    let mut bar: Option<ProgressBar> = None;
    let mut level = watcher.loglevel();
    while goes_on(watcher, ended, &mut level) {
        match watcher.sync() {
            Some(sync) => {
                let bar = bar.get_or_insert_with(|| BARS.add(new_bar(sync.total)));
                bar.set_position(done(&sync));
                bar.set_message(format!("{} keys", HumanCount(sync.keys)));
            }
            None => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                    BARS.remove(&bar);
                }
            }
        }
    }
}

fn new_bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "sync {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} eta {eta}",
        ),
        None => (ProgressBar::new_spinner(), "sync {spinner} {bytes} {binary_bytes_per_sec} {msg} {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What is loaded counts, for it comes last.
fn done(sync: &SyncProgress) -> u64 {
    sync.loaded.max(sync.received / 2)
}

fn lines(watcher: &Watcher, ended: &Receiver<()>) {
    let mut looks = 0;
    let mut level = watcher.loglevel();
    while goes_on(watcher, ended, &mut level) {
        let Some(sync) = watcher.sync() else {
            looks = 0;
            continue;
        };
        looks += 1;
        if looks % LOOKS_A_LINE == 0 {
            tracing::info!(
                received = %HumanBytes(sync.received),
                total = %sync.total.map_or_else(|| String::from("unknown"), |total| HumanBytes(total).to_string()),
                loaded = %HumanBytes(sync.loaded),
                keys = sync.keys,
                "full sync"
            );
        }
    }
}
