//! Lua values to JSON.
//!
//! Owns which tables are arrays, and how texts and numbers are written. Never recurses, and never goes deeper than the
//! settings say.

use mlua::{Lua, Table, Value};

use super::{DEPTH_MAX, InvalidNumbers, Settings};
use crate::arguments::{number_of, truncated, type_name};
use crate::boundary::Raise;
use crate::pulse::{End, Pulse};
use crate::state::takes;
use crate::text;
use crate::walk::Pairs;

/// The work of one value, without a long text's bytes: some 400 ns.
const VALUE_WORK: usize = 120;
/// So much of a text is written between two looks at the pulse.
const PART_BYTES: usize = 16 * 1024;

/// A table that is being written, and what of it comes next.
enum Open {
    Array { table: Table, next: i64, length: i64 },
    Object { rest: Pairs, first: bool },
}

struct Encoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    marker: &'a Table,
    pulse: &'a Pulse,
    json: Vec<u8>,
    open: Vec<Open>,
}

/// The JSON of a value.
pub(super) fn encode(
    lua: &Lua,
    settings: &Settings,
    marker: &Table,
    pulse: &Pulse,
    value: &Value,
) -> mlua::Result<Result<Vec<u8>, Raise>> {
    let mut encoder = Encoder { lua, settings, marker, pulse, json: Vec::new(), open: Vec::new() };
    Ok(match encoder.whole(value)? {
        Ok(()) => Ok(encoder.json),
        Err(raise) => Err(raise),
    })
}

type Done = mlua::Result<Result<(), Raise>>;

/// Goes on with what a step gave, or leaves with why it failed.
macro_rules! go {
    ($step:expr) => {
        match $step {
            Ok(value) => value,
            Err(raise) => return Ok(Err(raise)),
        }
    };
}

impl Encoder<'_> {
    fn whole(&mut self, value: &Value) -> Done {
        go!(self.value(value)?);
        while let Some(open) = self.open.last_mut() {
            self.pulse.spend(VALUE_WORK)?;
            takes(self.json.len())?;
            let next = match open {
                Open::Array { next, length, .. } if next == length => {
                    self.json.push(b']');
                    None
                }
                Open::Array { table, next, .. } => {
                    *next += 1;
                    if *next > 1 {
                        self.json.push(b',');
                    }
                    Some(table.raw_get::<Value>(*next)?)
                }
                Open::Object { rest, first } => match rest.next()? {
                    None => {
                        self.json.push(b'}');
                        None
                    }
                    Some((key, value)) => {
                        if !std::mem::take(first) {
                            self.json.push(b',');
                        }
                        go!(self.key(&key));
                        Some(value)
                    }
                },
            };
            match next {
                Some(value) => go!(self.value(&value)?),
                None => {
                    self.open.pop();
                }
            }
        }
        Ok(Ok(()))
    }

    fn key(&mut self, key: &Value) -> Result<(), Raise> {
        match key {
            Value::String(text) => self.text(&text.as_bytes())?,
            Value::Integer(_) | Value::Number(_) => {
                self.json.push(b'"');
                self.number(key)?;
                self.json.push(b'"');
            }
            other => return Err(refusal(other, "table key must be a number or string")),
        }
        self.json.push(b':');
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Done {
        match value {
            Value::String(text) => self.text(&text.as_bytes())?,
            Value::Integer(_) | Value::Number(_) => return Ok(self.number(value)),
            Value::Boolean(true) => self.json.extend_from_slice(b"true"),
            Value::Boolean(false) => self.json.extend_from_slice(b"false"),
            Value::Nil => self.json.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.json.extend_from_slice(b"null"),
            Value::Table(table) => return self.table(table),
            other => return Ok(Err(refusal(other, "type not supported"))),
        }
        Ok(Ok(()))
    }

    fn table(&mut self, table: &Table) -> Done {
        let depth = i64::try_from(self.open.len()).unwrap_or(i64::MAX) + 1;
        if depth > self.settings.encode_depth.min(DEPTH_MAX) {
            return Ok(Err(Raise::here(format!("Cannot serialise, excessive nesting ({depth})"))));
        }
        let length = go!(self.array_length(table)?);
        if length > 0 || (length == 0 && table.metatable().as_ref() == Some(self.marker)) {
            self.json.push(b'[');
            self.open.push(Open::Array { table: table.clone(), next: 0, length });
        } else {
            self.json.push(b'{');
            let rest = Pairs::of(self.lua, table, self.open.len())?;
            self.open.push(Open::Object { rest, first: true });
        }
        Ok(Ok(()))
    }

    /// The highest index of an array; less than zero: it is an object.
    ///
    /// cjson keeps it in 32 bits, which an index beyond them turns into the lowest number: then it is an object, unless
    /// the table has a smaller one behind that, in its own order.
    fn array_length(&self, table: &Table) -> mlua::Result<Result<i64, Raise>> {
        let (mut most, mut items) = (0_i64, 0_i64);
        for pair in table.pairs::<Value, Value>() {
            self.pulse.spend(VALUE_WORK)?;
            let key = pair?.0;
            let is_number = matches!(key, Value::Integer(_) | Value::Number(_));
            let index = number_of(&key).filter(|index| is_number && *index >= 1.0 && index.floor() == *index);
            let Some(index) = index else { return Ok(Ok(-1)) };
            let index = truncated(index);
            if index > most || index == i64::MIN {
                most = i32::try_from(index).map_or(i64::from(i32::MIN), i64::from);
            }
            items += 1;
        }
        let settings = self.settings;
        if settings.sparse_ratio > 0
            && most > items.saturating_mul(settings.sparse_ratio)
            && most > settings.sparse_safe
        {
            if !settings.sparse_converts {
                return Ok(Err(refusal(&Value::Table(table.clone()), "excessively sparse array")));
            }
            return Ok(Ok(-1));
        }
        Ok(Ok(most))
    }

    fn number(&mut self, value: &Value) -> Result<(), Raise> {
        let number = number_of(value).unwrap_or_default();
        if !number.is_finite() {
            match self.settings.encode_invalid {
                InvalidNumbers::Refused => return Err(refusal(value, "must not be NaN or Inf")),
                InvalidNumbers::Null => {
                    self.json.extend_from_slice(b"null");
                    return Ok(());
                }
                InvalidNumbers::Written => {}
            }
        }
        if number.is_nan() {
            // Whatever its sign.
            self.json.extend_from_slice(b"nan");
        } else {
            self.json.extend_from_slice(text::general(number, self.settings.digits).as_bytes());
        }
        Ok(())
    }

    fn text(&mut self, text: &[u8]) -> Result<(), End> {
        self.json.push(b'"');
        for part in text.chunks(PART_BYTES) {
            self.pulse.spend(part.len() * 2)?;
            self.escaped(part);
        }
        self.json.push(b'"');
        Ok(())
    }

    fn escaped(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'"' => self.json.extend_from_slice(b"\\\""),
                b'\\' => self.json.extend_from_slice(b"\\\\"),
                b'/' => self.json.extend_from_slice(b"\\/"),
                0x08 => self.json.extend_from_slice(b"\\b"),
                b'\t' => self.json.extend_from_slice(b"\\t"),
                b'\n' => self.json.extend_from_slice(b"\\n"),
                0x0c => self.json.extend_from_slice(b"\\f"),
                b'\r' => self.json.extend_from_slice(b"\\r"),
                0..0x20 | 0x7f => self.json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                other => self.json.push(*other),
            }
        }
    }
}

fn refusal(value: &Value, why: &str) -> Raise {
    Raise::here(format!("Cannot serialise {}: {why}", type_name(value)))
}
