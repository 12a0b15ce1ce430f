//! Replies: an append-only buffer that speaks RESP2 and RESP3 from the same calls.
//!
//! Owns the bytes of a connection's answers until they are written. Never waits.

use bytes::Bytes;

/// The version of the protocol that a connection has chosen (HELLO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// RESP2, how every connection begins.
    #[default]
    Resp2,
    /// RESP3
    Resp3,
}

/// Answers on their way to a client.
#[derive(Debug, Default)]
pub struct Reply {
    /// The bytes; `shared` values belong between them.
    bytes: Vec<u8>,
    /// Long values, each with the place in `bytes` before which it is to be written.
    shared: Vec<(usize, Bytes)>,
    /// What the client speaks.
    protocol: Protocol,
}

/// A place where an array's (map's, set's) header will be put once its length is known.
#[derive(Debug)]
#[must_use]
pub struct Deferred(usize);
