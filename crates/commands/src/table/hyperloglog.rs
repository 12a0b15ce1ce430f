//! Counting distinct elements.

use crate::hyperloglog;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("pfcount", -2, Group::Hyperloglog, "2.8.9", Run::Read(hyperloglog::pfcount))
        .noting(hyperloglog::pfcount_noted)
        .flags(&[F::MAY_REPLICATE, F::READONLY])
        .categories(&[C::HYPERLOGLOG])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RW, K::ACCESS],
        )]),
    Command::new("pfadd", -2, Group::Hyperloglog, "2.8.9", Run::Write(hyperloglog::pfadd))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HYPERLOGLOG])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("pfdebug", 3, Group::Hyperloglog, "2.8.9", Run::Write(hyperloglog::pfdebug))
        .flags(&[F::ADMIN, F::DENYOOM, F::WRITE])
        .categories(&[C::HYPERLOGLOG])
        .keys(&[KeySpec::at(2, &[K::RW, K::ACCESS])]),
    Command::new("pfselftest", 1, Group::Hyperloglog, "2.8.9", Run::Read(hyperloglog::pfselftest))
        .flags(&[F::ADMIN])
        .categories(&[C::HYPERLOGLOG]),
    Command::new("pfmerge", -2, Group::Hyperloglog, "2.8.9", Run::Write(hyperloglog::pfmerge))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::HYPERLOGLOG])
        .keys(&[
            KeySpec::at(1, &[K::RW, K::ACCESS, K::INSERT]),
            KeySpec::new(Begin::Index(2), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO, K::ACCESS]),
        ]),
];
