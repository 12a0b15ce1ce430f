//! A running replica.
//!
//! Owns the runtime that it lives on: whoever embeds it need have none, and may have one.

use std::io;
use std::time::Duration;

use server::config::{Config, LogLevel};
use server::upstream::{LinkStatus, Readable, SyncProgress, UpstreamHandle};
use server::{Ports, Server, Signals, clock};
use storage::Store;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::builder::{BuildError, Builder};

/// Between two looks at a sync that is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// A running replica; it ends when dropped.
#[derive(Debug)]
pub struct Replica {
    /// There until the end.
    parts: Option<Parts>,
    watcher: Watcher,
    store: Store,
    ports: Ports,
}

#[derive(Debug)]
struct Parts {
    server: Server,
    /// Where they were asked for at the start.
    signals: Option<Signals>,
    runtime: Runtime,
}

/// What a replica says of its sync.
pub type SyncStatus = LinkStatus;

/// A sync that was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("not in sync with the master after {waited:?}: {state}{}", reason(.status))]
pub struct NotSynced {
    /// How long it was waited for.
    pub waited: Duration,
    /// The state of the link.
    pub state: replication::LinkState,
    /// Everything about the link.
    pub status: Box<SyncStatus>,
}

fn reason(status: &SyncStatus) -> String {
    status.failure.as_ref().map(|failure| format!(", {}", failure.error)).unwrap_or_default()
}

/// Looks at a replica, from any thread.
#[derive(Clone, Debug)]
pub struct Watcher {
    upstream: UpstreamHandle,
    loglevel: watch::Receiver<LogLevel>,
}

impl Watcher {
    /// Everything about the link, now.
    pub fn status(&self) -> SyncStatus {
        self.upstream.status()
    }

    /// The full sync that is under way.
    pub fn sync(&self) -> Option<SyncProgress> {
        self.upstream.status().sync
    }

    /// How much is to be logged: as it was started with, or as CONFIG SET said since.
    pub fn loglevel(&self) -> LogLevel {
        *self.loglevel.borrow()
    }
}

impl Replica {
    /// Says what a replica is to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn start(config: Config, heeds_signals: bool) -> Result<Replica, BuildError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            // It accepts connections, scrapes and signals; who serves them has threads of its own.
            .worker_threads(1)
            .enable_all()
            .thread_name("nearside-main")
            .build()
            .map_err(BuildError::Runtime)?;
        let (server, signals) = apart(|| {
            runtime.block_on(async {
                // First: who finds the port open may ask for the end.
                let signals = heeds_signals.then(Signals::listen).transpose().map_err(BuildError::Signals)?;
                Ok::<_, BuildError>((Server::start(config).await?, signals))
            })
        })?;
        Ok(Replica {
            watcher: Watcher { upstream: server.upstream().clone(), loglevel: server.loglevel() },
            store: server.store().clone(),
            ports: server.ports(),
            parts: Some(Parts { server, signals, runtime }),
        })
    }

    /// Waits until the master's stream is followed and everything it had sent until then is applied (a node without
    /// a master is at once). Blocks the thread; in an async program call it where blocking is allowed.
    ///
    /// # Errors
    /// [`NotSynced`] when that has not come within `timeout`; the replica goes on trying.
    pub fn wait_for_sync(&self, timeout: Duration) -> Result<(), NotSynced> {
        let began = clock::steady();
        let mut target = None;
        loop {
            let status = self.watcher.status();
            let is_followed = status.is_up() || status.role == server::upstream::Role::Master;
            if is_followed && self.watcher.upstream.readable() == Readable::Fresh {
                let target = *target.get_or_insert(status.received);
                if status.position.offset >= target {
                    return Ok(());
                }
            }
            let waited = clock::steady().saturating_duration_since(began);
            if waited >= timeout {
                return Err(NotSynced { waited, state: status.state, status: Box::new(status) });
            }
            std::thread::sleep(LOOK.min(timeout - waited));
        }
    }

    /// Everything about the link to the master, now.
    pub fn sync_status(&self) -> SyncStatus {
        self.watcher.status()
    }

    /// Looks at the sync from other threads.
    pub fn watcher(&self) -> Watcher {
        self.watcher.clone()
    }

    /// The data set, to read from. (Only a node without a master may be written to.)
    ///
    /// A reader, and what it found, are for one look: copy what is needed and let them go. While a reader is held, what
    /// the master does to several keys at once and the swap that ends a full resync wait for it; what was found holds
    /// up the next write to its part of the table. All that comes after in the stream waits with them, and so does
    /// [`Replica::shutdown`].
    pub fn storage(&self) -> &Store {
        &self.store
    }

    /// The ports that are really listened on.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Runs until SIGTERM, SIGINT, or a client's SHUTDOWN, then ends it. Where save points are set the data set is saved
    /// first; a signal is passed over when that fails.
    ///
    /// # Errors
    /// When the process may not listen for signals; and when the master's stream can be applied no more because of a
    /// mistake of ours, so that who is served here is sent elsewhere, and whoever started the program starts it anew.
    pub fn run(mut self) -> io::Result<()> {
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        let signals = parts.signals.take();
        let ended = parts.runtime.block_on(until_the_end(&parts.server, signals));
        parts.end();
        ended
    }

    /// Ends it: no more clients, no more link. Returns when everything has ended.
    pub fn shutdown(mut self) {
        if let Some(parts) = self.parts.take() {
            parts.end();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.end();
        }
    }
}

async fn until_the_end(server: &Server, signals: Option<Signals>) -> io::Result<()> {
    let mut signals = signals.map_or_else(Signals::listen, Ok)?;
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            () = server.ended_by_client() => return Ok(()),
            () = server.upstream().broken() => {
                return Err(io::Error::other("the master's stream cannot be applied any more: see the log for why"));
            }
        };
        tracing::info!(signal, "asked to end");
        // What is saved first may have to wait, for a script that does not end: a client can do without (SHUTDOWN NOSAVE),
        // and who interrupts it twice, as at a real server.
        let may_end = tokio::select! {
            may_end = server.may_end() => may_end,
            () = server.ended_by_client() => return Ok(()),
            () = signals.insisted() => {
                return Err(io::Error::other("interrupted twice: the data set is not saved"));
            }
        };
        if may_end {
            tracing::info!(signal, "ending");
            return Ok(());
        }
        tracing::error!(
            signal,
            "the data set could not be saved, so the node goes on: SHUTDOWN NOSAVE ends it without"
        );
    }
}

impl Parts {
    fn end(self) {
        let Parts { server, runtime, .. } = self;
        apart(|| runtime.block_on(server.shutdown()));
        // A request on the blocking pool may still hold a thread; nobody waits for its answer.
        runtime.shutdown_background();
    }
}

/// Runs it on a thread of its own: the caller's may belong to another runtime, which forbids to block on ours.
fn apart<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
