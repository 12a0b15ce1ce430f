//! Replies to Lua values, and Lua values to replies, as Redis converts them.
//!
//! Owns both directions for both versions of the protocol. Answers of ours nest a few levels; a script's may nest as deep
//! as its memory allows, so they are written with a stack of ours.

use commands::{ReplyDouble, printed};
use mlua::{Lua, Table, Value};
use protocol::number::parse_int;
use protocol::reply::Deferred;
use protocol::{Protocol, Reply};

use crate::arguments::{number_of, truncated};
use crate::walk::Pairs;

/// How many places of Lua's stack a reply may take. (The original stops at 7,994; so many values cannot be held.)
const STACK_MAX: usize = 7_000;

/// An error as scripts see it.
pub(crate) fn error_table(lua: &Lua, text: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(text)?)?;
    Ok(table)
}

/// The same for an error that is counted already.
pub(crate) fn counted_error_table(lua: &Lua, text: &[u8]) -> mlua::Result<Table> {
    let table = error_table(lua, text)?;
    table.raw_set(IS_COUNTED, true)?;
    Ok(table)
}

/// The field by which an error is known that is counted already; scripts see it.
const IS_COUNTED: &str = "ignore_error_stats_update";

/// Whether an error has been counted where it came up.
pub(crate) fn is_counted(error: &Table) -> mlua::Result<bool> {
    Ok(error.raw_get::<Value>(IS_COUNTED)? == Value::Boolean(true))
}

