//! What was found to differ between a real server and us.
//!
//! Owns when two replies are the same, and what is told of those that are not. Never sends anything.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Frame;
use super::client::shown;
use super::grammar::{Compare, Line, meet};

/// The server whose words our errors are.
pub const NEWEST: &str = "redis-8.10";
/// Both servers are asked within this time, where nobody measures it; and seconds that are rounded lie as far apart.
const APART_MILLIS: i64 = 1_500;
/// How many differences of a command are told of each run.
const TOLD_MAX: usize = 4;

/// Differences by command; few of each.
pub struct Found {
    by_command: BTreeMap<String, Vec<String>>,
    told_max: usize,
    /// How far apart both servers were asked, in milliseconds, at most.
    apart: i64,
    /// Whether the server is the one whose words ours are.
    pub newest: bool,
}

impl Found {
    /// Nothing yet, beside the server of this name.
    pub fn beside(server: &str) -> Found {
        Found {
            by_command: BTreeMap::new(),
            told_max: TOLD_MAX,
            apart: APART_MILLIS,
            newest: server == NEWEST,
        }
    }

    /// What is compared next was asked for within this time.
    pub fn asked_within(&mut self, took: Duration) {
        let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.apart = APART_MILLIS.max(took.saturating_add(1));
    }

    /// A run is over, and another begins: as many differences of a command are told of it too.
    pub fn another_run(&mut self) {
        self.told_max += TOLD_MAX;
    }

    /// Whether both replies mean the same, as far as the server is one to compare with.
    pub fn same(
        &self,
        command: &str,
        compare: Compare,
        words: &[Vec<u8>],
        here: &mut Frame,
        there: &mut Frame,
    ) -> bool {
        if unknown(there) && (!self.newest || commands::find(command.as_bytes()).is_some()) {
            return true;
        }
        if !self.newest && command.ends_with("|help") {
            return true; // the newest Redis' too
        }
        if !self.newest && (here.is_error() || there.is_error()) {
            // What an error says, and which options there are, is the newest Redis' with us.
            return there.is_error();
        }
        meet(compare, words, self.apart, here, there);
        here == there
    }

    /// The same, noting what differs.
    pub fn compare(&mut self, line: &Line, words: &[Vec<u8>], mut here: Frame, mut there: Frame) -> bool {
        let same = self.same(&line.command, line.compare, words, &mut here, &mut there);
        if !same {
            self.note(&line.command, || told(words, &here, &there));
        }
        same
    }

    /// Notes what differs for a command, if that is not known already; and says it now, for a run of hours may end
    /// otherwise than by coming to its end.
    pub fn note(&mut self, command: &str, told: impl FnOnce() -> String) {
        let of_command = self.by_command.entry(command.to_owned()).or_default();
        if of_command.len() < self.told_max {
            let told = told();
            println!("differs: {told}");
            of_command.push(told);
        }
    }

    /// # Panics
    /// Where anything was noted.
    pub fn assert_none(&self, server: &str) {
        let all: Vec<String> = self.by_command.values().map(|some| some.join("\n")).collect();
        assert!(all.is_empty(), "{server}: {} commands answer otherwise\n{}", all.len(), all.join("\n"));
    }
}

/// A request and both its replies, as a person would read them, from a little before they part.
pub fn told(words: &[Vec<u8>], here: &Frame, there: &Frame) -> String {
    let sent: String = shown(words).chars().take(400).collect();
    let (here, there) = (format!("{here:?}"), format!("{there:?}"));
    let same = here.chars().zip(there.chars()).take_while(|(here, there)| here == there).count();
    let from = if same < 400 { 0 } else { same - 200 };
    let text = |whole: &str| -> String {
        let before = if from > 0 { "…" } else { "" };
        before.chars().chain(whole.chars().skip(from).take(600)).collect()
    };
    format!("> {sent}\n    here  {}\n    there {}", text(&here), text(&there))
}

/// Whether the server does not have it: then there is nothing to compare with.
fn unknown(reply: &Frame) -> bool {
    matches!(reply, Frame::Error(text) if text.starts_with("ERR unknown command")
        || text.starts_with("ERR unknown subcommand"))
}
