//! Streams and their groups.

use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};
use crate::stream;

pub(super) const ROWS: &[Command] = &[
    Command::new("xadd", -5, Group::Stream, "5.0.0", Run::Write(stream::xadd))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("xtrim", -4, Group::Stream, "5.0.0", Run::Write(stream::xtrim))
        .flags(&[F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("xdel", -3, Group::Stream, "5.0.0", Run::Write(stream::xdel))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("xdelex", -5, Group::Stream, "8.2.0", Run::Write(stream::xdelex))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("xlen", 2, Group::Stream, "5.0.0", Run::Read(stream::xlen))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("xrange", -4, Group::Stream, "5.0.0", Run::Read(stream::xrange))
        .flags(&[F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("xrevrange", -4, Group::Stream, "5.0.0", Run::Read(stream::xrevrange))
        .flags(&[F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("xread", -4, Group::Stream, "5.0.0", Run::Read(stream::xread))
        .flags(&[F::BLOCKING, F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::new(
            Begin::Keyword("STREAMS", 1),
            Find::Range { last: -1, step: 1, limit: 2 },
            &[K::RO, K::ACCESS, K::INCOMPLETE],
        )]),
    Command::new("xreadgroup", -7, Group::Stream, "5.0.0", Run::Write(stream::xreadgroup))
        .flags(&[F::BLOCKING, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::new(
            Begin::Keyword("STREAMS", 4),
            Find::Range { last: -1, step: 1, limit: 2 },
            &[K::RO, K::ACCESS, K::INCOMPLETE],
        )]),
    Command::new("xack", -4, Group::Stream, "5.0.0", Run::Write(stream::xack))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("xackdel", -6, Group::Stream, "8.2.0", Run::Write(stream::xackdel))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE, K::DELETE])]),
    Command::new("xnack", -7, Group::Stream, "8.8.0", Run::Write(stream::xnack))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("xclaim", -6, Group::Stream, "5.0.0", Run::Write(stream::xclaim))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("xautoclaim", -6, Group::Stream, "6.2.0", Run::Write(stream::xautoclaim))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("xpending", -3, Group::Stream, "5.0.0", Run::Read(stream::xpending))
        .flags(&[F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("xgroup", -2, Group::Stream, "5.0.0", Run::Container),
    Command::new("xgroup|create", -5, Group::Stream, "5.0.0", Run::Write(stream::xgroup_create))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("xgroup|setid", -5, Group::Stream, "5.0.0", Run::Write(stream::xgroup_setid))
        .flags(&[F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RW, K::UPDATE])]),
    Command::new("xgroup|destroy", 4, Group::Stream, "5.0.0", Run::Write(stream::xgroup_destroy))
        .flags(&[F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RW, K::DELETE])]),
    Command::new(
        "xgroup|createconsumer",
        5,
        Group::Stream,
        "6.2.0",
        Run::Write(stream::xgroup_createconsumer),
    )
    .flags(&[F::DENYOOM, F::WRITE])
    .categories(&[C::STREAM])
    .keys(&[KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("xgroup|delconsumer", 5, Group::Stream, "5.0.0", Run::Write(stream::xgroup_delconsumer))
        .flags(&[F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RW, K::DELETE])]),
    Command::new("xgroup|help", 2, Group::Stream, "5.0.0", Run::Read(stream::xgroup_help))
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::STREAM]),
    Command::new("xinfo", -2, Group::Stream, "5.0.0", Run::Container),
    Command::new("xinfo|stream", -3, Group::Stream, "5.0.0", Run::Read(stream::xinfo_stream))
        .flags(&[F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RO, K::ACCESS])]),
    Command::new("xinfo|groups", 3, Group::Stream, "5.0.0", Run::Read(stream::xinfo_groups))
        .flags(&[F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RO, K::ACCESS])]),
    Command::new("xinfo|consumers", 4, Group::Stream, "5.0.0", Run::Read(stream::xinfo_consumers))
        .flags(&[F::READONLY])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(2, &[K::RO, K::ACCESS])]),
    Command::new("xinfo|help", 2, Group::Stream, "5.0.0", Run::Read(stream::xinfo_help))
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::STREAM]),
    Command::new("xsetid", -3, Group::Stream, "5.0.0", Run::Write(stream::xsetid))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("xcfgset", -2, Group::Stream, "8.6.0", Run::Write(stream::xcfgset))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("xidmprecord", 5, Group::Stream, "8.6.2", Run::Write(stream::xidmprecord))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STREAM])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
];
