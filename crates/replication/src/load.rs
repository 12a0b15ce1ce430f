//! A snapshot on its way to a data set: decoded as it arrives, built beside the old one, swapped in whole.
//!
//! What expired is kept, as a replica does: only the master deletes. An entry that is the same in the old data set
//! is taken over from there (see [`storage::Loading`]), and a load that is dropped leaves nothing behind.
//!
//! Owns the bytes that are no whole item yet, and the new data set until it takes the old one's place. Never reads a
//! file, never asks what time it is; waits only for the rests of the load before it, and for the gate at the end.

use std::collections::BTreeSet;

use commands::Dialect;
use commands::convert::{self, ConvertError, Rules, ValueBuilder};
use commands::function::parse_library;
use protocol::Quotes;
use rdb::{Decoder, Flavour, Item, Key, RdbError, Step, Str, Whole};
use storage::value::{Limits, Text};
use storage::{DbIndex, Functions, KeyMeta, LoadError, Loading, Store, UnixMillis, Usage};

use crate::error::{ErrorCode, LinkError};

/// A buffer above this is given back when it is not needed any more.
const HELD_KEPT_BYTES: usize = 1 << 20;

/// How far a load has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the snapshot taken in.
    pub bytes: u64,
    /// Keys of the new data set.
    pub keys: u64,
    /// Those of them that the old data set had just so.
    pub shared_keys: u64,
}

/// What a snapshot said, beside its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The database that the stream after it begins in.
    pub db: DbIndex,
    /// What its writer is.
    pub dialect: Dialect,
    /// Keys in it.
    pub keys: u64,
    /// Those of them that the old data set had just so.
    pub shared_keys: u64,
    /// The modules whose values or data stand in it.
    pub modules: BTreeSet<String>,
    /// Lua scripts that the stream may call by their digest (servers before 7.0).
    pub scripts: Vec<Vec<u8>>,
    /// Collections without an element, of which no key is made.
    pub empty_keys: u64,
}

/// See the module.
pub struct Load {
    store: Store,
    decoder: Decoder,
    /// The front of an item that is not whole yet.
    held: Vec<u8>,
    /// How much of it must be there before it is looked at again.
    wanted: usize,
    bytes: u64,
    ended: bool,
    building: Builder,
}

/// What items become.
struct Builder {
    loading: Loading,
    databases: u32,
    limits: Limits,
    flavour: Flavour,
    db: DbIndex,
    /// The key whose pieces come.
    open: Option<(Vec<u8>, KeyMeta, ValueBuilder)>,
    functions: Functions,
    loaded: Loaded,
}

impl Load {
    /// Begins one. Waits until the rests of the load before it are cleared up. From now on the old data set takes no
    /// write, until this is finished or dropped.
    ///
    /// # Errors
    /// When another load is under way.
    pub fn begin(store: &Store, _size: Option<u64>) -> Result<Self, LinkError> {
        let loading = store.begin_load().or_else(|_| {
            store.settle();
            store.begin_load()
        });
        let loading = loading.map_err(|busy| LinkError::new(ErrorCode::Internal, busy.to_string()))?;
        let limits = store.reader().limits().clone();
        Ok(Load {
            store: store.clone(),
            decoder: Decoder::new(),
            held: Vec::new(),
            wanted: 0,
            bytes: 0,
            ended: false,
            building: Builder {
                loading,
                databases: store.databases(),
                limits,
                flavour: Flavour::Redis,
                db: DbIndex(0),
                open: None,
                functions: Functions::default(),
                loaded: Loaded {
                    db: DbIndex(0),
                    dialect: Dialect::NEWEST,
                    keys: 0,
                    shared_keys: 0,
                    modules: BTreeSet::new(),
                    scripts: Vec::new(),
                    empty_keys: 0,
                },
            },
        })
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let loading = &self.building.loading;
        Progress { bytes: self.bytes, keys: loading.keys() as u64, shared_keys: loading.shared_keys() as u64 }
    }

    /// Bytes of the new data set's entries so far; see [`Loading::entry_bytes`].
    pub fn entry_bytes(&self) -> usize {
        self.building.loading.entry_bytes()
    }

