//! The keyspace: one database's entries, found by their key, edited under their shard's lock.
//!
//! A keyspace has one table; while the number of shards changes, a second one beside it, and a mark: shards of
//! the first below the mark have been moved to the second. Both tables order their shards by the same hash, so
//! the mark is a position on the hash's line, and what is below it is in the second table.
//!
//! Owns the tables, which of them has a key, and the counters. Never decides whether a key is expired for good,
//! and never knows the gate's state: who calls holds a slot or the token.
//!
//! # Obligations of the unsafe code here
//! - An [`EntryView`] is made from a word only under the lock of the word's shard, and is lent no longer than
//!   the guard: [`Ref`] and [`Refs`] own guard and view together; a [`Place`] owns the write guard.
//! - An entry is owned by the one word of one table that holds it; while a load shares entries, by the words
//!   that [`Table`] says.

#![allow(unsafe_code)]

mod guarded;
mod hasher;
mod line;
mod load;
mod marks;
mod patience;
pub(crate) mod prefetch;
mod resize;
mod table;
#[cfg(test)]
mod tests;
mod walk;
mod word;

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown_raw::raw::Bucket;

pub(crate) use guarded::{Guarded, Retired};
pub(crate) use hasher::KeyHasher;
pub(crate) use resize::Resize;
pub use table::KeyHash;
pub(crate) use table::{KEYS_PER_SHARD, ReadGuard, Table, WriteGuard};

use crate::entry::{self, Content, Entry, EntryView, Hollow};
use crate::gate::{self, Token};
use crate::primitives;
use crate::reclaim::{Bin, Trash};
use crate::time::UnixMillis;
use crate::value::{Form, HashRef, Kind, Value};
use line::Mark;
use patience::lock_for_write;
use table::Item;
use word::Word;

/// See the module.
#[derive(Debug)]
pub(crate) struct Keyspace {
    hasher: KeyHasher,
    current: Arc<Table>,
    /// The table that takes over.
    next: OnceLock<Arc<Table>>,
    /// How many shards of `current` have been moved to `next`. Moves under the write lock of the shard it passes.
    moved: Mark,
    pub(crate) counts: Counts,
    plan: resize::Plan,
    /// How many keys a load brings to a shard, as far as it said: tables are made for so many at once.
    loaded_per_shard: usize,
}

/// What is counted as it changes; only the token's holder (or a load, for its own keyspaces) changes it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    keys: AtomicUsize,
    deadlines: AtomicUsize,
    field_deadlines: AtomicUsize,
    entry_bytes: AtomicUsize,
}

#[inline]
fn has_field_deadlines(entry: &EntryView) -> bool {
    entry.kind() == Kind::Hash && entry.hash().is_ok_and(HashRef::has_deadlines)
}

/// What an entry counts for.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    keys: usize,
    deadlines: usize,
    field_deadlines: usize,
    entry_bytes: usize,
}

impl Weight {
    fn of(entry: &EntryView) -> Weight {
        Weight {
            keys: 1,
            deadlines: usize::from(entry.deadline().is_some()),
            field_deadlines: usize::from(has_field_deadlines(entry)),
            entry_bytes: entry.allocated(),
        }
    }
}

impl Counts {
    /// What stood there was of one weight, and is of another. Readers look at the counters without a lock: each goes
    /// from the one number to the other at once, and one that stays is not touched.
    fn turned(&self, before: Weight, after: Weight) {
        let turn = |counter: &AtomicUsize, before: usize, after: usize| {
            if before != after {
                // One writer: no read-modify-write needed.
                let counted = counter.load(Ordering::Relaxed).wrapping_add(after).wrapping_sub(before);
                counter.store(counted, Ordering::Relaxed);
            }
        };
        turn(&self.keys, before.keys, after.keys);
        turn(&self.deadlines, before.deadlines, after.deadlines);
        turn(&self.field_deadlines, before.field_deadlines, after.field_deadlines);
        turn(&self.entry_bytes, before.entry_bytes, after.entry_bytes);
    }

    fn came(&self, entry: &EntryView) {
        self.turned(Weight::default(), Weight::of(entry));
    }

