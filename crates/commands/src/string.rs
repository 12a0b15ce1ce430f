//! Strings, and numbers in them.
