//! Sorted sets.

use crate::sorted_set;
use crate::spec::{Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    Command::new("zrank", -3, Group::SortedSet, "2.0.0", Run::Read(sorted_set::zrank))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zrangebyscore", -4, Group::SortedSet, "1.0.5", Run::Read(sorted_set::zrangebyscore))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zunionstore", -4, Group::SortedSet, "2.0.0", Run::Write(sorted_set::zunionstore))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE]), KeySpec::new(Begin::Index(2), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zincrby", 4, Group::SortedSet, "1.2.0", Run::Write(sorted_set::zincrby))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::UPDATE])]),
    Command::new("zunion", -3, Group::SortedSet, "6.2.0", Run::Read(sorted_set::zunion))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::new(Begin::Index(1), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zrandmember", -2, Group::SortedSet, "6.2.0", Run::Read(sorted_set::zrandmember))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zscore", 3, Group::SortedSet, "1.2.0", Run::Read(sorted_set::zscore))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zrevrangebyscore", -4, Group::SortedSet, "2.2.0", Run::Read(sorted_set::zrevrangebyscore))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zintercard", -3, Group::SortedSet, "7.0.0", Run::Read(sorted_set::zintercard))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::new(Begin::Index(1), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zinterstore", -4, Group::SortedSet, "2.0.0", Run::Write(sorted_set::zinterstore))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE]), KeySpec::new(Begin::Index(2), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zdiffstore", -4, Group::SortedSet, "6.2.0", Run::Write(sorted_set::zdiffstore))
        .flags(&[F::DENYOOM, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE]), KeySpec::new(Begin::Index(2), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zscan", -3, Group::SortedSet, "2.8.0", Run::Read(sorted_set::zscan))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zmscore", -3, Group::SortedSet, "6.2.0", Run::Read(sorted_set::zmscore))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zrangebylex", -4, Group::SortedSet, "2.8.9", Run::Read(sorted_set::zrangebylex))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zmpop", -4, Group::SortedSet, "7.0.0", Run::Write(sorted_set::zmpop))
        .flags(&[F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::new(Begin::Index(1), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("bzpopmin", -3, Group::SortedSet, "5.0.0", Run::Write(sorted_set::bzpopmin))
        .flags(&[F::BLOCKING, F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::before_last(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("bzpopmax", -3, Group::SortedSet, "5.0.0", Run::Write(sorted_set::bzpopmax))
        .flags(&[F::BLOCKING, F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::before_last(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("bzmpop", -5, Group::SortedSet, "7.0.0", Run::Write(sorted_set::bzmpop))
        .flags(&[F::BLOCKING, F::MOVABLEKEYS, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::new(Begin::Index(2), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("zremrangebyscore", 4, Group::SortedSet, "1.2.0", Run::Write(sorted_set::zremrangebyscore))
        .flags(&[F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("zlexcount", 4, Group::SortedSet, "2.8.9", Run::Read(sorted_set::zlexcount))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zrangestore", -5, Group::SortedSet, "6.2.0", Run::Write(sorted_set::zrangestore))
        .flags(&[F::DENYOOM, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::OW, K::UPDATE]), KeySpec::at(2, &[K::RO, K::ACCESS])]),
    Command::new("zinter", -3, Group::SortedSet, "6.2.0", Run::Read(sorted_set::zinter))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::new(Begin::Index(1), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zcount", 4, Group::SortedSet, "2.0.0", Run::Read(sorted_set::zcount))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zcard", 2, Group::SortedSet, "1.2.0", Run::Read(sorted_set::zcard))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO])]),
    Command::new("zrem", -3, Group::SortedSet, "1.2.0", Run::Write(sorted_set::zrem))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("zrevrangebylex", -4, Group::SortedSet, "2.8.9", Run::Read(sorted_set::zrevrangebylex))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zrange", -4, Group::SortedSet, "1.2.0", Run::Read(sorted_set::zrange))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zpopmax", -2, Group::SortedSet, "5.0.0", Run::Write(sorted_set::zpopmax))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("zadd", -4, Group::SortedSet, "1.2.0", Run::Write(sorted_set::zadd))
        .flags(&[F::DENYOOM, F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::UPDATE])]),
    Command::new("zrevrange", -4, Group::SortedSet, "1.2.0", Run::Read(sorted_set::zrevrange))
        .flags(&[F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zdiff", -3, Group::SortedSet, "6.2.0", Run::Read(sorted_set::zdiff))
        .flags(&[F::MOVABLEKEYS, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::new(Begin::Index(1), Find::KeyNum { number: 0, first: 1, step: 1 }, &[K::RO, K::ACCESS])]),
    Command::new("zpopmin", -2, Group::SortedSet, "5.0.0", Run::Write(sorted_set::zpopmin))
        .flags(&[F::FAST, F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::ACCESS, K::DELETE])]),
    Command::new("zrevrank", -3, Group::SortedSet, "2.0.0", Run::Read(sorted_set::zrevrank))
        .flags(&[F::FAST, F::READONLY])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RO, K::ACCESS])]),
    Command::new("zremrangebyrank", 4, Group::SortedSet, "2.0.0", Run::Write(sorted_set::zremrangebyrank))
        .flags(&[F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
    Command::new("zremrangebylex", 4, Group::SortedSet, "2.8.9", Run::Write(sorted_set::zremrangebylex))
        .flags(&[F::WRITE])
        .categories(&[C::SORTEDSET])
        .keys(&[KeySpec::at(1, &[K::RW, K::DELETE])]),
];
