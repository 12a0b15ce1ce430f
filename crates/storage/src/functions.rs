//! Function libraries: stored by name, replicated and swapped with the data set.
//!
//! Owns names, engines and code. Never runs any of it.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A library, as FUNCTION LOAD gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The engine its code is for: `LUA`.
    pub engine: String,
    /// The whole code, with its `#!` line.
    pub code: Bytes,
}

/// All libraries of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    libraries: BTreeMap<Vec<u8>, Library>,
}

impl Functions {
    /// The library of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Library> {
        self.libraries.get(name)
    }

    /// Adds a library, or replaces the one of this name, which is given back.
    pub fn insert(&mut self, name: &[u8], library: Library) -> Option<Library> {
        self.libraries.insert(name.to_vec(), library)
    }

    /// Removes a library.
    pub fn remove(&mut self, name: &[u8]) -> Option<Library> {
        self.libraries.remove(name)
    }

    /// Removes them all.
    pub fn clear(&mut self) {
        self.libraries.clear();
    }

    /// Names and libraries, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Library)> {
        self.libraries.iter().map(|(name, library)| (name.as_slice(), library))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }
}
