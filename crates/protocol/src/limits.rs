//! Every bound on what a peer may send, each with its reason.
//!
//! Owns the numbers and whom they bind. Never looks at a byte.

/// The longest argument that a client may send: Redis' `proto-max-bulk-len`, and the longest string it stores.
pub const BULK_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The most words in a request: Redis' own bound (`INT_MAX`). Nothing is set aside for words that have not arrived,
/// so [`REQUEST_BYTES_MAX`] is what really bounds them.
pub const WORDS_MAX: u64 = i32::MAX as u64;

/// The most bytes of requests that wait in one connection's buffer, unless told otherwise: Redis' default of
/// `client-query-buffer-limit`. A client that passes it is cut off.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The longest line (an inline command, or a length) whose end we wait for: Redis' bound; no length needs more than
/// 20 digits, and what people type into a terminal is shorter.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The longest inline command whose end is there: what a real server has read, 16 KiB at a time, when it finds no end
/// within [`LINE_BYTES_MAX`] and gives up.
pub const INLINE_BYTES_MAX: usize = LINE_BYTES_MAX + 16 * 1024;

/// The most words in a request of a client that has yet to authenticate: AUTH and HELLO need fewer.
pub const UNAUTHENTICATED_WORDS_MAX: u64 = 10;

/// The longest argument of a client that has yet to authenticate; passwords are shorter, and strangers get no memory.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16 * 1024;

/// How deep a reply may nest that we read as a client; servers nest COMMAND DOCS deepest (about 10). Deeper ones are
/// refused before the parser that recurses sees them.
pub const REPLY_DEPTH_MAX: usize = 32;

/// The longest reply that we read as a client (handshakes, not data).
pub const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Who sends the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client that has yet to authenticate. Its requests must be parsed one at a time, for the first may be AUTH.
    Unauthenticated,
    /// A client.
    Client,
    /// The master whose stream we follow: it may send what it holds, whatever its `proto-max-bulk-len`, and it never
    /// sends inline commands.
    Master,
}

impl Peer {
    /// The most words in a request.
    pub fn words_max(self) -> u64 {
        match self {
            Peer::Unauthenticated => UNAUTHENTICATED_WORDS_MAX,
            Peer::Client | Peer::Master => WORDS_MAX,
        }
    }
    /// The longest argument.
    pub fn bulk_bytes_max(self) -> u64 {
        match self {
            Peer::Unauthenticated => UNAUTHENTICATED_BULK_BYTES_MAX,
            Peer::Client => BULK_BYTES_MAX,
            Peer::Master => i64::MAX as u64,
        }
    }
}
