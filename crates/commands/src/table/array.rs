//! Arrays (Redis 8.8): values by index.

use crate::array;
use crate::spec::{Categories as C, Command, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("arset", -4, Group::Array, "8.8.0", Run::Write(array::arset))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("armset", -4, Group::Array, "8.8.0", Run::Write(array::armset))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("arinsert", -3, Group::Array, "8.8.0", Run::Write(array::arinsert))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("arring", -4, Group::Array, "8.8.0", Run::Write(array::arring))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("arseek", 3, Group::Array, "8.8.0", Run::Write(array::arseek))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("ardel", -3, Group::Array, "8.8.0", Run::Write(array::ardel))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("ardelrange", -4, Group::Array, "8.8.0", Run::Write(array::ardelrange))
        .flags(&[F::WRITE])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("arget", 3, Group::Array, "8.8.0", Run::Read(array::arget))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("armget", -3, Group::Array, "8.8.0", Run::Read(array::armget))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("argetrange", 4, Group::Array, "8.8.0", Run::Read(array::argetrange))
        .flags(&[F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arscan", -4, Group::Array, "8.8.0", Run::Read(array::arscan))
        .flags(&[F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arlen", 2, Group::Array, "8.8.0", Run::Read(array::arlen))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arcount", 2, Group::Array, "8.8.0", Run::Read(array::arcount))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arnext", 2, Group::Array, "8.8.0", Run::Read(array::arnext))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arlastitems", -3, Group::Array, "8.8.0", Run::Read(array::arlastitems))
        .flags(&[F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arinfo", -2, Group::Array, "8.8.0", Run::Read(array::arinfo))
        .flags(&[F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("argrep", -6, Group::Array, "8.8.0", Run::Read(array::argrep))
        .flags(&[F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("arop", -5, Group::Array, "8.8.0", Run::Read(array::arop))
        .flags(&[F::READONLY])
        .categories(&[C::ARRAY])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
];
