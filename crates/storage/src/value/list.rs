//! Lists: one listpack, or a quicklist of them.

/// Lists: one listpack, or a quicklist of them.
#[derive(Clone, Debug, Default)]
pub struct List;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct ListRef<'a>(#[allow(dead_code)] &'a ());

// What the frame (value/mod.rs, value/stored.rs) asks of every kind; the real type replaces this file.
impl List {
    /// Read access.
    pub fn view(&self) -> ListRef<'_> {
        ListRef(&())
    }
}
#[allow(clippy::len_without_is_empty)]
impl ListRef<'_> {
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
    pub fn same(&self, _other: ListRef<'_>) -> bool {
        true
    }
}
