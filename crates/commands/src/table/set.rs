//! Sets.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
