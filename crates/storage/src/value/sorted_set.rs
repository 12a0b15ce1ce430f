//! Sorted sets: a listpack, or members with a directory of tables and a counted tree.

/// Sorted sets: a listpack, or members with a directory of tables and a counted tree.
#[derive(Clone, Debug, Default)]
pub struct SortedSet;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct SortedSetRef<'a>(&'a ());
