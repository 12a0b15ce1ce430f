//! MessagePack to Lua values.
//!
//! Owns the reading of headers, with the original's texts of what is wrong. Never recurses, and never makes room for
//! what a header only announces.

use mlua::{Lua, Table, Value};

use crate::boundary::Raise;
use crate::pulse::Pulse;
use crate::walk::DEPTH_MAX;

/// The work of one value, without a long text's bytes: some 300 ns.
const VALUE_WORK: usize = 100;

/// Reads values off the front of some bytes.
pub(super) struct Unpacker<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    pulse: &'a Pulse,
}

/// A table that is being read.
struct Open {
    table: Table,
    /// Values, or pairs, that are still to come.
    left: u64,
    /// The index of the next value of an array.
    next: i64,
    /// Of a map.
    keys: Keys,
}

/// Where a table stands between its keys and values.
enum Keys {
    /// An array has none.
    None,
    /// A key comes next.
    Awaited,
    /// This key's value comes next.
    Read(Value),
}

/// What a header begins.
enum Begun {
    Whole(Value),
    Array(u64),
    Map(u64),
}

/// Why bytes are no value.
enum Bad {
    Short,
    Format,
}

impl From<Bad> for Raise {
    fn from(bad: Bad) -> Self {
        Raise::here(match bad {
            Bad::Short => "Missing bytes in input.",
            Bad::Format => "Bad data format in input.",
        })
    }
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(lua: &'a Lua, packed: &'a [u8], pulse: &'a Pulse) -> Self {
        Unpacker { lua, rest: packed, pulse }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes were not read.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next value.
    pub(super) fn value(&mut self) -> mlua::Result<Result<Value, Raise>> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.pulse.spend(VALUE_WORK)?;
            let mut whole = match self.begin()? {
                Err(bad) => return Ok(Err(bad.into())),
                Ok(Begun::Whole(value)) => value,
                Ok(Begun::Array(left)) => {
                    let table = self.lua.create_table()?;
                    if left > 0 {
                        open.push(Open { table, left, next: 1, keys: Keys::None });
                        if open.len() > DEPTH_MAX {
                            return Ok(Err(too_deep("array")));
                        }
                        continue;
                    }
                    Value::Table(table)
                }
                Ok(Begun::Map(left)) => {
                    let table = self.lua.create_table()?;
                    if left > 0 {
                        open.push(Open { table, left, next: 1, keys: Keys::Awaited });
                        if open.len() > DEPTH_MAX {
                            return Ok(Err(too_deep("hash")));
                        }
                        continue;
                    }
                    Value::Table(table)
                }
            };
            // It goes into the table around it, which may be whole then.
            loop {
                let Some(around) = open.last_mut() else { return Ok(Ok(whole)) };
                match std::mem::replace(&mut around.keys, Keys::Awaited) {
                    Keys::None => {
                        around.keys = Keys::None;
                        around.table.raw_set(around.next, whole)?;
                        around.next += 1;
                        around.left -= 1;
                    }
                    Keys::Awaited => {
                        around.keys = Keys::Read(whole);
                        break;
                    }
                    Keys::Read(key) => {
                        match &key {
                            Value::Nil => return Ok(Err(Raise::Bare("table index is nil"))),
                            Value::Number(number) if number.is_nan() => {
                                return Ok(Err(Raise::Bare("table index is NaN")));
                            }
                            _ => {}
                        }
                        around.table.raw_set(key, whole)?;
                        around.left -= 1;
                    }
                }
                if around.left > 0 {
                    break;
                }
                whole = Value::Table(around.table.clone());
                open.pop();
            }
        }
    }

    fn begin(&mut self) -> mlua::Result<Result<Begun, Bad>> {
        let head = match self.head() {
            Ok(head) => head,
            Err(bad) => return Ok(Err(bad)),
        };
        Ok(match head {
            Head::Number(number) => Ok(Begun::Whole(Value::Number(number))),
            Head::Nil => Ok(Begun::Whole(Value::Nil)),
            Head::Truth(truth) => Ok(Begun::Whole(Value::Boolean(truth))),
            Head::Text(length) => match usize::try_from(length).ok().and_then(|length| self.take(length)) {
                Some(text) => Ok(Begun::Whole(Value::String(self.lua.create_string(text)?))),
                None => Err(Bad::Short),
            },
            Head::Array(length) => Ok(Begun::Array(length)),
            Head::Map(length) => Ok(Begun::Map(length)),
        })
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap)] // Lua's numbers are doubles; a byte's bits are a sign.
    fn head(&mut self) -> Result<Head, Bad> {
        let [code] = self.bytes()?;
        Ok(match code {
            0x00..=0x7f => Head::Number(f64::from(code)),
            0x80..=0x8f => Head::Map(u64::from(code & 0xf)),
            0x90..=0x9f => Head::Array(u64::from(code & 0xf)),
            0xa0..=0xbf => Head::Text(u64::from(code & 0x1f)),
            0xc0 => Head::Nil,
            0xc2 => Head::Truth(false),
            0xc3 => Head::Truth(true),
            0xca => Head::Number(f64::from(f32::from_be_bytes(self.bytes()?))),
            0xcb => Head::Number(f64::from_be_bytes(self.bytes()?)),
            0xcc => Head::Number(f64::from(u8::from_be_bytes(self.bytes()?))),
            0xcd => Head::Number(f64::from(u16::from_be_bytes(self.bytes()?))),
            0xce => Head::Number(f64::from(u32::from_be_bytes(self.bytes()?))),
            // As the original reads it: with a sign.
            0xcf => Head::Number(i64::from_be_bytes(self.bytes()?) as f64),
            0xd0 => Head::Number(f64::from(i8::from_be_bytes(self.bytes()?))),
            0xd1 => Head::Number(f64::from(i16::from_be_bytes(self.bytes()?))),
            0xd2 => Head::Number(f64::from(i32::from_be_bytes(self.bytes()?))),
            0xd3 => Head::Number(i64::from_be_bytes(self.bytes()?) as f64),
            0xd9 => Head::Text(u64::from(u8::from_be_bytes(self.bytes()?))),
            0xda => Head::Text(u64::from(u16::from_be_bytes(self.bytes()?))),
            0xdb => Head::Text(u64::from(u32::from_be_bytes(self.bytes()?))),
            0xdc => Head::Array(u64::from(u16::from_be_bytes(self.bytes()?))),
            0xdd => Head::Array(u64::from(u32::from_be_bytes(self.bytes()?))),
            0xde => Head::Map(u64::from(u16::from_be_bytes(self.bytes()?))),
            0xdf => Head::Map(u64::from(u32::from_be_bytes(self.bytes()?))),
            0xe0..=0xff => Head::Number(f64::from(code as i8)),
            _ => return Err(Bad::Format),
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// What a header says.
enum Head {
    Number(f64),
    Nil,
    Truth(bool),
    Text(u64),
    Array(u64),
    Map(u64),
}

fn too_deep(what: &str) -> Raise {
    Raise::here(format!("stack overflow (in function mp_decode_to_lua_{what})"))
}
