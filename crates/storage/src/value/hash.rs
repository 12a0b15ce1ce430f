//! Hashes, with deadlines of fields.

/// Hashes, with deadlines of fields.
#[derive(Clone, Debug, Default)]
pub struct Hash;

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub struct HashRef<'a>(&'a ());
