//! Messages. They arrive in a master's stream too.

use crate::spec::{Command, Flags as F, Group, KeyFlags as K, KeySpec, Run, ServerCommand as S};

pub(super) const ROWS: &[Command] = &[
    Command::new("publish", 3, Group::Pubsub, "2.0.0", Run::Server(S::Publish)).flags(&[
        F::FAST,
        F::LOADING,
        F::PUBSUB,
        F::STALE,
    ]),
    Command::new("spublish", 3, Group::Pubsub, "7.0.0", Run::Server(S::Spublish))
        .flags(&[F::FAST, F::LOADING, F::PUBSUB, F::STALE])
        .keys(&[KeySpec::at(1, &[K::NOT_KEY])]),
];
