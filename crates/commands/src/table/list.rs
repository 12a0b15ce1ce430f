//! Lists.

use crate::list;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

pub(super) const ROWS: &[Command] = &[
    Command::new("lpush", -3, Group::List, "1.0.0", Run::Write(list::lpush))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("rpush", -3, Group::List, "1.0.0", Run::Write(list::rpush))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("lpushx", -3, Group::List, "2.2.0", Run::Write(list::lpushx))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("rpushx", -3, Group::List, "2.2.0", Run::Write(list::rpushx))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("lpop", -2, Group::List, "1.0.0", Run::Write(list::lpop))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("rpop", -2, Group::List, "1.0.0", Run::Write(list::rpop))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("lmpop", -4, Group::List, "7.0.0", Run::Write(list::lmpop))
        .flags(&[F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::new(
            Begin::Index(1),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RW, K::ACCESS, K::DELETE],
        )]),
    Command::new("blpop", -3, Group::List, "2.0.0", Run::Write(list::blpop))
        .flags(&[F::BLOCKING, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::before_last(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("brpop", -3, Group::List, "2.0.0", Run::Write(list::brpop))
        .flags(&[F::BLOCKING, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::before_last(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("blmpop", -5, Group::List, "7.0.0", Run::Write(list::blmpop))
        .flags(&[F::BLOCKING, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::new(
            Begin::Index(2),
            Find::KeyNum { number: 0, first: 1, step: 1 },
            &[K::RW, K::ACCESS, K::DELETE],
        )]),
    Command::new("blmove", 6, Group::List, "6.2.0", Run::Write(list::blmove))
        .flags(&[F::BLOCKING, F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("blmovem", -6, Group::List, "8.10.0", Run::Write(list::blmovem))
        .flags(&[F::BLOCKING, F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("brpoplpush", 4, Group::List, "2.2.0", Run::Write(list::brpoplpush))
        .flags(&[F::BLOCKING, F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("linsert", 5, Group::List, "2.2.0", Run::Write(list::linsert))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::INSERT])]),
    Command::new("lset", 4, Group::List, "1.0.0", Run::Write(list::lset))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("lrem", 4, Group::List, "1.0.0", Run::Write(list::lrem))
        .flags(&[F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("ltrim", 4, Group::List, "1.0.0", Run::Write(list::ltrim))
        .flags(&[F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("lmove", 5, Group::List, "6.2.0", Run::Write(list::lmove))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("lmovem", -5, Group::List, "8.10.0", Run::Write(list::lmovem))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("rpoplpush", 3, Group::List, "1.2.0", Run::Write(list::rpoplpush))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE]), KeySpec::at(2, &[K::RW, K::INSERT])]),
    Command::new("llen", 2, Group::List, "1.0.0", Run::Read(list::llen))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("lindex", 3, Group::List, "1.0.0", Run::Read(list::lindex))
        .flags(&[F::READONLY])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("lrange", 4, Group::List, "1.0.0", Run::Read(list::lrange))
        .flags(&[F::READONLY])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("lpos", -3, Group::List, "6.0.6", Run::Read(list::lpos))
        .flags(&[F::READONLY])
        .categories(&[C::LIST])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
];
