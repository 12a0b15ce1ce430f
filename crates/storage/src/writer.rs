//! The token's holder, and a database for writing.
//!
//! Owns the order of an edit: lock the shard, change, unlock, and only then free. Never waits for anything but locks.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

use crate::caution::Reason;
use crate::db::Db;
use crate::functions::Functions;
use crate::gate::{Access, Closed, Token};
use crate::keyspace::{Guarded, KeyHash, Keyspace, Resize, Retired};
use crate::load::LoadOver;
use crate::news::{News, Noted};
use crate::reclaim::Bin;
use crate::slot::Slot;
use crate::store::Inner;
use crate::threads;
use crate::time::{DbIndex, UnixMillis};
use crate::value::Limits;

/// The writer's token: its holder is the only one who changes data.
#[derive(Debug)]
pub struct Writer<'s> {
    pub(crate) inner: &'s Inner,
    keyspaces: Retired<Keyspace>,
    functions: Retired<Functions>,
    limits: Retired<Limits>,
    /// The load whose old databases are among the retired: over when they are gone.
    load: RefCell<Option<Arc<LoadOver>>>,
    pub(crate) noted: Noted,
    // Last, so that it is passed on when the rest is done.
    token: Token<'s>,
}

/// The gate is closed, and nobody reads but the token's holder, until this is dropped: for what must be seen at once
/// though it is several keys. May be held several times.
#[derive(Debug)]
pub struct Exclusive<'w> {
    pub(crate) closed: Closed<'w>,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(inner: &'s Inner, token: Token<'s>) -> Writer<'s> {
        Writer {
            inner,
            keyspaces: Retired::default(),
            functions: Retired::default(),
            limits: Retired::default(),
            load: RefCell::default(),
            noted: Noted::new(inner),
            token,
        }
    }

    /// A database, as it is at `now`.
    pub fn db(&self, index: DbIndex, now: UnixMillis) -> DbMut<'_> {
        DbMut {
            db: Db::new(self.inner, self.token.access(), index, now),
            writer: self,
            trash: Bin::default(),
        }
    }

    /// How many databases there are.
    pub fn databases(&self) -> u32 {
        u32::try_from(self.inner.databases.len()).expect("made from a u32")
    }

    /// A database with its expired keys.
    pub(crate) fn all(&self, index: DbIndex) -> Db<'_> {
        Db::new(self.inner, self.token.access(), index, UnixMillis::NOTHING_EXPIRED)
    }

    pub(crate) fn access(&self) -> Access<'_> {
        self.token.access()
    }

    /// Puts a load's database in the place of the old one, which keeps its hands off what it shares.
    pub(crate) fn supersede(
        &self,
        exclusive: &Exclusive<'_>,
        index: DbIndex,
        new: Option<Box<Keyspace>>,
        load: &Arc<LoadOver>,
    ) {
        let Some(database) = self.inner.database(index) else { return };
        // What both share is the new one's from here on: the old one cannot be walked any more.
        self.inner.supersede_snapshot();
        let old = self.all(index);
        if let Some(old) = old.keyspace() {
            old.respect_marks(true);
        }
        let is_there =
            |key: &[u8]| new.as_ref().is_some_and(|new| new.find(key, self.inner.hasher.hash(key)).is_some());
        self.inner.watches.touch_all(index, |key| old.contains(key), is_there);
        database.replace(&exclusive.closed, new, &self.keyspaces);
        self.replaced(None);
        *self.load.borrow_mut() = Some(Arc::clone(load));
    }

    /// Closes the gate: waits until all batches of reads are out, and lets none in.
    ///
    /// # Panics
    /// In debug builds, when this thread holds a [`crate::Reader`]: it would wait for itself.
    pub fn close_gate(&self) -> Exclusive<'_> {
        debug_assert!(!threads::is_inside(&self.inner.gate), "nobody closes the gate from inside a slot");
        Exclusive { closed: self.token.close() }
    }

    /// Whether the gate is closed by this holder.
    pub fn has_closed_gate(&self) -> bool {
        self.token.has_closed()
    }

    /// Whether readers wait for the gate to open: when none does, it need not be open for long between two units.
    pub fn has_waiting_readers(&self) -> bool {
        self.inner.gate.has_waiting()
    }

    /// Whether a load compares with the data just now, so that nothing may be written.
    pub fn is_frozen(&self) -> bool {
        self.inner.caution.is_raised(Reason::Frozen)
    }

    fn assert_not_frozen(&self) {
        assert!(!self.is_frozen(), "data that a load shares entries with takes no write");
    }

    /// Exchanges the contents of two databases.
    ///
    /// # Panics
    /// When one of them does not exist, or the data is frozen.
    pub fn swap_db(&self, first: DbIndex, second: DbIndex) {
        self.assert_not_frozen();
        let database = |index| self.inner.database(index).expect("the database exists");
        let exclusive = self.close_gate();
        let contains = |index| move |key: &[u8]| self.all(index).contains(key);
        self.inner.watches.touch_all(first, contains(first), contains(second));
        self.inner.watches.touch_all(second, contains(second), contains(first));
        self.noted.count(1, 0);
        database(first).swap(&exclusive.closed, database(second));
        self.replaced(Some(first));
        self.replaced(Some(second));
    }

    /// Empties a database. Its keys are freed in the background.
    ///
    /// # Panics
    /// When the data is frozen.
    pub fn flush(&self, index: DbIndex) {
        self.assert_not_frozen();
        if let Some(database) = self.inner.database(index) {
            let exclusive = self.close_gate();
            self.noted.count(self.all(index).len() as u64, 0);
            self.inner.watches.touch_all(index, |key| self.all(index).contains(key), |_| false);
            database.replace(&exclusive.closed, None, &self.keyspaces);
            self.replaced(Some(index));
        }
    }

    /// Empties a database as [`Writer::flush`] does, and keeps what was in it at hand.
    ///
    /// # Panics
    /// When the data is frozen, or there is no such database.
    pub fn set_aside(&self, index: DbIndex) -> SetAside<'_> {
        self.assert_not_frozen();
        let database = self.inner.database(index).expect("the database exists");
        let exclusive = self.close_gate();
        self.noted.count(self.all(index).len() as u64, 0);
        self.inner.watches.touch_all(index, |key| self.all(index).contains(key), |_| false);
        let cell = Guarded::new(&self.inner.gate, None);
        database.swap(&exclusive.closed, &cell);
        self.replaced(Some(index));
        SetAside { writer: self, index, cell }
    }

    /// Empties all databases. Function libraries stay, as in Redis.
    ///
    /// # Panics
    /// When the data is frozen.
    pub fn flush_all(&self) {
        let _exclusive = self.close_gate();
        for index in 0..self.inner.databases.len() {
            self.flush(DbIndex(index as u32));
        }
    }

    /// Notes that the keys of a database, or of all, are others.
    fn replaced(&self, index: Option<DbIndex>) {
        if self.inner.watches.follows_all() && self.noted.news.borrow().last() != Some(&News::Replaced(index))
        {
            self.note(News::Replaced(index));
        }
    }

    /// The function libraries.
    pub fn functions(&self) -> &Functions {
        self.inner.functions.get(self.token.access()).expect("a store always has functions, if none")
    }

    /// Replaces the function libraries.
    pub fn set_functions(&self, functions: Functions) {
        let exclusive = self.close_gate();
        self.noted.count(1, 0);
        self.inner.functions.replace(&exclusive.closed, Some(Box::new(functions)), &self.functions);
    }

    /// When values leave their packed forms.
    pub fn limits(&self) -> &Limits {
        self.inner.limits.get(self.token.access()).expect("a store always has limits")
    }

    /// Sets when values leave their packed forms; those that are stored stay as they are, as in Redis.
    pub fn set_limits(&self, limits: Limits) {
        let exclusive = self.close_gate();
        self.inner.limits.replace(&exclusive.closed, Some(Box::new(limits)), &self.limits);
    }
}

