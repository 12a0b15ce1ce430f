//! A node from its start to its end.
//!
//! Owns the order of both: what must stand before clients are let in, and what must be over before the program is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use replication::Meter;
use storage::{Store, StoreConfig};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{Config, LogLevel};
use crate::cron;
use crate::eviction;
use crate::hot_keys::HotKeys;
use crate::listener::Door;
use crate::node::{self, Node, Ports};
use crate::scripts::{self, Scripts};
use crate::tls::{Sides, TlsError};
use crate::upstream::{LinkStatus, Upstream, UpstreamConfig, UpstreamHandle};
use crate::workers::Workers;
use crate::{clock, http, listener, open_files, save};

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that clients or HTTP were to be served on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// As it was given.
        address: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The directory for files.
    #[error("cannot use the directory {dir}: {error}")]
    Directory {
        /// As it was given.
        dir: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The file that was to get the ports.
    #[error("cannot write the ports to {path}: {error}")]
    PortsFile {
        /// As it was given.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A user, or the file of users.
    #[error("the access list: {0}")]
    Acl(String),
    /// A certificate, a key, or how they are used.
    #[error("TLS: {0}")]
    Tls(TlsError),
    /// A thread could not be had.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// A running node. Accepts connections on the tokio runtime that it was started on, and serves them on threads of its
/// own.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    tasks: JoinSet<()>,
    workers: Arc<Workers>,
}

impl Server {
    /// Starts a node: opens its sockets, begins to follow its master, and serves.
    ///
    /// # Errors
    /// [`StartError`]; then nothing runs.
    pub async fn start(mut config: Config) -> Result<Server, StartError> {
        check_directory(&config)?;
        if config.serves_clients() {
            let asked = config.maxclients;
            config.maxclients = open_files::make_room(asked);
            if config.maxclients < asked {
                tracing::warn!(
                    asked,
                    maxclients = config.maxclients,
                    "the system lets this process have too few files open: raise `ulimit -n`"
                );
            }
        }
        // Before the first port is open. Who may not listen for it does without.
        let hangups = signal(SignalKind::hangup()).ok();
        let addresses = config.bind_addresses();
        let open = async |port| {
            listener::open(&addresses, port)
                .await
                .map_err(|(address, error)| StartError::Listen { address, error })
        };
        let mut doors: Vec<Door> = Vec::new();
        let mut port = 0;
        if config.listen {
            let (listeners, found) = open(config.port).await?;
            doors.extend(listeners.into_iter().map(Door::Plain));
            port = found;
        }
        if config.tls_port > 0 {
            doors.extend(open(config.tls_port).await?.0.into_iter().map(Door::Tls));
        }
        if let Some(path) = &config.unixsocket {
            let failed = |error| StartError::Listen { address: path.display().to_string(), error };
            doors.push(listener::open_unix(path, config.unixsocketperm).map_err(failed)?);
        }
        let http = match &config.http {
            Some(address) => Some(http::open(address).await?),
            None => None,
        };
        let ports = Ports {
            resp: config.listen.then_some(port),
            tls: (config.tls_port > 0).then_some(config.tls_port),
            http: http.as_ref().map(|(_, port)| *port),
        };

        let mut hash_key = [0; 2];
        for half in &mut hash_key {
            *half = getrandom::u64().map_err(StartError::Random)?;
        }
        let store =
            Store::new(StoreConfig { databases: config.databases, hash_key, limits: config.limits.clone() });
        store.tick(clock::unix_millis());
        let engine = scripts::engine(&config.report_version);
        let hot_keys = Arc::new(HotKeys::default());
        let upstream = Upstream::start(
            upstream_config(&config, port)?,
            store.clone(),
            config.replicaof.clone(),
            scripts::of_stream(&engine),
            Arc::clone(&hot_keys) as Arc<dyn Meter>,
        )
        .map_err(StartError::Thread)?;
        let ports_file = config.ports_file.clone();
        let config = Config { port, ..config };
        let node = Arc::new(Node::new(config, store, upstream, Scripts::new(engine), hot_keys, ports)?);
        let mut tasks = JoinSet::new();
        let workers = Arc::new(Workers::start().map_err(StartError::Thread)?);
        // Nobody else has said so before.
        let _is_first = node.serving.set(workers.blocks());
        for door in doors {
            tasks.spawn(listener::accept(Arc::clone(&node), Arc::clone(&workers), door));
        }
        if let Some(hangups) = hangups {
            tasks.spawn(renew_tls_on_signal(Arc::clone(&node), hangups));
        }
        if let Some((listener, _)) = http {
            tasks.spawn(http::serve(Arc::clone(&node), listener));
        }
        tasks.spawn(cron::run(Arc::clone(&node)));
        tasks.spawn(eviction::keep_in_bounds(Arc::clone(&node)));
        tasks.spawn(Arc::clone(&workers).balance());
        if let Some(path) = ports_file {
            write_ports(&path, ports).map_err(|error| StartError::PortsFile { path, error })?;
        }
        save::warn_of_file_before(&node);
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            port = ports.resp.map_or_else(|| String::from("off"), |port| port.to_string()),
            tls = ports.tls.map_or_else(|| String::from("off"), |port| port.to_string()),
            http = ports.http.map_or_else(|| String::from("off"), |port| port.to_string()),
            master = node
                .settings
                .read()
                .replicaof
                .as_ref()
                .map_or_else(|| String::from("none"), ToString::to_string),
            "nearside serves"
        );
        Ok(Server { node, tasks, workers })
    }

    /// The ports that are really listened on.
    pub fn ports(&self) -> Ports {
        self.node.ports.get().copied().unwrap_or_default()
    }

    /// The data set.
    pub fn store(&self) -> &Store {
        &self.node.store
    }

    /// The link to the master.
    pub fn upstream(&self) -> &UpstreamHandle {
        &self.node.upstream
    }

    /// Everything about the link, now.
    pub fn status(&self) -> LinkStatus {
        self.node.upstream.status()
    }

    /// How much is to be logged, and when CONFIG SET changes it. Who owns the program's log obeys.
    pub fn loglevel(&self) -> watch::Receiver<LogLevel> {
        self.node.settings.loglevel()
    }

    /// Returns when a client has asked for the end (SHUTDOWN).
    pub async fn ended_by_client(&self) {
        self.node.shutdown.wait().await;
    }

    /// Saves what is to be saved before the end, where save points are set. False when that could not be done: then
    /// nothing has changed, and who asked for the end by a signal is to ask again, or a client by SHUTDOWN NOSAVE.
    pub async fn may_end(&self) -> bool {
        let node = Arc::clone(&self.node);
        let saving = tokio::task::spawn_blocking(move || save::save_before_end(&node, None).is_ok());
        saving.await.unwrap_or(false)
    }

    /// Ends the node: no more clients, no more link. Returns when everything has ended.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        // A file that is being written goes, and none is begun: what it would have of a script is half of that, for
        // nobody waits for the end of one that may have none.
        self.node.saves.close();
        self.node.scripts.pulse.end_all();
        let node = Arc::clone(&self.node);
        let _ = tokio::task::spawn_blocking(move || node.saves.end_running()).await;
        self.node.clients.end_all();
        // Nobody accepts any more, so this is the last who knows them.
        if let Some(workers) = Arc::into_inner(self.workers) {
            // It fails only when the runtime itself is ending.
            let _ = tokio::task::spawn_blocking(move || workers.end()).await;
        }
        self.node.upstream.shutdown().await;
    }
}

