//! A small hash's listpack: pairs of field and value, or triples with a deadline.
//!
//! Owns the order of triples: those with a deadline first, the soonest first, the newest first among equals (so
//! that a listpack of Redis stays what it is), then those without, whose third element is 0.

use crate::UnixMillis;
use crate::packed::{Item, Listpack, ListpackRef, Position};

use super::{Before, Field, FieldDeadline};

/// Where the field of that name stands, in pairs.
pub(super) fn find_pair(pack: ListpackRef<'_>, name: &[u8]) -> Option<Position> {
    pack.find(name, 1)
}

/// Where the field of that name stands, in triples.
pub(super) fn find_triple(pack: ListpackRef<'_>, name: &[u8]) -> Option<Position> {
    pack.find(name, 2)
}

/// The field that stands at `at`, in pairs.
pub(super) fn pair_at(pack: ListpackRef<'_>, at: Position) -> Field<'_> {
    let mut items = pack.iter_from(at);
    let mut next = || items.next().unwrap_or(Item::Str(&[]));
    Field { name: next(), value: next(), deadline: None }
}

/// The field that stands at `at`, in triples.
pub(super) fn triple_at(pack: ListpackRef<'_>, at: Position) -> Field<'_> {
    let mut items = pack.iter_from(at);
    let mut next = || items.next().unwrap_or(Item::Str(&[]));
    Field { name: next(), value: next(), deadline: deadline_of(next()) }
}

/// What a triple's third element says.
pub(super) fn deadline_of(item: Item<'_>) -> Option<UnixMillis> {
    item.as_int().filter(|millis| *millis != 0).map(UnixMillis)
}

/// The same fields, as triples without deadlines.
pub(super) fn triples_of(pairs: ListpackRef<'_>) -> Listpack {
    let mut triples = Listpack::with_capacity(pairs.wire_len() + pairs.len());
    let mut items = pairs.iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        triples.push_item(name);
        triples.push_item(value);
        triples.push_int(0);
    }
    triples
}

/// Sets a field; what there was before.
pub(super) fn set_in_pairs(pack: &mut Listpack, name: &[u8], value: &[u8]) -> Option<Before> {
    match find_pair(pack.view(), name) {
        Some(at) => {
            if let Some(value_at) = pack.view().next(at) {
                pack.replace(value_at, value);
            }
            Some(Before { deadline: None })
        }
        None => {
            pack.push(name);
            pack.push(value);
            None
        }
    }
}

/// Sets a field and its deadline; what there was before.
pub(super) fn set_in_triples(
    pack: &mut Listpack,
    name: &[u8],
    value: &[u8],
    deadline: FieldDeadline,
) -> Option<Before> {
    let Some(at) = find_triple(pack.view(), name) else {
        let deadline = match deadline {
            FieldDeadline::At(deadline) => Some(deadline),
            FieldDeadline::Cleared | FieldDeadline::Kept => None,
        };
        add_triple(pack, name, value, deadline);
        return None;
    };
    let before = Before { deadline: triple_at(pack.view(), at).deadline };
    if let Some(value_at) = pack.view().next(at) {
        pack.replace(value_at, value);
    }
    match deadline {
        FieldDeadline::Kept => {}
        FieldDeadline::Cleared => move_triple(pack, at, before.deadline, None),
        FieldDeadline::At(deadline) => move_triple(pack, at, before.deadline, Some(deadline)),
    }
    Some(before)
}

/// Takes a field out; what there was.
pub(super) fn remove_from_pairs(pack: &mut Listpack, name: &[u8]) -> Option<Before> {
    let at = find_pair(pack.view(), name)?;
    pack.remove_range(at, 2);
    Some(Before { deadline: None })
}

/// Takes a field out; what there was.
pub(super) fn remove_from_triples(pack: &mut Listpack, name: &[u8]) -> Option<Before> {
    let at = find_triple(pack.view(), name)?;
    let deadline = triple_at(pack.view(), at).deadline;
    pack.remove_range(at, 3);
    Some(Before { deadline })
}

/// Gives a field a deadline or takes it away; what there was before.
pub(super) fn set_deadline(pack: &mut Listpack, name: &[u8], deadline: Option<UnixMillis>) -> Option<Before> {
    let at = find_triple(pack.view(), name)?;
    let before = Before { deadline: triple_at(pack.view(), at).deadline };
    move_triple(pack, at, before.deadline, deadline);
    Some(before)
}

/// Gives the triple at `at` another deadline, and the place that belongs to it.
fn move_triple(pack: &mut Listpack, at: Position, old: Option<UnixMillis>, new: Option<UnixMillis>) {
    if old.is_none() && new.is_none() {
        return;
    }
    let field = triple_at(pack.view(), at);
    let (name, value) = (field.name.to_vec(), field.value.to_vec());
    pack.remove_range(at, 3);
    add_triple(pack, &name, &value, new);
}

/// Puts a new triple where its deadline belongs.
fn add_triple(pack: &mut Listpack, name: &[u8], value: &[u8], deadline: Option<UnixMillis>) {
    let place = deadline.and_then(|deadline| {
        let view = pack.view();
        let mut at = view.first();
        while let Some(name_at) = at {
            let deadline_at = view.next(view.next(name_at)?)?;
            if deadline_of(view.get_at(deadline_at)).is_none_or(|other| other >= deadline) {
                return Some(name_at);
            }
            at = view.next(deadline_at);
        }
        None
    });
    let millis = deadline.map_or(0, |deadline| deadline.0);
    match place {
        Some(at) => {
            let name_at = pack.insert_before(at, name);
            let value_at = pack.insert_after(name_at, value);
            pack.insert_int_after(value_at, millis);
        }
        None => {
            pack.push(name);
            pack.push(value);
            pack.push_int(millis);
        }
    }
}
