//! A load: a second data set, built beside the one that is read, and swapped in at once.
//!
//! An incoming key that is the same as the old one takes over the old entry, so that unchanged data costs a slot.
//! From the beginning to the end of a load the old data takes no write. A load that is dropped leaves everything as
//! it was.
//!
//! Owns the new databases until they are swapped in. Never decodes anything, never decides when to give up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::caution::Reason;
use crate::entry::{Content, Entry};
use crate::functions::Functions;
use crate::gate::Access;
use crate::keyspace::{KeyHash, Keyspace};
use crate::store::{Inner, Store};
use crate::time::{DbIndex, UnixMillis};
use crate::usage::Usage;
use crate::value::{Value, ValueRef};
use crate::writer::Writer;

/// How many keys are looked up together: their memory is asked for at once.
const BATCH_KEYS: usize = 64;

/// A hint of nonsense must not take memory: this many keys are planned for at most; more find their place too.
const EXPECTED_KEYS_MAX: usize = 1 << 28;

/// Why a load does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another load is under way, or what it left is still being cleared up")]
pub struct LoadBusy;

/// What a snapshot must not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A key came twice.
    #[error("the key {:?} came twice in database {}", String::from_utf8_lossy(key), index.0)]
    DuplicateKey {
        /// In which database.
        index: DbIndex,
        /// The key.
        key: Vec<u8>,
    },
    /// The load goes on after one of the other errors.
    #[error("the load has failed before")]
    Failed,
    /// A key for a database that the store does not have.
    #[error("there is no database {}", index.0)]
    NoSuchDatabase {
        /// Which.
        index: DbIndex,
    },
}

/// What came with a key beside its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyMeta {
    /// When the key expires.
    pub deadline: Option<UnixMillis>,
    /// How it was used at its master.
    pub usage: Usage,
}

/// A data set on its way in; see the module. Dropping it gives the load up.
#[derive(Debug)]
pub struct Loading {
    databases: Vec<Option<Keyspace>>,
    /// Read, but not yet looked up; all of one database.
    batch: Vec<(KeyHash, Entry)>,
    batch_index: DbIndex,
    keys: usize,
    shared: usize,
    failed: bool,
    over: Arc<LoadOver>,
}

/// When the last of these is dropped another load may begin.
#[derive(Debug)]
pub(crate) struct LoadOver {
    store: Arc<Inner>,
}

impl Drop for LoadOver {
    fn drop(&mut self) {
        self.store.loading.store(false, Ordering::Release);
    }
}

impl Store {
    /// Begins a load. Waits for the token, so that no unit is in the middle; from then on nothing may be written
    /// until the load is committed or dropped.
    ///
    /// # Errors
    /// [`LoadBusy`] while another load is under way, or its rests are being cleared up: try again later.
    ///
    /// # Panics
    /// As [`Store::writer`].
    pub fn begin_load(&self) -> Result<Loading, LoadBusy> {
        let store = &self.inner;
        if store.loading.swap(true, Ordering::AcqRel) {
            return Err(LoadBusy);
        }
        let over = Arc::new(LoadOver { store: Arc::clone(store) });
        let writer = self.applier();
        store.caution.raise(Reason::Frozen);
        for index in 0..self.databases() {
            if let Some(keyspace) = writer.all(DbIndex(index)).keyspace() {
                // Mostly there is nothing to do. But a data set that was aside while marks were cleared has its own.
                while keyspace.clear_marks() {}
                keyspace.expect_marks();
            }
        }
        drop(writer);
        Ok(Loading {
            databases: (0..self.databases()).map(|_| None).collect(),
            batch: Vec::with_capacity(BATCH_KEYS),
            batch_index: DbIndex(0),
            keys: 0,
            shared: 0,
            failed: false,
            over,
        })
    }

    /// Whether a load is under way, or its rests are being cleared up.
    pub fn is_loading(&self) -> bool {
        self.inner.loading.load(Ordering::Acquire)
    }
}

impl Loading {
    /// Tells how many keys a database will have, before the first of them comes (RESIZEDB).
    ///
    /// # Errors
    /// [`LoadError::NoSuchDatabase`].
    pub fn expect(&mut self, index: DbIndex, keys: usize) -> Result<(), LoadError> {
        let store = Arc::clone(&self.over.store);
        let place = self.place(index)?;
        if place.is_none() && keys > 0 {
            let keys = keys.min(EXPECTED_KEYS_MAX);
            *place = Some(Keyspace::for_load(store.hasher, keys, store.keys_per_shard));
        }
        Ok(())
    }

