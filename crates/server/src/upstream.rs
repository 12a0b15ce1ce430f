//! The link to the master, running: its socket, its spool, its applier.
//!
//! ```text
//!   master ══► driver thread ──► spool ──► applier thread ──► store
//!                  ▲  link (a value)            │
//!                  └──── applied, loaded ◄──────┘
//! ```
//!
//! Two threads. The first runs the socket and the link on a small runtime of its own, so that writing the spool's
//! file never keeps a client waiting; the second takes from the spool, loads and applies.
//!
//! Owns IO and time for [`replication`]. Decides nothing: the link says what to do.

mod applier;
mod connect;
mod driver;
mod shared;
mod status;
mod stream;

pub(crate) use connect::connect;
pub use replication::{OnDivergence, Resync, Room};
pub(crate) use status::{AsClient, Streamed};
pub use status::{
    LinkCounts, LinkFailure, LinkStatus, MasterAddress, Readable, Role, SpoolStatus, SyncProgress,
};
pub(crate) use stream::Stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use commands::Dialect;
use replication::{Applier, Meter, Policy, Position, Scripts};
use storage::Store;
use tokio::sync::{mpsc, oneshot};

use crate::spool::{SpoolLimits, spool};
use applier::Applying;
use driver::{Control, Driver};
use shared::Shared;

/// How snapshots are loaded. Can change while running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadRules {
    /// `--resync` and `--memory-limit`
    pub room: Room,
    /// `--key-load-delay`: microseconds for each key; negative: one for so many keys. For tests of slow loads.
    pub key_delay: i32,
}

/// TLS towards the master.
#[derive(Clone, Debug)]
pub struct MasterTls {
    /// Our certificate, and whose we trust.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that the master's certificate must bear, where it is not the host's.
    pub server_name: Option<String>,
}

/// How we are to a master.
#[derive(Clone, Debug)]
pub struct Manners {
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
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            user: None,
            password: None,
            announce_port: 6380,
            announce_ip: None,
            timeout: Duration::from_secs(60),
        }
    }
}

/// How the link to the master is made.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// What can change while it stands.
    pub manners: Manners,
    /// How the link is secured; none: it is not.
    pub tls: Option<MasterTls>,
    /// Where the spool's file goes (`--dir`).
    pub dir: PathBuf,
    /// `--spool-memory`, bytes
    pub spool_memory_max: u64,
    /// `--spool-disk`, bytes
    pub spool_disk_max: u64,
    /// `--on-divergence`
    pub on_divergence: OnDivergence,
    /// How snapshots are loaded.
    pub load_rules: LoadRules,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        UpstreamConfig {
            manners: Manners::default(),
            tls: None,
            dir: PathBuf::from("."),
            spool_memory_max: 64 << 20,
            spool_disk_max: 16 << 30,
            on_divergence: OnDivergence::Careful,
            load_rules: LoadRules::default(),
        }
    }
}

/// The link to a master, running; clones are the same link.
#[derive(Clone, Debug)]
pub struct UpstreamHandle {
    shared: Arc<Shared>,
    controls: mpsc::UnboundedSender<Control>,
}

impl UpstreamHandle {
    /// Everything about the link, now. Copies names: for INFO and a scrape, not for each request.
    pub fn status(&self) -> LinkStatus {
        self.shared.status()
    }

