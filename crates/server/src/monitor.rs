//! MONITOR: every request that is run, as a line to those who asked for it.
//!
//! Owns the form of the line, and what is left out of it: passwords, and what only operators send. Never runs anything.

use std::fmt::Write;
use std::sync::Arc;

use commands::{Command, Flags, Run, ServerCommand as S};

use crate::clients::Client;
use crate::hub::Hub;
use crate::migrate;
use crate::outbox::Mark;

/// What stands in the place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// A client's wish to see requests; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Monitoring {
    hub: Arc<Hub>,
    client: Arc<Client>,
}

impl Monitoring {
    /// From now on.
    pub(crate) fn begin(hub: &Arc<Hub>, client: &Arc<Client>) -> Self {
        client.outbox().mark(Mark::MONITOR, true);
        hub.monitor(client, true);
        Monitoring { hub: Arc::clone(hub), client: Arc::clone(client) }
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        self.client.outbox().mark(Mark::MONITOR, false);
        self.hub.monitor(&self.client, false);
    }
}

/// Whether requests of this command are seen at all.
pub(crate) fn is_seen(command: &Command) -> bool {
    !command.flags.contains(Flags::ADMIN)
}

/// Whether it is seen before it is run, and what it runs after it.
pub(crate) fn is_seen_first(command: &Command) -> bool {
    command.flags.contains(Flags::SKIP_MONITOR)
}

/// The line, without its end: when, for which database, by whom, and the words.
pub(crate) fn line(micros: i64, db: u32, by: &str, command: Option<&Command>, words: &[&[u8]]) -> String {
    let mut line = format!("{}.{:06} [{db} {by}]", micros / 1_000_000, micros % 1_000_000);
    let mut secrets = Secrets::of(command, words);
    for (at, word) in words.iter().enumerate() {
        line.push(' ');
        quoted(if secrets.is_next(at, word) { REDACTED } else { word }, &mut line);
    }
    line
}

/// Which words of a request nobody may see.
enum Secrets<'w> {
    None,
    /// From this word on.
    From(usize),
    /// Name and password behind the word AUTH.
    BehindAuth(Option<usize>),
    /// Those of MIGRATE, whose keys may have the names of its options.
    OfMigrate(&'w [&'w [u8]]),
}

impl<'w> Secrets<'w> {
    fn of(command: Option<&Command>, words: &'w [&'w [u8]]) -> Self {
        match command.map(|command| command.run) {
            Some(Run::Server(S::Auth)) => Secrets::From(1),
            Some(Run::Server(S::Hello)) => Secrets::BehindAuth(None),
            Some(Run::Server(S::Migrate)) => Secrets::OfMigrate(words),
            _ => Secrets::None,
        }
    }

    fn is_next(&mut self, at: usize, word: &[u8]) -> bool {
        match self {
            Secrets::None => false,
            Secrets::From(first) => at >= *first,
            Secrets::OfMigrate(words) => migrate::is_secret(words, at),
            Secrets::BehindAuth(seen) => {
                let is_secret = seen.is_some_and(|seen| at <= seen + 2);
                if !is_secret && word.eq_ignore_ascii_case(b"auth") {
                    *seen = Some(at);
                }
                is_secret
            }
        }
    }
}

/// A word in quotes, as redis-cli reads it.
fn quoted(word: &[u8], line: &mut String) {
    line.push('"');
    for &byte in word {
        match byte {
            b'"' | b'\\' => line.extend(['\\', char::from(byte)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x07 => line.push_str("\\a"),
            0x08 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            // Writing into a String cannot fail.
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-8.10 shows them.
    #[test]
    fn words_are_quoted_and_secrets_are_not_shown() {
        let shown = |words: &[&[u8]]| {
            let command = commands::find(words[0]);
            line(1_795_317_099_004_626, 3, "127.0.0.1:5", command, words)
        };
        let head = "1795317099.004626 [3 127.0.0.1:5]";
        assert_eq!(
            shown(&[b"SET", b"a\"\\\r\n\x01", b"\xff"]),
            format!(r#"{head} "SET" "a\"\\\r\n\x01" "\xff""#)
        );
        assert_eq!(shown(&[b"auth", b"me", b"pw"]), format!(r#"{head} "auth" "(redacted)" "(redacted)""#));
        assert_eq!(
            shown(&[b"HELLO", b"3", b"AUTH", b"me", b"pw", b"SETNAME", b"n"]),
            format!(r#"{head} "HELLO" "3" "AUTH" "(redacted)" "(redacted)" "SETNAME" "n""#)
        );
    }
}
