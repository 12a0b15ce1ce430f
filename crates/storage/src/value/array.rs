//! Arrays (Redis 8.8): values by index.

/// Arrays (Redis 8.8): values by index.
#[derive(Clone, Debug, Default)]
pub struct Array;
