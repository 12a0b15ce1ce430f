//! The values in force: what a node was started with, and what CONFIG SET made of it.
//!
//! Owns the one copy of [`Config`], and the few of its values that every batch looks at as plain loads. Never knows
//! the names of values: see [`crate::config_table`].

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use commands::convert::save::Target;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::sync::watch;

use crate::config::{Config, LogLevel};
use crate::output_limit::OutputLimit;

/// The configuration of a running node.
#[derive(Debug)]
pub(crate) struct Settings {
    config: RwLock<Config>,
    serve_stale_data: AtomicBool,
    has_output_limit: AtomicBool,
    query_limit: AtomicU64,
    notable: Notable,
    /// Whether every request is to be measured by itself, however short it is.
    measures_each: Mutex<bool>,
    /// See [`Settings::notable_nanos`].
    notable_nanos: AtomicU64,
    tracks_latency: AtomicBool,
    /// The version of the RDB format that was chosen; 0: none was.
    rdb_version: AtomicU32,
    loglevel: watch::Sender<LogLevel>,
}

impl Settings {
    pub(crate) fn new(config: Config) -> Self {
        let settings = Settings {
            serve_stale_data: AtomicBool::new(true),
            has_output_limit: AtomicBool::new(false),
            query_limit: AtomicU64::new(0),
            notable: Notable::default(),
            measures_each: Mutex::new(false),
            notable_nanos: AtomicU64::new(u64::MAX),
            tracks_latency: AtomicBool::new(true),
            rdb_version: AtomicU32::new(0),
            loglevel: watch::Sender::new(config.loglevel),
            config: RwLock::new(config),
        };
        settings.refresh();
        settings
    }

