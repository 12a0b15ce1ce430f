//! Sorted sets: a listpack, or members with a directory of tables and a counted tree.

/// Sorted sets: a listpack, or members with a directory of tables and a counted tree.
#[derive(Clone, Debug, Default)]
pub struct SortedSet;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct SortedSetRef<'a>(#[allow(dead_code)] &'a ());

// What the frame (value/mod.rs, value/stored.rs) asks of every kind; the real type replaces this file.
impl SortedSet {
    /// Read access.
    pub fn view(&self) -> SortedSetRef<'_> {
        SortedSetRef(&())
    }
}
#[allow(clippy::len_without_is_empty)]
impl SortedSetRef<'_> {
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
        "listpack"
    }
    /// Whether both hold the same.
    pub fn same(&self, _other: SortedSetRef<'_>) -> bool {
        true
    }
}
