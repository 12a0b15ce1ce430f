//! Why a link to a master ended: the codes of `nearside_link_error`, one enum.
//!
//! Owns the list of codes and their names. Never decides what follows: see [`crate::link`].

use std::fmt;

/// A failure of the link, with what a person needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {text}")]
pub struct LinkError {
    /// What a program looks at.
    pub code: ErrorCode,
    /// What a person reads: one line, the peer's own words where it gave any.
    pub text: String,
}

impl LinkError {
    /// A failure with this code and text. What would break a line of INFO or of the log becomes a blank.
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.contains(|c: char| c.is_control()) {
            text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        }
        LinkError { code, text }
    }

    /// A failure told in the peer's bytes, cut at a length that fits a line.
    pub(crate) fn in_words(code: ErrorCode, words: &[u8]) -> Self {
        /// Enough for every error text of Redis.
        const WORDS_MAX: usize = 256;
        let words = words.get(..WORDS_MAX).unwrap_or(words);
        LinkError::new(code, String::from_utf8_lossy(words))
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What went wrong between us and the master, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// All of them, in the order of a link's life.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// As INFO, logs and metrics write it.
            pub fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)+
                }
            }

            /// What it means, for the README's list.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => concat!($($doc,)+).trim_ascii(),)+
                }
            }
        }
    };
}

codes! {
    /// The master's host name has no address.
    Unresolved = "unresolved",
    /// Nothing listens there.
    Refused = "refused",
    /// The network gives no way there.
    Unreachable = "unreachable",
    /// No answer within `repl-timeout`.
    Timeout = "timeout",
    /// The master, or something on the way, closed the connection.
    Closed = "closed",
    /// TLS could not be agreed on: a certificate, a name, or no TLS at all on the other side.
    Tls = "tls",
    /// What answers there does not speak Redis' protocol.
    NotRedis = "not_redis",
    /// The master refuses our user name or password.
    WrongPass = "wrongpass",
    /// The master wants a password and we have none.
    NoAuth = "noauth",
    /// Our user may not replicate.
    NoPerm = "noperm",
    /// The master is loading its own data set.
    Loading = "loading",
    /// The master is itself a replica without its master.
    NoMasterLink = "no_master_link",
    /// The master answered something that a master does not answer there.
    BadReply = "bad_reply",
    /// The snapshot ended before its end.
    Truncated = "truncated",
    /// The snapshot's checksum is wrong.
    Checksum = "checksum",
    /// The snapshot is of a version that we do not read.
    UnknownRdbVersion = "unknown_rdb_version",
    /// The snapshot has a type or opcode that we do not know.
    UnknownRdbType = "unknown_rdb_type",
    /// The snapshot breaks its own format.
    CorruptRdb = "corrupt_rdb",
    /// The master has data in a database that is not here: see `--databases`.
    TooFewDatabases = "too_few_databases",
    /// The stream is no sequence of requests.
    BadStream = "bad_stream",
    /// The stream has a command that we do not know.
    UnknownCommand = "unknown_command",
    /// A command of the stream answered an error here.
    CommandError = "command_error",
    /// The spool has no room: the master is not read from until it has.
    SpoolFull = "spool_full",
    /// The spool's file cannot be written or read.
    SpoolFailed = "spool_failed",
    /// The new data set does not fit beside the old one.
    MemoryLimit = "memory_limit",
    /// A fault of our own; the log has more.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_stays_one_line() {
        let error = LinkError::in_words(ErrorCode::BadReply, b"ERR a\r\nrole:master\x1b[31m\xff");
        assert_eq!(error.to_string(), "bad_reply ERR a  role:master [31m\u{fffd}");
    }

    #[test]
    fn names_are_one_word_each_and_distinct() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
