//! SAVE and BGSAVE: the data set as an RDB file in `dir`.
//!
//! Owns the file, and what is told of the last one. The file gets its name when it is whole and on the disk; until then
//! the one before it stays. What it has is one moment of the data: SAVE's, and that of SHUTDOWN, because it keeps the
//! writer token until all is encoded; BGSAVE's because what is changed meanwhile is recorded before (see
//! [`storage::Snapshot`]), so that it needs the token for short steps alone. Saves when clients ask for it, and at the
//! save points.
//!
//! # What ends a save in the background
//! - A full resync that brings its data set in: it begins again with that, a few times. When the old data had to go
//!   before the new are whole there is nothing to save for now: it is given up, as in Redis, which is no failure.
//! - SHUTDOWN, the end of the program, and BGSAVE CANCEL, which is none either. SHUTDOWN SAVE begins one of its own.
//! - FLUSHALL does not, though in Redis it does: the file will be that of the moment when BGSAVE was asked for. What
//!   was flushed counts as changes since then, so that save points come to save what is there now.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use commands::convert::snapshot::{Facts, Recording, SnapshotError, Written};
use parking_lot::{Condvar, Mutex};
use storage::{DbIndex, Progress, SnapshotOver, UnixMillis, Writer};

use crate::node::Node;
use crate::upstream::Readable;
use crate::{clock, exclusive, memory};

/// What is told of saves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saves {
    /// When the last one was whole; at first, when the node began.
    pub(crate) last: UnixMillis,
    /// How many changes the store had seen when it began: see [`storage::Store::changes`].
    pub(crate) changes: u64,
    /// When one was begun last, apart from clients.
    pub(crate) tried: Option<Instant>,
    /// How many were begun, since the start or since that was forgotten.
    pub(crate) count: u64,
    /// How many failed one after the other, of those apart from clients.
    pub(crate) failures: u64,
    /// Since when one runs apart from clients.
    pub(crate) running_since: Option<Instant>,
    /// Whether that is to end.
    is_cancelled: bool,
    /// None begins any more.
    is_closed: bool,
    /// How far the present one is.
    pub(crate) now: Option<Written>,
    /// Whether the last that ran apart from clients did not fail.
    pub(crate) is_ok: bool,
    /// How long it took.
    pub(crate) took: Option<Duration>,
    /// How many bytes of it those had to encode who changed a key meanwhile.
    pub(crate) preserved_bytes: u64,
}

/// After one that failed so long is waited before the next is tried at a save point.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The longest that a step in the background holds the token, but for a value that takes longer alone.
const STEP_MAX: Duration = Duration::from_micros(500);

/// How many keys are encoded between two looks at the clock.
const KEYS_A_LOOK: u32 = 16;

/// How often a save begins again because a full resync has brought another data set.
const BEGINNINGS_MAX: u32 = 4;

/// See [`Saves`].
#[derive(Debug)]
pub(crate) struct SaveState {
    saves: Mutex<Saves>,
    /// One apart from clients is over.
    ended: Condvar,
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
            failures: 0,
            running_since: None,
            is_cancelled: false,
            is_closed: false,
            now: None,
            is_ok: true,
            took: None,
            preserved_bytes: 0,
        };
        SaveState { saves: Mutex::new(saves), ended: Condvar::new(), has_failed: AtomicBool::new(false) }
    }

    /// As it is now.
    pub(crate) fn get(&self) -> Saves {
        *self.saves.lock()
    }

    /// Counts anew: CONFIG RESETSTAT.
    pub(crate) fn reset_counts(&self) {
        let mut saves = self.saves.lock();
        (saves.count, saves.failures) = (0, 0);
    }

    /// Whether the last one that ran apart from clients failed.
    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    /// Ends the one that runs apart from clients, soon. Says whether one does.
    pub(crate) fn cancel(&self) -> bool {
        let mut saves = self.saves.lock();
        saves.is_cancelled = saves.running_since.is_some();
        saves.is_cancelled
    }

    /// The same, and returns when it is over. Not to be called with the token.
    pub(crate) fn end_running(&self) {
        let mut saves = self.saves.lock();
        while saves.running_since.is_some() {
            saves.is_cancelled = true;
            self.ended.wait(&mut saves);
        }
    }

    /// From now on none begins any more, and the one that runs ends soon.
    pub(crate) fn close(&self) {
        let mut saves = self.saves.lock();
        saves.is_closed = true;
        saves.is_cancelled = true;
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    /// It could not be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Another save runs.
    #[error("Background save already in progress")]
    Running,
    /// It was to end.
    #[error("the save was cancelled")]
    Cancelled,
    /// The old data had to go, and the new are not whole yet.
    #[error("the data set is being loaded")]
    Loading,
}

impl SaveError {
    /// Whether somebody ought to do something about it.
    fn is_failure(&self) -> bool {
        matches!(self, SaveError::Snapshot(_))
    }
}

impl From<std::io::Error> for SaveError {
    fn from(error: std::io::Error) -> Self {
        SaveError::Snapshot(error.into())
    }
}

