//! Streams and their groups.
