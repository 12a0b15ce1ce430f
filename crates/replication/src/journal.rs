//! What a unit of several commands has changed so far, so that it can be undone when a later command of it fails.
//!
//! Owns the notes of one unit. Everything happens under the token, with the gate closed.

use commands::Command;
use commands::spec::KeyFlags;
use protocol::Args;
use storage::{DbIndex, UnixMillis, Value, ValueRef, Writer};

use crate::plan::{Step, What};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Commands at this place of the unit and later ones need no note: a command that fails has changed nothing.
    until: usize,
    notes: Vec<Note>,
}

/// What stood at a key: its value and deadline, or nothing.
#[derive(Debug)]
struct Note {
    db: DbIndex,
    key: Vec<u8>,
    before: Option<(Value, Option<UnixMillis>)>,
}

impl Journal {
    /// An empty one for a unit.
    pub(crate) fn of(unit: &[Step<'_>]) -> Self {
        let until = unit.iter().rposition(|step| matches!(step.what, What::Data(..))).unwrap_or(0);
        Journal { until, notes: Vec::new() }
    }

    /// Notes what is needed to undo the command at this place of the unit, which is about to be run.
    pub(crate) fn before(
        &mut self,
        writer: &Writer<'_>,
        place: usize,
        command: &Command,
        args: Args<'_>,
        db: DbIndex,
    ) {
        if place >= self.until {
            return;
        }
        // Keys cannot be told only of what its handler refuses.
        let _refused = command.visit_keys(&args, |found| {
            let key = args.get(found.index);
            if found.flags.contains(KeyFlags::RO)
                || self.notes.iter().any(|note| note.db == db && note.key == key)
            {
                return;
            }
            let data = writer.db(db, UnixMillis::NOTHING_EXPIRED);
            let before = data.peek(key).map(|entry| (copy_of(entry.value()), entry.deadline()));
            self.notes.push(Note { db, key: key.to_vec(), before });
        });
    }

    /// Brings everything back that was noted.
    pub(crate) fn undo(mut self, writer: &Writer<'_>) {
        while let Some(note) = self.notes.pop() {
            writer.db(note.db, UnixMillis::NOTHING_EXPIRED).edit(&note.key, |slot| match note.before {
                Some((value, deadline)) => {
                    slot.put(value);
                    slot.set_deadline(deadline);
                }
                None => {
                    slot.remove();
                }
            });
        }
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