    /// Drops the old data set now, to make room; what was taken over from it stays. `then` runs in the same hold of the
    /// token. There is no data set at all until this is finished, nor after it is dropped.
    pub fn drop_old(&mut self, then: impl FnOnce()) {
        let writer = self.store.applier();
        self.building.loading.discard_old(&writer);
        then();
        drop(writer);
        // So that the memory is back when it is measured next.
        self.store.settle();
    }

    /// Takes the next bytes of the snapshot.
    ///
    /// # Errors
    /// When they are wrong; the load is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        loop {
            if self.held.is_empty() {
                match self.take(rest)? {
                    Taken::Item(used) => rest = rest.get(used..).unwrap_or_default(),
                    Taken::TooShort(wanted) => {
                        self.held.extend_from_slice(rest);
                        self.wanted = wanted;
                        return Ok(());
                    }
                    Taken::Nothing if rest.is_empty() => return Ok(()),
                    Taken::Nothing => {
                        let text = format!("{} bytes follow the snapshot's end", rest.len());
                        return Err(LinkError::new(ErrorCode::CorruptRdb, text));
                    }
                }
            } else {
                // No more than is wanted: what lies behind it is read where it is.
                let missing = self.wanted.saturating_sub(self.held.len()).min(rest.len());
                let (front, behind) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
                self.held.extend_from_slice(front);
                rest = behind;
                if self.held.len() < self.wanted {
                    return Ok(());
                }
                let mut held = std::mem::take(&mut self.held);
                match self.take(&held)? {
                    Taken::Item(used) => {
                        held.drain(..used.min(held.len()));
                        if held.capacity() > HELD_KEPT_BYTES {
                            held.shrink_to(HELD_KEPT_BYTES);
                        }
                    }
                    Taken::TooShort(wanted) => self.wanted = wanted,
                    Taken::Nothing => {}
                }
                self.held = held;
            }
        }
    }

    /// Takes one item off the front of `input`.
    fn take(&mut self, input: &[u8]) -> Result<Taken, LinkError> {
        match self.decoder.next(input).map_err(|error| link_error(&error))? {
            Step::Item { item, used } => {
                self.building.add(item)?;
                Ok(Taken::Item(used))
            }
            Step::More { wanted } => Ok(Taken::TooShort(wanted)),
            Step::Done => {
                self.ended = true;
                Ok(Taken::Nothing)
            }
        }
    }

    /// The snapshot's bytes are all there: the new data set takes the place of the old one. `then` runs in the same
    /// hold of the token, the gate closed.
    ///
    /// # Errors
    /// When the snapshot has not ended, or a key came twice. The old data set stays.
    pub fn finish(self, then: impl FnOnce(&Loaded)) -> Result<Loaded, LinkError> {
        if !self.decoder.is_done() {
            return Err(link_error(&self.decoder.truncated(self.bytes)));
        }
        let Builder { mut loading, mut loaded, functions, .. } = self.building;
        let writer = self.store.applier();
        loading.complete(&writer).map_err(|error| load_error(&error))?;
        loaded.keys = loading.keys() as u64;
        loaded.shared_keys = loading.shared_keys() as u64;
        if writer.limits().zset_packed_minus_zero != loaded.dialect.keeps_packed_minus_zero() {
            let zset_packed_minus_zero = loaded.dialect.keeps_packed_minus_zero();
            writer.set_limits(Limits { zset_packed_minus_zero, ..writer.limits().clone() });
        }
        let _exclusive = writer.close_gate();
        loading.commit(&writer, Some(functions)).map_err(|error| load_error(&error))?;
        then(&loaded);
        Ok(loaded)
    }
}

/// What came of looking at the front of the input.
enum Taken {
    /// An item of so many bytes.
    Item(usize),
    /// So many bytes must be there first.
    TooShort(usize),
    /// The end was reached before.
    Nothing,
}

