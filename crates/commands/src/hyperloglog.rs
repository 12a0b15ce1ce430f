//! Counting distinct elements in 12 KB, bit by bit as Redis does.
