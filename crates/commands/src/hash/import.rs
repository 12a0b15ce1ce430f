//! HIMPORT SET: hashes of the same fields, whose names are sent once.
//!
//! Owns what a client has prepared, and the hash that is made of it. Never knows which client: whoever serves one keeps
//! its [`Fieldsets`] for it.

use std::collections::HashMap;

use protocol::{Args, Reply};
use storage::value::Hash;
use storage::value::hash::FieldDeadline;
use storage::{Kind, Wanted};

use super::deadline_form;
use super::deadlines::check_is_hash;
use crate::{CommandError, WriteContext};

/// The most bytes of names that one client keeps here: no honest import has so many, and they are in nobody's account.
const BYTES_MAX: usize = 16 << 20;

/// The names of fields that one client has prepared, by names of its own.
#[derive(Debug, Default)]
pub struct Fieldsets {
    sets: HashMap<Box<[u8]>, Fieldset>,
    bytes: usize,
}

#[derive(Debug)]
struct Fieldset {
    /// The names, short ones first, and where among the values each one's stands.
    fields: Vec<(Box<[u8]>, usize)>,
    bytes: usize,
}

impl Fieldsets {
    /// HIMPORT PREPARE fieldset-name field [field ...]
    ///
    /// # Errors
    /// When a field is named twice, or too much is prepared.
    pub fn prepare(&mut self, args: Args<'_>) -> Result<(), CommandError> {
        let names = args.from(1);
        let mut fields: Vec<(Box<[u8]>, usize)> =
            names.iter().enumerate().map(|(place, name)| (Box::from(name), place)).collect();
        fields.sort_unstable_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
        if fields.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
            return Err(CommandError::new("ERR duplicate field name in fieldset"));
        }
        let each = size_of::<(Box<[u8]>, usize)>();
        let bytes = args.iter().map(|word| word.len() + each).sum::<usize>();
        self.discard(args.get(0));
        if self.bytes + bytes > BYTES_MAX {
            return Err(CommandError::new("ERR too much is prepared on this connection: DISCARD some of it"));
        }
        self.bytes += bytes;
        self.sets.insert(args.get(0).into(), Fieldset { fields, bytes });
        Ok(())
    }

    /// HIMPORT DISCARD fieldset-name: whether there was one.
    pub fn discard(&mut self, name: &[u8]) -> bool {
        let discarded = self.sets.remove(name);
        self.bytes -= discarded.as_ref().map_or(0, |set| set.bytes);
        discarded.is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

/// HIMPORT SET key fieldset-name value [value ...]: a new hash in the place of the old one.
pub(crate) fn himport_set(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (key, values) = (args.get(0), args.from(2));
    check_is_hash(ctx, key)?;
    let set = ctx.fieldsets.and_then(|fieldsets| fieldsets.sets.get(args.get(1)));
    let set = set.ok_or(CommandError::new("ERR no such fieldset"))?;
    if values.len() != set.fields.len() {
        return Err(CommandError::new("ERR value count does not match fieldset field count"));
    }
    let names = || set.fields.iter().map(|(name, _)| &**name);
    let longest = names().chain(values.iter()).map(<[u8]>::len).max().unwrap_or(0);
    let (limits, form) = (ctx.limits, deadline_form(ctx.dialect));
    let mut hash = Hash::default();
    hash.prepare(values.len(), longest, limits);
    for (name, place) in &set.fields {
        hash.set(name, values.get(*place), FieldDeadline::Cleared, limits, form);
    }
    ctx.db.edit(key, |slot| {
        slot.event_of_replacing(Kind::Hash);
        slot.put_until(hash.into(), None);
        slot.event_in(Wanted::HASH, "hset", names());
    });
    reply.ok();
    Ok(())
}
