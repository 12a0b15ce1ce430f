//! Sets: an intset, a listpack, or a directory of tables.

/// Sets: an intset, a listpack, or a directory of tables.
#[derive(Clone, Debug, Default)]
pub struct Set;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct SetRef<'a>(#[allow(dead_code)] &'a ());

// What the frame (value/mod.rs, value/stored.rs) asks of every kind; the real type replaces this file.
impl Set {
    /// Read access.
    pub fn view(&self) -> SetRef<'_> {
        SetRef(&())
    }
}
#[allow(clippy::len_without_is_empty)]
impl SetRef<'_> {
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
    pub fn same(&self, _other: SetRef<'_>) -> bool {
        true
    }
}
