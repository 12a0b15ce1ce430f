//! RDB items to stored values: one way for a snapshot's load and for RESTORE.
//!
//! A packed blob is checked once and kept when it is within the limits; anything else is built element by element,
//! so that a value of any size streams through. What comes out has the form that a real replica with these limits
//! gives it. Fields and keys past their deadline are kept: only the master deletes.
//!
//! Owns what of an RDB is a value, and which values are corrupt. Never knows a key.

mod array;
mod hash;
mod list;
mod packed;
pub mod save;
mod sets;
pub mod snapshot;
mod stream;

pub(crate) use array::kept_as_float;

use rdb::{Flavour, Item, Run, Str, Whole};
use storage::value::hash::DeadlineForm;
use storage::value::{Limits, ModuleValue, Text, Value, ValueRef};

use array::ArrayBuilder;
use hash::HashBuilder;
use list::ListBuilding;
use sets::{SetBuilder, SortedSetBuilder};
use stream::StreamBuilder;

/// How many elements we make room for on a file's word alone.
const ELEMENTS_RESERVED_MAX: u64 = 1 << 20;

/// The value is not what its type wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ConvertError {
    /// What is wrong.
    pub what: &'static str,
}

/// `what` is wrong.
const fn corrupt(what: &'static str) -> ConvertError {
    ConvertError { what }
}

/// What decides the form of a value.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'l> {
    /// When it leaves its packed form.
    pub limits: &'l Limits,
    /// What a small hash with deadlines of fields is.
    pub deadlines: DeadlineForm,
}

impl<'l> Rules<'l> {
    /// Those for values that a server of this vendor wrote.
    pub fn new(limits: &'l Limits, flavour: Flavour) -> Self {
        let deadlines = match flavour {
            Flavour::Redis => DeadlineForm::Packed,
            Flavour::Valkey => DeadlineForm::Big,
        };
        Rules { limits, deadlines }
    }
}

/// A value that came in one piece. `None` for an empty collection: no key is made of it, as in Redis.
///
/// # Errors
/// When the piece is corrupt.
pub fn whole(value: Whole<'_>, rules: Rules<'_>) -> Result<Option<Value>, ConvertError> {
    match value {
        Whole::Text(text) => Ok(Some(self::text(text).into())),
        Whole::Packed(packing, blob) => packed::value(packing, blob, rules),
        Whole::Templated(template, blob) => packed::templated(template, blob, rules),
    }
}

/// A value that is stored with the bytes in which it came: no copy of them is made before the store's own. `None` for
/// all others, wrong ones among them: [`whole`] says what they are.
pub fn in_place<'a>(value: Whole<'a>, rules: Rules<'_>) -> Option<ValueRef<'a>> {
    match value {
        Whole::Packed(packing, blob) => packed::in_place(packing, blob, rules.limits),
        Whole::Text(_) | Whole::Templated(..) => None,
    }
}

/// A string, as loading makes it: an integer where it is one's decimal form.
pub fn text(text: Str<'_>) -> Text {
    match text {
        Str::Int(value) => Text::Int(value),
        Str::Bytes(bytes) => Text::new(bytes),
    }
}

/// A value that comes in pieces.
#[derive(Debug)]
pub struct ValueBuilder(Building);

#[derive(Debug)]
enum Building {
    List(ListBuilding),
    Set(SetBuilder),
    SortedSet(SortedSetBuilder),
    Hash(HashBuilder),
    Stream(Box<StreamBuilder>),
    Array(Box<ArrayBuilder>),
    Module(ModuleValue),
}

impl ValueBuilder {
    /// Begins one.
    ///
    /// # Errors
    /// When what the run begins with is corrupt.
    pub fn open(run: Run, rules: Rules<'_>) -> Result<Self, ConvertError> {
        Ok(ValueBuilder(match run {
            Run::List(_) | Run::ListNodes(_) => Building::List(ListBuilding::default()),
            Run::Set(count) => Building::Set(SetBuilder::new(count, rules.limits)),
            Run::SortedSet(count) => Building::SortedSet(SortedSetBuilder::new(count, rules.limits)),
            Run::Hash(count) => Building::Hash(HashBuilder::new(count, rules.limits)),
            Run::Stream => Building::Stream(Box::default()),
            Run::Module(id) => Building::Module(ModuleValue { id: id.0, payload: Vec::new() }),
            Run::Array { last_insert, .. } => Building::Array(Box::new(ArrayBuilder::new(last_insert)?)),
        }))
    }

    /// Adds a piece. Those that are no part of the value itself (a template's names) are passed over.
    ///
    /// # Errors
    /// When it is corrupt, or twice there. The builder is of no use afterwards.
    pub fn add(&mut self, item: &Item<'_>, rules: Rules<'_>) -> Result<(), ConvertError> {
        match (&mut self.0, item) {
            (Building::List(list), Item::Element(element)) => list.push(*element, rules.limits),
            (Building::List(list), Item::Node(node)) => list.push_node(*node)?,
            (Building::Set(set), Item::Element(member)) => set.add(*member, rules.limits)?,
            (Building::SortedSet(set), Item::Scored(member, score)) => {
                set.add(*member, *score, rules.limits)?
            }
            (Building::Hash(hash), Item::Field { field, value, deadline }) => {
                hash.add(*field, *value, *deadline, rules)?;
            }
            (Building::Hash(hash), Item::Templated(template, blob)) => {
                hash.add_templated(template, blob, rules)?
            }
            (Building::Hash(_), Item::TemplateField(_)) => {}
            (Building::Stream(stream), Item::Stream(piece)) => stream.add(*piece)?,
            (Building::Array(array), Item::Indexed(index, element)) => array.set(*index, *element)?,
            (Building::Module(module), Item::ModulePart(part)) => module.payload.extend_from_slice(part),
            _ => return Err(corrupt("a piece of another value")),
        }
        Ok(())
    }

    /// The value. `None` for an empty collection: no key is made of it, as in Redis.
    ///
    /// # Errors
    /// When a piece is missing.
    pub fn finish(self, rules: Rules<'_>) -> Result<Option<Value>, ConvertError> {
        Ok(match self.0 {
            Building::List(list) => list.finish(rules.limits),
            Building::Set(set) => set.finish(),
            Building::SortedSet(set) => set.finish(rules.limits)?,
            Building::Hash(hash) => hash.finish()?,
            Building::Stream(stream) => Some(stream.finish()?.into()),
            Building::Array(array) => array.finish(),
            Building::Module(module) => Some(module.into()),
        })
    }
}
