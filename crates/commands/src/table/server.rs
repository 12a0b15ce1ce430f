//! The node itself: INFO, CONFIG, COMMAND, roles, and its end.

use crate::spec::{Categories as C, Command, Flags as F, Group, Run, ServerCommand as S};

pub(super) const ROWS: &[Command] =
    &[
        Command::new("acl", -2, Group::Server, "6.0.0", Run::Container),
        Command::new("acl|cat", -2, Group::Server, "6.0.0", Run::Server(S::AclCat)).flags(&[
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|deluser", -3, Group::Server, "6.0.0", Run::Server(S::AclDeluser)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|dryrun", -4, Group::Server, "7.0.0", Run::Server(S::AclDryrun)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|genpass", -2, Group::Server, "6.0.0", Run::Server(S::AclGenpass)).flags(&[
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|getuser", 3, Group::Server, "6.0.0", Run::Server(S::AclGetuser)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|help", 2, Group::Server, "6.0.0", Run::Server(S::AclHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("acl|list", 2, Group::Server, "6.0.0", Run::Server(S::AclList)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|load", 2, Group::Server, "6.0.0", Run::Server(S::AclLoad)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|log", -2, Group::Server, "6.0.0", Run::Server(S::AclLog)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|save", 2, Group::Server, "6.0.0", Run::Server(S::AclSave)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|setuser", -3, Group::Server, "6.0.0", Run::Server(S::AclSetuser)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|users", 2, Group::Server, "6.0.0", Run::Server(S::AclUsers)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("acl|whoami", 2, Group::Server, "6.0.0", Run::Server(S::AclWhoami)).flags(&[
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("command", -1, Group::Server, "2.8.13", Run::Server(S::Command))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("command|count", 2, Group::Server, "2.8.13", Run::Server(S::CommandCount))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("command|info", -2, Group::Server, "2.8.13", Run::Server(S::CommandInfo))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("command|docs", -2, Group::Server, "7.0.0", Run::Server(S::CommandDocs))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("command|list", -2, Group::Server, "7.0.0", Run::Server(S::CommandList))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("command|getkeys", -3, Group::Server, "2.8.13", Run::Server(S::CommandGetkeys))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new(
            "command|getkeysandflags",
            -3,
            Group::Server,
            "7.0.0",
            Run::Server(S::CommandGetkeysandflags),
        )
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::CONNECTION]),
        Command::new("command|help", 2, Group::Server, "5.0.0", Run::Server(S::CommandHelp))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::CONNECTION]),
        Command::new("config", -2, Group::Server, "2.0.0", Run::Container),
        Command::new("config|get", -3, Group::Server, "2.0.0", Run::Server(S::ConfigGet)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("config|set", -4, Group::Server, "2.0.0", Run::Server(S::ConfigSet)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("config|resetstat", 2, Group::Server, "2.0.0", Run::Server(S::ConfigResetstat))
            .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE]),
        Command::new("config|rewrite", 2, Group::Server, "2.8.0", Run::Server(S::ConfigRewrite)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("config|help", 2, Group::Server, "5.0.0", Run::Server(S::ConfigHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("info", -1, Group::Server, "1.0.0", Run::Server(S::Info))
            .flags(&[F::LOADING, F::STALE])
            .categories(&[C::DANGEROUS]),
        Command::new("role", 1, Group::Server, "2.8.12", Run::Server(S::Role))
            .flags(&[F::FAST, F::LOADING, F::NOSCRIPT, F::STALE])
            .categories(&[C::ADMIN, C::DANGEROUS]),
        Command::new("time", 1, Group::Server, "2.6.0", Run::Server(S::Time)).flags(&[
            F::FAST,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("replicaof", 3, Group::Server, "5.0.0", Run::Server(S::Replicaof)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("slaveof", 3, Group::Server, "1.0.0", Run::Server(S::Replicaof)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("shutdown", -1, Group::Server, "1.0.0", Run::Server(S::Shutdown)).flags(&[
            F::ADMIN,
            F::ALLOW_BUSY,
            F::LOADING,
            F::NO_MULTI,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("debug", -2, Group::Server, "1.0.0", Run::Server(S::Debug)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("slowlog", -2, Group::Server, "2.2.12", Run::Container),
        Command::new("slowlog|get", -2, Group::Server, "2.2.12", Run::Server(S::SlowlogGet)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("slowlog|len", 2, Group::Server, "2.2.12", Run::Server(S::SlowlogLen)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("slowlog|reset", 2, Group::Server, "2.2.12", Run::Server(S::SlowlogReset)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("slowlog|help", 2, Group::Server, "6.2.0", Run::Server(S::SlowlogHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("commandlog", -2, Group::Server, "8.1.0", Run::Container),
        Command::new("commandlog|get", 4, Group::Server, "8.1.0", Run::Server(S::CommandlogGet)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("commandlog|len", 3, Group::Server, "8.1.0", Run::Server(S::CommandlogLen)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::STALE,
        ]),
        Command::new("commandlog|reset", 3, Group::Server, "8.1.0", Run::Server(S::CommandlogReset))
            .flags(&[F::ADMIN, F::LOADING, F::STALE]),
        Command::new("commandlog|help", 2, Group::Server, "8.1.0", Run::Server(S::CommandlogHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("latency", -2, Group::Server, "2.8.13", Run::Container),
        Command::new("latency|doctor", 2, Group::Server, "2.8.13", Run::Server(S::LatencyDoctor)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("latency|graph", 3, Group::Server, "2.8.13", Run::Server(S::LatencyGraph)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("latency|help", 2, Group::Server, "2.8.13", Run::Server(S::LatencyHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("latency|histogram", -2, Group::Server, "7.0.0", Run::Server(S::LatencyHistogram))
            .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE]),
        Command::new("latency|history", 3, Group::Server, "2.8.13", Run::Server(S::LatencyHistory)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("latency|latest", 2, Group::Server, "2.8.13", Run::Server(S::LatencyLatest)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("latency|reset", -2, Group::Server, "2.8.13", Run::Server(S::LatencyReset)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("memory|doctor", 2, Group::Server, "4.0.0", Run::Server(S::MemoryDoctor)),
        Command::new("memory|help", 2, Group::Server, "4.0.0", Run::Server(S::MemoryHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("memory|malloc-stats", 2, Group::Server, "4.0.0", Run::Server(S::MemoryMallocStats)),
        Command::new("memory|purge", 2, Group::Server, "4.0.0", Run::Server(S::MemoryPurge)),
        Command::new("memory|stats", 2, Group::Server, "4.0.0", Run::Server(S::MemoryStats)),
        Command::new("lolwut", -1, Group::Server, "5.0.0", Run::Server(S::Lolwut))
            .flags(&[F::FAST, F::READONLY]),
        Command::new("failover", -1, Group::Server, "6.2.0", Run::Server(S::Failover)).flags(&[
            F::ADMIN,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("monitor", 1, Group::Server, "1.0.0", Run::Server(S::Monitor)).flags(&[
            F::ADMIN,
            F::LOADING,
            F::NOSCRIPT,
            F::STALE,
        ]),
        Command::new("module", -2, Group::Server, "4.0.0", Run::Container),
        Command::new("module|list", 2, Group::Server, "4.0.0", Run::Server(S::ModuleList))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("module|load", -3, Group::Server, "4.0.0", Run::Server(S::ModulesDisabled)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
        ]),
        Command::new("module|loadex", -3, Group::Server, "7.0.0", Run::Server(S::ModulesDisabled)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
        ]),
        Command::new("module|unload", 3, Group::Server, "4.0.0", Run::Server(S::ModulesDisabled)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
        ]),
        Command::new("module|help", 2, Group::Server, "5.0.0", Run::Server(S::ModuleHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("save", 1, Group::Server, "1.0.0", Run::Server(S::Save)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NO_MULTI,
            F::NOSCRIPT,
        ]),
        Command::new("bgrewriteaof", 1, Group::Server, "1.0.0", Run::Server(S::Bgrewriteaof)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
        ]),
        Command::new("backup", 2, Group::Server, "8.10.0", Run::Container),
        Command::new("backup|abort", 2, Group::Server, "8.10.0", Run::Server(S::BackupAbort))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("backup|cleanup", 2, Group::Server, "8.10.0", Run::Server(S::BackupCleanup))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("backup|help", 2, Group::Server, "8.10.0", Run::Server(S::BackupHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("backup|list", 2, Group::Server, "8.10.0", Run::Server(S::BackupList))
            .flags(&[F::ADMIN, F::STALE]),
        Command::new("backup|seal", 2, Group::Server, "8.10.0", Run::Server(S::BackupSeal))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("backup|start", 2, Group::Server, "8.10.0", Run::Server(S::BackupStart))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("backup|status", 2, Group::Server, "8.10.0", Run::Server(S::BackupStatus))
            .flags(&[F::ADMIN, F::STALE]),
        Command::new("hotkeys", -2, Group::Server, "8.6.0", Run::Container),
        Command::new("hotkeys|get", 2, Group::Server, "8.6.0", Run::Server(S::HotkeysGet))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("hotkeys|help", 2, Group::Server, "8.6.1", Run::Server(S::HotkeysHelp))
            .flags(&[F::LOADING, F::STALE]),
        Command::new("hotkeys|reset", 2, Group::Server, "8.6.0", Run::Server(S::HotkeysReset))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("hotkeys|start", -2, Group::Server, "8.6.0", Run::Server(S::HotkeysStart))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        Command::new("hotkeys|stop", 2, Group::Server, "8.6.0", Run::Server(S::HotkeysStop))
            .flags(&[F::ADMIN, F::NOSCRIPT]),
        // A master of a cluster writes it: in its stream it is a command that nobody here can follow.
        Command::new("trimslots", -5, Group::Server, "8.4.0", Run::Server(S::ClusterDisabled))
            .flags(&[F::WRITE])
            .categories(&[C::DANGEROUS, C::KEYSPACE]),
        Command::new("bgsave", -1, Group::Server, "1.0.0", Run::Server(S::Bgsave)).flags(&[
            F::ADMIN,
            F::NO_ASYNC_LOADING,
            F::NOSCRIPT,
        ]),
        Command::new("lastsave", 1, Group::Server, "1.0.0", Run::Server(S::Lastsave))
            .flags(&[F::FAST, F::LOADING, F::STALE])
            .categories(&[C::ADMIN, C::DANGEROUS]),
    ];
