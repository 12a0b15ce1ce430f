//! Arrays (Redis 8.8): values by index.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
