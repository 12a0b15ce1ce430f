//! SLOWLOG and COMMANDLOG: the latest requests that took long, were large, or were answered at length.
//!
//! Owns the entries, their bounds, and what of a request is kept. Never measures: who runs a request says what it took,
//! and `settings` what is much.

use std::collections::VecDeque;

use commands::{Command, Run, ServerCommand as S};
use parking_lot::Mutex;

use crate::address::Address;
use crate::config_table;

/// What stands for a word that nobody is to read.
const REDACTED: &[u8] = b"(redacted)";

/// Why a request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It took long: microseconds.
    Slow,
    /// It was large: bytes.
    LargeRequest,
    /// Its answer was: bytes.
    LargeReply,
}

impl Kind {
    /// COMMANDLOG's words.
    pub(crate) const WORDS: [(&'static str, Kind); 3] =
        [("slow", Kind::Slow), ("large-request", Kind::LargeRequest), ("large-reply", Kind::LargeReply)];
}

/// A request that was kept.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Never used twice in its log.
    pub(crate) id: i64,
    /// Seconds since the epoch.
    pub(crate) at: i64,
    /// What it took, in the unit of its kind.
    pub(crate) took: u64,
    /// Its words, or what is kept of them.
    pub(crate) words: Vec<Vec<u8>>,
    /// How many words it had.
    pub(crate) words_sent: usize,
    /// Who sent it; `None`: a script.
    pub(crate) addr: Option<Address>,
    /// Who that says it is.
    pub(crate) name: String,
}

/// The three logs.
#[derive(Debug, Default)]
pub(crate) struct CommandLog {
    slow: Log,
    large_request: Log,
    large_reply: Log,
}

impl CommandLog {
    /// The log of this kind.
    pub(crate) fn of(&self, kind: Kind) -> &Log {
        match kind {
            Kind::Slow => &self.slow,
            Kind::LargeRequest => &self.large_request,
            Kind::LargeReply => &self.large_reply,
        }
    }

    /// CONFIG RESETSTAT
    pub(crate) fn reset_totals(&self) {
        for log in [&self.slow, &self.large_request, &self.large_reply] {
            log.0.lock().totals = Totals::default();
        }
    }
}

/// One log; the newest entry first.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    newest_first: VecDeque<Entry>,
    next: i64,
    totals: Totals,
}

/// What was ever added, since the last [`CommandLog::reset_totals`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many.
    pub(crate) count: u64,
    /// What all of them took.
    pub(crate) sum: u64,
    /// What the worst took.
    pub(crate) most: u64,
}

impl Log {
    /// Adds an entry, whose number it is given; the oldest go when there are more than `most`.
    pub(crate) fn add(&self, entry: Entry, most: usize) {
        let mut entries = self.0.lock();
        let id = entries.next;
        entries.next += 1;
        entries.totals.count += 1;
        entries.totals.sum = entries.totals.sum.saturating_add(entry.took);
        entries.totals.most = entries.totals.most.max(entry.took);
        entries.newest_first.push_front(Entry { id, ..entry });
        entries.newest_first.truncate(most);
    }

    /// The newest `count` of them.
    pub(crate) fn newest(&self, count: usize) -> Vec<Entry> {
        self.0.lock().newest_first.iter().take(count).cloned().collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().newest_first.len()
    }

    /// Forgets all. Numbers go on.
    pub(crate) fn clear(&self) {
        self.0.lock().newest_first.clear();
    }

    /// What was ever added.
    pub(crate) fn totals(&self) -> Totals {
        self.0.lock().totals
    }
}

/// How much of a request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptMax {
    /// Words; the last of them says how many more there were.
    pub words: usize,
    /// Bytes of a word, before it is said how many more there were.
    pub word_bytes: usize,
}

impl Default for KeptMax {
    fn default() -> Self {
        KeptMax { words: 32, word_bytes: 128 } // Redis'
    }
}