    fn went(&self, entry: &EntryView) {
        self.turned(Weight::of(entry), Weight::default());
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    pub(crate) fn deadlines(&self) -> usize {
        self.deadlines.load(Ordering::Relaxed)
    }

    /// How many hashes have fields with deadlines.
    pub(crate) fn field_deadlines(&self) -> usize {
        self.field_deadlines.load(Ordering::Relaxed)
    }

    pub(crate) fn entry_bytes(&self) -> usize {
        self.entry_bytes.load(Ordering::Relaxed)
    }
}

/// A found key: holds its shard's read lock.
pub struct Ref<'a> {
    entry: EntryView,
    _lock: ReadGuard<'a>,
}

impl Deref for Ref<'_> {
    type Target = EntryView;

    #[inline]
    fn deref(&self) -> &EntryView {
        &self.entry
    }
}

impl std::fmt::Debug for Ref<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ref").field(&self.entry.key()).finish()
    }
}

/// Several keys looked up as of one moment: holds the read locks of all their shards.
pub struct Refs<'a> {
    entries: Vec<Option<EntryView>>,
    _locks: Vec<ReadGuard<'a>>,
}

impl Refs<'_> {
    /// The answer of an empty database.
    pub(crate) fn none(len: usize) -> Refs<'static> {
        let mut entries = Vec::new();
        entries.resize_with(len, || None);
        Refs { entries, _locks: Vec::new() }
    }

    /// The entry of the key that was asked for in this place; `None` when there is no such key.
    pub fn get(&self, index: usize) -> Option<&EntryView> {
        self.entries.get(index)?.as_ref()
    }

    /// The same, to leave some out.
    pub(crate) fn entries(&mut self) -> &mut [Option<EntryView>] {
        &mut self.entries
    }

    /// How many keys were asked for.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, in the order in which they were asked for.
    pub fn iter(&self) -> impl Iterator<Item = Option<&EntryView>> {
        self.entries.iter().map(Option::as_ref)
    }
}

impl std::fmt::Debug for Refs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|entry| entry.map(EntryView::key))).finish()
    }
}

impl Keyspace {
    /// An empty keyspace for so many keys.
    pub(crate) fn new(hasher: KeyHasher, expected: usize, keys_per_shard: usize) -> Keyspace {
        let shards = table::shards_for(expected, keys_per_shard);
        Keyspace {
            hasher,
            plan: resize::Plan::new(keys_per_shard, shards),
            current: Arc::new(Table::new(shards)),
            next: OnceLock::new(),
            moved: Mark::default(),
            counts: Counts::default(),
            loaded_per_shard: 0,
        }
    }

    /// How many shards it has; while that changes, how many it will have.
    pub(crate) fn shards(&self) -> usize {
        self.next.get().unwrap_or(&self.current).shards()
    }

    /// Bytes of the tables, without the entries.
    pub(crate) fn table_bytes(&self) -> usize {
        self.current.allocated() + self.next.get().map_or(0, |next| next.allocated())
    }

    fn next(&self) -> Option<&Table> {
        self.next.get().map(|next| &**next)
    }

    /// Which table has the keys of this hash, and in which shard; asked again once the shard is locked.
    #[inline]
    fn locate(&self, hash: KeyHash) -> (&Table, usize) {
        line::locate(hash.position(), &*self.current, || self.next(), &self.moved)
    }

    #[inline]
    fn read(&self, hash: KeyHash) -> (&Table, ReadGuard<'_>) {
        line::read_at(hash.position(), &*self.current, || self.next(), &self.moved)
    }

