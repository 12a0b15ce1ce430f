//! What INFO, ROLE, metrics and the embedding API are told about the link.
//!
//! Owns the words. Never decides anything: the driver and the applier write, everybody reads a copy.

use std::net::SocketAddr;
use std::time::Duration;

use replication::{Count, ErrorCode, LinkError, LinkState, Position, ReplId};
use storage::{DbIndex, UnixMillis};

/// Where a master is: a host name or an address (IPv6 without brackets), and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MasterAddress {
    /// Resolved again at each try.
    pub host: String,
    /// TCP port
    pub port: u16,
}

impl std::fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Writable; nobody is followed.
    Master,
    /// Follows this master.
    Replica(MasterAddress),
}

/// Whether reads may be served, as every batch of a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// There is a whole data set, and the link to the master stands (or we are the master).
    Fresh,
    /// There is a whole data set, and no link: `replica-serve-stale-data no` answers MASTERDOWN.
    Stale,
    /// Nothing was ever loaded, no link: also stale, and empty.
    Empty,
    /// The first data set is being loaded, or the old one had to go for it: LOADING.
    Loading,
}

/// A full sync that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// Bytes the snapshot has, when the master said so (disk-based transfers).
    pub total: Option<u64>,
    /// Bytes of it received.
    pub received: u64,
    /// Bytes of it decoded and inserted.
    pub loaded: u64,
    /// Keys in the new data set so far.
    pub keys: u64,
    /// Since the master announced it.
    pub running: Duration,
}

/// What the spool holds, received and not yet applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes in its files.
    pub disk: u64,
    /// Reading from the master is paused because there is no room.
    pub full: bool,
    /// How many times that happened.
    pub full_count: u64,
}

/// The last failure of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFailure {
    /// What happened.
    pub error: LinkError,
    /// When.
    pub at: UnixMillis,
}

/// The connection to the master as one of the node's clients: what CLIENT LIST has to say of it. Counted is what came
/// since the last full sync, over several connections perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsClient {
    /// Which full sync that was: their number.
    pub(crate) sync: u64,
    pub(crate) socket: Socket,
    /// Since its last byte.
    pub(crate) idle: Duration,
    /// The database that the stream has selected.
    pub(crate) db: DbIndex,
    /// Bytes in memory that are not applied yet.
    pub(crate) waiting: u64,
    /// Bytes of the stream.
    pub(crate) input: u64,
    /// Bytes of our answers.
    pub(crate) output: u64,
    /// Reads that brought some of it.
    pub(crate) reads: u64,
    /// Requests that were passed, and how often some were, together.
    pub(crate) requests: u64,
    pub(crate) batches: u64,
    /// The last of them: the table's index and one; 0: none yet.
    pub(crate) command: u16,
}

/// What of the stream was applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streamed {
    /// Requests.
    pub(crate) requests: u64,
    /// By command, in the table's order.
    pub(crate) commands: Vec<Count>,
}

/// Where a connection begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    /// The master's side.
    pub(crate) peer: SocketAddr,
    /// Ours.
    pub(crate) local: SocketAddr,
    /// Its number.
    pub(crate) fd: i32,
}

/// How often things happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Connections that were tried.
    pub connects: u64,
    /// Those of them since the link stood last; while it stands, those that it took.
    pub connects_since_up: u64,
    /// For how long the link was down, since a master is followed.
    pub down_total: Duration,
    /// Bytes read from masters.
    pub input_bytes: u64,
    /// Bytes written to masters.
    pub output_bytes: u64,
    /// Full syncs begun.
    pub full_syncs: u64,
    /// Full syncs that ended with a new data set.
    pub full_syncs_done: u64,
    /// Keys that the last of them brought.
    pub loaded_keys: u64,
    /// For how long readers were held up, at most, when the last of them came in.
    pub swap_stopped: Duration,
    /// Streams taken up where they were left (`+CONTINUE`).
    pub partial_syncs: u64,
    /// Failures by code, only those that happened.
    pub failures: Vec<(ErrorCode, u64)>,
    /// Commands of the stream passed over by `--on-divergence ignore`, by name.
    pub ignored: Vec<(String, u64)>,
    /// Commands of the stream applied.
    pub applied_commands: u64,
    /// The same by name, only those that were.
    pub applied: Vec<(&'static str, u64)>,
    /// Full syncs forced by `--on-divergence`.
    pub divergence_resyncs: u64,
}

/// Everything about the link at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// Master, or replica of whom.
    pub role: Role,
    /// The link's state; [`LinkState::Stopped`] while a master.
    pub state: LinkState,
    /// Why the link ended last; gone once streaming.
    pub failure: Option<LinkFailure>,
    /// Where the data set stands. A node that never followed anyone has a replid of its own and offset 0.
    pub position: Position,
    /// The history before the present one and the offset up to which it is shared (`master_replid2`).
    pub previous: Option<(ReplId, u64)>,
    /// The offset received (the last byte in the spool); never below the applied one.
    pub received: u64,
    /// The full sync that is under way.
    pub sync: Option<SyncProgress>,
    /// Whether there is a whole data set.
    pub loaded: bool,
    /// Since the master's last byte, while connected.
    pub last_io: Option<Duration>,
    /// Since the stream is followed, while it is.
    pub up: Option<Duration>,
    /// Since the link went down, when it is.
    pub down: Option<Duration>,
    /// Age of the oldest byte that is received and not applied.
    pub lag: Option<Duration>,
    /// Received and not yet applied.
    pub spool: SpoolStatus,
    /// How often things happened.
    pub counts: LinkCounts,
}

impl LinkStatus {
    /// `master_link_status`: whether the stream is followed.
    pub fn is_up(&self) -> bool {
        self.state == LinkState::Streaming
    }
}
