//! A whole data set as an RDB file of one moment: what SAVE and BGSAVE write.
//!
//! Owns the order of a file's parts, which version of the format the file has, and what is encoded and not written yet.
//! Never opens a file, never takes the token, and never says when one is written.
//!
//! Entries are encoded by [`storage::Snapshot`]'s walk, in steps under the token, and by those who change them before
//! the walk has come there; what is encoded is written without the token, except by a writer who finds that too much
//! waits. So the keys of a database do not stand together in the file, and each piece begins with its database's
//! number.
//!
//! The version is found out on the way: forms of older versions stand in files of newer ones too, so each value is
//! written in the form that most servers read, and the newest that was needed is put at the file's head when the rest
//! is written.

use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use rdb::{Encoder, Flavour, Summed};
use storage::{
    DbIndex, EntryView, Progress, Recorder, Snapshot, SnapshotBusy, SnapshotOver, Store, Taken, UnixMillis,
    Writer,
};

use super::save::{self, FUNCTIONS_SINCE, Target, Unwritable};
use crate::Dialect;

/// A step ends when so much is encoded (a value that is longer is encoded in one piece): the size of one write.
const STEP_BYTES: usize = 256 << 10;

/// How much may wait to be written. Beyond, those who change what is not recorded yet write it themselves: they are
/// faster than the disk.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// What a file tells of its writer.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The version of Redis that we say we are, where we do as one.
    pub version: &'a str,
    /// When it is written.
    pub now: UnixMillis,
    /// Bytes of memory in use.
    pub used_memory: u64,
    /// Replid, offset and selected database, where a stream can go on from.
    pub position: Option<(&'a str, u64, DbIndex)>,
}

/// What was written, or has been so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// For whom.
    pub target: Target,
    /// How many keys.
    pub keys: u64,
    /// How many there were when it began.
    pub keys_total: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many of them were encoded by those who changed a key meanwhile.
    pub preserved_bytes: u64,
}

/// There is no file.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Something has no form in any one version.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// The file takes no more.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another is being written.
    #[error(transparent)]
    Busy(#[from] SnapshotBusy),
    /// It cannot be gone on with.
    #[error(transparent)]
    Over(#[from] SnapshotOver),
}

/// Where a file goes: its head is written when the rest is.
trait Out: Write + Seek + Send {}

impl<W: Write + Seek + Send> Out for W {}

/// A file that is being written.
#[derive(Debug)]
pub struct Recording {
    snapshot: Snapshot,
    common: Arc<Common>,
}

/// What the walk and those who change keys have in common. Locked in this order.
struct Common {
    file: Mutex<File>,
    encoded: Mutex<Encoded>,
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common").finish_non_exhaustive()
    }
}

struct File {
    out: Box<dyn Out>,
    /// Of all but the head.
    sum: Summed,
    bytes: u64,
    /// What is being written; its room serves the next piece.
    piece: Vec<u8>,
}

/// What is encoded, and not written yet.
struct Encoded {
    dialect: Dialect,
    /// What the file needs so far.
    target: Target,
    waiting: Vec<u8>,
    /// Of which database the last key is that waits.
    db: Option<DbIndex>,
    keys: u64,
    keys_total: u64,
    preserved_bytes: u64,
    failed: Option<SnapshotError>,
}

/// What [`storage`] calls.
struct Hand(Arc<Common>);

impl Recorder for Hand {
    fn walked(&mut self, db: DbIndex, entry: &EntryView) -> Taken {
        let mut encoded = self.0.encoded.lock();
        if let Err(error) = encoded.add(db, entry) {
            return encoded.refuse(error);
        }
        if encoded.waiting.len() < STEP_BYTES { Taken::More } else { Taken::Enough }
    }

    fn preserved(&mut self, db: DbIndex, entry: &EntryView) -> Taken {
        let mut encoded = self.0.encoded.lock();
        let before = encoded.waiting.len();
        if let Err(error) = encoded.add(db, entry) {
            return encoded.refuse(error);
        }
        let bytes = encoded.waiting.len();
        encoded.preserved_bytes += (bytes - before) as u64;
        drop(encoded);
        if bytes > WAITING_BYTES_MAX
            && let Err(error) = self.0.write_out()
        {
            return self.0.encoded.lock().refuse(error.into());
        }
        Taken::More
    }
}

impl Encoded {
    fn add(&mut self, db: DbIndex, entry: &EntryView) -> Result<(), SnapshotError> {
        let target = Target::of(entry.value(), self.dialect);
        if target.version > self.target.version {
            self.target = target;
        }
        let code = save::type_of(entry.value(), target)?;
        let mut encoder = Encoder::new(&mut self.waiting);
        if self.db.replace(db) != Some(db) {
            encoder.select_db(db.0);
        }
        if let Some(UnixMillis(millis)) = entry.deadline() {
            encoder.deadline(millis);
        }
        encoder.byte(code);
        encoder.text(entry.key());
        save::write(entry.value(), target, &mut self.waiting)?;
        self.keys += 1;
        Ok(())
    }

    fn refuse(&mut self, error: SnapshotError) -> Taken {
        self.failed = Some(error);
        Taken::Refused
    }
}

impl Common {
    /// Writes what waits.
    fn write_out(&self) -> io::Result<()> {
        let file = &mut *self.file.lock();
        {
            let mut encoded = self.encoded.lock();
            mem::swap(&mut encoded.waiting, &mut file.piece);
            // The next piece stands for itself.
            encoded.db = None;
        }
        file.sum.update(&file.piece);
        file.out.write_all(&file.piece)?;
        file.bytes += file.piece.len() as u64;
        file.piece.clear();
        // One long value is no reason to keep its room.
        file.piece.shrink_to(2 * STEP_BYTES);
        Ok(())
    }
}