    /// Looks a key up. An expired key is found too.
    #[inline]
    pub(crate) fn find(&self, key: &[u8], hash: KeyHash) -> Option<Ref<'_>> {
        let (table, guard) = self.read(hash);
        let word = table::find(&guard, table.bits_of(hash), key)?;
        // SAFETY: the view goes with the guard.
        let entry = unsafe { word.view() };
        Some(Ref { entry, _lock: guard })
    }

    /// Looks several keys up, with all their shards locked together; expired ones are found too. `wanted` gives key and
    /// hash of each.
    pub(crate) fn find_many(&self, wanted: &[(&[u8], KeyHash)]) -> Refs<'_> {
        let mut order: Vec<(usize, &[u8], KeyHash)> =
            wanted.iter().enumerate().map(|(index, (key, hash))| (index, *key, *hash)).collect();
        order.sort_unstable_by_key(|(_, _, hash)| hash.line());
        loop {
            let mut entries: Vec<Option<EntryView>> = Vec::new();
            entries.resize_with(wanted.len(), || None);
            let ascending = order.iter().map(|place| (place, place.2.position()));
            let look = |&(index, key, hash): &(usize, &[u8], KeyHash),
                        table: &Table,
                        guard: &ReadGuard<'_>| {
                // SAFETY: the view goes with the guards.
                let entry = table::find(guard, table.bits_of(hash), key).map(|word| unsafe { word.view() });
                if let Some(place) = entries.get_mut(index) {
                    *place = entry;
                }
            };
            let locks = line::read_together(ascending, &*self.current, || self.next(), &self.moved, look);
            if let Some(locks) = locks {
                return Refs { entries, _locks: locks };
            }
        }
    }

    /// Locks a key's shard for writing, and looks the key up. The token is held.
    pub(crate) fn write<'s>(&'s self, token: &Token<'_>, key: &'s [u8], hash: KeyHash) -> Place<'s> {
        // Only the token's holder moves shards: no second look at the mark.
        let (table, shard) = self.locate(hash);
        let guard = lock_for_write(token, table.lock(shard));
        let bits = table.bits_of(hash);
        let bucket = table::find_bucket(&guard, bits, key);
        let mut place = Place { keyspace: self, table, shard, guard, bits, key, bucket, entry: None };
        place.look();
        place
    }
}

/// Where a key is or would be: its shard, locked for writing.
pub(crate) struct Place<'s> {
    keyspace: &'s Keyspace,
    table: &'s Table,
    shard: usize,
    guard: WriteGuard<'s>,
    bits: u16,
    key: &'s [u8],
    bucket: Option<Bucket<Item>>,
    entry: Option<EntryView>,
}

impl std::fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Place").field(&self.key).finish()
    }
}

/// What is to become of a value after its edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Keep,
    Remove,
}

