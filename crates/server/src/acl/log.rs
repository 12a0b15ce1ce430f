//! What was refused lately: the entries of ACL LOG, and how many refusals there were.
//!
//! Owns the list, bounded by `acllog-max-len`, and the rule by which like refusals share an entry. Never refuses.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use storage::UnixMillis;

use super::check::Denial;

/// Like refusals further apart than this have an entry each.
const GROUPED_MILLIS_MAX: i64 = 60_000;
/// So many of the newest entries are looked at for a like one.
const LOOKED_AT_MAX: usize = 10;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Auth,
    Command,
    Key,
    Channel,
    Database,
}

impl Reason {
    /// Redis' word for it (Valkey's, where Redis has none).
    pub(crate) fn word(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Database => "database",
        }
    }
}

impl From<Denial> for Reason {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Command => Reason::Command,
            Denial::Key(_) => Reason::Key,
            Denial::Channel(_) => Reason::Channel,
            Denial::Database(_) => Reason::Database,
        }
    }
}

/// Where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A request of its own.
    Toplevel,
    /// One that was to be queued, or was.
    Multi,
    /// A script's.
    Lua,
}

impl Place {
    /// Redis' word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Toplevel => "toplevel",
            Place::Multi => "multi",
            Place::Lua => "lua",
        }
    }
}

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) place: Place,
    /// What it was about: a command, a key, a channel.
    pub(crate) object: Vec<u8>,
    /// Who asked, or who one said to be.
    pub(crate) user: Vec<u8>,
    /// The client's line of CLIENT LIST.
    pub(crate) client: String,
}

/// Like refusals.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Never used twice.
    pub(crate) id: u64,
    /// How many.
    pub(crate) count: u64,
    /// The first one's moment.
    pub(crate) created: UnixMillis,
    /// The last one's.
    pub(crate) updated: UnixMillis,
    /// The last one.
    pub(crate) refusal: Refusal,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Mutex<Entries>,
    auth: AtomicU64,
    command: AtomicU64,
    key: AtomicU64,
    channel: AtomicU64,
    database: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    /// Newest first.
    list: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// How many refusals there were for this reason.
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        self.counter(reason).load(Relaxed)
    }

    fn counter(&self, reason: Reason) -> &AtomicU64 {
        match reason {
            Reason::Auth => &self.auth,
            Reason::Command => &self.command,
            Reason::Key => &self.key,
            Reason::Channel => &self.channel,
            Reason::Database => &self.database,
        }
    }

    /// Notes a refusal.
    pub(crate) fn note(&self, refusal: Refusal, now: UnixMillis, entries_max: usize) {
        self.counter(refusal.reason).fetch_add(1, Relaxed);
        let mut entries = self.entries.lock();
        let is_like = |entry: &Entry| {
            let own = &entry.refusal;
            own.reason == refusal.reason
                && own.place == refusal.place
                && own.object == refusal.object
                && own.user == refusal.user
                && (now.0 - entry.updated.0).abs() <= GROUPED_MILLIS_MAX
        };
        let like = entries.list.iter().take(LOOKED_AT_MAX).position(is_like);
        match like.and_then(|place| entries.list.remove(place)) {
            Some(entry) => {
                entries.list.push_front(Entry { count: entry.count + 1, updated: now, refusal, ..entry });
            }
            None => {
                let id = entries.next_id;
                entries.next_id += 1;
                entries.list.push_front(Entry { id, count: 1, created: now, updated: now, refusal });
                entries.list.truncate(entries_max);
            }
        }
    }

    /// The newest entries, newest first.
    pub(crate) fn newest(&self, count: usize) -> Vec<Entry> {
        self.entries.lock().list.iter().take(count).cloned().collect()
    }

    /// ACL LOG RESET
    pub(crate) fn clear(&self) {
        self.entries.lock().list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> Refusal {
        Refusal {
            reason: Reason::Key,
            place: Place::Toplevel,
            object: object.into(),
            user: b"u".to_vec(),
            client: String::new(),
        }
    }

    fn shown(log: &Log) -> Vec<(u64, u64, String)> {
        let text = |entry: &Entry| String::from_utf8(entry.refusal.object.clone()).unwrap();
        log.newest(100).iter().map(|entry| (entry.id, entry.count, text(entry))).collect()
    }

    #[test]
    fn like_refusals_share_an_entry_for_a_minute() {
        let log = Log::default();
        for (at, object) in [(0, "a"), (1, "b"), (60_000, "a"), (120_001, "b"), (120_001, "a")] {
            log.note(refusal(object), UnixMillis(at), 128);
        }
        let entry = |id, count, object: &str| (id, count, object.to_owned());
        assert_eq!(shown(&log), [entry(3, 1, "a"), entry(2, 1, "b"), entry(0, 2, "a"), entry(1, 1, "b")]);
        assert_eq!(log.newest(3)[2].created, UnixMillis(0));
        assert_eq!(log.newest(3)[2].updated, UnixMillis(60_000));
        assert_eq!(log.count(Reason::Key), 5);
        log.clear();
        assert_eq!(shown(&log), []);
        assert_eq!(log.count(Reason::Key), 5);
    }

    #[test]
    fn the_oldest_entries_go() {
        let log = Log::default();
        for number in 0..20 {
            log.note(refusal(&number.to_string()), UnixMillis(0), 12);
        }
        assert_eq!(shown(&log).len(), 12);
        // Too old to be looked at, though it is still there.
        log.note(refusal("9"), UnixMillis(0), 12);
        assert_eq!(shown(&log)[0], (20, 1, "9".to_owned()));
        log.note(refusal("x"), UnixMillis(0), 0);
        assert_eq!(shown(&log), []);
    }
}
