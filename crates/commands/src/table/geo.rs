//! Places: sorted sets whose scores are interleaved positions.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