/// Another save runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlreadyRunning;

/// Begins a save of this moment, which goes on apart from clients.
///
/// # Errors
/// [`AlreadyRunning`]
pub(crate) fn begin(node: &Arc<Node>, writer: &Writer<'_>) -> Result<(), AlreadyRunning> {
    let running = Running::new(node)?;
    let begun = Save::begin(node, writer);
    tokio::task::spawn_blocking(move || running.run(begun));
    Ok(())
}

/// The same of the moment when the token is had next: where this thread may not wait for it, or has it for something
/// that is to be over before.
///
/// # Errors
/// [`AlreadyRunning`]
pub(crate) fn begin_soon(node: &Arc<Node>) -> Result<(), AlreadyRunning> {
    let running = Running::new(node)?;
    tokio::task::spawn_blocking(move || {
        let begun = Save::begin(&running.node, &exclusive::hold(&running.node));
        running.run(begun);
    });
    Ok(())
}

/// One runs apart from clients. However it ends, a panic inside included, that is noted.
struct Running {
    node: Arc<Node>,
    since: Instant,
    outcome: Option<Result<Written, SaveError>>,
}

impl Running {
    fn new(node: &Arc<Node>) -> Result<Running, AlreadyRunning> {
        let since = clock::steady();
        let mut saves = node.saves.saves.lock();
        if saves.running_since.is_some() || saves.is_closed {
            return Err(AlreadyRunning);
        }
        saves.running_since = Some(since);
        saves.is_cancelled = false;
        saves.tried = Some(since);
        saves.count += 1;
        drop(saves);
        Ok(Running { node: Arc::clone(node), since, outcome: None })
    }

    /// Goes on to the end. The token is taken for each step.
    fn run(mut self, mut begun: Result<Save, SaveError>) {
        let mut beginnings = 1;
        let outcome = loop {
            let ended = begun.and_then(|save| save.finish(&self.node, None));
            let is_superseded =
                matches!(ended, Err(SaveError::Snapshot(SnapshotError::Over(SnapshotOver::Superseded))));
            if !is_superseded || beginnings == BEGINNINGS_MAX {
                break ended;
            }
            beginnings += 1;
            tracing::info!("a full sync has brought another data set: the save begins again with that");
            begun = Save::begin(&self.node, &exclusive::hold(&self.node));
        };
        told(&self.node, &outcome);
        self.outcome = Some(outcome);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let state = &self.node.saves;
        let is_ok = match &self.outcome {
            Some(Ok(_)) => Some(true),
            Some(Err(error)) if !error.is_failure() => None,
            Some(Err(_)) | None => Some(false),
        };
        let mut saves = state.saves.lock();
        saves.running_since = None;
        let written = saves.now.take();
        saves.preserved_bytes = written.map_or(0, |written| written.preserved_bytes);
        saves.took = Some(clock::steady().saturating_duration_since(self.since));
        if let Some(is_ok) = is_ok {
            saves.is_ok = is_ok;
            saves.failures = if is_ok { 0 } else { saves.failures + 1 };
            state.has_failed.store(!is_ok, Relaxed);
        }
        drop(saves);
        state.ended.notify_all();
    }
}

/// Saves, on a thread that may wait; the token is kept until all is encoded. What goes wrong is logged too.
///
/// # Errors
/// [`SaveError`]; then the file before it is as it was.
pub(crate) fn save(node: &Node, writer: &Writer<'_>) -> Result<Written, SaveError> {
    {
        let mut saves = node.saves.saves.lock();
        if saves.is_closed {
            return Err(SaveError::Cancelled);
        }
        if saves.running_since.is_some() {
            return Err(SaveError::Running);
        }
        saves.count += 1;
    }
    let saved = Save::begin(node, writer).and_then(|save| save.finish(node, Some(writer)));
    let mut saves = node.saves.saves.lock();
    saves.now = None;
    if saved.is_ok() && !std::mem::replace(&mut saves.is_ok, true) {
        node.saves.has_failed.store(false, Relaxed);
    }
    drop(saves);
    told(node, &saved);
    saved
}

/// What is saved before the end: when it `asked` for that or, where nothing was said, when save points are set. One
/// that runs apart from clients is ended. Afterwards clients' writes wait for the end, so that what they were told is
/// written is in the file.
///
/// # Errors
/// As [`save`]; then the node goes on.
pub(crate) fn save_before_end(node: &Node, asked: Option<bool>) -> Result<(), SaveError> {
    if !asked.unwrap_or_else(|| has_save_points(node) && has_data(node)) {
        return Ok(());
    }
    loop {
        node.saves.end_running();
        let writer = exclusive::hold(node);
        match save(node, &writer) {
            // One came between.
            Err(SaveError::Running) => {}
            Err(error) => return Err(error),
            Ok(_) => {
                // What is not in the file is not done: who would write waits, until the connection ends.
                node.pause.begin_last();
                return Ok(());
            }
        }
    }
}