    fn place(&mut self, index: DbIndex) -> Result<&mut Option<Keyspace>, LoadError> {
        let place = usize::try_from(index.0).ok().and_then(|index| self.databases.get_mut(index));
        place.ok_or(LoadError::NoSuchDatabase { index })
    }

    /// Adds a key.
    ///
    /// Keys are looked up in batches: an error may be about one that was added before.
    ///
    /// # Errors
    /// [`LoadError`]; the load cannot be committed then.
    pub fn insert(
        &mut self,
        index: DbIndex,
        key: &[u8],
        value: Value,
        meta: KeyMeta,
    ) -> Result<(), LoadError> {
        let store = &self.over.store;
        let hash = store.hasher.hash(key);
        let entry = Entry::from_value(key, value, meta.deadline, meta.usage, store.clock());
        self.add(index, hash, entry)
    }

    /// The same for a value that is looked at where it was read: the bytes of a packed one go straight into the entry.
    ///
    /// # Errors
    /// As [`Loading::insert`].
    pub fn insert_ref(
        &mut self,
        index: DbIndex,
        key: &[u8],
        value: ValueRef<'_>,
        meta: KeyMeta,
    ) -> Result<(), LoadError> {
        let Some((form, head, bytes)) = value.packed() else {
            return self.insert(index, key, value.to_value(), meta);
        };
        let store = &self.over.store;
        let hash = store.hasher.hash(key);
        let content = head.map_or(Content::Inline(bytes), |head| Content::Listpack(head, bytes));
        let entry = Entry::new(key, form, content, meta.deadline, meta.usage, store.clock());
        self.add(index, hash, entry)
    }

    /// The same for a string, straight from the bytes that were read.
    ///
    /// # Errors
    /// As [`Loading::insert`].
    pub fn insert_text(
        &mut self,
        index: DbIndex,
        key: &[u8],
        text: &[u8],
        meta: KeyMeta,
    ) -> Result<(), LoadError> {
        let store = &self.over.store;
        let hash = store.hasher.hash(key);
        let entry = Entry::from_text(key, text, meta.deadline, meta.usage, store.clock());
        self.add(index, hash, entry)
    }

    fn add(&mut self, index: DbIndex, hash: KeyHash, entry: Entry) -> Result<(), LoadError> {
        if index != self.batch_index || self.batch.len() >= BATCH_KEYS {
            self.finish_batch(None)?;
            self.place(index)?;
            self.batch_index = index;
        }
        self.batch.push((hash, entry));
        Ok(())
    }

    /// Looks the batch up and adds it. `access` is the writer's, or none to enter the gate for it.
    fn finish_batch(&mut self, access: Option<Access<'_>>) -> Result<(), LoadError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.over.store);
        let whole = Store { inner: Arc::clone(&store) };
        let reader = access.is_none().then(|| whole.reader());
        let access = match (access, &reader) {
            (Some(access), _) => access,
            (None, Some(reader)) => reader.access(),
            (None, None) => return Ok(()),
        };
        let index = self.batch_index;
        let old = store.database(index).and_then(|database| database.get(access));
        let mut batch = std::mem::take(&mut self.batch);
        let new = self
            .place(index)?
            .get_or_insert_with(|| Keyspace::for_load(store.hasher, 0, store.keys_per_shard));
        let added = new.add_loaded(old, &mut batch);
        // Its memory serves the next batch.
        self.batch = batch;
        self.keys += added.keys;
        self.shared += added.shared;
        match added.twice {
            None => Ok(()),
            Some(entry) => {
                self.failed = true;
                Err(LoadError::DuplicateKey { index, key: entry.view().key().to_vec() })
            }
        }
    }

    /// Adds what was inserted and not looked up yet, so that counts are whole; a commit does it too.
    ///
    /// # Errors
    /// [`LoadError`] about a key of the last batch.
    pub fn complete(&mut self, writer: &Writer<'_>) -> Result<(), LoadError> {
        self.finish_batch(Some(writer.access()))
    }

    fn is_for(&self, writer: &Writer<'_>) -> bool {
        std::ptr::eq(writer.inner, Arc::as_ptr(&self.over.store))
    }

    /// How many keys came so far.
    pub fn keys(&self) -> usize {
        self.keys + self.batch.len()
    }

    /// How many of them were the same as the old ones, and take no memory of their own.
    pub fn shared_keys(&self) -> usize {
        self.shared
    }

