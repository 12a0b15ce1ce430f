//! How much one node of a list may hold: what `list-max-listpack-size` means.
//!
//! Owns the limits of Redis 7.2 and later, to the byte, for they decide what OBJECT ENCODING says.
//! Never looks at a node.

use super::super::Limits;

/// What `list-max-listpack-size` -1 to -5 stand for.
const BYTE_CLASSES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// Above so many bytes a node counts as full whatever a positive limit says, and an element as large.
const COUNTED_BYTES_MAX: usize = 8192;
/// What an element is taken to cost beside its own bytes, before it is encoded.
const ELEMENT_OVERHEAD: usize = 8;
/// The header and the end mark that two listpacks joined share.
const JOINED_OVERHEAD: usize = 7;

/// The limits of one node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill {
    /// At most this many bytes.
    Bytes(usize),
    /// At most this many elements.
    Count(usize),
}

impl Fill {
    /// What the configuration says.
    pub(super) fn of(limits: &Limits) -> Fill {
        match usize::try_from(limits.list_max_listpack_size) {
            Ok(count) => Fill::Count(count.max(1)),
            Err(_) => {
                let class = limits.list_max_listpack_size.unsigned_abs() as usize - 1;
                let last = BYTE_CLASSES.len() - 1;
                Fill::Bytes(BYTE_CLASSES.get(class.min(last)).copied().unwrap_or(COUNTED_BYTES_MAX))
            }
        }
    }

    /// Whether a node with so many bytes and elements would be too big.
    pub(super) fn exceeded_by(self, bytes: usize, count: usize) -> bool {
        match self {
            Fill::Bytes(bytes_max) => bytes > bytes_max,
            Fill::Count(count_max) => bytes > COUNTED_BYTES_MAX || count > count_max,
        }
    }

    /// Whether an element of so many bytes gets a node of its own.
    pub(super) fn is_large(self, element_bytes: usize) -> bool {
        match self {
            Fill::Bytes(bytes_max) => element_bytes > bytes_max,
            Fill::Count(_) => element_bytes > COUNTED_BYTES_MAX,
        }
    }

    /// Whether a node of so many bytes and elements takes one more.
    pub(super) fn takes(self, node_bytes: usize, node_count: usize, element_bytes: usize) -> bool {
        !self.is_large(element_bytes)
            && !self.exceeded_by(node_bytes + element_bytes + ELEMENT_OVERHEAD, node_count + 1)
    }

    /// Whether two nodes may become one.
    pub(super) fn joins(self, bytes: [usize; 2], counts: [usize; 2]) -> bool {
        let bytes = bytes.iter().sum::<usize>().saturating_sub(JOINED_OVERHEAD);
        !self.exceeded_by(bytes, counts.iter().sum())
    }

    /// Whether a node of so many bytes and elements is small enough for a list to become packed again after a
    /// removal: half of the limit, so that a list at the limit does not go back and forth.
    pub(super) fn is_small(self, bytes: usize, count: usize) -> bool {
        match self {
            Fill::Bytes(bytes_max) => bytes <= bytes_max / 2,
            Fill::Count(count_max) => count <= count_max / 2,
        }
    }

    /// Whether a list loaded as one such node is packed.
    pub(super) fn holds(self, bytes: usize, count: usize) -> bool {
        match self {
            Fill::Bytes(bytes_max) => bytes <= bytes_max,
            Fill::Count(count_max) => count <= count_max,
        }
    }
}
