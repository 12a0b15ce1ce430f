//! The ID of an entry: a moment in milliseconds, and a number within it.
//!
//! Owns its order and its texts. Never asks what time it is.

use std::fmt;

/// An entry's ID.
///
/// ```
/// use storage::value::stream::StreamId;
/// let id = StreamId { ms: 5, seq: 1 };
/// assert_eq!(id.to_string(), "5-1");
/// assert!(id < StreamId { ms: 5, seq: 2 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds since the Unix epoch, by whoever made it.
    pub ms: u64,
    /// Its number among those of the same millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last possible one.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The one that follows.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The one that precedes.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Its text, as clients see it, without an allocation.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; IdText::BYTES_MAX], len: 0 };
        let mut buffer = itoa::Buffer::new();
        text.push(buffer.format(self.ms).as_bytes());
        text.push(b"-");
        text.push(buffer.format(self.seq).as_bytes());
        text
    }

    /// As the RDB has it: two numbers, big end first.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.ms) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// The reverse of [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        StreamId { ms: u64::from_be_bytes([a, b, c, d, e, f, g, h]), seq: u64::from_be_bytes(rest) }
    }

    /// The ID at this distance, as a node stores it.
    pub(super) fn plus(self, ms: i64, seq: i64) -> StreamId {
        // Distances are differences of u64 that were stored as i64, so they wrap back.
        StreamId { ms: self.ms.wrapping_add_signed(ms), seq: self.seq.wrapping_add_signed(seq) }
    }

    /// The distance of `other` from this one; the reverse of [`StreamId::plus`].
    pub(super) fn distance_to(self, other: StreamId) -> (i64, i64) {
        (other.ms.wrapping_sub(self.ms).cast_signed(), other.seq.wrapping_sub(self.seq).cast_signed())
    }
}

/// The text of an ID.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; IdText::BYTES_MAX],
    len: usize,
}

impl IdText {
    /// Two numbers of twenty digits, and what stands between them.
    const BYTES_MAX: usize = 41;

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, part: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + part.len()) {
            room.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_cross_the_millisecond() {
        let last = StreamId { ms: 4, seq: u64::MAX };
        assert_eq!(last.next(), Some(StreamId { ms: 5, seq: 0 }));
        assert_eq!(StreamId { ms: 5, seq: 0 }.prev(), Some(last));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.prev(), None);
    }

    #[test]
    fn bytes_and_distances_come_back() {
        assert_eq!(StreamId::MAX.text().as_bytes(), StreamId::MAX.to_string().as_bytes());
        let ids = [StreamId::MIN, StreamId::MAX, StreamId { ms: 1_700_000_000_000, seq: 3 }];
        for id in ids {
            assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
            for other in ids {
                let (ms, seq) = id.distance_to(other);
                assert_eq!(id.plus(ms, seq), other);
            }
        }
    }
}