impl Place<'_> {
    /// The key's entry; expired or not.
    pub(crate) fn entry(&self) -> Option<&EntryView> {
        self.entry.as_ref()
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.key
    }

    fn word(&self) -> Option<&Word> {
        // SAFETY: the bucket was found or made under the guard, and the table has not changed shape since: every
        // change goes through `self`, which notes the new bucket.
        self.bucket.as_ref().map(|bucket| unsafe { &bucket.as_ref().0 })
    }

    /// Notes the entry that the word points to now.
    fn look(&mut self) {
        // SAFETY: the view goes with the guard, and is renewed after each change of the entry.
        self.entry = self.word().map(|word| unsafe { word.view() });
    }

    /// Takes the entry out.
    pub(crate) fn remove(&mut self) -> Option<Entry> {
        let bucket = self.bucket.take()?;
        self.entry = None;
        let word = table::remove(&mut self.guard, bucket);
        // SAFETY: the word is out of its table. A marked word is a load's that was committed or given up: its
        // marks mean nothing any more (a keyspace that a load still compares with takes no write).
        let entry = unsafe { word.into_entry() };
        self.keyspace.counts.went(entry.view());
        Some(entry)
    }

    /// Puts an entry there; gives back the former one. The entry has this place's key.
    pub(crate) fn set(&mut self, entry: Entry) -> Option<Entry> {
        debug_assert_eq!(entry.view().key(), self.key);
        let weight = Weight::of(entry.view());
        let old = match self.word() {
            Some(word) => {
                // SAFETY: the word is given another entry in the next line.
                let old = unsafe { Entry::from_raw(word.raw()) };
                word.set(entry);
                self.keyspace.counts.turned(Weight::of(old.view()), weight);
                Some(old)
            }
            None => {
                let bucket = table::add(&mut self.guard, Word::new(entry, self.bits));
                self.bucket = Some(bucket);
                self.keyspace.counts.turned(Weight::default(), weight);
                if self.guard.len() == 1 {
                    self.table.occupied.note(self.shard, true);
                }
                None
            }
        };
        self.look();
        old
    }

    /// Writes another value and deadline into the entry that is there, in place when they fit.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn rewrite(
        &mut self,
        form: Form,
        content: Content<'_>,
        deadline: Option<UnixMillis>,
        trash: &mut Bin,
    ) {
        let entry = self.entry.take().expect("only an entry that is there is written again");
        let before = Weight::of(&entry);
        let was_big = entry.form().is_big();
        let raw = self.word().expect("an entry has a word").raw();
        // SAFETY: the write lock is held; a value behind a pointer is taken out before its pointer is overwritten.
        unsafe {
            if was_big {
                trash.push(Trash::Value(entry::take_value(raw)));
            }
            let moved = entry::put(raw, form, content, deadline);
            self.after_put(moved, before, deadline, trash);
        }
    }

    /// Changes the deadline alone.
    pub(crate) fn set_deadline(&mut self, deadline: Option<UnixMillis>, trash: &mut Bin) {
        let Some(entry) = self.entry.take() else { return };
        let before = Weight::of(&entry);
        let raw = self.word().expect("an entry has a word").raw();
        // SAFETY: the write lock is held.
        let moved = unsafe { entry::set_deadline(raw, deadline) };
        self.after_put(moved, before, deadline, trash);
    }

    fn after_put(
        &mut self,
        moved: Option<(Entry, Hollow)>,
        before: Weight,
        deadline: Option<UnixMillis>,
        trash: &mut Bin,
    ) {
        let word = self.word().expect("an entry has a word");
        match moved {
            Some((entry, hollow)) => {
                word.set(entry);
                trash.push(Trash::Hollow(hollow));
            }
            None => word.set_has_deadline(deadline.is_some()),
        }
        self.look();
        if let Some(entry) = &self.entry {
            self.keyspace.counts.turned(before, Weight::of(entry));
        }
    }

    /// Edits the value where it is (a big one) or a copy that is written back (a packed one).
    ///
    /// # Panics
    /// When there is no entry.
    pub(crate) fn edit_value<R>(
        &mut self,
        trash: &mut Bin,
        change: impl FnOnce(&mut Value) -> (R, Fate),
    ) -> R {
        let entry = self.entry.take().expect("only an entry that is there is edited");
        let before = Weight::of(&entry);
        let deadline = entry.deadline();
        let raw = self.word().expect("an entry has a word").raw();
        // SAFETY: the write lock is held; `Editing` writes the value back whatever happens, and nobody looks at the
        // entry before.
        let value = unsafe { entry::take_value(raw) };
        let mut editing = Editing { place: self, value: Some(value), before, deadline, trash };
        let (answer, fate) = change(editing.value.as_mut().expect("it was put there"));
        if fate == Fate::Remove {
            editing.remove();
        }
        answer
    }
}

impl Drop for Place<'_> {
    /// Only now, still under the lock: a walk passes over an empty shard without waiting for it, and what was taken out
    /// may have been put back.
    fn drop(&mut self) {
        if self.guard.is_empty() {
            self.table.occupied.note(self.shard, false);
        }
    }
}

/// A value out of its entry. Dropping it (at the end of an edit, or when the edit panics) puts it back.
struct Editing<'e, 's> {
    place: &'e mut Place<'s>,
    value: Option<Value>,
    /// What the entry counted for.
    before: Weight,
    deadline: Option<UnixMillis>,
    trash: &'e mut Bin,
}

impl Editing<'_, '_> {
    fn remove(&mut self) {
        let bucket = self.place.bucket.take().expect("an entry has a bucket");
        let word = table::remove(&mut self.place.guard, bucket);
        self.place.keyspace.counts.turned(self.before, Weight::default());
        // SAFETY: the word is out of its table, and the entry's value out of the entry.
        self.trash.push(Trash::Hollow(unsafe { Hollow::from_raw(word.raw()) }));
        if let Some(value) = self.value.take() {
            self.trash.push(Trash::Value(value));
        }
    }
}

impl Drop for Editing<'_, '_> {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let (form, payload) = value.into_parts();
        let mut room = Vec::new();
        let raw = self.place.word().expect("an entry has a word").raw();
        // SAFETY: the write lock is held, and the old value is out.
        let moved = unsafe { entry::put(raw, form, Content::of(payload, &mut room), self.deadline) };
        self.place.after_put(moved, self.before, self.deadline, self.trash);
    }
}
