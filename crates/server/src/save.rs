//! SAVE and BGSAVE: the data set as an RDB file in `dir`.
//!
//! Owns the file, and what is told of the last one. The file gets its name when it is whole and on the disk; until then
//! the one before it stays. Written under the writer token, so that it is one moment of the data: reads go on, writes
//! and the master's stream wait for as long as it takes. Saves when clients ask for it, and at the save points.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use commands::Dialect;
use commands::convert::save::Target;
use commands::convert::snapshot::{self, Facts, SnapshotError, Written};
use parking_lot::Mutex;
use storage::{UnixMillis, Writer};

use crate::config::RdbVersion;
use crate::node::Node;
use crate::{clock, exclusive, memory};

/// What is told of saves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saves {
    /// When the last one was whole; at first, when the node began.
    pub(crate) last: UnixMillis,
    /// How many changes the store had seen by then: see [`storage::Store::changes`].
    pub(crate) changes: u64,
    /// When one was begun last, apart from clients.
    pub(crate) tried: Option<Instant>,
    /// How many there were.
    pub(crate) count: u64,
    /// Since when one runs apart from clients.
    pub(crate) running_since: Option<Instant>,
    /// Whether the last of these did not fail.
    pub(crate) is_ok: bool,
    /// How long it took.
    pub(crate) took: Option<Duration>,
}

/// After one that failed so long is waited before the next is tried at a save point.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// See [`Saves`].
#[derive(Debug)]
pub(crate) struct SaveState {
    saves: Mutex<Saves>,
    /// Whether the last that ran apart from clients failed, for those who look with every write.
    has_failed: AtomicBool,
}

impl SaveState {
    pub(crate) fn new(now: UnixMillis) -> Self {
        let saves = Saves {
            last: now,
            changes: 0,
            tried: None,
            count: 0,
            running_since: None,
            is_ok: true,
            took: None,
        };
        SaveState { saves: Mutex::new(saves), has_failed: AtomicBool::new(false) }
    }

    /// As it is now.
    pub(crate) fn get(&self) -> Saves {
        *self.saves.lock()
    }

    /// Whether the last one that ran apart from clients failed.
    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }
}

/// Another save runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlreadyRunning;

/// Begins a save on a thread of its own.
///
/// # Errors
/// [`AlreadyRunning`]
pub(crate) fn begin(node: &Arc<Node>) -> Result<(), AlreadyRunning> {
    let since = clock::steady();
    {
        let mut saves = node.saves.saves.lock();
        if saves.running_since.is_some() {
            return Err(AlreadyRunning);
        }
        saves.running_since = Some(since);
        saves.tried = Some(since);
    }
    let own = Arc::clone(node);
    tokio::task::spawn_blocking(move || {
        // Told of however the save ends, a panic inside included.
        let mut ended = Ended { node: &own, since, is_ok: false };
        ended.is_ok = save(&own, &exclusive::hold(&own)).is_ok();
    });
    Ok(())
}

struct Ended<'n> {
    node: &'n Node,
    since: Instant,
    is_ok: bool,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.node.saves.has_failed.store(!self.is_ok, Relaxed);
        let mut saves = self.node.saves.saves.lock();
        saves.running_since = None;
        saves.is_ok = self.is_ok;
        saves.took = Some(clock::steady().saturating_duration_since(self.since));
    }
}

/// Saves, on a thread that may wait. What goes wrong is logged too.
///
/// # Errors
/// [`SnapshotError`]; then the file before it is as it was.
pub(crate) fn save(node: &Node, writer: &Writer<'_>) -> Result<Written, SnapshotError> {
    let (path, version, wanted) = {
        let config = node.settings.read();
        (config.dir.join(&config.dbfilename), config.report_version.clone(), config.rdb_version)
    };
    let since = clock::steady();
    let written = write(node, writer, &path, &version, wanted);
    match &written {
        Ok(written) => {
            let mut saves = node.saves.saves.lock();
            saves.last = clock::unix_millis();
            // Nobody changes anything meanwhile.
            saves.changes = node.store.changes();
            if !std::mem::replace(&mut saves.is_ok, true) {
                node.saves.has_failed.store(false, Relaxed);
            }
            saves.count += 1;
            drop(saves);
            let took = clock::steady().saturating_duration_since(since);
            tracing::info!(
                path = %path.display(), keys = written.keys, bytes = written.bytes,
                version = written.target.version, ?took, "the data set is saved",
            );
        }
        Err(error) => tracing::warn!(path = %path.display(), %error, "the data set could not be saved"),
    }
    written
}

/// Begins a save when a save point is reached. To be asked now and then.
pub(crate) fn look(node: &Arc<Node>, now: Instant) {
    let saves = node.saves.get();
    let is_reached = {
        let points = &node.settings.read().save;
        let since = clock::unix_millis().0.saturating_sub(saves.last.0);
        let since = Duration::from_millis(u64::try_from(since).unwrap_or_default());
        points.is_reached(since, node.store.changes().saturating_sub(saves.changes))
    };
    let is_soon = || saves.tried.is_some_and(|tried| now.saturating_duration_since(tried) <= RETRY_AFTER);
    if is_reached && (saves.is_ok || !is_soon()) {
        tracing::info!("a save point is reached");
        // Another may have begun meanwhile: then this one is not needed.
        let _begun = begin(node);
    }
}

/// For whom the file is written.
fn target(wanted: RdbVersion, writer: &Writer<'_>, dialect: Dialect) -> Target {
    match wanted {
        RdbVersion::Auto => snapshot::target(writer, dialect),
        RdbVersion::Redis(version) => Target::redis(version),
        RdbVersion::Valkey => Target::VALKEY,
    }
}

fn write(
    node: &Node,
    writer: &Writer<'_>,
    path: &PathBuf,
    version: &str,
    wanted: RdbVersion,
) -> Result<Written, SnapshotError> {
    let position = node.upstream.position();
    let replid = position.map(|position| position.replid.to_string());
    let facts = Facts {
        version,
        now: clock::unix_millis(),
        used_memory: memory::look().used,
        position: position
            .zip(replid.as_deref())
            .map(|(position, replid)| (replid, position.offset, position.db)),
    };
    let target = target(wanted, writer, node.dialect());
    let unfinished = Unfinished::beside(path);
    let mut file = File::create(&unfinished.0)?;
    let written = snapshot::write(writer, target, &facts, &mut file)?;
    file.flush()?;
    file.sync_all()?;
    drop(file);
    fs::rename(&unfinished.0, path)?;
    std::mem::forget(unfinished);
    if let Some(dir) = path.parent() {
        // The name too is to survive a loss of power.
        let dir = if dir.as_os_str().is_empty() { std::path::Path::new(".") } else { dir };
        File::open(dir)?.sync_all()?;
    }
    Ok(written)
}

/// A file that goes unless it is finished.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(path: &std::path::Path) -> Self {
        Unfinished(path.with_file_name(format!("temp-{}.rdb", std::process::id())))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may not have been made.
        let _ = fs::remove_file(&self.0);
    }
}
