//! Streams and their groups.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
