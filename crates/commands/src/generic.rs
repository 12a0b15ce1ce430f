//! Keys of any kind: their names, kinds, deadlines, and what moves them about.
