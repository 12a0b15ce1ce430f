//! Connections: who one is, what one speaks, and what the server knows of its clients.

use crate::spec::{Categories as C, Command, Flags as F, Group, Run, ServerCommand as S};

pub(super) const ROWS: &[Command] = &[
    Command::new("ping", -1, Group::Connection, "1.0.0", Run::Server(S::Ping))
        .flags(&[F::FAST])
        .categories(&[C::CONNECTION]),
    Command::new("hello", -1, Group::Connection, "6.0.0", Run::Server(S::Hello))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NO_AUTH, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client", -2, Group::Connection, "2.4.0", Run::Container),
    Command::new("client|info", 2, Group::Connection, "6.2.0", Run::Server(S::ClientInfo))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|list", -2, Group::Connection, "2.4.0", Run::Server(S::ClientList))
        .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|id", 2, Group::Connection, "5.0.0", Run::Server(S::ClientId))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|kill", -3, Group::Connection, "2.4.0", Run::Server(S::ClientKill))
        .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|setname", 3, Group::Connection, "2.6.9", Run::Server(S::ClientSetname))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|getname", 2, Group::Connection, "2.6.9", Run::Server(S::ClientGetname))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|setinfo", 4, Group::Connection, "7.2.0", Run::Server(S::ClientSetinfo))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|no-evict", 3, Group::Connection, "7.0.0", Run::Server(S::ClientNoEvict))
        .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|no-touch", 3, Group::Connection, "7.2.0", Run::Server(S::ClientNoTouch))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|tracking", -3, Group::Connection, "6.0.0", Run::Server(S::ClientTracking))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|caching", 3, Group::Connection, "6.0.0", Run::Server(S::ClientCaching))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|pause", -3, Group::Connection, "3.0.0", Run::Server(S::ClientPause))
        .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|unpause", 2, Group::Connection, "6.2.0", Run::Server(S::ClientUnpause))
        .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|reply", 3, Group::Connection, "3.2.0", Run::Server(S::ClientReply))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|getredir", 2, Group::Connection, "6.0.0", Run::Server(S::ClientGetredir))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|trackinginfo", 2, Group::Connection, "6.2.0", Run::Server(S::ClientTrackinginfo))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|unblock", -3, Group::Connection, "5.0.0", Run::Server(S::ClientUnblock))
        .flags(&[F::ADMIN, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|capa", -3, Group::Connection, "8.0.0", Run::Server(S::ClientCapa))
        .flags(&[F::ALLOW_BUSY, F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|import-source", 3, Group::Connection, "8.1.0", Run::Server(S::ClientImportSource))
        .flags(&[F::LOADING, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("client|help", 2, Group::Connection, "5.0.0", Run::Server(S::ClientHelp))
        .flags(&[F::LOADING, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("reset", 1, Group::Connection, "6.2.0", Run::Server(S::Reset))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NO_AUTH, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("auth", -2, Group::Connection, "1.0.0", Run::Server(S::Auth))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NO_AUTH, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("select", 2, Group::Connection, "1.0.0", Run::Server(S::Select))
        .flags(&[F::FAST, F::LOADING, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("echo", 2, Group::Connection, "1.0.0", Run::Server(S::Echo))
        .flags(&[F::FAST, F::LOADING, F::STALE])
        .categories(&[C::CONNECTION]),
    Command::new("wait", 3, Group::Generic, "3.0.0", Run::Server(S::Wait))
        .flags(&[F::BLOCKING])
        .categories(&[C::CONNECTION]),
    Command::new("waitaof", 4, Group::Generic, "7.2.0", Run::Server(S::Waitaof))
        .flags(&[F::BLOCKING])
        .categories(&[C::CONNECTION]),
    Command::new("quit", -1, Group::Connection, "1.0.0", Run::Server(S::Quit))
        .flags(&[F::ALLOW_BUSY, F::FAST, F::LOADING, F::NO_AUTH, F::NOSCRIPT, F::STALE])
        .categories(&[C::CONNECTION]),
];