impl Builder {
    fn add(&mut self, item: Item<'_>) -> Result<(), LinkError> {
        self.limits.zset_packed_minus_zero = self.loaded.dialect.keeps_packed_minus_zero();
        let rules = Rules::new(&self.limits, self.flavour);
        match (item, &mut self.open) {
            (Item::Whole { key, value: Whole::Text(Str::Bytes(text)) }, _) => {
                self.loading
                    .insert_text(self.db, key.name, text, meta(&key))
                    .map_err(|error| load_error(&error))?;
            }
            (Item::Whole { key, value: Whole::Text(Str::Int(number)) }, _) => {
                let value = Text::Int(number).into();
                self.loading
                    .insert(self.db, key.name, value, meta(&key))
                    .map_err(|error| load_error(&error))?;
            }
            (Item::Whole { key, value }, _) => {
                if let Some(value) = convert::in_place(value, rules) {
                    return self
                        .loading
                        .insert_ref(self.db, key.name, value, meta(&key))
                        .map_err(|error| load_error(&error));
                }
                match convert::whole(value, rules).map_err(|e| corrupt(key.name, e))? {
                    Some(value) => self
                        .loading
                        .insert(self.db, key.name, value, meta(&key))
                        .map_err(|error| load_error(&error))?,
                    None => self.loaded.empty_keys += 1,
                }
            }
            (Item::Open { key, run }, open) => {
                if let rdb::Run::Module(module) = run {
                    self.loaded.modules.insert(module.name());
                }
                let builder = ValueBuilder::open(run, rules).map_err(|error| corrupt(key.name, error))?;
                *open = Some((key.name.to_vec(), meta(&key), builder));
            }
            (Item::Close, Some(_)) => {
                if let Some((name, meta, builder)) = self.open.take() {
                    match builder.finish(rules).map_err(|error| corrupt(&name, error))? {
                        Some(value) => self
                            .loading
                            .insert(self.db, &name, value, meta)
                            .map_err(|error| load_error(&error))?,
                        None => self.loaded.empty_keys += 1,
                    }
                }
            }
            (piece, Some((name, _, builder))) => {
                builder.add(&piece, rules).map_err(|error| corrupt(name, error))?;
            }
            (item, None) => self.note(item)?,
        }
        Ok(())
    }

    /// What stands between keys.
    #[cold]
    fn note(&mut self, item: Item<'_>) -> Result<(), LinkError> {
        match item {
            Item::Header { flavour, version } => {
                self.flavour = flavour;
                self.loaded.dialect = dialect_of(flavour, version);
            }
            Item::Aux { name, value } => self.aux(name, value)?,
            Item::SelectDb(index) => self.db = self.database(index)?,
            Item::ResizeDb { keys, .. } => {
                let keys = usize::try_from(keys).unwrap_or(usize::MAX);
                self.loading.expect(self.db, keys).map_err(|error| load_error(&error))?;
            }
            Item::Function(code) => {
                let (name, library) = parse_library(code, Quotes::JoinWords).map_err(|error| {
                    LinkError::new(ErrorCode::CorruptRdb, format!("a function library: {error}"))
                })?;
                if self.functions.insert(&name, library).is_some() {
                    let text = format!("the function library {} came twice", name.escape_ascii());
                    return Err(LinkError::new(ErrorCode::CorruptRdb, text));
                }
            }
            Item::ModuleAux { module, .. } => {
                self.loaded.modules.insert(module.name());
            }
            // The parts of a module's data, templates (the decoder keeps them), sizes of slots, the end.
            _ => {}
        }
        Ok(())
    }

