//! MULTI, EXEC and WATCH.

use crate::spec::{
    Begin, Categories as C, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run, ServerCommand as S,
};

pub(super) const ROWS: &[Command] = &[
    Command::new("multi", 1, Group::Transactions, "1.2.0", Run::Server(S::Multi))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::TRANSACTION]),
    Command::new("exec", 1, Group::Transactions, "1.2.0", Run::Server(S::Exec))
        .flags(&[F::LOADING, F::NOSCRIPT, F::SKIP_SLOWLOG, F::STALE])
        .categories(&[C::TRANSACTION]),
    Command::new("discard", 1, Group::Transactions, "2.0.0", Run::Server(S::Discard))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::TRANSACTION]),
    Command::new("watch", -2, Group::Transactions, "2.2.0", Run::Server(S::Watch))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::TRANSACTION])
        .keys(&[KeySpec::new(Begin::Index(1), Find::Range { last: -1, step: 1, limit: 0 }, &[K::RO])]),
    Command::new("unwatch", 1, Group::Transactions, "2.2.0", Run::Server(S::Unwatch))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::TRANSACTION]),
];
