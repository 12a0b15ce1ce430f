//! Arrays (Redis 8.8): values by index.

/// Arrays (Redis 8.8): values by index.
#[derive(Clone, Debug, Default)]
pub struct Array;

// What the frame (value/mod.rs, value/stored.rs) asks of every kind; the real type replaces this file.
#[allow(clippy::len_without_is_empty)]
impl Array {
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
        "array"
    }
    /// Whether both hold the same.
    pub fn same(&self, _other: &Array) -> bool {
        true
    }
}
