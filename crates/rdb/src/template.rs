//! Hash templates (Redis 8.10): the field names that many hashes share, written once.
//!
//! In a file each template stands before the keys (opcode 242: number, count, names) and a hash names it; in a
//! DUMP payload the names stand in the value itself. Owns the templates of one file.

use std::collections::HashMap;

use crate::item::Str;
use crate::listpack;

/// The field names of a template, in the order in which its hashes give their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// All names, one after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Template {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name of the field at `index`.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..end)
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(crate) fn push(&mut self, name: Str<'_>) {
        self.bytes.extend_from_slice(name.bytes(&mut [0; 20]));
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Takes its names from a listpack; false when that is none.
    pub(crate) fn read_listpack(&mut self, bytes: &[u8]) -> bool {
        self.clear();
        let Some(mut names) = listpack::Elements::of(bytes) else { return false };
        while let Some(name) = names.next() {
            self.push(name);
        }
        names.is_whole()
    }
}

/// The templates of one file, and the one that is being read or used.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    by_number: HashMap<u64, Template>,
    /// Its names are still arriving, or stand in the value that is being read.
    pub(crate) open: Template,
}

impl Templates {
    /// The one with this number.
    pub(crate) fn get(&self, number: u64) -> Option<&Template> {
        self.by_number.get(&number)
    }

    /// Keeps the open one; false when there is one of this number.
    pub(crate) fn keep(&mut self, number: u64) -> bool {
        self.by_number.insert(number, std::mem::take(&mut self.open)).is_none()
    }
}