    /// Bytes of the entries that came so far, shared ones included; without what is behind big values.
    pub fn entry_bytes(&self) -> usize {
        self.databases.iter().flatten().map(|keyspace| keyspace.counts.entry_bytes()).sum()
    }

    /// Drops the old data set now, to make room: what was shared stays with the new one. Until the commit the store
    /// is empty, and nothing can be taken back any more.
    ///
    /// # Panics
    /// When the writer is another store's.
    pub fn discard_old(&mut self, writer: &Writer<'_>) {
        assert!(self.is_for(writer), "a load ends in the store that it began in");
        let exclusive = writer.close_gate();
        for (index, new) in (0..).map(DbIndex).zip(&self.databases) {
            writer.supersede(&exclusive, index, None, &self.over);
            if let Some(new) = new {
                // Whatever it shares has no other owner now.
                new.respect_marks(false);
            }
        }
    }

    /// Swaps the new data set in: all databases, and the function libraries when there are new ones. Readers see the
    /// old or the new, never both. The old one is taken apart in the background.
    ///
    /// # Errors
    /// [`LoadError`] about a key of the last batch; the load is given up then.
    ///
    /// # Panics
    /// When the writer is another store's.
    pub fn commit(mut self, writer: &Writer<'_>, functions: Option<Functions>) -> Result<(), LoadError> {
        assert!(self.is_for(writer), "a load ends in the store that it began in");
        self.finish_batch(Some(writer.access()))?;
        if self.failed {
            return Err(LoadError::Failed);
        }
        let exclusive = writer.close_gate();
        for (index, new) in (0..).map(DbIndex).zip(std::mem::take(&mut self.databases)) {
            if let Some(new) = &new {
                new.respect_marks(false);
                new.expect_marks();
            }
            writer.supersede(&exclusive, index, new.map(Box::new), &self.over);
        }
        if let Some(functions) = functions {
            writer.uncounted(|| writer.set_functions(functions));
        }
        Ok(())
        // What is left to do is what `drop` does: thaw, and clear the marks.
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let store = &self.over.store;
        let databases = std::mem::take(&mut self.databases);
        let over = Arc::clone(&self.over);
        // Writes may go on at once: a marked entry that is freed by one is not looked at by the half-built set, and
        // marks mean nothing to writes.
        store.caution.clear(Reason::Frozen);
        store.reclaimer.run_later(move || {
            drop(databases);
            while over.store.clear_marks() {}
        });
    }
}

impl Inner {
    /// Clears some marks; `false` when there is none left.
    fn clear_marks(self: &Arc<Self>) -> bool {
        let store = Store { inner: Arc::clone(self) };
        // The gate is entered anew for each step, so that nobody waits long for it; the tables know how far they are.
        let reader = store.reader();
        self.databases.iter().any(|database| database.get(reader.access()).is_some_and(Keyspace::clear_marks))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::StoreConfig;
    use crate::value::Limits;

    const DB: DbIndex = DbIndex(0);

    fn load(store: &Store, text: &[u8]) {
        let mut loading = store.begin_load().expect("no other load");
        for number in 0..1000 {
            loading
                .insert_text(DB, format!("key:{number}").as_bytes(), text, KeyMeta::default())
                .expect("a new key");
        }
        loading.commit(&store.writer(), None).expect("a whole load");
    }

    fn shared(store: &Store) -> usize {
        let reader = store.reader();
        reader.db(DB, UnixMillis(0)).keyspace().map_or(0, Keyspace::shared)
    }

    #[test]
    fn marks_that_were_aside_while_the_others_were_cleared_are_gone_before_the_next_load() {
        let store = Store::new(StoreConfig { databases: 1, hash_key: [1, 2], limits: Limits::default() });
        load(&store, b"same");
        store.settle();
        let (goes_on, waits) = mpsc::channel::<()>();
        store.inner.reclaimer.run_later(move || {
            let _ = waits.recv();
        });
        load(&store, b"same");
        assert_eq!(shared(&store), 1000, "clearing has not begun");

        let writer = store.writer();
        let aside = writer.set_aside(DB);
        goes_on.send(()).expect("the thread waits");
        while store.is_loading() {
            std::thread::yield_now();
        }
        aside.bring_back();
        drop(writer);
        assert_eq!(shared(&store), 1000, "nobody saw them");

        let loading = store.begin_load().expect("the last one is over");
        assert_eq!(shared(&store), 0, "else the next data set would leave them to nobody");
        drop(loading);
        assert!(store.reader().db(DB, UnixMillis(0)).contains(b"key:7"));
    }
}
