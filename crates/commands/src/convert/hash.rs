//! Hashes whose fields come one by one, some with a deadline.

use rdb::{Str, Template};
use storage::UnixMillis;
use storage::packed::{Item, Listpack};
use storage::value::hash::{Field, FieldDeadline, Hash};
use storage::value::{Limits, hash::DeadlineForm};

use super::{ConvertError, ELEMENTS_RESERVED_MAX, Rules, Value, corrupt, list};

const TWICE: ConvertError = corrupt("the same field twice");

/// A hash that comes in pieces.
#[derive(Debug)]
pub(super) enum HashBuilder {
    /// Still small: fields are written one behind the other, as a server does that wrote none of them twice.
    Pairs(Listpack),
    /// The same with deadlines (0: none), in any order.
    Triples(Listpack),
    /// Not small.
    Big(Hash),
}

impl HashBuilder {
    /// One that will have so many fields.
    pub(super) fn new(count: u64, limits: &Limits) -> Self {
        if count > limits.hash_max_listpack_entries as u64 {
            HashBuilder::Big(Hash::with_capacity(count.min(ELEMENTS_RESERVED_MAX) as usize))
        } else {
            HashBuilder::Pairs(Listpack::new())
        }
    }

    pub(super) fn add(
        &mut self,
        name: Str<'_>,
        value: Str<'_>,
        deadline: Option<i64>,
        rules: Rules<'_>,
    ) -> Result<(), ConvertError> {
        if let HashBuilder::Pairs(_) | HashBuilder::Triples(_) = self {
            self.make_fit(length(name).max(length(value)), deadline, rules)?;
        }
        match self {
            HashBuilder::Pairs(pack) => {
                list::push(pack, name);
                list::push(pack, value);
            }
            HashBuilder::Triples(pack) => {
                list::push(pack, name);
                list::push(pack, value);
                pack.push_int(deadline.unwrap_or(0));
            }
            HashBuilder::Big(hash) => {
                let (mut room, mut value_room) = ([0; 20], [0; 20]);
                put(hash, name.bytes(&mut room), value.bytes(&mut value_room), deadline, rules)?;
            }
        }
        Ok(())
    }

    /// Takes the form in which a field so long, with this deadline, may be added.
    fn make_fit(
        &mut self,
        longest: usize,
        deadline: Option<i64>,
        rules: Rules<'_>,
    ) -> Result<(), ConvertError> {
        let too_long = longest > rules.limits.hash_max_listpack_value;
        // A triple has no other way to say "none" than 0.
        let not_packed =
            deadline.is_some_and(|deadline| deadline <= 0 || rules.deadlines == DeadlineForm::Big);
        let (pack, is_pairs) = match &*self {
            HashBuilder::Pairs(pack) => (pack, true),
            HashBuilder::Triples(pack) => (pack, false),
            HashBuilder::Big(_) => return Ok(()),
        };
        if too_long || not_packed || !pack.has_room(longest.saturating_mul(2)) {
            let mut big = Hash::with_capacity(pack.len() / 2 + 1);
            for field in self.fields() {
                let (mut name, mut value) = (itoa::Buffer::new(), itoa::Buffer::new());
                let deadline = field.deadline.map(|deadline| deadline.0);
                put(
                    &mut big,
                    field.name.as_bytes(&mut name),
                    field.value.as_bytes(&mut value),
                    deadline,
                    rules,
                )?;
            }
            *self = HashBuilder::Big(big);
        } else if is_pairs && deadline.is_some() {
            let mut triples = Listpack::with_capacity(pack.as_bytes().len() * 2);
            for field in self.fields() {
                triples.push_item(field.name);
                triples.push_item(field.value);
                triples.push_int(0);
            }
            *self = HashBuilder::Triples(triples);
        }
        Ok(())
    }

    /// What was added in a small form.
    fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let (pack, with_deadlines) = match self {
            HashBuilder::Pairs(pack) => (Some(pack), false),
            HashBuilder::Triples(pack) => (Some(pack), true),
            HashBuilder::Big(_) => (None, false),
        };
        let mut items = pack.into_iter().flat_map(|pack| pack.view().iter());
        std::iter::from_fn(move || {
            let (name, value) = (items.next()?, items.next()?);
            let deadline = if with_deadlines { items.next().and_then(Item::as_int) } else { None };
            Some(Field { name, value, deadline: deadline.filter(|millis| *millis != 0).map(UnixMillis) })
        })
    }

    /// Adds the fields of a template with the values in `blob`: a listpack of the template's number and them.
    pub(super) fn add_templated(
        &mut self,
        template: &Template,
        blob: &[u8],
        rules: Rules<'_>,
    ) -> Result<(), ConvertError> {
        let pack = list::listpack(blob)?;
        let mut values = pack.view().iter();
        values.next().ok_or(corrupt("the values of a hash template"))?;
        if pack.len() != template.len() + 1 {
            return Err(corrupt("the values of a hash template"));
        }
        for (name, value) in template.iter().zip(values) {
            let value = match value {
                Item::Int(value) => Str::Int(value),
                Item::Str(bytes) => Str::Bytes(bytes),
            };
            self.add(Str::Bytes(name), value, None, rules)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Option<Value>, ConvertError> {
        let hash = match self {
            HashBuilder::Pairs(pack) => Hash::from_pairs(pack),
            HashBuilder::Triples(pack) => Hash::from_triples(pack),
            HashBuilder::Big(hash) => Some(hash),
        };
        let hash = hash.ok_or(corrupt("a hash"))?;
        Ok((!hash.is_empty()).then(|| hash.into()))
    }
}

/// Adds a field to a big hash that must not have it.
fn put(
    hash: &mut Hash,
    name: &[u8],
    value: &[u8],
    deadline: Option<i64>,
    rules: Rules<'_>,
) -> Result<(), ConvertError> {
    let deadline = deadline.map_or(FieldDeadline::Cleared, |millis| FieldDeadline::At(UnixMillis(millis)));
    match hash.set(name, value, deadline, rules.limits, rules.deadlines) {
        None => Ok(()),
        Some(_) => Err(TWICE),
    }
}

/// How many bytes a string has.
fn length(text: Str<'_>) -> usize {
    match text {
        Str::Int(value) => Item::Int(value).len(),
        Str::Bytes(bytes) => bytes.len(),
    }
}

/// A small hash whose pairs stand in a listpack already.
pub(super) fn of_pairs(pack: Listpack, limits: &Limits) -> Result<Option<Value>, ConvertError> {
    fitted(Hash::from_pairs(pack), limits)
}

/// A small hash whose triples stand in a listpack already.
pub(super) fn of_triples(pack: Listpack, limits: &Limits) -> Result<Option<Value>, ConvertError> {
    fitted(Hash::from_triples(pack), limits)
}

fn fitted(hash: Option<Hash>, limits: &Limits) -> Result<Option<Value>, ConvertError> {
    let mut hash = hash.ok_or(corrupt("a hash"))?;
    let fields = hash.len();
    hash.fit(limits);
    // A table drops a field that is there twice; the listpack that stays one keeps it, as in Redis.
    if hash.len() != fields {
        return Err(TWICE);
    }
    Ok((fields > 0).then(|| hash.into()))
}