/// What was in a database, for a unit of commands that may have to be undone. When it is dropped, it is freed in the
/// background.
#[derive(Debug)]
pub struct SetAside<'w> {
    writer: &'w Writer<'w>,
    index: DbIndex,
    cell: Guarded<Keyspace>,
}

impl SetAside<'_> {
    /// Puts it back; what is in the database now is freed.
    ///
    /// # Panics
    /// When the data is frozen.
    pub fn bring_back(self) {
        self.writer.assert_not_frozen();
        let database = self.writer.inner.database(self.index).expect("it was there before");
        database.swap(&self.writer.close_gate().closed, &self.cell);
    }
}

impl Drop for SetAside<'_> {
    fn drop(&mut self) {
        // The writer may have lent out what was in it: it goes with the writer.
        self.cell.replace(&self.writer.close_gate().closed, None, &self.writer.keyspaces);
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.tell_changes();
        self.tell_rest();
        // Everything that was borrowed from this writer is given back by now.
        let load = self.load.take();
        for keyspace in self.keyspaces.take() {
            // One that a snapshot has not walked yet is the snapshot's now.
            let Some(keyspace) = self.inner.unless_in_snapshot(keyspace) else { continue };
            let load = load.clone();
            self.inner.reclaimer.run_later(move || {
                drop(keyspace);
                drop(load);
            });
        }
        drop(self.functions.take());
        drop(self.limits.take());
    }
}

