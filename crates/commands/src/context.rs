//! What a handler is given besides its arguments.

/// For a handler that only reads.
pub struct ReadContext<'a>(&'a ());
/// For a handler that may write.
pub struct WriteContext<'a>(&'a ());
