//! Function libraries; the functions inside come with the `scripting` crate.

use crate::spec::Command;

pub(super) const ROWS: &[Command] = &[];
