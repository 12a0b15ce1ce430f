//! Who runs a script, as the script sees it.
//!
//! Owns the questions that a script's commands lead to. Never answers them: whether a client may write, or a command
//! may run, is the server's to say, and the applier's.

use commands::{Command, Dialect};
use protocol::{Protocol, Reply};
use storage::Functions;

/// How much a line of a script's log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// `redis.LOG_DEBUG`
    Debug,
    /// `redis.LOG_VERBOSE`
    Verbose,
    /// `redis.LOG_NOTICE`
    Notice,
    /// `redis.LOG_WARNING`
    Warning,
}

/// Why a command of a script is refused: the error line without its `-`.
pub type Refusal = std::borrow::Cow<'static, str>;

/// In which state the node is that runs a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its data may be too old to be read.
    pub stale: bool,
    /// Clients may not write: it is a replica.
    pub read_only: bool,
    /// There is no room for more data.
    pub full: bool,
    /// Why nothing may be written though it is no replica, if nothing may: an error line without its `-`.
    pub unsaved: Option<&'static str>,
}

/// What a script is run for: a client's, or the applier's of an old master's stream. It holds the writer's token.
pub trait Host {
    /// What we do as, where servers differ.
    fn dialect(&self) -> Dialect;
    /// In which state the node is.
    fn standing(&self) -> Standing;
    /// The function libraries of the data set.
    fn functions(&self) -> &Functions;
    /// Whether the script's client has the right to call this: `redis.acl_check_cmd`.
    fn has_right(&self, command: &'static Command, words: &[&[u8]]) -> bool;
    /// Asked before each command.
    ///
    /// # Errors
    /// Why the script's client has no right to call it.
    fn may_call(&mut self, command: &'static Command, words: &[&[u8]]) -> Result<(), Refusal>;
    /// Counts a command that was not run, known or not, whose error line this is. None where an attempt cannot: then
    /// the script is given up, as with [`Host::run`].
    fn refused(&mut self, command: Option<&'static Command>, line: &[u8]) -> Option<()>;
    /// Runs a command, and answers it in this version of the protocol. None where an attempt cannot: then the script is
    /// given up, and nothing has changed.
    fn run(&mut self, command: &'static Command, words: &[&[u8]], protocol: Protocol) -> Option<Reply>;
    /// Writes a line to the log.
    fn log(&self, level: LogLevel, line: &[u8]);
}
