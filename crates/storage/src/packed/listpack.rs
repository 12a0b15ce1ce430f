//! The listpack: total bytes (u32 LE), count (u16 LE), elements with a back length each, 0xFF.

/// A listpack that owns its bytes; always whole and valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

/// A listpack somewhere else (inside an entry, say); always whole and valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListpackRef<'a>(&'a [u8]);
impl Listpack {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// Read access.
    pub fn view(&self) -> ListpackRef<'_> {
        ListpackRef(&self.0)
    }
}
