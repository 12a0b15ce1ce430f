//! Sets: an intset, a listpack, or a directory of tables.

/// Sets: an intset, a listpack, or a directory of tables.
#[derive(Clone, Debug, Default)]
pub struct Set;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct SetRef<'a>(&'a ());