fn has_save_points(node: &Node) -> bool {
    !node.settings.read().save.is_empty()
}

/// Whether there is something for a file: nothing, and half a data set, does not take the place of one that has some, for
/// what was there before is not loaded at the start, so that a node to which nobody has written has nothing. May wait for a
/// script.
fn has_data(node: &Node) -> bool {
    if matches!(node.upstream.readable(), Readable::Empty | Readable::Loading) {
        return false;
    }
    if node.store.changes() > 0 {
        return true;
    }
    let reader = node.store.reader();
    (0..node.databases).any(|index| !reader.db(DbIndex(index), UnixMillis::NOTHING_EXPIRED).is_empty())
}

/// Says that the first save will take the place of a file of before, which is not loaded here.
pub(crate) fn warn_of_file_before(node: &Node) {
    let path = path(node);
    if !node.settings.read().save.is_empty() && path.exists() {
        tracing::warn!(path = %path.display(), "this file is not loaded, and the first save takes its place");
    }
}

/// Says in the log how it ended.
fn told(node: &Node, saved: &Result<Written, SaveError>) {
    let path = path(node);
    match saved {
        Ok(written) => tracing::info!(
            path = %path.display(), keys = written.keys, bytes = written.bytes, version = written.target.version,
            preserved_bytes = written.preserved_bytes, "the data set is saved",
        ),
        Err(error) if error.is_failure() => {
            tracing::warn!(path = %path.display(), %error, "the data set could not be saved");
        }
        Err(error) => tracing::info!(path = %path.display(), %error, "the data set is not saved"),
    }
}

/// Where the file will be.
fn path(node: &Node) -> PathBuf {
    let config = node.settings.read();
    config.dir.join(&config.dbfilename)
}

/// A file that is being written.
struct Save {
    recording: Recording,
    file: Arc<File>,
    unfinished: Unfinished,
    path: PathBuf,
    /// How many changes there were before.
    changes: u64,
}

impl Save {
    /// Under the token, which keeps the unfinished file its own: nobody else begins one.
    fn begin(node: &Node, writer: &Writer<'_>) -> Result<Save, SaveError> {
        if node.upstream.readable() == Readable::Loading {
            return Err(SaveError::Loading);
        }
        let path = path(node);
        let version = node.settings.read().report_version.clone();
        let position = node.upstream.position();
        let replid = position.map(|position| position.replid.to_string());
        let facts = Facts {
            version: &version,
            now: clock::unix_millis(),
            used_memory: memory::look().used,
            position: position
                .zip(replid.as_deref())
                .map(|(position, replid)| (replid, position.offset, position.db)),
        };
        let unfinished = Unfinished::beside(&path);
        let file = Arc::new(File::create(&unfinished.0)?);
        let recording = Recording::begin(&node.store, writer, node.dialect(), &facts, Arc::clone(&file))?;
        node.saves.saves.lock().now = Some(recording.written());
        Ok(Save { recording, file, unfinished, path, changes: writer.changes() })
    }

    /// Goes on to the end: with the token that is held, or taking it for each step.
    fn finish(self, node: &Node, held: Option<&Writer<'_>>) -> Result<Written, SaveError> {
        loop {
            let progress = match held {
                Some(writer) => self.recording.step(writer, || false),
                None => self.recording.step(&exclusive::hold(node), is_late_at(STEP_MAX)),
            }?;
            self.recording.write_out()?;
            let mut saves = node.saves.saves.lock();
            saves.now = Some(self.recording.written());
            if saves.is_cancelled && held.is_none() {
                return Err(SaveError::Cancelled);
            }
            drop(saves);
            if progress == Progress::Whole {
                break;
            }
        }
        let Save { recording, file, unfinished, path, changes } = self;
        let written = recording.finish()?;
        file.sync_all()?;
        drop(file);
        fs::rename(&unfinished.0, &path)?;
        std::mem::forget(unfinished);
        if let Some(dir) = path.parent() {
            // The name too is to survive a loss of power.
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            File::open(dir)?.sync_all()?;
        }
        let mut saves = node.saves.saves.lock();
        saves.last = clock::unix_millis();
        saves.changes = changes;
        Ok(written)
    }
}

/// Whether the time is up that begins now.
fn is_late_at(after: Duration) -> impl FnMut() -> bool {
    let until = clock::steady() + after;
    let mut asked = 0;
    move || {
        asked += 1;
        asked % KEYS_A_LOOK == 0 && clock::steady() >= until
    }
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
    let may = saves.running_since.is_none() && node.upstream.readable() != Readable::Loading;
    if is_reached && may && (saves.is_ok || !is_soon()) {
        tracing::info!("a save point is reached");
        // Another may have begun meanwhile: then this one is not needed.
        let _begun = begin_soon(node);
    }
}

/// A file that goes unless it is finished.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(path: &Path) -> Self {
        Unfinished(path.with_file_name(format!("temp-{}.rdb", std::process::id())))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may not have been made.
        let _ = fs::remove_file(&self.0);
    }
}
