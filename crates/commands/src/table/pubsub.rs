//! Messages. They arrive in a master's stream too.

use crate::spec::{Begin, Command, Find, Flags as F, Group, KeyFlags as K, KeySpec, Run, ServerCommand as S};

/// What subscribes.
const HEARS: &[F] = &[F::DENYOOM, F::LOADING, F::NOSCRIPT, F::PUBSUB, F::STALE];
/// What ends that.
const ENDS: &[F] = &[F::LOADING, F::NOSCRIPT, F::PUBSUB, F::STALE];
/// What looks at it.
const LOOKS: &[F] = &[F::LOADING, F::PUBSUB, F::STALE];

const SHARD_CHANNELS: &[KeySpec] =
    &[KeySpec::new(Begin::Index(1), Find::Range { last: -1, step: 1, limit: 0 }, &[K::NOT_KEY])];

pub(super) const ROWS: &[Command] = &[
    Command::new("subscribe", -2, Group::Pubsub, "2.0.0", Run::Server(S::Subscribe)).flags(HEARS),
    Command::new("unsubscribe", -1, Group::Pubsub, "2.0.0", Run::Server(S::Unsubscribe)).flags(ENDS),
    Command::new("psubscribe", -2, Group::Pubsub, "2.0.0", Run::Server(S::Psubscribe)).flags(HEARS),
    Command::new("punsubscribe", -1, Group::Pubsub, "2.0.0", Run::Server(S::Punsubscribe)).flags(ENDS),
    Command::new("ssubscribe", -2, Group::Pubsub, "7.0.0", Run::Server(S::Ssubscribe))
        .flags(HEARS)
        .keys(SHARD_CHANNELS),
    Command::new("sunsubscribe", -1, Group::Pubsub, "7.0.0", Run::Server(S::Sunsubscribe))
        .flags(ENDS)
        .keys(SHARD_CHANNELS),
    Command::new("publish", 3, Group::Pubsub, "2.0.0", Run::Server(S::Publish)).flags(&[
        F::FAST,
        F::LOADING,
        F::MAY_REPLICATE,
        F::PUBSUB,
        F::STALE,
    ]),
    Command::new("spublish", 3, Group::Pubsub, "7.0.0", Run::Server(S::Spublish))
        .flags(&[F::FAST, F::LOADING, F::MAY_REPLICATE, F::PUBSUB, F::STALE])
        .keys(&[KeySpec::at(1, &[K::NOT_KEY])]),
    Command::new("pubsub", -2, Group::Pubsub, "2.8.0", Run::Container),
    Command::new("pubsub|channels", -2, Group::Pubsub, "2.8.0", Run::Server(S::PubsubChannels)).flags(LOOKS),
    Command::new("pubsub|numsub", -2, Group::Pubsub, "2.8.0", Run::Server(S::PubsubNumsub)).flags(LOOKS),
    Command::new("pubsub|numpat", 2, Group::Pubsub, "2.8.0", Run::Server(S::PubsubNumpat)).flags(LOOKS),
    Command::new("pubsub|shardchannels", -2, Group::Pubsub, "7.0.0", Run::Server(S::PubsubShardchannels))
        .flags(LOOKS),
    Command::new("pubsub|shardnumsub", -2, Group::Pubsub, "7.0.0", Run::Server(S::PubsubShardnumsub))
        .flags(LOOKS),
    Command::new("pubsub|help", 2, Group::Pubsub, "6.2.0", Run::Server(S::PubsubHelp))
        .flags(&[F::LOADING, F::STALE]),
];
