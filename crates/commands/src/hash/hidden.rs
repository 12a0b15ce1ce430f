//! Fields that are past their deadline and still there, where a client of a master writes.
//!
//! Owns what is told and counted when they go with that. Never hides anything from a master's stream, for which nothing
//! has expired.

use std::collections::HashSet;

use storage::value::hash::HashRef;
use storage::{Slot, UnixMillis, Wanted, Writer};

use crate::{CommandError, Dialect};

/// Those of these fields that are there, and past their deadline; each once.
pub(super) fn hidden<'n>(
    hash: Option<HashRef<'_>>,
    names: impl Iterator<Item = &'n [u8]>,
    now: UnixMillis,
) -> Vec<&'n [u8]> {
    match hash {
        Some(hash) if now != UnixMillis::NOTHING_EXPIRED && hash.has_deadlines() => {
            let mut seen = HashSet::new();
            let is_hidden = |name: &&[u8]| hash.find(name).is_some_and(|field| !field.is_visible(now));
            names.filter(is_hidden).filter(|name| seen.insert(*name)).collect()
        }
        _ => Vec::new(),
    }
}

/// Tells and counts fields that go.
pub(super) fn expire(slot: &Slot<'_>, writer: &Writer<'_>, fields: &[&[u8]]) {
    if !fields.is_empty() {
        slot.event_in(Wanted::HASH, "hexpired", fields.iter().copied());
        writer.expired_fields(fields.len());
    }
}

/// The same for one whose place another takes. A Redis has removed it before, and the hash with it if it was the last.
pub(super) fn expire_one(
    slot: &mut Slot<'_>,
    writer: &Writer<'_>,
    name: &[u8],
    now: UnixMillis,
    dialect: Dialect,
) -> Result<(), CommandError> {
    let hash = slot.hash()?;
    let hidden = hidden(hash, std::iter::once(name), now);
    if hidden.is_empty() || dialect.is_valkey() || hash.is_some_and(|hash| hash.len() > 1) {
        expire(slot, writer, &hidden);
    } else {
        slot.remove();
        slot.event(Wanted::GENERIC, "del");
        writer.expired_fields(1);
    }
    Ok(())
}
