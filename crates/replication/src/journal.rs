//! What a unit of several commands has changed so far, so that it can be undone when a later command of it fails.
//!
//! A command that fails has changed nothing, so only what runs before a command that may fail is written down (see
//! [`crate::fallible`]: most transactions have none, and pay nothing). Small values are copied whole. Of big ones
//! only what the command names is noted: the fields, members or scores among its arguments, the ends of a list, the
//! nodes or pending entries of a stream that it reaches; a value that is replaced, removed or renamed is moved, not
//! copied. A big value is copied whole only for the few commands that reach into a range of it (LTRIM, LREM,
//! ZREMRANGEBY…, XTRIM …).
//!
//! Undone from the last note to the first, each brings back what stood before its command. Contents come back
//! exactly; a big value keeps the encoding that it has.
//!
//! Owns the notes of one unit. Everything happens under the token, with the gate closed.

mod note;
mod part;

use std::collections::HashSet;

use commands::spec::KeyFlags;
use commands::{Command, Dialect};
use protocol::Args;
use storage::{DbIndex, UnixMillis, Writer};

use crate::fallible;
use crate::plan::{Step, What};
use note::{Before, Note};

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal<'w> {
    writer: &'w Writer<'w>,
    dialect: Dialect,
    /// Commands from this place of the unit on need no note.
    until: usize,
    /// From the first to the last.
    notes: Vec<Note<'w>>,
    /// Where the notes of the command that is being run begin.
    present: usize,
    /// Keys whose whole state is among the notes: later changes to them need none.
    whole: HashSet<(DbIndex, Vec<u8>)>,
}

impl<'w> Journal<'w> {
    /// An empty one for a unit.
    pub(crate) fn of(writer: &'w Writer<'w>, unit: &[Step<'_>], dialect: Dialect) -> Self {
        // What a script does, nobody knows beforehand.
        let has_script = unit.iter().any(|step| matches!(step.what, What::Script(..)));
        let until = if has_script { usize::MAX } else { fallible::last(writer, unit) };
        Journal { writer, dialect, until, notes: Vec::new(), present: 0, whole: HashSet::new() }
    }

    /// Notes what is needed to undo the command at this place of the unit, which is about to be run.
    pub(crate) fn before(&mut self, place: usize, command: &Command, args: Args<'_>, db: DbIndex) {
        self.present = self.notes.len();
        if place >= self.until {
            return;
        }
        match command.name {
            "swapdb" => {
                let there =
                    |index: usize| number(args.get(index)).filter(|db| db.0 < self.writer.databases());
                if let (Some(first), Some(second)) = (there(0), there(1)) {
                    self.structural(Note::Swapped(first, second));
                }
            }
            "flushdb" => self.flush(db),
            "flushall" => (0..self.writer.databases()).for_each(|index| self.flush(DbIndex(index))),
            "rename" | "renamenx" => {
                self.carry(command.name == "rename", (db, args.get(0)), (db, args.get(1)));
            }
            "move" => {
                if let Some(to) = number(args.get(1)).filter(|db| db.0 < self.writer.databases()) {
                    self.carry(false, (db, args.get(0)), (to, args.get(0)));
                }
            }
            "copy" => {
                let named = (2..args.len()).find(|index| args.is_word(*index, "db"));
                let to = named.map_or(Some(db), |at| number(args.get(at + 1)));
                if let Some(to) = to.filter(|db| db.0 < self.writer.databases()) {
                    self.key(command, args, to, args.get(1), false);
                }
            }
            name if name.starts_with("function|") => {
                self.notes.push(Note::Functions(self.writer.functions().clone()));
            }
            _ => {
                // Keys cannot be told only of what its handler refuses.
                let _refused = command.visit_keys(&args, |found| {
                    if !found.flags.contains(KeyFlags::RO) {
                        self.key(command, args, db, args.get(found.index), found.index == 0);
                    }
                });
            }
        }
    }

    /// Notes what this command may change at a key; `first`: it is the command's first.
    fn key(&mut self, command: &Command, args: Args<'_>, db: DbIndex, key: &[u8], first: bool) {
        if !self.whole.contains(&(db, key.to_vec())) {
            let before = part::before(self.writer, self.dialect, command.name, args, db, key, first);
            self.add(db, key, before);
        }
    }

    fn add(&mut self, db: DbIndex, key: &[u8], before: Before) {
        if before.is_whole() {
            self.whole.insert((db, key.to_vec()));
        }
        self.notes.push(Note::Key { db, key: key.to_vec(), before });
    }

    /// A value goes from one place to another; what is there is replaced, or prevents it.
    fn carry(&mut self, replaces: bool, from: (DbIndex, &[u8]), to: (DbIndex, &[u8])) {
        let is_there =
            |(db, key): (DbIndex, &[u8])| self.writer.db(db, UnixMillis::NOTHING_EXPIRED).peek(key).is_some();
        if from == to || !is_there(from) || !replaces && is_there(to) {
            return;
        }
        let before = Before::moved_aside(self.writer, to.0, to.1);
        self.add(to.0, to.1, before);
        self.structural(Note::Carried { from: (from.0, from.1.to_vec()), to: (to.0, to.1.to_vec()) });
    }

    fn flush(&mut self, db: DbIndex) {
        let aside = self.writer.set_aside(db);
        self.structural(Note::Flushed(aside));
    }

    /// Notes that values change places: what stands where must be noted anew from here on.
    fn structural(&mut self, note: Note<'w>) {
        self.notes.push(note);
        self.whole.clear();
    }

    /// The command that was being run has failed and yet has changed something: it was a script.
    pub(crate) fn undo_all(mut self) {
        self.present = self.notes.len();
        self.undo();
    }

    /// Brings everything back: the command that was being run has failed, and changed nothing itself.
    pub(crate) fn undo(mut self) {
        while let Some(note) = self.notes.pop() {
            if self.notes.len() < self.present || note.has_moved_something() {
                note.undo(self.writer);
            }
        }
    }
}

fn number(text: &[u8]) -> Option<DbIndex> {
    std::str::from_utf8(text).ok()?.parse().ok().map(DbIndex)
}
