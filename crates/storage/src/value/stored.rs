//! How each kind of value lies in an entry: the one place where a [`Value`] and an entry's bytes meet.
//!
//! An entry holds a *form* (kind and encoding, in five bits) and a payload, which is either bytes in the entry
//! itself (packed values) or one pointer to a box (big values). Nothing here is unsafe: [`crate::entry`] turns
//! a [`Big`] into that pointer and back.
//!
//! To give a kind another packed form: add the [`Form`] (to the list of all of them, too), and change the kind's arms
//! in `Value::into_parts`, `Value::from_parts` and `ValueRef::of`. To change what is behind a pointer: change the type
//! alias of the box (`BigHash` …) here.
//!
//! Owns the forms, and which type stands behind each pointer. Never touches an entry's memory.

use bytes::Bytes;

use crate::packed::listpack::Head;
use crate::packed::{Intset, IntsetRef, Listpack, ListpackRef};

use super::{
    Array, Hash, HashRef, Kind, List, ListRef, ModuleValue, Set, SetRef, SortedSet, SortedSetRef, Stream,
    Text, TextRef, Value, ValueRef,
};

// What stands behind the pointer of a big value.
pub(crate) type BigList = super::list::Quicklist;
pub(crate) type BigSet = super::set::BigSet;
pub(crate) type BigSortedSet = super::sorted_set::BigSortedSet;
pub(crate) type BigHash = super::hash::BigHash;

/// What an entry's first byte says of its value: the kind, and the shape of the payload. In five bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    TextInt,
    TextShort,
    TextRaw,
    ListPacked,
    SetInts,
    SetPacked,
    SortedSetPacked,
    HashPacked,
    HashPackedTtl,
    // From here on the payload is one pointer.
    TextLong = 16,
    ListBig,
    SetBig,
    SortedSetBig,
    HashBig,
    Stream,
    Array,
    Module,
}

impl Form {
    /// The bits of a byte that are a form.
    pub(crate) const BITS: u8 = 31;

    #[rustfmt::skip]
    const ALL: [Form; 17] = [
        Form::TextInt, Form::TextShort, Form::TextRaw, Form::ListPacked, Form::SetInts, Form::SetPacked,
        Form::SortedSetPacked, Form::HashPacked, Form::HashPackedTtl,
        Form::TextLong, Form::ListBig, Form::SetBig, Form::SortedSetBig, Form::HashBig, Form::Stream, Form::Array,
        Form::Module,
    ];

    /// Each form in its place; no other is ever written.
    #[allow(clippy::indexing_slicing)] // worked out by the compiler, which would say so
    const PLACES: [Form; 32] = {
        let mut places = [Form::TextRaw; 32];
        let mut index = 0;
        while index < Form::ALL.len() {
            places[Form::ALL[index] as usize] = Form::ALL[index];
            index += 1;
        }
        places
    };

    /// The form of which these are the lowest bits.
    #[inline]
    #[allow(clippy::indexing_slicing)] // five bits are below 32
    pub(crate) fn from_bits(byte: u8) -> Form {
        Form::PLACES[usize::from(byte & Form::BITS)]
    }

    /// Whether the payload is a pointer to a box.
    #[inline]
    pub(crate) fn is_big(self) -> bool {
        self as u8 >= Form::TextLong as u8
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Form::TextInt | Form::TextShort | Form::TextRaw | Form::TextLong => Kind::String,
            Form::ListPacked | Form::ListBig => Kind::List,
            Form::SetInts | Form::SetPacked | Form::SetBig => Kind::Set,
            Form::SortedSetPacked | Form::SortedSetBig => Kind::SortedSet,
            Form::HashPacked | Form::HashPackedTtl | Form::HashBig => Kind::Hash,
            Form::Stream => Kind::Stream,
            Form::Array => Kind::Array,
            Form::Module => Kind::Module,
        }
    }
}

/// A value on its way into or out of an entry.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Becomes the decimal form's number, in the fewest bytes.
    Int(i64),
    Inline(Vec<u8>),
    Big(Big),
}

