//! Cluster commands, of which a node without cluster mode knows only the refusal.

use crate::spec::{
    Categories as C, Command, Flags as F, Group, KeyFlags as K, KeySpec, Run, ServerCommand as S,
};

pub(super) const ROWS: &[Command] =
    &[
        Command::new("readonly", 1, Group::Cluster, "3.0.0", Run::Server(S::Readonly))
            .flags(&[F::FAST, F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("asking", 1, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::FAST])
            .categories(&[C::CONNECTION]),
        Command::new("cluster", -2, Group::Cluster, "3.0.0", Run::Container),
        Command::new("cluster|reset", -2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled)).flags(&[
            F::ADMIN,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("cluster|addslots", -3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|info", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|syncslots", -3, Group::Cluster, "8.4.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|failover", -2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|addslotsrange", -4, Group::Cluster, "7.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|forget", 3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::STALE,
        ]),
        Command::new("cluster|replicate", 3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|meet", -4, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::STALE,
        ]),
        Command::new("cluster|saveconfig", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|migration", -4, Group::Cluster, "8.4.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|countkeysinslot", 3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::STALE]),
        Command::new("cluster|links", 2, Group::Cluster, "7.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|myshardid", 2, Group::Cluster, "7.2.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|myid", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|delslotsrange", -4, Group::Cluster, "7.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new(
            "cluster|count-failure-reports",
            3,
            Group::Cluster,
            "3.0.0",
            Run::Server(S::ClusterDisabled),
        )
        .flags(&[F::ADMIN, F::LOADING, F::STALE]),
        Command::new("cluster|flushslots", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|slaves", 3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("cluster|getkeysinslot", 4, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::STALE]),
        Command::new("cluster|keyslot", 3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|slots", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|bumpepoch", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|help", 2, Group::Cluster, "5.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|setslot", -4, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|replicas", 3, Group::Cluster, "5.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::LOADING, F::STALE]),
        Command::new("cluster|delslots", -3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|shards", 2, Group::Cluster, "7.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|nodes", 2, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|slot-stats", -4, Group::Cluster, "8.2.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("cluster|set-config-epoch", 3, Group::Cluster, "3.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("readwrite", 1, Group::Cluster, "3.0.0", Run::Server(S::Readwrite))
            .flags(&[F::FAST, F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("clusterscan", -2, Group::Cluster, "9.1.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::READONLY])
            .categories(&[C::KEYSPACE])
            .keys(&[KeySpec::at(1, &[K::NOT_KEY])]),
        Command::new("cluster|migrateslots", -4, Group::Cluster, "9.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new(
            "cluster|cancelslotmigrations",
            2,
            Group::Cluster,
            "9.0.0",
            Run::Server(S::ClusterDisabled),
        )
        .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new(
            "cluster|getslotmigrations",
            2,
            Group::Cluster,
            "9.0.0",
            Run::Server(S::ClusterDisabled),
        )
        .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::STALE]),
        Command::new("cluster|flushslot", -3, Group::Cluster, "9.0.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::ADMIN, F::NO_ASYNC_LOADING, F::WRITE])
            .categories(&[C::KEYSPACE]),
    ];
