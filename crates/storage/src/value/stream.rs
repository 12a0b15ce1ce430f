//! Streams: listpacks by id, with groups, consumers and pending entries.

/// Streams: listpacks by id, with groups, consumers and pending entries.
#[derive(Clone, Debug, Default)]
pub struct Stream;

// What the frame (value/mod.rs, value/stored.rs) asks of every kind; the real type replaces this file.
#[allow(clippy::len_without_is_empty)]
impl Stream {
    /// How many elements.
    pub fn len(&self) -> usize {
        0
    }
    /// Allocations behind the entry, bytes.
    pub fn heap_bytes(&self) -> usize {
        0
    }
    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }
    /// Whether both hold the same.
    pub fn same(&self, _other: &Stream) -> bool {
        true
    }
}
