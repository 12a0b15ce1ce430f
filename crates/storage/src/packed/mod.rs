//! Packed values: the listpack and intset bytes that an RDB carries, kept as they are and edited in place.

pub mod intset;
pub mod listpack;

pub use intset::Intset;
pub use listpack::{Listpack, ListpackRef};