    /// All values, for a moment: not across an `await`.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Config> {
        self.config.read()
    }

    /// Changes values, all or none.
    ///
    /// # Errors
    /// What `change` says; then nothing has changed.
    pub(crate) fn change<E>(&self, change: impl FnOnce(&mut Config) -> Result<(), E>) -> Result<(), E> {
        let mut config = self.config.write();
        let mut changed = config.clone();
        change(&mut changed)?;
        *config = changed;
        drop(config);
        self.refresh();
        Ok(())
    }

    /// `replica-serve-stale-data`
    pub(crate) fn serve_stale_data(&self) -> bool {
        self.serve_stale_data.load(Relaxed)
    }

    /// Whether so many bytes of requests are too many to wait.
    pub(crate) fn is_over_query_limit(&self, bytes: usize) -> bool {
        u64::try_from(bytes).unwrap_or(u64::MAX) > self.query_limit.load(Relaxed)
    }

    /// What of a request is worth a note.
    pub(crate) fn notable(&self) -> &Notable {
        &self.notable
    }

    /// From how many nanoseconds on somebody wants to hear of a request; the most there are: nobody does.
    #[inline]
    pub(crate) fn notable_nanos(&self) -> u64 {
        self.notable_nanos.load(Relaxed)
    }

    /// From now on somebody wants to hear of every request, or no longer. `wants` is asked where no other answer comes
    /// between, so that of several changes the last counts.
    pub(crate) fn measures_each(&self, wants: impl FnOnce() -> bool) {
        let mut each = self.measures_each.lock();
        *each = wants();
        self.renew_notable_nanos(*each);
    }

    fn renew_notable_nanos(&self, each: bool) {
        let least = self.notable.slow_nanos.load(Relaxed).min(self.notable.spike_nanos.load(Relaxed));
        self.notable_nanos.store(if each { 0 } else { least }, Relaxed);
    }

    /// Whether one of so many bytes of requests may be larger than COMMANDLOG lets pass, or be answered at greater
    /// length, though by no more than `reply_bytes`.
    pub(crate) fn notes_sizes(&self, request_bytes: usize, reply_bytes: usize) -> bool {
        request_bytes as u64 > self.notable.request_bytes.load(Relaxed)
            || reply_bytes as u64 > self.notable.reply_bytes.load(Relaxed)
    }

    /// `latency-tracking`
    pub(crate) fn tracks_latency(&self) -> bool {
        self.tracks_latency.load(Relaxed)
    }

    /// The form in which values are written (DUMP, SAVE), where `rdb-version` chose one.
    #[inline]
    pub(crate) fn rdb_target(&self) -> Option<Target> {
        match self.rdb_version.load(Relaxed) {
            0 => None,
            version => Some(Target::of_version(version)),
        }
    }

    /// How much output is held for a client that does not read its answers; `is_subscriber`: nor what it is subscribed
    /// to.
    pub(crate) fn output_limit(&self, is_subscriber: bool) -> OutputLimit {
        if is_subscriber {
            self.pushed_limit()
        } else if self.has_output_limit.load(Relaxed) {
            self.config.read().client_output_limits.normal
        } else {
            OutputLimit::default()
        }
    }

    /// Whether answers are limited at all, but those of who is subscribed.
    #[inline]
    pub(crate) fn has_output_limit(&self) -> bool {
        self.has_output_limit.load(Relaxed)
    }

    /// How long a client's answers may become before it is let go, whether it reads them or not.
    #[cold]
    pub(crate) fn reply_bytes_max(&self, is_subscriber: bool) -> usize {
        if !is_subscriber && !self.has_output_limit.load(Relaxed) {
            return usize::MAX;
        }
        let most = self.output_limit(is_subscriber).most_bytes();
        most.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
    }

    /// `tracking-table-max-keys`; 0: any number.
    pub(crate) fn tracked_keys_max(&self) -> usize {
        self.config.read().tracking_table_max_keys
    }

    /// How much of what is sent unasked is held for a client.
    pub(crate) fn pushed_limit(&self) -> OutputLimit {
        self.config.read().client_output_limits.pubsub
    }

    /// How much is to be logged, and when that changes.
    pub(crate) fn loglevel(&self) -> watch::Receiver<LogLevel> {
        self.loglevel.subscribe()
    }

    fn refresh(&self) {
        let config = self.config.read();
        self.serve_stale_data.store(config.replica_serve_stale_data, Relaxed);
        self.query_limit.store(config.client_query_limit, Relaxed);
        let each = self.measures_each.lock();
        self.notable.follow(&config);
        self.renew_notable_nanos(*each);
        drop(each);
        self.tracks_latency.store(config.latency_tracking, Relaxed);
        self.rdb_version.store(config.rdb_version.0.unwrap_or_default(), Relaxed);
        let normal = config.client_output_limits.normal;
        self.has_output_limit.store(normal != OutputLimit::default(), Relaxed);
        self.loglevel.send_if_modified(|level| std::mem::replace(level, config.loglevel) != config.loglevel);
    }
}

/// From where on a request is worth a note; the most there is: never.
#[derive(Debug, Default)]
pub(crate) struct Notable {
    /// SLOWLOG keeps what takes so long.
    pub(crate) slow_nanos: AtomicU64,
    /// LATENCY notes what takes so long.
    pub(crate) spike_nanos: AtomicU64,
    /// COMMANDLOG keeps larger requests.
    pub(crate) request_bytes: AtomicU64,
    /// COMMANDLOG keeps what is answered at greater length.
    pub(crate) reply_bytes: AtomicU64,
}

impl Notable {
    fn follow(&self, config: &Config) {
        let log = config.command_log;
        // Below zero: none.
        let bound = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
        self.slow_nanos.store(bound(log.slower_than).saturating_mul(1000), Relaxed);
        let spike = match config.latency_threshold {
            0 => u64::MAX,
            millis => millis.saturating_mul(1_000_000),
        };
        self.spike_nanos.store(spike, Relaxed);
        self.request_bytes.store(bound(log.request_larger_than), Relaxed);
        self.reply_bytes.store(bound(log.reply_larger_than), Relaxed);
    }
}
