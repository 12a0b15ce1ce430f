//! Values of one blob: checked, and kept where that can be.

use std::collections::HashSet;

use rdb::{Packing, Str, Template, ziplist, zipmap};
use storage::packed::{Intset, IntsetRef, Listpack, ListpackRef};
use storage::value::list::ListBuilder;
use storage::value::sorted_set::{SortedSet, SortedSetRef};
use storage::value::{HashRef, Limits, Set, SetRef, ValueRef};

use super::hash::{self, HashBuilder};
use super::list::{from_ziplist, listpack, push};
use super::{ConvertError, Rules, Value, corrupt};

/// The value that a blob is. `None` for an empty collection.
pub(super) fn value(packing: Packing, blob: &[u8], rules: Rules<'_>) -> Result<Option<Value>, ConvertError> {
    let limits = rules.limits;
    match packing {
        Packing::HashListpack => hash::of_pairs(listpack(blob)?, limits),
        Packing::HashListpackEx => hash::of_triples(listpack(blob)?, limits),
        Packing::HashZiplist => hash_of_ziplist(blob, rules),
        Packing::HashZipmap => hash_of_zipmap(blob, rules),
        Packing::SetIntset => {
            let ints = Intset::from_bytes(blob.to_vec()).map_err(|_| corrupt("an intset"))?;
            set(Set::Ints(ints), limits)
        }
        Packing::SetListpack => set(Set::Packed(listpack(blob)?), limits),
        Packing::SortedSetListpack => sorted_set(listpack(blob)?, limits),
        Packing::SortedSetZiplist => sorted_set_of_ziplist(blob, limits),
        Packing::ListZiplist => {
            let mut list = ListBuilder::default();
            list.push_pack(from_ziplist(blob)?);
            let list = list.finish_in_nodes();
            Ok((!list.is_empty()).then(|| list.into()))
        }
    }
}

/// The value that a blob is, when it can be kept as it is; see [`super::in_place`].
pub(super) fn in_place<'a>(packing: Packing, blob: &'a [u8], limits: &Limits) -> Option<ValueRef<'a>> {
    let pack = || ListpackRef::from_wire(blob).ok().flatten();
    let value = match packing {
        Packing::HashListpack => {
            let hash = HashRef::from_pairs(pack()?).filter(|hash| hash.fits(limits))?;
            ValueRef::Hash(hash)
        }
        Packing::SetListpack => ValueRef::Set(Some(SetRef::Packed(pack()?)).filter(|set| set.fits(limits))?),
        Packing::SetIntset => {
            let ints = IntsetRef::from_bytes(blob).ok()?;
            ValueRef::Set(Some(SetRef::Ints(ints)).filter(|set| set.fits(limits))?)
        }
        Packing::SortedSetListpack => {
            ValueRef::SortedSet(SortedSetRef::from_packed(pack()?, limits).ok().flatten()?)
        }
        _ => return None,
    };
    (value.elements() > 0).then_some(value)
}

/// A hash with a template's fields and the values in `blob`.
pub(super) fn templated(
    template: &Template,
    blob: &[u8],
    rules: Rules<'_>,
) -> Result<Option<Value>, ConvertError> {
    let mut hash = HashBuilder::new(template.len() as u64, rules.limits);
    hash.add_templated(template, blob, rules)?;
    hash.finish()
}

/// A set in a small form, or in the big one when there are too many members.
fn set(mut set: Set, limits: &Limits) -> Result<Option<Value>, ConvertError> {
    let members = set.len();
    set.fit(limits);
    if set.len() != members {
        return Err(corrupt("the same member twice"));
    }
    Ok((members > 0).then(|| set.into()))
}

fn sorted_set(pack: Listpack, limits: &Limits) -> Result<Option<Value>, ConvertError> {
    let members = pack.len() / 2;
    let set = SortedSet::from_packed(pack, limits).map_err(|_| corrupt("a packed sorted set"))?;
    if set.len() != members {
        return Err(corrupt("the same member twice"));
    }
    Ok((members > 0).then(|| set.into()))
}

/// Looks whether elements come in pairs, none of whose firsts is there twice: where Redis packs a ziplist anew it
/// looks at that too.
#[derive(Default)]
struct Pairs {
    seen: HashSet<Vec<u8>>,
    elements: usize,
    twice: bool,
}

impl Pairs {
    fn next(&mut self, element: Str<'_>) {
        if self.elements.is_multiple_of(2) {
            self.twice |= !self.seen.insert(element.to_vec());
        }
        self.elements += 1;
    }

    fn check(&self, what: &'static str) -> Result<(), ConvertError> {
        if self.twice || !self.elements.is_multiple_of(2) { Err(corrupt(what)) } else { Ok(()) }
    }
}

fn hash_of_ziplist(blob: &[u8], rules: Rules<'_>) -> Result<Option<Value>, ConvertError> {
    let mut pack = Listpack::with_capacity(blob.len());
    let mut pairs = Pairs::default();
    ziplist::for_each(blob, |element| {
        pairs.next(element);
        push(&mut pack, element);
    })
    .map_err(|_| corrupt("a ziplist"))?;
    pairs.check("a hash's ziplist")?;
    hash::of_pairs(pack, rules.limits)
}

fn hash_of_zipmap(blob: &[u8], rules: Rules<'_>) -> Result<Option<Value>, ConvertError> {
    let mut hash = HashBuilder::new(0, rules.limits);
    let (mut pairs, mut outcome) = (Pairs::default(), Ok(()));
    zipmap::for_each(blob, |field, value| {
        pairs.next(Str::Bytes(field));
        pairs.next(Str::Bytes(value));
        if outcome.is_ok() {
            outcome = hash.add(Str::Bytes(field), Str::Bytes(value), None, rules);
        }
    })
    .map_err(|_| corrupt("a zipmap"))?;
    outcome?;
    pairs.check("a zipmap")?;
    match hash.finish()? {
        Some(Value::Hash(mut hash)) => {
            hash.fit(rules.limits);
            Ok(Some(hash.into()))
        }
        other => Ok(other),
    }
}

/// The elements of a ziplist are in order, but their scores may be written otherwise than a listpack of today has
/// them: kept as they are, for they are the same numbers.
fn sorted_set_of_ziplist(blob: &[u8], limits: &Limits) -> Result<Option<Value>, ConvertError> {
    let mut pack = Listpack::with_capacity(blob.len());
    let mut pairs = Pairs::default();
    ziplist::for_each(blob, |element| {
        pairs.next(element);
        push(&mut pack, element);
    })
    .map_err(|_| corrupt("a ziplist"))?;
    pairs.check("a sorted set's ziplist")?;
    sorted_set(pack, limits)
}
