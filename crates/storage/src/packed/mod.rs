//! Packed values: the listpack and intset bytes that an RDB carries, kept as they are and edited in place.
//!
//! Owns the two formats, their one check on the way in, and edits that give the bytes a Redis server would have.
//! Never decides when a value is too big to stay packed: that is the value's own affair.
//!
//! Everything here is safe code that reaches bytes with `get`: bytes that break the format read as an early end,
//! never as a panic or a read outside of them.

pub mod intset;
pub mod item;
pub mod listpack;

pub use intset::{Intset, IntsetRef};
pub use item::{Item, parse_int};
pub use listpack::{Listpack, ListpackRef, Position};

/// Why bytes are no listpack or intset; `at` counts from their first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// Shorter than a header, or than what the header promises.
    #[error("packed value: {what} is cut off at byte {at}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// The length in the header is not the length of the bytes.
    #[error("packed value: its header says {stored} bytes, there are {actual}")]
    Length {
        /// What the header says.
        stored: u64,
        /// What is there.
        actual: u64,
    },
    /// The number of elements in the header is not the number of elements.
    #[error("packed value: its header says {stored} elements, there are {actual}")]
    Count {
        /// What the header says.
        stored: u64,
        /// What is there.
        actual: u64,
    },
    /// A byte that begins no element, or a width that no intset has.
    #[error("packed value: no element begins with {byte:#04x} at byte {at}")]
    Encoding {
        /// The byte.
        byte: u8,
        /// Where.
        at: usize,
    },
    /// An element's length behind it disagrees with the one before it.
    #[error("listpack: the back length of the element at byte {at} is wrong")]
    BackLength {
        /// Where the element begins.
        at: usize,
    },
    /// An intset whose integers do not ascend.
    #[error("intset: the integer at byte {at} does not ascend")]
    Order {
        /// Where the integer begins.
        at: usize,
    },
}
