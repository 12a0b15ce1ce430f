//! One note: what stood somewhere before a command, and how it is brought back.
//!
//! Owns copies, or the values themselves where they were moved aside. Never decides what is worth a note.

use storage::{DbIndex, Functions, SetAside, UnixMillis, Value, ValueRef, Writer};

use super::part::Part;

/// See the module.
#[derive(Debug)]
pub(super) enum Note<'w> {
    /// What stood at a key.
    Key {
        /// where
        db: DbIndex,
        /// where
        key: Vec<u8>,
        /// what
        before: Before,
    },
    /// A value went from one place, where it stood, to another, where nothing did.
    Carried {
        /// where it stood
        from: (DbIndex, Vec<u8>),
        /// where it stands now
        to: (DbIndex, Vec<u8>),
    },
    /// Two databases were exchanged.
    Swapped(DbIndex, DbIndex),
    /// A database's content.
    Flushed(SetAside<'w>),
    /// The function libraries.
    Functions(Functions),
}

/// What stood at a key.
#[derive(Debug)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// This, with this deadline.
    Whole(Value, Option<UnixMillis>),
    /// The same; it was taken out, not copied.
    MovedAside(Value, Option<UnixMillis>),
    /// This deadline; the value is not touched.
    Deadline(Option<UnixMillis>),
    /// Part of a value that is there still, or was emptied: then the deadline comes back too.
    Part(Part, Option<UnixMillis>),
}

impl Before {
    /// A copy of all that stands there.
    pub(super) fn whole(value: ValueRef<'_>, deadline: Option<UnixMillis>) -> Self {
        Before::Whole(copy_of(value), deadline)
    }

    /// Takes the value out of the store: the command that follows replaces it and does not look at it.
    pub(super) fn moved_aside(writer: &Writer<'_>, db: DbIndex, key: &[u8]) -> Self {
        let taken = writer.db(db, UnixMillis::NOTHING_EXPIRED).edit(key, |slot| {
            let deadline = slot.deadline();
            slot.take().map(|value| (value, deadline))
        });
        taken.map_or(Before::Nothing, |(value, deadline)| Before::MovedAside(value, deadline))
    }

    /// Whether it is all that stood there.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Before::Nothing | Before::Whole(..) | Before::MovedAside(..))
    }
}

impl Note<'_> {
    /// Whether taking the note has itself changed something.
    pub(super) fn has_moved_something(&self) -> bool {
        matches!(self, Note::Flushed(_) | Note::Key { before: Before::MovedAside(..), .. })
    }

    /// Brings it back.
    pub(super) fn undo(self, writer: &Writer<'_>) {
        match self {
            Note::Swapped(first, second) => writer.swap_db(first, second),
            Note::Flushed(aside) => aside.bring_back(),
            Note::Functions(functions) => writer.set_functions(functions),
            Note::Carried { from, to } => {
                let carried = Before::moved_aside(writer, to.0, &to.1);
                bring_back(writer, from.0, &from.1, carried);
            }
            Note::Key { db, key, before } => bring_back(writer, db, &key, before),
        }
    }
}

fn bring_back(writer: &Writer<'_>, db: DbIndex, key: &[u8], before: Before) {
    let mut data = writer.db(db, UnixMillis::NOTHING_EXPIRED);
    match before {
        Before::Nothing => {
            data.remove(key);
        }
        Before::Whole(value, deadline) | Before::MovedAside(value, deadline) => data.edit(key, |slot| {
            slot.put(value);
            slot.set_deadline(deadline);
        }),
        Before::Deadline(deadline) => data.edit(key, |slot| {
            slot.set_deadline(deadline);
        }),
        Before::Part(part, deadline) => data.edit(key, |slot| {
            part.bring_back(slot, writer.limits());
            slot.set_deadline(deadline);
        }),
    }
}

fn copy_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::String(text) => Value::String(text.to_text()),
        ValueRef::List(list) => Value::List(list.to_list()),
        ValueRef::Set(set) => Value::Set(set.to_set()),
        ValueRef::SortedSet(set) => Value::SortedSet(set.to_sorted_set()),
        ValueRef::Hash(hash) => Value::Hash(hash.to_hash()),
        ValueRef::Stream(stream) => Value::Stream(Box::new(stream.clone())),
        ValueRef::Array(array) => Value::Array(Box::new(array.clone())),
        ValueRef::Module(module) => Value::Module(Box::new(module.clone())),
    }
}
