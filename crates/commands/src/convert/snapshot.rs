//! A whole data set as an RDB file: what SAVE and BGSAVE write.
//!
//! Owns the order of a file's parts and which version of the format the file has. Works under the writer token, so that
//! what it writes is one moment of the data; never opens a file, and never says when one is written.

use std::io;

use rdb::{Encoder, Flavour, Summed};
use storage::{DbIndex, UnixMillis, Writer};

use super::save::{self, Target, Unwritable};
use crate::Dialect;

/// What waits to be written, at most, unless one value is longer: the size of one write.
const CHUNK_BYTES: usize = 1 << 20;

/// Libraries of functions stand in files from this version on (Redis 7.0).
const FUNCTIONS_SINCE: u32 = 10;

/// What a file tells of its writer.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The version of the server that we say we are.
    pub version: &'a str,
    /// When it is written.
    pub now: UnixMillis,
    /// Bytes of memory in use.
    pub used_memory: u64,
    /// Replid, offset and selected database, where a stream can go on from.
    pub position: Option<(&'a str, u64, DbIndex)>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// For whom.
    pub target: Target,
    /// How many keys.
    pub keys: u64,
    /// How many bytes.
    pub bytes: u64,
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
}

/// The format that most servers read and that has a form for all that is there: see [`Target::of`] for one value.
/// (What has no form in any that servers like this one read is found out by [`write()`].)
pub fn target(writer: &Writer<'_>, dialect: Dialect) -> Target {
    let mut wanted = Target::shared(dialect);
    if !writer.functions().is_empty() {
        wanted.version = wanted.version.max(FUNCTIONS_SINCE);
    }
    for index in 0..writer.databases() {
        writer.db(DbIndex(index), UnixMillis::NOTHING_EXPIRED).for_each(|_, entry| {
            let one = Target::of(entry.value(), dialect);
            if one.version > wanted.version {
                wanted = one;
            }
        });
    }
    wanted
}

/// Writes the whole data set.
///
/// # Errors
/// [`SnapshotError`]; then what `out` got is no file.
pub fn write(
    writer: &Writer<'_>,
    target: Target,
    facts: &Facts<'_>,
    out: &mut impl io::Write,
) -> Result<Written, SnapshotError> {
    let mut chunk = Chunk { out, sum: Summed::new(), bytes: 0, pending: Vec::with_capacity(CHUNK_BYTES) };
    head(target, facts, &mut chunk.pending);
    if !writer.functions().is_empty() && target.version < FUNCTIONS_SINCE {
        return Err(Unwritable { what: "a library of functions" }.into());
    }
    for (_, library) in writer.functions().iter() {
        Encoder::new(&mut chunk.pending).function(&library.code);
        chunk.write_full()?;
    }
    let mut keys = 0;
    for index in 0..writer.databases() {
        let db = writer.db(DbIndex(index), UnixMillis::NOTHING_EXPIRED);
        if db.is_empty() {
            continue;
        }
        let mut encoder = Encoder::new(&mut chunk.pending);
        encoder.select_db(index);
        encoder.resize_db(db.len() as u64, db.deadlines() as u64);
        let mut failed = None;
        db.for_each(|key, entry| {
            if failed.is_some() {
                return;
            }
            let one = |out: &mut Vec<u8>| {
                let code = save::type_of(entry.value(), target)?;
                let mut encoder = Encoder::new(out);
                if let Some(UnixMillis(millis)) = entry.deadline() {
                    encoder.deadline(millis);
                }
                encoder.byte(code);
                encoder.text(key);
                save::write(entry.value(), target, out)
            };
            let written = one(&mut chunk.pending).map_err(SnapshotError::from);
            failed = written.and_then(|()| chunk.write_full()).err();
            keys += 1;
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Encoder::new(&mut chunk.pending).end();
    Ok(Written { target, keys, bytes: chunk.finish()? })
}

fn head(target: Target, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let mut encoder = Encoder::new(out);
    encoder.header(target.flavour, target.version);
    let of_vendor: &[u8] = match target.flavour {
        Flavour::Redis => b"redis-ver",
        Flavour::Valkey => b"valkey-ver",
    };
    encoder.aux(of_vendor, facts.version.as_bytes());
    encoder.aux(b"redis-bits", b"64");
    encoder.aux(b"ctime", (facts.now.0 / 1000).to_string().as_bytes());
    encoder.aux(b"used-mem", facts.used_memory.to_string().as_bytes());
    if let Some((replid, offset, db)) = facts.position {
        encoder.aux(b"repl-stream-db", db.0.to_string().as_bytes());
        encoder.aux(b"repl-id", replid.as_bytes());
        encoder.aux(b"repl-offset", offset.to_string().as_bytes());
    }
}

/// What goes out in pieces, and is summed on its way.
struct Chunk<'o, W> {
    out: &'o mut W,
    sum: Summed,
    bytes: u64,
    pending: Vec<u8>,
}

impl<W: io::Write> Chunk<'_, W> {
    /// Writes what waits, when it is a whole piece.
    fn write_full(&mut self) -> Result<(), SnapshotError> {
        if self.pending.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.write_all()
    }

    fn write_all(&mut self) -> Result<(), SnapshotError> {
        self.sum.update(&self.pending);
        self.out.write_all(&self.pending)?;
        self.bytes += self.pending.len() as u64;
        self.pending.clear();
        // One long value is no reason to keep its room.
        self.pending.shrink_to(2 * CHUNK_BYTES);
        Ok(())
    }

    /// Writes the rest and the sum; says how long the file is.
    fn finish(mut self) -> Result<u64, SnapshotError> {
        self.write_all()?;
        let sum = self.sum.finish().to_le_bytes();
        self.out.write_all(&sum)?;
        Ok(self.bytes + sum.len() as u64)
    }
}
