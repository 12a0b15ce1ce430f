//! The intset: width (u32 LE: 2, 4 or 8), count (u32 LE), ascending integers of that width (LE).

/// An intset that owns its bytes; always whole, valid and ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intset(Vec<u8>);
