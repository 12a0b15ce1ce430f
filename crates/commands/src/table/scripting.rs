//! Function libraries; the functions inside come with the `scripting` crate.

use crate::function;
use crate::spec::{Categories as C, Command, Flags as F, Group, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("function", -2, Group::Scripting, "7.0.0", Run::Container),
    Command::new("function|delete", 3, Group::Scripting, "7.0.0", Run::Write(function::delete))
        .flags(&[F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING]),
    Command::new("function|restore", -3, Group::Scripting, "7.0.0", Run::Write(function::restore))
        .flags(&[F::DENYOOM, F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING]),
    Command::new("function|load", -3, Group::Scripting, "7.0.0", Run::Write(function::load))
        .flags(&[F::DENYOOM, F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING]),
    Command::new("function|list", -2, Group::Scripting, "7.0.0", Run::Read(function::list))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("function|dump", 2, Group::Scripting, "7.0.0", Run::Read(function::dump))
        .flags(&[F::NOSCRIPT])
        .categories(&[C::SCRIPTING]),
    Command::new("function|flush", -2, Group::Scripting, "7.0.0", Run::Write(function::flush))
        .flags(&[F::NOSCRIPT, F::WRITE])
        .categories(&[C::SCRIPTING]),
];
