//! A snapshot on its way to a data set: decoded as it arrives, put together beside the old one, swapped in whole.
//!
//! Owns the bytes that are no whole item yet, and the new data set until it takes the old one's place. A load that
//! is dropped leaves nothing behind. Never waits, never reads a file.

use commands::Dialect;
use commands::convert::{self, Rules, ValueBuilder};
use rdb::{Decoder, Flavour, Item, RdbError, Step, Str};
use storage::{DbIndex, Limits, Store, UnixMillis, Value};

use crate::error::{ErrorCode, LinkError};

/// How far a load has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the snapshot taken in.
    pub bytes: u64,
    /// Keys of the new data set.
    pub keys: u64,
}

/// What a snapshot said, beside its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The database that the stream after it begins in.
    pub db: DbIndex,
    /// What its writer is.
    pub dialect: Dialect,
    /// Keys in it.
    pub keys: u64,
}

/// See the module.
pub struct Load {
    store: Store,
    limits: Limits,
    decoder: Decoder,
    /// The front of an item that is not whole yet.
    carry: Vec<u8>,
    staged: Vec<Staged>,
    db: DbIndex,
    building: Option<(Vec<u8>, Option<UnixMillis>, ValueBuilder)>,
    flavour: Flavour,
    loaded: Loaded,
    bytes: u64,
    ended: bool,
}

struct Staged {
    db: DbIndex,
    key: Vec<u8>,
    deadline: Option<UnixMillis>,
    value: Value,
}

impl Load {
    /// Begins one; `_size` is the snapshot's length where it is known.
    ///
    /// # Errors
    /// When nothing can be loaded now.
    pub fn begin(store: &Store, _size: Option<u64>) -> Result<Self, LinkError> {
        let limits = store.writer().limits().clone();
        Ok(Load {
            store: store.clone(),
            limits,
            decoder: Decoder::new(),
            carry: Vec::new(),
            staged: Vec::new(),
            db: DbIndex(0),
            building: None,
            flavour: Flavour::Redis,
            loaded: Loaded { db: DbIndex(0), dialect: Dialect::NEWEST, keys: 0 },
            bytes: 0,
            ended: false,
        })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        Progress { bytes: self.bytes, keys: self.staged.len() as u64 }
    }

    /// Takes the next bytes of the snapshot.
    ///
    /// # Errors
    /// When they are wrong; the load is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let mut carry = std::mem::take(&mut self.carry);
        let joined: &[u8] = if carry.is_empty() {
            bytes
        } else {
            carry.extend_from_slice(bytes);
            &carry
        };
        let mut at = 0;
        let mut decoder = std::mem::take(&mut self.decoder);
        while !self.ended {
            match decoder.next(joined.get(at..).unwrap_or_default()).map_err(|error| link_error(&error))? {
                Step::Item { item, used } => {
                    self.take(&item)?;
                    at += used;
                }
                Step::More { .. } => break,
                Step::Done => self.ended = true,
            }
        }
        self.decoder = decoder;
        self.carry = joined.get(at..).unwrap_or_default().to_vec();
        Ok(())
    }

    fn take(&mut self, item: &Item<'_>) -> Result<(), LinkError> {
        let corrupt = |error: convert::ConvertError| LinkError::new(ErrorCode::CorruptRdb, error.to_string());
        let rules = Rules::new(&self.limits, self.flavour);
        if let Some((_, _, builder)) = &mut self.building
            && !matches!(item, Item::Close)
        {
            return builder.add(item, rules).map_err(corrupt);
        }
        match item {
            Item::Header { flavour, version } => {
                self.flavour = *flavour;
                self.loaded.dialect = dialect_of(*flavour, *version);
            }
            Item::Aux { name, value } => self.aux(*name, *value),
            Item::SelectDb(index) => {
                if *index >= self.store.databases() {
                    let text = format!(
                        "the snapshot has a database {index}, there are {} here",
                        self.store.databases()
                    );
                    return Err(LinkError::new(ErrorCode::CorruptRdb, text));
                }
                self.db = DbIndex(*index);
            }
            Item::Whole { key, value } => {
                if let Some(value) = convert::whole(*value, rules).map_err(corrupt)? {
                    self.stage(key.name.to_vec(), key.deadline.map(UnixMillis), value);
                }
            }
            Item::Open { key, run } => {
                let builder = ValueBuilder::open(*run, rules).map_err(corrupt)?;
                self.building = Some((key.name.to_vec(), key.deadline.map(UnixMillis), builder));
            }
            Item::Close => {
                if let Some((key, deadline, builder)) = self.building.take()
                    && let Some(value) = builder.finish(rules).map_err(corrupt)?
                {
                    self.stage(key, deadline, value);
                }
            }
            Item::End => self.ended = true,
            _ => {}
        }
        Ok(())
    }

    fn stage(&mut self, key: Vec<u8>, deadline: Option<UnixMillis>, value: Value) {
        self.staged.push(Staged { db: self.db, key, deadline, value });
    }

    fn aux(&mut self, name: Str<'_>, value: Str<'_>) {
        let (name, value) = (name.to_vec(), value.to_vec());
        let text = String::from_utf8_lossy(&value);
        match name.as_slice() {
            b"repl-stream-db" => {
                if let Ok(db) = text.parse() {
                    self.loaded.db = DbIndex(db);
                }
            }
            b"redis-ver" | b"valkey-ver" => {
                let mut parts = text.split('.').map_while(|part| part.parse::<u16>().ok());
                if let (Some(major), Some(minor)) = (parts.next(), parts.next()) {
                    self.loaded.dialect = match name.as_slice() {
                        b"valkey-ver" => Dialect::valkey(major, minor),
                        _ => Dialect::redis(major, minor),
                    };
                }
            }
            _ => {}
        }
    }

    /// The snapshot's bytes are all there: the new data set takes the place of the old one. `then` runs in the same
    /// hold of the token, the gate closed.
    ///
    /// # Errors
    /// When the snapshot has not ended, or goes on after its end. The old data set stays.
    pub fn finish(self, then: impl FnOnce(&Loaded)) -> Result<Loaded, LinkError> {
        if !self.ended {
            return Err(link_error(&self.decoder.truncated()));
        }
        let loaded = Loaded { keys: self.staged.len() as u64, ..self.loaded };
        let writer = self.store.applier();
        let _exclusive = writer.close_gate();
        writer.flush_all();
        for Staged { db, key, deadline, value } in self.staged {
            writer.db(db, UnixMillis::NOTHING_EXPIRED).edit(&key, |slot| {
                slot.put(value);
                slot.set_deadline(deadline);
            });
        }
        then(&loaded);
        Ok(loaded)
    }
}

/// Before writers said who they were, the version of the format tells it.
fn dialect_of(flavour: Flavour, version: u32) -> Dialect {
    match (flavour, version) {
        (Flavour::Valkey, _) => Dialect::valkey(9, 1),
        (Flavour::Redis, ..=6) => Dialect::redis(2, 8),
        (Flavour::Redis, _) => Dialect::redis(3, 2),
    }
}

fn link_error(error: &RdbError) -> LinkError {
    let code = match error {
        RdbError::UnknownVersion { .. } => ErrorCode::UnknownRdbVersion,
        RdbError::UnknownType { .. } | RdbError::RefusedType { .. } => ErrorCode::UnknownRdbType,
        RdbError::Truncated { .. } => ErrorCode::Truncated,
        RdbError::Checksum { .. } => ErrorCode::Checksum,
        _ => ErrorCode::CorruptRdb,
    };
    LinkError::new(code, error.to_string())
}
