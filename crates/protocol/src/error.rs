//! What a peer does wrong on the wire, in Redis' exact words.

/// The peer's bytes are no request. It is told so, and the connection closes: nothing after them can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The number of words is no number, or too large.
    #[error("Protocol error: invalid multibulk length")]
    WordCount,
    /// More words than a stranger may send.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedWordCount,
    /// The line with the number of words has no end.
    #[error("Protocol error: too big mbulk count string")]
    WordCountLine,
    /// A word begins with another byte than `$`.
    #[error("Protocol error: expected '$', got '{}'", printable(*.0))]
    NoBulk(u8),
    /// A word's length is no number, negative, or too large.
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    /// A longer word than a stranger may send.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// The line with a word's length has no end.
    #[error("Protocol error: too big bulk count string")]
    BulkLengthLine,
    /// A word, or a length, is not followed by CR LF (Valkey's words; Redis does not look).
    #[error("Protocol error: invalid CRLF in request")]
    LineEnd,
    /// An inline command that does not end.
    #[error("Protocol error: too big inline request")]
    InlineLine,
    /// An inline command with a quote that does not end where a word does.
    #[error("Protocol error: unbalanced quotes in request")]
    Quotes,
    /// The master sends what only clients send: its stream is out of step.
    #[error("Protocol error: inline request from the master")]
    InlineFromMaster,
}

/// The byte as Redis' error line shows it: line ends became blanks.
fn printable(byte: u8) -> char {
    if matches!(byte, b'\r' | b'\n') { ' ' } else { char::from(byte) }
}

impl ProtocolError {
    /// The error line for the client, without `-` and line end.
    pub fn line(&self) -> Vec<u8> {
        let mut line = b"ERR ".to_vec();
        match self {
            // A byte above 0x7f is sent as it came.
            ProtocolError::NoBulk(byte) => {
                line.extend_from_slice(b"Protocol error: expected '$', got '");
                line.push(if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
                line.push(b'\'');
            }
            other => line.extend_from_slice(other.to_string().as_bytes()),
        }
        line
    }
}
