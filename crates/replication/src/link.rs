//! The link to the master, as a value.

use std::fmt;

/// Where a link stands, in the words of INFO's `nearside_link_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// The host name is being resolved, the connection made.
    Connecting,
    /// Introducing ourselves.
    Handshake,
    /// The master will send a snapshot and is making it.
    WaitingRdb,
    /// The snapshot arrives.
    Receiving,
    /// The snapshot is here whole; the new data set is being built from it.
    Loading,
    /// Following the stream.
    Streaming,
    /// No connection; a new one is tried in a moment.
    WaitingRetry,
    /// No connection, and none is tried: a master ourselves, or held by `--on-divergence`.
    Stopped,
}

impl LinkState {
    /// All of them.
    pub const ALL: &'static [LinkState] = &[
        LinkState::Connecting,
        LinkState::Handshake,
        LinkState::WaitingRdb,
        LinkState::Receiving,
        LinkState::Loading,
        LinkState::Streaming,
        LinkState::WaitingRetry,
        LinkState::Stopped,
    ];

    /// Its name in INFO.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::WaitingRdb => "waiting_rdb",
            LinkState::Receiving => "receiving",
            LinkState::Loading => "loading",
            LinkState::Streaming => "streaming",
            LinkState::WaitingRetry => "waiting_retry",
            LinkState::Stopped => "stopped",
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
