//! Strings, and numbers in them.

use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};
use crate::string;

pub(super) const ROWS: &[Command] = &[
    Command::new("increx", -2, Group::String, "8.8.0", Run::Write(string::increx))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("decrby", 3, Group::String, "1.0.0", Run::Write(string::decrby))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("delex", -2, Group::String, "8.4.0", Run::Write(string::delex))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE, K::VARIABLE_FLAGS])]),
    Command::new("lcs", -3, Group::String, "7.0.0", Run::Read(string::lcs))
        .flags(&[F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: 1, step: 1, limit: 0 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("substr", 4, Group::String, "1.0.0", Run::Read(string::substr))
        .flags(&[F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("getrange", 4, Group::String, "2.4.0", Run::Read(string::getrange))
        .flags(&[F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("get", 2, Group::String, "1.0.0", Run::Read(string::get))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("strlen", 2, Group::String, "2.2.0", Run::Read(string::strlen))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("setex", 4, Group::String, "2.0.0", Run::Write(string::setex))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE])]),
    Command::new("set", -3, Group::String, "1.0.0", Run::Write(string::set))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE, K::VARIABLE_FLAGS])]),
    Command::new("incrbyfloat", 3, Group::String, "2.6.0", Run::Write(string::incrbyfloat))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("decr", 2, Group::String, "1.0.0", Run::Write(string::decr))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("append", 3, Group::String, "2.0.0", Run::Write(string::append))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("mget", -2, Group::String, "1.0.0", Run::Read(string::mget))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 1, limit: 0 },
            &[K::RO, K::ACCESS],
        )]),
    Command::new("getset", 3, Group::String, "1.0.0", Run::Write(string::getset))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("incr", 2, Group::String, "1.0.0", Run::Write(string::incr))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("incrby", 3, Group::String, "1.0.0", Run::Write(string::incrby))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("setrange", 4, Group::String, "2.2.0", Run::Write(string::setrange))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("digest", 2, Group::String, "8.4.0", Run::Read(string::digest))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("getdel", 2, Group::String, "6.2.0", Run::Write(string::getdel))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("psetex", 4, Group::String, "2.6.0", Run::Write(string::psetex))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE])]),
    Command::new("msetnx", -3, Group::String, "1.0.1", Run::Write(string::msetnx))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 2, limit: 0 },
            &[K::OW, K::INSERT],
        )]),
    Command::new("setnx", 3, Group::String, "1.0.0", Run::Write(string::setnx))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::OW, K::INSERT])]),
    Command::new("mset", -3, Group::String, "1.0.1", Run::Write(string::mset))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::Range { last: -1, step: 2, limit: 0 },
            &[K::OW, K::UPDATE],
        )]),
    Command::new("getex", -2, Group::String, "6.2.0", Run::Write(string::getex))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("msetex", -4, Group::String, "8.4.0", Run::Write(string::msetex))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::KeyNum { number: 0, first: 1, step: 2 },
            &[K::OW, K::UPDATE],
        )]),
    Command::new("delifeq", 3, Group::String, "9.0.0", Run::Write(string::delifeq))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::STRING])
        .keys(&[KeySpec::at(1, &[K::RM, K::DELETE])]),
];