    /// Bytes read from masters, and written to them.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        let count =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        (count(&self.shared.input_bytes), count(&self.shared.output_bytes))
    }

    /// The connection to the master as one of the node's clients; none while the stream is not followed.
    pub(crate) fn as_client(&self) -> Option<AsClient> {
        self.shared.as_client()
    }

    /// Ends that connection. It is none of the clients any more when this returns; soon another is.
    pub(crate) fn cut(&self) {
        self.shared.facts.lock().socket = None;
        self.tell(Control::Cut);
    }

    /// What of the stream was applied, since the traffic was counted from zero on.
    pub(crate) fn streamed(&self) -> Streamed {
        self.shared.streamed()
    }

    /// Requests of the stream since the start.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests()
    }

    /// Counts that traffic from zero on.
    pub(crate) fn reset_traffic(&self) {
        self.shared.forget_streamed();
        for counter in [&self.shared.input_bytes, &self.shared.output_bytes] {
            counter.store(0, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Master, or replica of whom.
    pub fn role(&self) -> Role {
        self.shared.facts.lock().role.clone()
    }

    /// Where a master can be asked to go on from, if anywhere: exactly that of the data for who holds the writer token.
    pub fn position(&self) -> Option<Position> {
        self.shared.position.resumable()
    }

    /// Whether clients' writes are taken. One load. Who holds the writer token may trust a yes until it lets go.
    pub fn is_writable(&self) -> bool {
        self.shared.writable.load(Ordering::Acquire)
    }

    /// Whether there is no data set that could be read ([`Readable::Loading`]). For who is inside the gate, or holds the
    /// writer token, it stays so if it is not.
    #[inline]
    pub(crate) fn is_loading(&self) -> bool {
        self.shared.is_loading()
    }

    /// Whether reads may be served. A few loads.
    pub fn readable(&self) -> Readable {
        self.shared.readable()
    }

    /// What we do as, where servers differ: as the master whose data set was loaded last.
    pub fn dialect(&self) -> Dialect {
        *self.shared.dialect.lock()
    }

    /// Follows this master from now on: REPLICAOF host port. Writes are refused at once. What is here stays readable,
    /// and the new master is asked to go on from our position before it sends everything. For the master that is
    /// followed already it only ends a wait: a link that stopped, or sleeps between two tries, connects now.
    pub fn replicaof(&self, master: MasterAddress) {
        self.shared.follow(master, |master, epoch| self.tell(Control::Follow { master, epoch }));
    }

    /// Follows nobody from now on: REPLICAOF NO ONE. Done when clients' writes are taken; what the old master had
    /// sent until now is applied first (for a second at most), a load that is not finished is dropped.
    pub async fn promote(&self) {
        let (done, promoted) = oneshot::channel();
        self.shared.leave(|epoch| self.tell(Control::Promote { epoch, done }));
        let _ended_meanwhile = promoted.await;
    }

    /// Other manners (CONFIG SET masterauth, repl-timeout and the like): the timeout from now on, the rest for the next
    /// connection.
    pub fn set_manners(&self, manners: Manners) {
        self.tell(Control::Manners(manners));
    }

    /// TLS, or none (CONFIG SET tls-replication and the like), for the next connection.
    pub fn set_tls(&self, tls: Option<MasterTls>) {
        self.tell(Control::Tls(tls));
    }

    /// Other rules for loading (CONFIG SET memory-limit, resync, key-load-delay), from now on.
    pub fn set_load_rules(&self, rules: LoadRules) {
        *self.shared.load_rules.lock() = rules;
    }

    /// Returns when the applier of the master's stream has failed inside: what it was at may be done by half, so that
    /// the data are no state of the master's any more. Who owns the node ends it.
    pub async fn broken(&self) {
        // The sender is in `shared`, so the channel stays open.
        let _ = self.shared.broken.subscribe().wait_for(|broken| *broken).await;
    }

    /// Ends the link and both threads; returns when they have ended. Data stay as they are.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        self.shared.leave(|_| self.tell(Control::Shutdown { done }));
        let _ended_already = ended.await;
    }

    fn tell(&self, control: Control) {
        // Nobody listens only after the end.
        let _ended = self.controls.send(control);
    }
}

/// Starts links.
#[derive(Debug)]
pub struct Upstream;

impl Upstream {
    /// Starts the two threads, and follows `master` if there is one; without one, clients may write. `scripts` run what
    /// old masters pass on; `meter` is told what the stream's requests cost.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be started.
    pub fn start(
        config: UpstreamConfig,
        store: Store,
        master: Option<MasterAddress>,
        scripts: Scripts,
        meter: Arc<dyn Meter>,
    ) -> std::io::Result<UpstreamHandle> {
        let (input, output, gauge) = spool(SpoolLimits {
            dir: config.dir.clone(),
            memory_max: config.spool_memory_max,
            disk_max: config.spool_disk_max,
        });
        let policy = Policy::new(config.on_divergence);
        let applier = Applier::new(store.clone(), policy.ignores()).with_scripts(scripts).with_meter(meter);
        let shared = Arc::new(Shared::new(gauge.clone(), applier.tally(), master.clone(), config.load_rules));
        let (controls, orders) = mpsc::unbounded_channel();
        let (events, reports) = mpsc::unbounded_channel();
        let applying = Applying::new(store, applier, policy, Arc::clone(&shared), events);
        let applier =
            thread::Builder::new().name("nearside-apply".into()).spawn(move || applying.run(output))?;
        let driver = Driver::new(config, Arc::clone(&shared), input, gauge, orders, reports);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        thread::Builder::new().name("nearside-link".into()).spawn(move || {
            let done = runtime.block_on(driver.run());
            if applier.join().is_err() {
                tracing::error!("the applier of the master's stream ended by a panic");
            }
            if let Some(done) = done {
                let _nobody_waits = done.send(());
            }
        })?;
        let handle = UpstreamHandle { shared, controls };
        if let Some(master) = master {
            handle.replicaof(master);
        }
        Ok(handle)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use commands::Command;
    use protocol::Request;
    use replication::{ErrorCode, LinkState};
    use storage::{Limits, StoreConfig};

    use super::*;
    use crate::config::Config;
    use crate::{scripts, server};

    /// What a mistake of ours looks like.
    #[derive(Debug)]
    struct Fails;

    impl Meter for Fails {
        fn is_on(&self) -> bool {
            true
        }

        fn ran(&self, _: &'static Command, _: Request<'_>, _: usize, _: Duration) {
            panic!("the applier fails here, on purpose");
        }
    }

    /// Answers whoever connects as a master with an empty data set does, and sends a write.
    fn master(listener: &TcpListener) {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let lines = BufReader::new(stream.try_clone().expect("the same socket")).lines();
        for line in lines.map_while(Result::ok) {
            let answer: &[u8] = match line.to_ascii_lowercase().as_str() {
                "ping" => b"+PONG\r\n",
                "replconf" => b"+OK\r\n",
                "psync" => {
                    b"+FULLRESYNC 0123456789012345678901234567890123456789 0\r\n$18\r\nREDIS0009\xff\0\0\0\0\0\0\0\0\
                      *3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
                }
                _ => continue,
            };
            stream.write_all(answer).expect("the replica reads");
        }
    }

    #[tokio::test]
    async fn a_failure_inside_the_applier_is_told_to_who_owns_the_node() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let answering = thread::spawn(move || master(&listener));
        let store = Store::new(StoreConfig { databases: 1, hash_key: [1, 2], limits: Limits::default() });
        let config = Config::default();
        let scripts = scripts::of_stream(&scripts::engine(&config.report_version));
        let config = server::upstream_config(&config, 0).expect("no TLS");
        let master = MasterAddress { host: "127.0.0.1".into(), port };
        let handle = Upstream::start(config, store, Some(master), scripts, Arc::new(Fails)).expect("threads");
        handle.broken().await;
        let status = handle.status();
        assert_eq!(status.state, LinkState::Stopped);
        assert_eq!(status.failure.expect("a reason").error.code, ErrorCode::Internal);
        // The link has ended; a promotion is not waited for.
        handle.promote().await;
        handle.shutdown().await;
        answering.join().expect("the master ended with the link");
    }
}