/// A payload looked at inside an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PayloadRef<'a> {
    Inline(&'a [u8]),
    Big(BigRef<'a>),
}

/// Everything that can stand behind an entry's pointer.
#[derive(Debug)]
pub(crate) enum Big {
    Text(Box<Bytes>),
    List(Box<BigList>),
    Set(Box<BigSet>),
    SortedSet(Box<BigSortedSet>),
    Hash(Box<BigHash>),
    Stream(Box<Stream>),
    Array(Box<Array>),
    Module(Box<ModuleValue>),
}

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BigRef<'a> {
    Text(&'a Bytes),
    List(&'a BigList),
    Set(&'a BigSet),
    SortedSet(&'a BigSortedSet),
    Hash(&'a BigHash),
    Stream(&'a Stream),
    Array(&'a Array),
    Module(&'a ModuleValue),
}

impl Big {
    pub(crate) fn form(&self) -> Form {
        match self {
            Big::Text(_) => Form::TextLong,
            Big::List(_) => Form::ListBig,
            Big::Set(_) => Form::SetBig,
            Big::SortedSet(_) => Form::SortedSetBig,
            Big::Hash(_) => Form::HashBig,
            Big::Stream(_) => Form::Stream,
            Big::Array(_) => Form::Array,
            Big::Module(_) => Form::Module,
        }
    }
}

const MATCHES: &str = "an entry's form and payload are written together";

impl Value {
    /// Takes the value apart into what an entry stores.
    pub(crate) fn into_parts(self) -> (Form, Payload) {
        let big = |big: Big| (big.form(), Payload::Big(big));
        match self {
            Value::String(Text::Int(number)) => (Form::TextInt, Payload::Int(number)),
            Value::String(Text::Short(bytes)) => (Form::TextShort, Payload::Inline(bytes)),
            Value::String(Text::Raw(bytes)) => (Form::TextRaw, Payload::Inline(bytes)),
            Value::String(Text::Long(bytes)) => big(Big::Text(Box::new(bytes))),
            Value::List(List::Packed(pack)) => (Form::ListPacked, Payload::Inline(pack.into_bytes())),
            Value::List(List::Big(list)) => big(Big::List(list)),
            Value::Set(Set::Ints(ints)) => (Form::SetInts, Payload::Inline(ints.into_bytes())),
            Value::Set(Set::Packed(pack)) => (Form::SetPacked, Payload::Inline(pack.into_bytes())),
            Value::Set(Set::Big(set)) => big(Big::Set(set)),
            Value::SortedSet(SortedSet::Packed(packed)) => {
                (Form::SortedSetPacked, Payload::Inline(packed.into_bytes()))
            }
            Value::SortedSet(SortedSet::Big(set)) => big(Big::SortedSet(set)),
            Value::Hash(Hash::Packed(pack)) => (Form::HashPacked, Payload::Inline(pack.into_bytes())),
            Value::Hash(Hash::PackedTtl(pack)) => (Form::HashPackedTtl, Payload::Inline(pack.into_bytes())),
            Value::Hash(Hash::Big(hash)) => big(Big::Hash(hash)),
            Value::Stream(stream) => big(Big::Stream(stream)),
            Value::Array(array) => big(Big::Array(array)),
            Value::Module(module) => big(Big::Module(module)),
        }
    }

    /// Puts a value together from what an entry stored.
    pub(crate) fn from_parts(form: Form, payload: Payload) -> Value {
        match (form, payload) {
            (Form::TextInt, Payload::Int(number)) => Value::String(Text::Int(number)),
            (Form::TextShort, Payload::Inline(bytes)) => Value::String(Text::Short(bytes)),
            (Form::TextRaw, Payload::Inline(bytes)) => Value::String(Text::Raw(bytes)),
            (Form::ListPacked, Payload::Inline(bytes)) => {
                Value::List(List::Packed(Listpack::from_trusted(bytes)))
            }
            (Form::SortedSetPacked, Payload::Inline(bytes)) => {
                Value::SortedSet(SortedSet::Packed(Listpack::from_trusted(bytes)))
            }
            (Form::SetInts, Payload::Inline(bytes)) => Value::Set(Set::Ints(Intset::from_trusted(bytes))),
            (Form::SetPacked, Payload::Inline(bytes)) => {
                Value::Set(Set::Packed(Listpack::from_trusted(bytes)))
            }
            (Form::HashPacked, Payload::Inline(bytes)) => {
                Value::Hash(Hash::Packed(Listpack::from_trusted(bytes)))
            }
            (Form::HashPackedTtl, Payload::Inline(bytes)) => {
                Value::Hash(Hash::PackedTtl(Listpack::from_trusted(bytes)))
            }
            (_, Payload::Big(big)) => match big {
                Big::Text(bytes) => Value::String(Text::Long(*bytes)),
                Big::List(list) => Value::List(List::Big(list)),
                Big::Set(set) => Value::Set(Set::Big(set)),
                Big::SortedSet(set) => Value::SortedSet(SortedSet::Big(set)),
                Big::Hash(hash) => Value::Hash(Hash::Big(hash)),
                Big::Stream(stream) => Value::Stream(stream),
                Big::Array(array) => Value::Array(array),
                Big::Module(module) => Value::Module(module),
            },
            _ => unreachable!("{MATCHES}"),
        }
    }
}

impl<'a> ValueRef<'a> {
    /// Looks at what an entry stores.
    pub(crate) fn of(form: Form, payload: PayloadRef<'a>) -> ValueRef<'a> {
        match (form, payload) {
            (Form::TextInt, PayloadRef::Inline(bytes)) => {
                ValueRef::String(TextRef::Int(int_from_bytes(bytes)))
            }
            (Form::TextShort, PayloadRef::Inline(bytes)) => ValueRef::String(TextRef::Short(bytes)),
            (Form::TextRaw, PayloadRef::Inline(bytes)) => ValueRef::String(TextRef::Raw(bytes)),
            (Form::ListPacked, PayloadRef::Inline(bytes)) => {
                ValueRef::List(ListRef::Packed(ListpackRef::from_trusted(bytes)))
            }
            (Form::SortedSetPacked, PayloadRef::Inline(bytes)) => {
                ValueRef::SortedSet(SortedSetRef::Packed(ListpackRef::from_trusted(bytes)))
            }
            (Form::SetInts, PayloadRef::Inline(bytes)) => {
                ValueRef::Set(SetRef::Ints(IntsetRef::from_trusted(bytes)))
            }
            (Form::SetPacked, PayloadRef::Inline(bytes)) => {
                ValueRef::Set(SetRef::Packed(ListpackRef::from_trusted(bytes)))
            }
            (Form::HashPacked, PayloadRef::Inline(bytes)) => {
                ValueRef::Hash(HashRef::Packed(ListpackRef::from_trusted(bytes)))
            }
            (Form::HashPackedTtl, PayloadRef::Inline(bytes)) => {
                ValueRef::Hash(HashRef::PackedTtl(ListpackRef::from_trusted(bytes)))
            }
            (_, PayloadRef::Big(big)) => match big {
                BigRef::Text(bytes) => ValueRef::String(TextRef::Long(bytes)),
                BigRef::List(list) => ValueRef::List(ListRef::Big(list)),
                BigRef::Set(set) => ValueRef::Set(SetRef::Big(set)),
                BigRef::SortedSet(set) => ValueRef::SortedSet(SortedSetRef::Big(set)),
                BigRef::Hash(hash) => ValueRef::Hash(HashRef::Big(hash)),
                BigRef::Stream(stream) => ValueRef::Stream(stream),
                BigRef::Array(array) => ValueRef::Array(array),
                BigRef::Module(module) => ValueRef::Module(module),
            },
            _ => unreachable!("{MATCHES}"),
        }
    }
}

impl<'a> ValueRef<'a> {
    /// What an entry stores of a packed collection: its form, the head if it is a listpack, and its other bytes; `None`
    /// for what is stored otherwise.
    pub(crate) fn packed(self) -> Option<(Form, Option<Head>, &'a [u8])> {
        let listpack = |form: Form, pack: ListpackRef<'a>| {
            let (head, elements) = pack.parts();
            Some((form, Some(head), elements))
        };
        match self {
            ValueRef::List(ListRef::Packed(pack)) => listpack(Form::ListPacked, pack),
            ValueRef::Set(SetRef::Ints(ints)) => Some((Form::SetInts, None, ints.bytes())),
            ValueRef::Set(SetRef::Packed(pack)) => listpack(Form::SetPacked, pack),
            ValueRef::SortedSet(SortedSetRef::Packed(pack)) => listpack(Form::SortedSetPacked, pack),
            ValueRef::Hash(HashRef::Packed(pack)) => listpack(Form::HashPacked, pack),
            ValueRef::Hash(HashRef::PackedTtl(pack)) => listpack(Form::HashPackedTtl, pack),
            _ => None,
        }
    }
}

/// The fewest little-endian bytes that hold `number`, and how many of them count.
pub(crate) fn int_to_bytes(number: i64) -> ([u8; 8], usize) {
    let used = if i8::try_from(number).is_ok() {
        1
    } else if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    };
    (number.to_le_bytes(), used)
}

/// The reverse of [`int_to_bytes`].
pub(crate) fn int_from_bytes(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => i64::from(i8::from_le_bytes([a])),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("{MATCHES}"),
    }
}

/// A type that some [`Value`] holds: finds it there, so that it is edited where it is.
pub trait InValue: Sized {
    /// The part of `value` that is of this type; `None` when it is another kind.
    fn of(value: &mut Value) -> Option<&mut Self>;
}

macro_rules! in_value {
    ($($variant:ident($type:ty)),+ $(,)?) => {$(
        impl InValue for $type {
            fn of(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    )+};
}

in_value! {
    String(Text), List(List), Set(Set), SortedSet(SortedSet), Hash(Hash), Stream(Stream), Array(Array), Module(ModuleValue),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back_from_its_byte() {
        for form in Form::ALL {
            assert_eq!(Form::from_bits(form as u8 | !Form::BITS), form);
        }
    }

    #[test]
    fn integers_come_back_from_their_fewest_bytes() {
        for number in [0, 1, -1, 127, 128, -128, -129, 32767, 32768, i64::from(i32::MIN), i64::MAX, i64::MIN]
        {
            let (bytes, used) = int_to_bytes(number);
            assert_eq!(int_from_bytes(&bytes[..used]), number);
        }
    }
}
