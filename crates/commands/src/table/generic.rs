//! Keys of any kind: their names, kinds, deadlines, and what moves them about.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