impl KeptMax {
    /// What is kept of a request: no passwords, and not all of long ones.
    pub(crate) fn of(self, command: &Command, words: &[&[u8]]) -> Vec<Vec<u8>> {
        let kept = if words.len() > self.words { self.words.saturating_sub(1) } else { words.len() };
        let mut told: Vec<Vec<u8>> = words
            .iter()
            .take(kept)
            .enumerate()
            .map(
                |(place, word)| {
                    if is_secret(command, words, place) { REDACTED.to_vec() } else { self.shortened(word) }
                },
            )
            .collect();
        if kept < words.len() {
            told.push(format!("... ({} more arguments)", words.len() - kept).into_bytes());
        }
        told
    }

    fn shortened(self, word: &[u8]) -> Vec<u8> {
        match word.get(..self.word_bytes) {
            Some(front) if word.len() > self.word_bytes => {
                let more = format!("... ({} more bytes)", word.len() - self.word_bytes);
                [front, more.as_bytes()].concat()
            }
            _ => word.to_vec(),
        }
    }
}

/// Whether this word of a request is a password, or a user's name beside one.
fn is_secret(command: &Command, words: &[&[u8]], place: usize) -> bool {
    let before = |distance: usize| place.checked_sub(distance).and_then(|place| words.get(place));
    let is_after = |distance: usize, option: &str| {
        before(distance).is_some_and(|word| word.eq_ignore_ascii_case(option.as_bytes()))
    };
    match command.run {
        Run::Server(S::Auth) => place > 0,
        Run::Server(S::AclDeluser | S::AclGetuser | S::AclSetuser) => place > 1,
        Run::Server(S::Migrate) => crate::migrate::is_secret(words, place),
        Run::Server(S::Hello) => is_after(1, "auth") || is_after(2, "auth"),
        Run::Server(S::ConfigSet) => {
            place > 2
                && place % 2 == 1
                && before(1).and_then(|name| config_table::find(name)).is_some_and(|row| row.is_secret())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(request: &str) -> String {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let (command, _) = commands::resolve(&words).expect("a command");
        let kept = KeptMax::default().of(command, &words);
        kept.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_not_kept() {
        assert_eq!(told("AUTH secret"), "AUTH (redacted)");
        assert_eq!(told("AUTH me secret"), "AUTH (redacted) (redacted)");
        assert_eq!(told("HELLO 3 auth me secret SETNAME x"), "HELLO 3 auth (redacted) (redacted) SETNAME x");
        assert_eq!(
            told("CONFIG SET timeout 7 requirepass secret MasterAuth b"),
            "CONFIG SET timeout 7 requirepass (redacted) MasterAuth (redacted)"
        );
        assert_eq!(told("ACL SETUSER me >secret on"), "ACL SETUSER (redacted) (redacted) (redacted)");
        assert_eq!(told("ACL GETUSER me"), "ACL GETUSER (redacted)");
        assert_eq!(told("ACL DELUSER me"), "ACL DELUSER (redacted)");
        assert_eq!(told("ACL DRYRUN me GET secret"), "ACL DRYRUN me GET secret");
        assert_eq!(told("GET secret"), "GET secret");
    }

    #[test]
    fn of_long_requests_the_front_is_kept() {
        let long = "x".repeat(200);
        assert_eq!(told(&format!("GET {long}")), format!("GET {}... (72 more bytes)", "x".repeat(128)));
        assert_eq!(told(&format!("GET {}", "x".repeat(128))), format!("GET {}", "x".repeat(128)));
        let keys = vec!["k"; 31].join(" ");
        assert_eq!(told(&format!("MGET {keys}")), format!("MGET {keys}"));
        assert_eq!(
            told(&format!("MGET {keys} k")),
            format!("MGET {} ... (2 more arguments)", vec!["k"; 30].join(" "))
        );
    }

    #[test]
    fn the_oldest_go_and_numbers_go_on() {
        let log = Log::default();
        let entry = |took| Entry {
            id: 0,
            at: 0,
            took,
            words: Vec::new(),
            words_sent: 0,
            addr: Some(Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 1)))),
            name: String::new(),
        };
        (0..5).for_each(|took| log.add(entry(took), 3));
        let ids = |count| log.newest(count).iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!((ids(2), log.len()), (vec![4, 3], 3));
        assert_eq!(log.totals(), Totals { count: 5, sum: 10, most: 4 });
        log.clear();
        log.add(entry(9), 3);
        assert_eq!((ids(9), log.len()), (vec![5], 1));
        log.add(entry(9), 0);
        assert_eq!(log.len(), 0);
    }
}