/// The error line's text in the form that scripts see: with `ERR` before it unless it begins with a code of its own.
pub(crate) fn error_text(line: &[u8]) -> Vec<u8> {
    let text = match line.strip_prefix(b"-") {
        Some(own) if own.contains(&b' ') => own.to_vec(),
        Some(bare) => [b"ERR ", bare].concat(),
        None => [b"ERR ", line].concat(),
    };
    let ends = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = text.iter().position(|byte| !ends(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !ends(byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default().to_vec()
}

/// The Lua value of a reply, which we wrote ourselves.
pub(crate) fn to_lua(lua: &Lua, resp: &[u8]) -> mlua::Result<Value> {
    let mut reader = Reader { lua, rest: resp };
    reader.value()
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Up to the next line end.
    fn line(&mut self) -> &'a [u8] {
        let end = self.rest.windows(2).position(|two| two == b"\r\n").unwrap_or(self.rest.len());
        let line = self.rest.get(..end).unwrap_or_default();
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    /// A count in a header; `None` for a null.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(parse_int(self.line())?).ok()
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let bytes = self.rest.get(..count).unwrap_or_default();
        self.rest = self.rest.get(count + 2..).unwrap_or_default();
        bytes
    }

    fn one_field(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn text(&self, text: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(text).map(Value::String)
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let Some((kind, rest)) = self.rest.split_first() else { return Ok(Value::Nil) };
        self.rest = rest;
        match kind {
            b':' => Ok(Value::Integer(parse_int(self.line()).unwrap_or_default())),
            b'$' => match self.count() {
                Some(count) => {
                    let bytes = self.bytes(count);
                    self.text(bytes)
                }
                None => Ok(Value::Boolean(false)),
            },
            b'+' => {
                let line = self.line();
                self.one_field("ok", self.text(line)?)
            }
            b'-' => {
                let line = self.line();
                counted_error_table(self.lua, line).map(Value::Table)
            }
            b'*' | b'>' => match self.count() {
                Some(count) => {
                    let table = self.lua.create_table_with_capacity(count, 0)?;
                    for index in 1..=count {
                        let value = self.value()?;
                        table.raw_set(index, value)?;
                    }
                    Ok(Value::Table(table))
                }
                None => Ok(Value::Boolean(false)),
            },
            b'%' => {
                let count = self.count().unwrap_or_default();
                let table = self.lua.create_table_with_capacity(0, count)?;
                for _ in 0..count {
                    let key = self.value()?;
                    let value = self.value()?;
                    table.raw_set(key, value)?;
                }
                self.one_field("map", Value::Table(table))
            }
            b'~' => {
                let count = self.count().unwrap_or_default();
                let table = self.lua.create_table_with_capacity(0, count)?;
                for _ in 0..count {
                    let member = self.value()?;
                    table.raw_set(member, true)?;
                }
                self.one_field("set", Value::Table(table))
            }
            b'#' => Ok(Value::Boolean(self.line() == b"t")),
            b',' => {
                let line = self.line();
                self.one_field("double", Value::Number(crate::text::parse_number(line).unwrap_or(f64::NAN)))
            }
            b'(' => {
                let line = self.line();
                self.one_field("big_number", self.text(line)?)
            }
            b'=' => {
                let count = self.count().unwrap_or_default();
                let (form, text) = self.bytes(count).split_at_checked(4).unwrap_or_default();
                let inner = self.lua.create_table()?;
                inner.raw_set("string", self.text(text)?)?;
                inner.raw_set("format", self.text(form.get(..3).unwrap_or_default())?)?;
                self.one_field("verbatim_string", Value::Table(inner))
            }
            _ => {
                self.line();
                Ok(Value::Nil)
            }
        }
    }
}

/// A table whose reply is being written.
enum Open {
    Array { table: Table, next: i64, at: Deferred },
    Map { rest: Pairs, value: Option<Value>, count: usize, at: Deferred },
    Set { rest: Pairs, count: usize, at: Deferred },
}

impl Open {
    /// Places of Lua's stack that the original takes for what stands in it.
    fn places(&self) -> usize {
        match self {
            Open::Array { .. } => 1,
            Open::Map { .. } => 4,
            Open::Set { .. } => 3,
        }
    }
}

/// Answers with a Lua value. `script` is what the script speaks (`redis.setresp`), which decides on truths. Returns the
/// errors in it that nobody has counted yet.
pub(crate) fn to_reply(
    lua: &Lua,
    value: Value,
    script: Protocol,
    reply: &mut Reply,
) -> mlua::Result<Vec<Vec<u8>>> {
    let mut errors = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut places = 0;
    let mut value = value;
    loop {
        if places > STACK_MAX {
            reply.error("ERR reached lua stack limit");
        } else if let Some(begun) = begin(lua, open.len(), value, script, reply, &mut errors)? {
            places += begun.places();
            open.push(begun);
        }
        value = loop {
            let next = match open.last_mut() {
                None => return Ok(errors),
                Some(Open::Array { table, next, .. }) => {
                    let value: Value = table.raw_get(*next)?;
                    *next += 1;
                    if value == Value::Nil { None } else { Some(value) }
                }
                Some(Open::Map { rest, value, count, .. }) => match value.take() {
                    Some(value) => Some(value),
                    None => rest.next()?.map(|(key, held)| {
                        *value = Some(held);
                        *count += 1;
                        key
                    }),
                },
                Some(Open::Set { rest, count, .. }) => rest.next()?.map(|(member, _)| {
                    *count += 1;
                    member
                }),
            };
            if let Some(next) = next {
                break next;
            }
            let whole = open.pop();
            places -= whole.as_ref().map_or(0, Open::places);
            match whole {
                // It stopped at the nil behind the last.
                Some(Open::Array { next, at, .. }) => {
                    reply.array_at(at, usize::try_from(next - 2).unwrap_or_default());
                }
                Some(Open::Map { count, at, .. }) => reply.map_at(at, count),
                Some(Open::Set { count, at, .. }) => reply.set_at(at, count),
                None => {}
            }
        };
    }
}

/// Answers with what is no collection, or begins one.
fn begin(
    lua: &Lua,
    depth: usize,
    value: Value,
    script: Protocol,
    reply: &mut Reply,
    errors: &mut Vec<Vec<u8>>,
) -> mlua::Result<Option<Open>> {
    match value {
        Value::String(text) => reply.bulk(&text.as_bytes()),
        Value::Integer(number) => reply.int(number),
        Value::Number(number) => reply.int(truncated(number)),
        Value::Boolean(truth) => match (script, truth) {
            (Protocol::Resp3, truth) => reply.bool(truth),
            (Protocol::Resp2, true) => reply.int(1),
            (Protocol::Resp2, false) => reply.null(),
        },
        Value::Table(table) => return begin_table(lua, depth, table, reply, errors),
        _ => reply.null(),
    }
    Ok(None)
}

fn begin_table(
    lua: &Lua,
    depth: usize,
    table: Table,
    reply: &mut Reply,
    errors: &mut Vec<Vec<u8>>,
) -> mlua::Result<Option<Open>> {
    let field = |name: &str| table.raw_get::<Value>(name);
    if let Value::String(text) = field("err")? {
        let text = text.as_bytes();
        let text = printed(&text);
        if !is_counted(&table)? {
            errors.push(text.to_vec());
        }
        reply.error_bytes(text);
        return Ok(None);
    }
    if let Value::String(text) = field("ok")? {
        reply.simple_bytes(printed(&text.as_bytes()));
        return Ok(None);
    }
    if let double @ (Value::Integer(_) | Value::Number(_)) = field("double")? {
        reply.double(number_of(&double).unwrap_or_default());
        return Ok(None);
    }
    if let Value::Table(inner) = field("map")? {
        let rest = Pairs::of(lua, &inner, depth)?;
        return Ok(Some(Open::Map { rest, value: None, count: 0, at: reply.defer() }));
    }
    if let Value::Table(inner) = field("set")? {
        let rest = Pairs::of(lua, &inner, depth)?;
        return Ok(Some(Open::Set { rest, count: 0, at: reply.defer() }));
    }
    if let Value::String(digits) = field("big_number")? {
        reply.big_number(&digits.to_string_lossy().replace(['\r', '\n'], " "));
        return Ok(None);
    }
    if let Value::Table(inner) = field("verbatim_string")?
        && let (Value::String(form), Value::String(text)) =
            (inner.raw_get::<Value>("format")?, inner.raw_get::<Value>("string")?)
    {
        // Three letters, whatever is given: what is longer is cut, what is shorter filled up.
        let form: String = form.to_string_lossy().chars().chain("   ".chars()).take(3).collect();
        reply.verbatim(&form, &text.as_bytes());
        return Ok(None);
    }
    Ok(Some(Open::Array { table, next: 1, at: reply.defer() }))
}
