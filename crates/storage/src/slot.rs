//! A slot: one key's place in a database, locked for writing.
//!
//! Owns the rules of an edit: what keeps the deadline, when a key goes, what is told to those who watch. Never
//! frees anything under the lock.

use crate::db::Db;
use crate::entry::{Content, Entry, EntryView};
use crate::keyspace::{Fate, Place};
use crate::news::{News, Noted, Wanted};
use crate::reclaim::{Bin, Trash};
use crate::store::Inner;
use crate::time::{DbIndex, UnixMillis};
use crate::usage::{self, Usage};
use crate::value::{
    Array, Form, HashRef, Kind, ListRef, SetRef, SortedSetRef, Stream, TextRef, Value, ValueKind, ValueRef,
    WrongKind,
};

/// See the module; lent to the closure of [`crate::DbMut::edit`].
#[derive(Debug)]
pub struct Slot<'s> {
    place: Place<'s>,
    trash: &'s mut Bin,
    now: UnixMillis,
    inner: &'s Inner,
    changed: bool,
    /// Who watches the key is not told.
    quiet: bool,
    /// It was said how the value was used before.
    has_usage: bool,
    /// A collection was emptied, and its key went with it.
    emptied: bool,
    db: DbIndex,
    noted: &'s Noted,
}

macro_rules! typed {
    ($($(#[$doc:meta])* $name:ident -> $type:ty),+ $(,)?) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`WrongKind`] when it is another kind.
        pub fn $name(&self) -> Result<Option<$type>, WrongKind> {
            self.view().map(|value| value.$name()).transpose()
        }
    )+};
}

impl<'s> Slot<'s> {
    pub(crate) fn new(place: Place<'s>, db: &Db<'s>, trash: &'s mut Bin, noted: &'s Noted) -> Slot<'s> {
        let slot = Slot {
            place,
            trash,
            now: db.now(),
            inner: db.inner,
            changed: false,
            quiet: false,
            has_usage: false,
            emptied: false,
            db: db.index(),
            noted,
        };
        if let (true, Some(entry)) = (db.touches(), slot.entry()) {
            db.inner.touch(entry, false);
        }
        slot
    }

    /// Notes that the value was changed, where that is what usage is.
    #[inline]
    pub(crate) fn touch_changed(&self) {
        if !self.has_usage
            && !self.inner.clock().is_plain()
            && self.inner.usage_rules().noted == usage::Noted::Change
            && let Some(entry) = self.entry()
        {
            self.inner.touch(entry, true);
        }
    }

    /// The key's entry; `None` when there is none, or its deadline is past.
    pub fn entry(&self) -> Option<&EntryView> {
        self.place.entry().filter(|entry| entry.is_visible(self.now))
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.place.key()
    }

    /// Whether the key is there.
    pub fn exists(&self) -> bool {
        self.entry().is_some()
    }

    /// What sort of value it holds.
    pub fn kind(&self) -> Option<Kind> {
        self.entry().map(EntryView::kind)
    }

    /// The value.
    pub fn view(&self) -> Option<ValueRef<'_>> {
        self.entry().map(EntryView::value)
    }

    /// When the key expires.
    pub fn deadline(&self) -> Option<UnixMillis> {
        self.entry().and_then(EntryView::deadline)
    }

    typed! {
        /// The value as a string.
        text -> TextRef<'_>,
        /// The value as a list.
        list -> ListRef<'_>,
        /// The value as a set.
        set -> SetRef<'_>,
        /// The value as a sorted set.
        sorted_set -> SortedSetRef<'_>,
        /// The value as a hash.
        hash -> HashRef<'_>,
        /// The value as a stream.
        stream -> &Stream,
        /// The value as an array.
        array -> &Array,
    }

    /// Says whether this edit changed something, for those who watch the key: an edit of a value counts as a change
    /// unless this is told.
    pub fn unchanged(&mut self) {
        self.changed = false;
    }

    /// Says that who watches the key, or keeps what it has read, need not hear of this edit, which is a change all the
    /// same: of who reads a stream's entries, say, and not of the entries. Who waits for the key looks at it again.
    pub fn quietly(&mut self) {
        self.quiet = true;
    }

    /// Says how many changes this edit is, where it is not one (see [`crate::Store::changes`]); not to be said of one
    /// that has changed nothing.
    #[inline]
    pub fn counts(&self, changes: usize) {
        // The edit itself counts as one.
        self.noted.count(changes as u64, 1);
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Notes an event of this class that happened to the key, if somebody listens. (That a key is new, that it went
    /// because it was emptied, and that its deadline was past, is noted by the slot itself.)
    #[inline]
    pub fn event(&self, class: Wanted, name: &'static str) {
        if self.noted.wanted.intersects(class) {
            self.note(class, name, Vec::new());
        }
    }

    /// The same, with the fields that it happened to.
    #[inline]
    pub fn event_in<'f>(&self, class: Wanted, name: &'static str, fields: impl Iterator<Item = &'f [u8]>) {
        if self.noted.wanted.intersects(class) {
            let names_fields = self.noted.wanted.intersects(Wanted::FIELDS);
            let fields = if names_fields { fields.map(Box::from).collect() } else { Vec::new() };
            self.note(class, name, fields);
        }
    }

    /// Notes that what is here will be replaced by a value of this kind, if anything is.
    #[inline]
    pub fn event_of_replacing(&self, kind: Kind) {
        if self.noted.wanted.intersects(Wanted::OVERWRITTEN.union(Wanted::TYPE_CHANGED)) {
            self.note_replacing(self.kind(), kind);
        }
    }

    /// The same for what was here, and is not any more.
    #[cold]
    pub fn note_replacing(&self, before: Option<Kind>, kind: Kind) {
        let Some(before) = before else { return };
        self.event(Wanted::OVERWRITTEN, "overwritten");
        if before != kind {
            self.event(Wanted::TYPE_CHANGED, "type_changed");
        }
    }

    #[cold]
    fn note(&self, class: Wanted, name: &'static str, fields: Vec<Box<[u8]>>) {
        let key = self.place.key().into();
        self.noted.news.borrow_mut().push(News::Event { class, name, db: self.db, key, fields });
    }

    /// Forgets that the key went because it was emptied: who asked says so itself.
    pub fn emptied_silently(&mut self) -> bool {
        std::mem::take(&mut self.emptied)
    }

    /// Notes what is known only when the edit is over.
    pub(crate) fn finish(&self) {
        if self.emptied && self.place.entry().is_none() {
            self.event(Wanted::GENERIC, "del");
        }
    }

    /// Notes that a key is to be made where there is none that can be seen.
    #[inline]
    fn event_of_new(&self) {
        if !self.exists() {
            if self.place.entry().is_some() {
                self.met_expired();
            }
            self.event(Wanted::NEW, "new");
        }
    }

    /// Notes that the key goes because somebody met it past its deadline.
    #[cold]
    fn met_expired(&self) {
        self.event(Wanted::EXPIRED, "expired");
        self.inner.expired_key();
    }

    /// Removes the key if it is past its deadline. Says whether it was.
    pub(crate) fn expire(&mut self) -> bool {
        if self.exists() {
            return false;
        }
        let Some(entry) = self.place.remove() else { return false };
        self.event(Wanted::EXPIRED, "expired");
        self.changed = true;
        self.trash.push(Trash::Entry(entry));
        true
    }

    /// Sets or clears the deadline. Says whether the key is there.
    pub fn set_deadline(&mut self, deadline: Option<UnixMillis>) -> bool {
        if !self.exists() {
            return false;
        }
        if self.deadline() != deadline {
            self.place.set_deadline(deadline, self.trash);
            self.changed = true;
        }
        true
    }

    /// Stores a value. Replaces what is there, whatever kind it is, and keeps the deadline.
    pub fn put(&mut self, value: Value) {
        self.put_until(value, self.deadline());
    }

    /// Stores a value with this deadline, or with none.
    pub fn put_until(&mut self, value: Value, deadline: Option<UnixMillis>) {
        let (form, payload) = value.into_parts();
        let mut room = Vec::new();
        self.put_content(form, Content::of(payload, &mut room), deadline);
    }

    /// Stores a string, as SET does: an integer is stored as one. Keeps the deadline.
    pub fn put_text(&mut self, bytes: &[u8]) {
        self.put_text_until(bytes, self.deadline());
    }

    /// Stores a string with this deadline, or with none.
    pub fn put_text_until(&mut self, bytes: &[u8], deadline: Option<UnixMillis>) {
        let mut room = [0; 8];
        let (form, content) = Content::of_text(bytes, &mut room);
        self.put_content(form, content, deadline);
    }

    /// Stores a value as that of a new key, with this deadline or none; what was there goes. To who counts keys, or
    /// walks over them, one that was there was there all the time.
    pub fn put_new(&mut self, value: Value, deadline: Option<UnixMillis>) {
        self.put_entry(value, deadline, Usage::default());
    }

    /// The same for one that was used so much before.
    pub fn put_used(&mut self, value: Value, deadline: Option<UnixMillis>, usage: Usage) {
        self.has_usage = true;
        self.put_entry(value, deadline, usage);
    }

    fn put_entry(&mut self, value: Value, deadline: Option<UnixMillis>, usage: Usage) {
        if self.place.entry().is_some() && !self.exists() {
            self.met_expired();
        }
        self.event(Wanted::NEW, "new");
        let (form, payload) = value.into_parts();
        let mut room = Vec::new();
        let content = Content::of(payload, &mut room);
        self.changed = true;
        let entry = Entry::new(self.place.key(), form, content, deadline, usage, self.inner.clock());
        if let Some(old) = self.place.set(entry) {
            self.trash.push(Trash::Entry(old));
        }
    }

    fn put_content(&mut self, form: Form, content: Content<'_>, deadline: Option<UnixMillis>) {
        self.event_of_new();
        self.changed = true;
        if self.place.entry().is_some() {
            self.place.rewrite(form, content, deadline, self.trash);
        } else {
            let entry =
                Entry::new(self.place.key(), form, content, deadline, Usage::default(), self.inner.clock());
            self.place.set(entry);
        }
    }

    /// Takes the value out, and removes the key.
    pub fn take(&mut self) -> Option<Value> {
        let was_there = self.exists();
        let entry = self.place.remove()?;
        self.changed = true;
        let value = entry.into_value();
        if was_there {
            return Some(value);
        }
        self.met_expired();
        self.trash.push(Trash::Value(value));
        None
    }

    /// Removes the key. Says whether it was there; one whose deadline is past goes, but was not.
    pub fn remove(&mut self) -> bool {
        let was_there = self.exists();
        if let Some(entry) = self.place.remove() {
            if !was_there {
                self.met_expired();
            }
            self.changed = true;
            self.trash.push(Trash::Entry(entry));
        }
        was_there
    }

    /// Edits the value where it is. `Ok(None)` when there is no such key; an emptied collection takes its key along.
    ///
    /// # Errors
    /// [`WrongKind`] when the key holds another kind.
    pub fn edit<T: ValueKind, R>(
        &mut self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, WrongKind> {
        match self.entry() {
            None => return Ok(None),
            Some(entry) if entry.kind() != T::KIND => return Err(entry.value().wrong_kind()),
            Some(_) => {}
        }
        self.changed = true;
        let mut gone = false;
        let answer = self.place.edit_value(self.trash, |value| {
            let value = T::of(value).expect("the entry's form says that it is of this kind");
            let answer = change(value);
            gone = value.is_gone();
            (answer, if gone { Fate::Remove } else { Fate::Keep })
        });
        self.emptied = gone;
        Ok(Some(answer))
    }

    /// Edits the value where it is, or a new one that is stored unless it stays empty.
    ///
    /// # Errors
    /// [`WrongKind`] when the key holds another kind.
    pub fn edit_or_new<T: ValueKind + Default, R>(
        &mut self,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<R, WrongKind> {
        if self.exists() {
            let answer = self.edit(change)?;
            return Ok(answer.expect("it exists"));
        }
        let mut value = T::default();
        let answer = change(&mut value);
        if !value.is_gone() {
            self.put(value.into());
        }
        Ok(answer)
    }
}
