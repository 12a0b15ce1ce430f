//! Keys of any kind: their names, kinds, deadlines, and what moves them about.

use crate::spec::{
    Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run, ServerCommand,
};
use crate::{generic, restore, sort};

pub(super) const ROWS: &[Command] = &[
    Command::new("del", -2, Group::Generic, "1.0.0", Run::Write(generic::del))
        .flags(&[F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RM, K::DELETE],
        )]),
    Command::new("unlink", -2, Group::Generic, "4.0.0", Run::Write(generic::unlink))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RM, K::DELETE],
        )]),
    Command::new("exists", -2, Group::Generic, "1.0.0", Run::Read(generic::exists))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::new(Begin::Index(1), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO])]),
    Command::new("touch", -2, Group::Generic, "3.2.1", Run::Read(generic::touch))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::new(Begin::Index(1), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO])]),
    Command::new("type", 2, Group::Generic, "1.0.0", Run::Read(generic::type_))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("ttl", 2, Group::Generic, "1.0.0", Run::Read(generic::ttl))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("pttl", 2, Group::Generic, "2.6.0", Run::Read(generic::pttl))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("expiretime", 2, Group::Generic, "7.0.0", Run::Read(generic::expiretime))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("pexpiretime", 2, Group::Generic, "7.0.0", Run::Read(generic::pexpiretime))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("expire", -3, Group::Generic, "1.0.0", Run::Write(generic::expire))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("pexpire", -3, Group::Generic, "2.6.0", Run::Write(generic::pexpire))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("expireat", -3, Group::Generic, "1.2.0", Run::Write(generic::expireat))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("pexpireat", -3, Group::Generic, "2.6.0", Run::Write(generic::pexpireat))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("persist", 2, Group::Generic, "2.2.0", Run::Write(generic::persist))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("rename", 3, Group::Generic, "1.0.0", Run::Write(generic::rename))
        .flags(&[F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::OW, K::UPDATE])]),
    Command::new("renamenx", 3, Group::Generic, "1.0.0", Run::Write(generic::renamenx))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::OW, K::INSERT])]),
    Command::new("copy", -3, Group::Generic, "6.2.0", Run::Write(generic::copy))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS]), KeySpec::at(2, &[K::OW, K::UPDATE])]),
    Command::new("move", 3, Group::Generic, "1.0.0", Run::Write(generic::move_))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("keys", 2, Group::Generic, "1.0.0", Run::Read(generic::keys))
        .flags(&[F::READONLY])
        .categories(&[C::DANGEROUS, C::KEYSPACE]),
    Command::new("scan", -2, Group::Generic, "2.8.0", Run::Read(generic::scan))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE]),
    Command::new("randomkey", 1, Group::Generic, "1.0.0", Run::Read(generic::randomkey))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE]),
    Command::new("object", -2, Group::Generic, "2.2.3", Run::Container),
    Command::new("object|encoding", 3, Group::Generic, "2.2.3", Run::Read(generic::object_encoding))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(2, &[K::RO])]),
    Command::new("object|freq", 3, Group::Generic, "4.0.0", Run::Read(generic::object_freq))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(2, &[K::RO])]),
    Command::new("object|idletime", 3, Group::Generic, "2.2.3", Run::Read(generic::object_idletime))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(2, &[K::RO])]),
    Command::new("object|help", 2, Group::Generic, "6.2.0", Run::Read(generic::object_help))
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::KEYSPACE]),
    Command::new("object|refcount", 3, Group::Generic, "2.2.3", Run::Read(generic::object_refcount))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(2, &[K::RO])]),
    // Redis counts these to the server, yet they are about keys.
    Command::new("dbsize", 1, Group::Server, "1.0.0", Run::Read(generic::dbsize))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::KEYSPACE]),
    Command::new("flushdb", -1, Group::Server, "1.0.0", Run::Write(generic::flushdb))
        .flags(&[F::WRITE])
        .categories(&[C::DANGEROUS, C::KEYSPACE]),
    Command::new("flushall", -1, Group::Server, "1.0.0", Run::Write(generic::flushall))
        .flags(&[F::WRITE])
        .categories(&[C::DANGEROUS, C::KEYSPACE]),
    Command::new("swapdb", 3, Group::Server, "4.0.0", Run::Write(generic::swapdb))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::DANGEROUS, C::KEYSPACE]),
    Command::new("memory", -2, Group::Server, "4.0.0", Run::Container),
    Command::new("memory|usage", -3, Group::Server, "4.0.0", Run::Read(generic::memory_usage))
        .flags(&[F::READONLY])
        .keys(&[KeySpec::at(2, &[K::RO])]),
    Command::new("dump", 2, Group::Generic, "2.6.0", Run::Read(restore::dump))
        .flags(&[F::READONLY])
        .categories(&[C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("restore", -4, Group::Generic, "2.6.0", Run::Write(restore::restore))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::DANGEROUS, C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE])]),
    Command::new("restore-asking", -4, Group::Server, "3.0.0", Run::Write(restore::restore))
        .flags(&[F::ASKING, F::DENYOOM, F::WRITE])
        .categories(&[C::DANGEROUS, C::KEYSPACE])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE])]),
    Command::new("migrate", -6, Group::Generic, "2.6.0", Run::Server(ServerCommand::Migrate))
        .flags(&[F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::DANGEROUS, C::KEYSPACE])
        .keys(&[
            KeySpec::at(3, &[K::RW, K::ACCESS, K::DELETE]),
            KeySpec::new(
                Begin::Keyword("KEYS", -2),
                Find::Range { last: -1, step: 1, limit: 0 },
                &[K::RW, K::ACCESS, K::DELETE, K::INCOMPLETE],
            ),
        ]),
    Command::new("sort", -2, Group::Generic, "1.0.0", Run::Write(sort::sort))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::DANGEROUS, C::LIST, C::SET, C::SORTEDSET])
        .keys(&[
            KeySpec::at(1, &[K::RO, K::ACCESS]),
            KeySpec::new(Begin::Unknown, Find::Unknown, &[K::RO, K::ACCESS]),
            KeySpec::new(Begin::Unknown, Find::Unknown, &[K::OW, K::UPDATE]),
        ]),
    Command::new("sort_ro", -2, Group::Generic, "7.0.0", Run::Read(sort::sort_ro))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::DANGEROUS, C::LIST, C::SET, C::SORTEDSET])
        .keys(&[
            KeySpec::at(1, &[K::RO, K::ACCESS]),
            KeySpec::new(Begin::Unknown, Find::Unknown, &[K::RO, K::ACCESS]),
        ]),
];
