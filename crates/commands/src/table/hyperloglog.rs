//! Counting distinct elements in 12 KB, bit by bit as Redis does.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