/// A numbered database, for writing by the token's holder. Reads as [`Db`] does.
#[derive(Debug)]
pub struct DbMut<'a> {
    db: Db<'a>,
    writer: &'a Writer<'a>,
    trash: Bin,
}

impl<'a> Deref for DbMut<'a> {
    type Target = Db<'a>;

    fn deref(&self) -> &Db<'a> {
        &self.db
    }
}

impl<'a> DbMut<'a> {
    /// The same, with the hash of a key that will be asked for; see [`Db::hashed`].
    pub fn hashed(mut self, hashed: Option<crate::Hashed<'a>>) -> DbMut<'a> {
        self.db = self.db.hashed(hashed);
        self
    }

    /// Locks the key's shard and runs `change` on its slot, whether the key is there or not. What it replaces is
    /// freed afterwards.
    ///
    /// # Panics
    /// When the data is frozen (see [`Writer::is_frozen`]), or there is no such database.
    pub fn edit<R>(&mut self, key: &[u8], change: impl FnOnce(&mut Slot<'_>) -> R) -> R {
        let hash = self.db.hash_of(key);
        if !self.writer.inner.caution.is_none() {
            self.be_careful(hash);
        }
        let keyspace = match self.db.keyspace() {
            Some(keyspace) => keyspace,
            None => self.create(),
        };
        let place = keyspace.write(&self.writer.token, key, hash);
        let mut slot = Slot::new(place, &self.db, &mut self.trash, &self.writer.noted);
        let answer = change(&mut slot);
        let watches = &self.writer.inner.watches;
        slot.finish();
        let has_changed = slot.has_changed();
        if has_changed {
            self.writer.noted.count(1, 0);
        }
        if has_changed && self.db.touches() {
            slot.touch_changed();
        }
        let is_followed = has_changed && watches.any();
        let is_told = is_followed && !slot.is_quiet();
        if is_told {
            watches.touch(self.db.index(), key, slot.exists());
        } else if is_followed {
            watches.touch_awaited(self.db.index(), key);
        }
        drop(slot);
        if !self.writer.noted.wanted.is_empty() {
            self.writer.tell_if_much();
        }
        if is_told && watches.follows_all() {
            self.writer.note(News::Changed { db: self.db.index(), key: key.into() });
        }
        self.writer.inner.reclaimer.free(&mut self.trash);
        if keyspace.wants_resize() {
            self.resize(keyspace);
        }
        answer
    }

    /// What an edit does first when not all is as usual.
    #[cold]
    fn be_careful(&self, hash: KeyHash) {
        self.writer.assert_not_frozen();
        if let Some(keyspace) = self.db.keyspace() {
            self.writer.inner.preserve(keyspace, hash);
        }
    }

    #[cold]
    fn resize(&self, keyspace: &Keyspace) {
        match keyspace.resize(&self.writer.token) {
            Resize::Settled => {}
            Resize::Order(job) => self.writer.inner.reclaimer.run_later(job),
            Resize::Finished(successor) => {
                let database = self.writer.inner.database(self.db.index()).expect("it has a keyspace");
                let exclusive = self.writer.close_gate();
                self.writer.inner.snapshot_goes_on_in(keyspace, &successor);
                database.replace(&exclusive.closed, Some(successor), &self.writer.keyspaces);
            }
        }
    }

    fn create(&self) -> &'a Keyspace {
        let keyspace = Box::new(Keyspace::new(self.writer.inner.hasher, 0, self.writer.inner.keys_per_shard));
        let database = self.writer.inner.database(self.db.index()).expect("the database exists");
        database.fill(self.db.access(), keyspace)
    }

    /// Removes a key: DEL of one. Says whether it was there; one whose deadline is past goes, but was not.
    ///
    /// # Panics
    /// As [`DbMut::edit`].
    pub fn remove(&mut self, key: &[u8]) -> bool {
        if self.db.keyspace().is_none() {
            return false;
        }
        self.edit(key, |slot| slot.remove())
    }

    /// Removes a key if it is past its deadline, which is no change (see [`crate::Store::changes`]). Says whether it
    /// was.
    ///
    /// # Panics
    /// As [`DbMut::edit`].
    pub fn expire(&mut self, key: &[u8]) -> bool {
        self.is_expired(key) && self.writer.uncounted(|| self.edit(key, |slot| slot.expire()))
    }
}
