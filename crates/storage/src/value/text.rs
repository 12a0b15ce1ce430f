//! Strings: an integer, bytes in the entry, or (above 64 KiB) bytes out of line behind a count.

use bytes::Bytes;

/// From here on a string lives out of line, so that a reply can keep it after the shard's lock is gone.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// A string's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A string that is the decimal form of an `i64`, and is told so (`OBJECT ENCODING` says `int`).
    Int(i64),
    /// Bytes as they were set: `embstr` up to 44 bytes, `raw` above.
    Short(Vec<u8>),
    /// Bytes that were edited (APPEND, SETRANGE, SETBIT): `raw` at any length.
    Raw(Vec<u8>),
    /// Above [`INLINE_BYTES_MAX`] bytes.
    Long(Bytes),
}

/// A string looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum TextRef<'a> {
    /// see [`Text::Int`]
    Int(i64),
    /// see [`Text::Short`]
    Short(&'a [u8]),
    /// see [`Text::Raw`]
    Raw(&'a [u8]),
    /// see [`Text::Long`]
    Long(&'a Bytes),
}
