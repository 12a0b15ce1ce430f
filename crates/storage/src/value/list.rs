//! Lists: one listpack, or a quicklist of them.

/// Lists: one listpack, or a quicklist of them.
#[derive(Clone, Debug, Default)]
pub struct List;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct ListRef<'a>(&'a ());
