//! What a command answers when it cannot do its work, in Redis' exact words.

use std::borrow::Cow;

/// Why a command failed; [`CommandError::text`] is the error line without its `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The key holds a value of another kind.
    WrongType,
    /// The arguments do not follow the command's syntax.
    Syntax,
    /// An argument, or a stored value, is no integer or does not fit 64 bits.
    NotInteger,
    /// An argument is no float.
    NotFloat,
    /// Anything else, with its whole text (`ERR …`, `BUSYGROUP …`).
    Other(Cow<'static, str>),
}

impl CommandError {
    /// An error with a fixed text.
    pub const fn new(text: &'static str) -> Self {
        CommandError::Other(Cow::Borrowed(text))
    }
    /// The error line, without `-` and line end.
    pub fn text(&self) -> &str {
        match self {
            CommandError::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            CommandError::Syntax => "ERR syntax error",
            CommandError::NotInteger => "ERR value is not an integer or out of range",
            CommandError::NotFloat => "ERR value is not a valid float",
            CommandError::Other(text) => text,
        }
    }
}

impl From<storage::WrongKind> for CommandError {
    fn from(_: storage::WrongKind) -> Self {
        CommandError::WrongType
    }
}