    fn aux(&mut self, name: Str<'_>, value: Str<'_>) -> Result<(), LinkError> {
        let (name, value) = (name.to_vec(), value.to_vec());
        if name == b"lua" {
            self.loaded.scripts.push(value);
            return Ok(());
        }
        let text = String::from_utf8_lossy(&value);
        match name.as_slice() {
            b"repl-stream-db" => {
                // -1: none is selected yet.
                if let Ok(db) = text.parse() {
                    self.loaded.db = self.database(db)?;
                }
            }
            b"redis-ver" | b"valkey-ver" => {
                let mut parts = text.split('.').map_while(|part| part.parse::<u16>().ok());
                if let (Some(major), Some(minor)) = (parts.next(), parts.next()) {
                    let dialect = match name.as_slice() {
                        b"valkey-ver" => Dialect::valkey(major, minor),
                        _ => Dialect::redis(major, minor),
                    };
                    self.loaded.dialect = dialect.patched(parts.next().unwrap_or_default());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A database that is here too: one of the snapshot, or the one that the stream after it begins in (of a master
    /// that is a replica itself, which passes on what it is sent, perhaps with no SELECT for a long time).
    fn database(&self, index: u32) -> Result<DbIndex, LinkError> {
        if index < self.databases {
            return Ok(DbIndex(index));
        }
        let text = format!("the snapshot has a database {index}, there are {} here", self.databases);
        Err(LinkError::new(ErrorCode::TooFewDatabases, text))
    }
}

/// What came with a key.
fn meta(key: &Key<'_>) -> KeyMeta {
    KeyMeta {
        // -1 is none to a server that reads it, though none writes it.
        deadline: key.deadline.filter(|deadline| *deadline != -1).map(UnixMillis),
        usage: Usage { idle_seconds: key.idle, frequency: key.frequency },
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

fn load_error(error: &LoadError) -> LinkError {
    LinkError::new(ErrorCode::CorruptRdb, error.to_string())
}

/// The value of this key is not what its type wants.
fn corrupt(key: &[u8], error: ConvertError) -> LinkError {
    /// Enough to know which key it is.
    const SHOWN_BYTES: usize = 100;
    let shown = key.get(..SHOWN_BYTES).unwrap_or(key).escape_ascii();
    LinkError::new(ErrorCode::CorruptRdb, format!("the key \"{shown}\" is corrupt: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use storage::StoreConfig;

    use super::*;

    fn dumps() -> Vec<(String, Vec<u8>)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/dumps");
        let mut dumps: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "rdb"))
            .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
            .collect();
        dumps.sort();
        assert!(dumps.len() > 20);
        dumps
    }

    fn store() -> Store {
        Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() })
    }

    fn load(store: &Store, file: &[u8], piece: usize) -> Result<Loaded, LinkError> {
        let mut load = Load::begin(store, None)?;
        file.chunks(piece).try_for_each(|piece| load.feed(piece))?;
        load.finish(|_| ())
    }

    /// Of a master that follows another and passes on what that one sends: it names the database for who comes later.
    #[test]
    fn a_stream_that_begins_in_a_database_that_is_not_here_is_refused() {
        for (db, is_taken) in [("15", true), ("16", false), ("-1", true)] {
            let mut snapshot = b"REDIS0011\xfa\x0erepl-stream-db".to_vec();
            snapshot.push(u8::try_from(db.len()).expect("short"));
            snapshot.extend_from_slice(db.as_bytes());
            let mut load = Load::begin(&store(), None).expect("no other load");
            let fed = load.feed(&snapshot);
            assert_eq!(fed.is_ok(), is_taken, "{db}: {fed:?}");
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_data() {
        for (name, file) in dumps() {
            let store = store();
            let whole = load(&store, &file, usize::MAX).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!((whole.keys > 0 || name.ends_with("empty-database")) && whole.shared_keys == 0, "{name}");
            for piece in [1, 2, 3, 7, 64, 1000] {
                // Everything is equal to what is there already, or it would not be shared.
                let again = load(&store, &file, piece).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!((again.keys, again.shared_keys), (whole.keys, whole.keys), "{name}");
            }
        }
    }

    #[test]
    fn a_load_that_fails_changes_nothing() {
        let (store, dumps) = (store(), dumps());
        let (_, good) = dumps.iter().find(|(name, _)| name == "redis-7.0").unwrap();
        let keys = load(&store, good, usize::MAX).unwrap().keys;
        for (name, file) in &dumps {
            for end in (0..file.len()).step_by(file.len() / 20 + 1) {
                let error = load(&store, &file[..end], 100).unwrap_err();
                assert_eq!(error.code, ErrorCode::Truncated, "{name} cut at {end}: {error}");
            }
            let mut longer = file.clone();
            longer.push(0);
            assert_eq!(load(&store, &longer, 100).unwrap_err().code, ErrorCode::CorruptRdb, "{name}");
        }
        let again = load(&store, good, 100).unwrap();
        assert_eq!((again.keys, again.shared_keys), (keys, keys));
    }

    #[test]
    fn failures_have_their_code() {
        let store = store();
        let code = |file: &[u8]| load(&store, file, 5).unwrap_err().code;
        assert_eq!(code(b"REDIS0099"), ErrorCode::UnknownRdbVersion);
        assert_eq!(code(b"-ERR what"), ErrorCode::CorruptRdb);
        assert_eq!(code(b"REDIS0012\x16"), ErrorCode::UnknownRdbType);
        assert_eq!(code(b"REDIS0012\x63"), ErrorCode::UnknownRdbType);
        assert_eq!(code(b"REDIS0012\xff\x01\x02\x03\x04\x05\x06\x07\x08"), ErrorCode::Checksum);
        assert_eq!(code(b"REDIS0012\xfe\x10"), ErrorCode::TooFewDatabases);
        assert_eq!(code(b"REDIS0012\x00\x01k\x01v\x00\x01k\x01w\xff\0\0\0\0\0\0\0\0"), ErrorCode::CorruptRdb);
        assert_eq!(code(b"REDIS0012\x02\x01k\x02\x01v\x01v"), ErrorCode::CorruptRdb);
    }

    #[test]
    fn a_snapshot_tells_who_wrote_it_and_where_the_stream_goes_on() {
        let told = |name: &str| {
            let file = dumps().into_iter().find(|(found, _)| found == name).unwrap().1;
            load(&store(), &file, 1000).unwrap()
        };
        let loaded = told("redis-7.0-psync");
        assert_eq!((loaded.db, loaded.dialect), (DbIndex(5), Dialect::redis(7, 0).patched(15)));
        let loaded = told("valkey-9.1-psync");
        assert_eq!((loaded.db, loaded.dialect), (DbIndex(5), Dialect::valkey(9, 1).patched(2)));
        assert_eq!(told("redis-2.8").dialect, Dialect::redis(2, 8));
        let modules = told("redis-7.4-modules").modules;
        assert!(modules.contains("ReJSON-RL") && modules.contains("MBbloom--"), "{modules:?}");
    }

    #[test]
    fn functions_come_with_the_data() {
        let store = store();
        let dump = |name: &str| dumps().into_iter().find(|(found, _)| found == name).unwrap().1;
        load(&store, &dump("redis-7.2"), 1000).unwrap();
        let library = store.reader().functions().get(b"mylib").cloned().unwrap();
        assert_eq!(library.engine, "LUA");
        assert!(library.code.starts_with(b"#!lua name=mylib\n"));
        load(&store, &dump("redis-6.2"), 1000).unwrap();
        assert!(store.reader().functions().is_empty());
    }

    #[test]
    fn a_load_that_fails_after_the_old_data_went_leaves_nothing() {
        let store = store();
        let (_, old) = dumps().into_iter().find(|(name, _)| name == "redis-8.10").unwrap();
        let keys = load(&store, &old, 1000).unwrap().keys;
        let stats = || store.reader().stats(&store);
        for place in [0, 1000, old.len() / 2, old.len() - 1] {
            let mut half = Load::begin(&store, None).unwrap();
            half.feed(&old[..place]).unwrap();
            let mut told = false;
            half.drop_old(|| told = true);
            assert!(told && stats().is_empty(), "at byte {place}");
            drop(half);
            assert!(stats().is_empty(), "at byte {place}");
            load(&store, &old, 1000).unwrap();
            // What was taken over from the old data set before it went stays.
            let mut again = Load::begin(&store, None).unwrap();
            again.feed(&old[..place]).unwrap();
            again.drop_old(|| ());
            again.feed(&old[place..]).unwrap();
            assert_eq!(again.finish(|_| ()).unwrap().keys, keys, "at byte {place}");
            let whole = load(&store, &old, 1000).unwrap();
            assert_eq!((whole.keys, whole.shared_keys), (keys, keys), "at byte {place}");
        }
    }
}
