//! Strings, and numbers in them.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
