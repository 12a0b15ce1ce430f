//! WATCH: whether a key was touched since somebody began to watch it.

/// The keys that are watched.
#[derive(Debug, Default)]
pub(crate) struct Watches;
