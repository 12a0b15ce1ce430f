//! Hashes, and the deadlines of their fields.

use crate::hash;
use crate::spec::ServerCommand as S;
use crate::spec::{Categories as C, Command, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("hset", -4, Group::Hash, "2.0.0", Run::Write(hash::hset))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("hmset", -4, Group::Hash, "2.0.0", Run::Write(hash::hmset))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("hsetnx", 4, Group::Hash, "2.0.0", Run::Write(hash::hsetnx))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("hsetex", -6, Group::Hash, "8.0.0", Run::Write(hash::hsetex))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("himport", -2, Group::Hash, "8.10.0", Run::Container).categories(&[C::HASH]),
    Command::new("himport|prepare", -4, Group::Hash, "8.10.0", Run::Server(S::HimportPrepare))
        .flags(&[F::DENYOOM])
        .categories(&[C::HASH]),
    Command::new("himport|set", -5, Group::Hash, "8.10.0", Run::Write(hash::himport_set))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(2, &[K::OW, K::UPDATE])]),
    Command::new("himport|discard", 3, Group::Hash, "8.10.0", Run::Server(S::HimportDiscard))
        .categories(&[C::HASH]),
    Command::new("himport|discardall", 2, Group::Hash, "8.10.0", Run::Server(S::HimportDiscardall))
        .categories(&[C::HASH]),
    Command::new("hget", 3, Group::Hash, "2.0.0", Run::Read(hash::hget))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hmget", -3, Group::Hash, "2.0.0", Run::Read(hash::hmget))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hgetall", 2, Group::Hash, "2.0.0", Run::Read(hash::hgetall))
        .flags(&[F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hkeys", 2, Group::Hash, "2.0.0", Run::Read(hash::hkeys))
        .flags(&[F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hvals", 2, Group::Hash, "2.0.0", Run::Read(hash::hvals))
        .flags(&[F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hgetex", -5, Group::Hash, "8.0.0", Run::Write(hash::hgetex))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("hgetdel", -5, Group::Hash, "8.0.0", Run::Write(hash::hgetdel))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("hdel", -3, Group::Hash, "2.0.0", Run::Write(hash::hdel))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("hlen", 2, Group::Hash, "2.0.0", Run::Read(hash::hlen))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("hexists", 3, Group::Hash, "2.0.0", Run::Read(hash::hexists))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("hstrlen", 3, Group::Hash, "3.2.0", Run::Read(hash::hstrlen))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("hincrby", 4, Group::Hash, "2.0.0", Run::Write(hash::hincrby))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("hincrbyfloat", 4, Group::Hash, "2.6.0", Run::Write(hash::hincrbyfloat))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("hrandfield", -2, Group::Hash, "6.2.0", Run::Read(hash::hrandfield))
        .flags(&[F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hscan", -3, Group::Hash, "2.8.0", Run::Read(hash::hscan))
        .flags(&[F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hexpire", -6, Group::Hash, "7.4.0", Run::Write(hash::hexpire))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("hpexpire", -6, Group::Hash, "7.4.0", Run::Write(hash::hpexpire))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("hexpireat", -6, Group::Hash, "7.4.0", Run::Write(hash::hexpireat))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("hpexpireat", -6, Group::Hash, "7.4.0", Run::Write(hash::hpexpireat))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("hpersist", -5, Group::Hash, "7.4.0", Run::Write(hash::hpersist))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("httl", -5, Group::Hash, "7.4.0", Run::Read(hash::httl))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hpttl", -5, Group::Hash, "7.4.0", Run::Read(hash::hpttl))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hexpiretime", -5, Group::Hash, "7.4.0", Run::Read(hash::hexpiretime))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("hpexpiretime", -5, Group::Hash, "7.4.0", Run::Read(hash::hpexpiretime))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::HASH])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
];
