//! What a command answers when it cannot do its work, in Redis' exact words.
//!
//! Owns the texts that several commands share; a text of one command stands in its handler. Never owns the refusals
//! that come before a handler (see [`mod@crate::resolve`] and the server).

use std::borrow::Cow;

use protocol::Reply;

use crate::resolve::REPEATED_BYTES_MAX;
use crate::wait::Wait;

/// Why a command failed; [`CommandError::text`] is the error line without its `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The key holds a value of another kind.
    WrongType,
    /// The key holds a module's value, which needs that module; the id of its type.
    ModuleMissing(u64),
    /// The arguments do not follow the command's syntax.
    Syntax,
    /// An argument, or a stored value, is no integer or does not fit 64 bits.
    NotInteger,
    /// An argument is no float.
    NotFloat,
    /// The result of an addition would not fit.
    Overflow,
    /// The command needs a key that is there.
    NoSuchKey,
    /// A position outside the value.
    IndexOutOfRange,
    /// An argument that must not be negative.
    NotPositive,
    /// A reply that repeats what is there would become longer than it may: see [`crate::REPEATING_REPLY_BYTES_MAX`].
    ReplyTooLong,
    /// A string would grow beyond what a server stores.
    StringTooLong,
    /// A deadline that is no moment; the command's name goes into the text.
    InvalidExpire(&'static str),
    /// A database number that there is not.
    DbIndexOutOfRange,
    /// An integer that does not fit in C's `int`.
    BeyondInt,
    /// The number of words, known too late for the table to see.
    WrongArity(&'static str),
    /// The subcommand takes no such words, which its row cannot say; the text repeats its name: see
    /// [`CommandError::of_request`].
    WrongSubcommand,
    /// A text that ends with the command's name as it was sent: see [`CommandError::of_request`].
    Named(&'static str),
    /// Too long for a batch of short reads: to be run again under the token. No client ever sees it.
    Long,
    /// There is nothing yet: see [`Wait`].
    Wait(Box<Wait>),
    /// Anything else, with its whole text (`ERR …`, `BUSYGROUP …`).
    Other(Cow<'static, str>),
    /// A text that repeats bytes of the request, which may be no UTF-8.
    Bytes(Vec<u8>),
}

impl CommandError {
    /// An error with a fixed text.
    pub const fn new(text: &'static str) -> Self {
        CommandError::Other(Cow::Borrowed(text))
    }

    /// An error that repeats a word of the request; like servers, only up to its first zero byte.
    pub fn naming(before: &str, word: &[u8], after: &str) -> Self {
        CommandError::Bytes([before.as_bytes(), printed(word), after.as_bytes()].concat())
    }

    /// The same, for this request: some texts repeat a name as it was sent.
    pub fn of_request(self, words: &[&[u8]]) -> Self {
        if let CommandError::Named(before) = self {
            return CommandError::naming(before, words.first().copied().unwrap_or_default(), "");
        }
        let CommandError::WrongSubcommand = self else { return self };
        let word = |index: usize| printed(words.get(index).copied().unwrap_or_default());
        let subcommand = word(1);
        let text: [&[u8]; 5] = [
            b"ERR unknown subcommand or wrong number of arguments for '",
            subcommand.get(..REPEATED_BYTES_MAX).unwrap_or(subcommand),
            b"'. Try ",
            &word(0).to_ascii_uppercase(),
            b" HELP.",
        ];
        CommandError::Bytes(text.concat())
    }

    /// The error line, without `-` and line end.
    pub fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            CommandError::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            CommandError::ModuleMissing(id) => {
                let module = rdb::ModuleId(*id).name();
                return Cow::Owned(format!(
                    "WRONGTYPE Operation against a key holding a value of the module type {module}, whose module does \
                     not run here"
                ));
            }
            CommandError::Syntax => "ERR syntax error",
            CommandError::NotInteger => "ERR value is not an integer or out of range",
            CommandError::NotFloat => "ERR value is not a valid float",
            CommandError::Overflow => "ERR increment or decrement would overflow",
            CommandError::NoSuchKey => "ERR no such key",
            CommandError::IndexOutOfRange => "ERR index out of range",
            CommandError::NotPositive => "ERR value is out of range, must be positive",
            CommandError::ReplyTooLong => {
                "ERR the reply would be too long: the count asks for more than may be sent"
            }
            CommandError::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            CommandError::DbIndexOutOfRange => "ERR DB index is out of range",
            CommandError::BeyondInt => {
                "ERR value is out of range, value must between -2147483648 and 2147483647"
            }
            CommandError::InvalidExpire(command) => {
                return Cow::Owned(format!("ERR invalid expire time in '{command}' command"));
            }
            CommandError::WrongArity(command) => {
                return Cow::Owned(format!("ERR wrong number of arguments for '{command}' command"));
            }
            CommandError::WrongSubcommand => "ERR unknown subcommand or wrong number of arguments",
            CommandError::Wait(_) => "ERR there is nothing yet",
            CommandError::Long => "ERR this read is too long for a batch",
            CommandError::Named(text) => text,
            CommandError::Other(text) => text,
            CommandError::Bytes(text) => return String::from_utf8_lossy(text),
        })
    }

    /// Whether it is one. Where nobody may wait, nothing to be had is an answer as any other.
    pub fn is_error(&self) -> bool {
        !matches!(self, CommandError::Wait(_))
    }

    /// Answers with the error line.
    pub fn answer(&self, reply: &mut Reply) {
        match self {
            CommandError::Wait(wait) => wait.nothing.answer(reply),
            CommandError::Bytes(text) => reply.error_bytes(text),
            other => reply.error(&other.text()),
        }
    }
}

/// What servers print of a word: up to its first zero byte.
pub fn printed(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for CommandError {}

impl From<storage::WrongKind> for CommandError {
    fn from(wrong: storage::WrongKind) -> Self {
        match wrong {
            storage::WrongKind::Ours => CommandError::WrongType,
            storage::WrongKind::Module(id) => CommandError::ModuleMissing(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Session;

    #[test]
    fn of_several_mistakes_the_one_that_a_real_server_tells() {
        Session::new().transcript(include_str!("../tests/transcripts/wrong-options.txt"));
    }
}
