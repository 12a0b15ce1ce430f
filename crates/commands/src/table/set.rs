//! Sets.

use crate::set;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("sadd", -3, Group::Set, "1.0.0", Run::Write(set::sadd))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("srem", -3, Group::Set, "1.0.0", Run::Write(set::srem))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("smove", 4, Group::Set, "1.0.0", Run::Write(set::smove))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("spop", -2, Group::Set, "1.0.0", Run::Write(set::spop))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("scard", 2, Group::Set, "1.0.0", Run::Read(set::scard))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("smembers", 2, Group::Set, "1.0.0", Run::Read(set::smembers))
        .flags(&[F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("sismember", 3, Group::Set, "1.0.0", Run::Read(set::sismember))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("smismember", -3, Group::Set, "6.2.0", Run::Read(set::smismember))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("srandmember", -2, Group::Set, "1.0.0", Run::Read(set::srandmember))
        .flags(&[F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("sscan", -3, Group::Set, "2.8.0", Run::Read(set::sscan))
        .flags(&[F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("sinter", -2, Group::Set, "1.0.0", Run::Read(set::sinter))
        .flags(&[F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("sunion", -2, Group::Set, "1.0.0", Run::Read(set::sunion))
        .flags(&[F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("sdiff", -2, Group::Set, "1.0.0", Run::Read(set::sdiff))
        .flags(&[F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("sinterstore", -3, Group::Set, "1.0.0", Run::Write(set::sinterstore))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::SET])
        .keys(&[
            KeySpec::at(1, &[K::OW, K::UPDATE]),
            KeySpec::new(Begin::Index(2), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO, K::ACCESS]),
        ]),
    Command::new("sunionstore", -3, Group::Set, "1.0.0", Run::Write(set::sunionstore))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::SET])
        .keys(&[
            KeySpec::at(1, &[K::OW, K::UPDATE]),
            KeySpec::new(Begin::Index(2), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO, K::ACCESS]),
        ]),
    Command::new("sdiffstore", -3, Group::Set, "1.0.0", Run::Write(set::sdiffstore))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::SET])
        .keys(&[
            KeySpec::at(1, &[K::OW, K::UPDATE]),
            KeySpec::new(Begin::Index(2), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO, K::ACCESS]),
        ]),
    Command::new("sintercard", -3, Group::Set, "7.0.0", Run::Read(set::sintercard))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("sunioncard", -3, Group::Set, "8.10.0", Run::Read(set::sunioncard))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("sdiffcard", -3, Group::Set, "8.10.0", Run::Read(set::sdiffcard))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SET])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RO, K::ACCESS],
        )]),
];
