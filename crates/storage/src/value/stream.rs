//! Streams: listpacks by id, with groups, consumers and pending entries.

/// Streams: listpacks by id, with groups, consumers and pending entries.
#[derive(Clone, Debug, Default)]
pub struct Stream;