fn check_directory(config: &Config) -> Result<(), StartError> {
    let dir = &config.dir;
    let is_directory = std::fs::metadata(dir)
        .and_then(|found| if found.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
    is_directory.map_err(|error| StartError::Directory { dir: dir.clone(), error })
}

/// Reads the certificates and keys again at each SIGHUP, so that whoever renews them needs no password of ours. Where
/// there are none the signal is passed over, as by Redis: it ends nothing.
async fn renew_tls_on_signal(node: Arc<Node>, mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        let config = node.settings.read().clone();
        if config.tls_port == 0 && !config.tls.replication {
            tracing::debug!("SIGHUP: there is no TLS to read anew");
            continue;
        }
        match node.renew_tls(&config) {
            Ok(()) => tracing::info!("TLS: certificates and keys are read again"),
            Err(error) => tracing::error!(%error, "TLS: the old certificates and keys stay"),
        }
    }
}

/// How the link is made; `port` is where clients are served.
///
/// # Errors
/// [`StartError::Tls`]
pub(crate) fn upstream_config(config: &Config, port: u16) -> Result<UpstreamConfig, StartError> {
    let tls = Sides::read(&config.tls, false).map_err(StartError::Tls)?.for_master(&config.tls);
    Ok(UpstreamConfig {
        manners: node::manners(config, port),
        tls,
        dir: config.dir.clone(),
        spool_memory_max: config.spool_memory,
        spool_disk_max: config.spool_disk,
        on_divergence: config.on_divergence,
        load_rules: config.load_rules,
    })
}

/// Writes the ports so that whoever waits for the file never sees half of it.
fn write_ports(path: &std::path::Path, ports: Ports) -> io::Result<()> {
    let mut text = String::new();
    for (name, port) in [("port", ports.resp), ("tls", ports.tls), ("http", ports.http)] {
        let value = port.map_or_else(|| String::from("off"), |port| port.to_string());
        text.push_str(&format!("{name}={value}\n"));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}