impl Recording {
    /// Begins a file of this moment, for servers like this one, or in the form that was chosen.
    ///
    /// # Errors
    /// [`SnapshotError`]; then what `out` got is no file.
    ///
    /// # Panics
    /// When the writer is another store's.
    pub fn begin(
        store: &Store,
        writer: &Writer<'_>,
        dialect: Dialect,
        facts: &Facts<'_>,
        mut out: impl Write + Seek + Send + 'static,
    ) -> Result<Recording, SnapshotError> {
        let chosen = dialect.chosen_form();
        let mut target = chosen.unwrap_or(Target::shared(dialect));
        if chosen.is_none() && !writer.functions().is_empty() {
            target.version = target.version.max(FUNCTIONS_SINCE);
        }
        target.may_hold(writer.functions())?;
        let mut waiting = Vec::with_capacity(2 * STEP_BYTES);
        let is_valkey = chosen.map_or(dialect.is_valkey(), |chosen| chosen.flavour == Flavour::Valkey);
        // A format that Valkey has had since 9.0, whoever we do as.
        let valkey =
            is_valkey.then(|| dialect.valkey_version().or(Dialect::valkey(9, 0).valkey_version())).flatten();
        tell(valkey.as_deref(), facts, &mut waiting);
        let mut encoder = Encoder::new(&mut waiting);
        for (_, library) in writer.functions().iter() {
            encoder.function(&library.code);
        }
        let mut keys_total = 0;
        for index in (0..writer.databases()).map(DbIndex) {
            let db = writer.db(index, UnixMillis::NOTHING_EXPIRED);
            if !db.is_empty() {
                encoder.select_db(index.0);
                encoder.resize_db(db.len() as u64, db.deadlines() as u64);
                keys_total += db.len() as u64;
            }
        }
        out.write_all(&head(target))?;
        let file = File { out: Box::new(out), sum: Summed::new(), bytes: 0, piece: Vec::new() };
        let encoded = Encoded {
            dialect,
            target,
            waiting,
            db: None,
            keys: 0,
            keys_total,
            preserved_bytes: 0,
            failed: None,
        };
        let common = Arc::new(Common { file: Mutex::new(file), encoded: Mutex::new(encoded) });
        let snapshot = store.begin_snapshot(writer, Box::new(Hand(Arc::clone(&common))))?;
        Ok(Recording { snapshot, common })
    }

    /// Encodes some more, until it is enough for one write or `is_enough`, which is asked before each key. To be
    /// written out (see [`Recording::write_out`]) before the next.
    ///
    /// # Errors
    /// [`SnapshotError`]; then there is nothing to go on with.
    ///
    /// # Panics
    /// When the writer is another store's.
    pub fn step(
        &self,
        writer: &Writer<'_>,
        is_enough: impl FnMut() -> bool,
    ) -> Result<Progress, SnapshotError> {
        self.snapshot.step(writer, is_enough).map_err(|over| match over {
            SnapshotOver::Refused => self.common.encoded.lock().failed.take().unwrap_or(over.into()),
            _ => over.into(),
        })
    }

    /// Writes what is encoded. Needs no token.
    ///
    /// # Errors
    /// As the file's.
    pub fn write_out(&self) -> Result<(), SnapshotError> {
        Ok(self.common.write_out()?)
    }

    /// What is written so far.
    pub fn written(&self) -> Written {
        let bytes = self.common.file.lock().bytes;
        let encoded = self.common.encoded.lock();
        Written {
            target: encoded.target,
            keys: encoded.keys,
            keys_total: encoded.keys_total,
            bytes,
            preserved_bytes: encoded.preserved_bytes,
        }
    }

    /// Writes the end, once the last step has said that everything is encoded. Needs no token.
    ///
    /// # Errors
    /// As the file's.
    pub fn finish(self) -> Result<Written, SnapshotError> {
        Encoder::new(&mut self.common.encoded.lock().waiting).end();
        self.common.write_out()?;
        let written = self.written();
        let head = head(written.target);
        let file = &mut *self.common.file.lock();
        file.out.seek(SeekFrom::Start(0))?;
        file.out.write_all(&head)?;
        file.out.seek(SeekFrom::End(0))?;
        let sum = file.sum.after(&head).to_le_bytes();
        file.out.write_all(&sum)?;
        file.out.flush()?;
        Ok(Written { bytes: (head.len() + sum.len()) as u64 + written.bytes, ..written })
    }
}

/// The first bytes: as many, whatever the version.
fn head(target: Target) -> Vec<u8> {
    let mut head = Vec::new();
    Encoder::new(&mut head).header(target.flavour, target.version);
    head
}

/// What a file tells of its writer.
fn tell(valkey: Option<&str>, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out);
    match valkey {
        Some(version) => encoder.aux(b"valkey-ver", version.as_bytes()),
        None => encoder.aux(b"redis-ver", facts.version.as_bytes()),
    }
    encoder.aux(b"redis-bits", b"64");
    encoder.aux(b"ctime", (facts.now.0 / 1000).to_string().as_bytes());
    encoder.aux(b"used-mem", facts.used_memory.to_string().as_bytes());
    if let Some((replid, offset, db)) = facts.position {
        encoder.aux(b"repl-stream-db", db.0.to_string().as_bytes());
        encoder.aux(b"repl-id", replid.as_bytes());
        encoder.aux(b"repl-offset", offset.to_string().as_bytes());
    }
}
