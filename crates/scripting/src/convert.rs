//! Replies to Lua values, and Lua values to replies, as Redis converts them.
//!
//! Owns both directions for both versions of the protocol. Answers of ours nest a few levels; a script's may nest as
//! deep as its memory allows, so they are written with a stack of ours.

use commands::{ReplyDouble, printed};
use mlua::{Lua, Table, Value};
use protocol::number::parse_int;
use protocol::reply::Deferred;
use protocol::{Protocol, Reply};

use crate::arguments::{number_of, truncated};
use crate::boundary::service::IS_COUNTED;
use crate::pulse::Pulse;
use crate::walk::Pairs;

/// How many places of Lua's stack a reply may take. (The original stops at 7,994; so many values cannot be held.)
const STACK_MAX: usize = 7_000;

/// The work of converting one value, without a long text's bytes: 100 to 200 ns.
const VALUE_WORK: usize = 40;

/// What a script answers is at most so long: a small script can name one long text any number of times. It is as much
/// as may wait of a client's own requests.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// An error as scripts see it.
pub(crate) fn error_table(lua: &Lua, text: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(text)?)?;
    Ok(table)
}

/// Whether an error has been counted where it came up.
pub(crate) fn is_counted(error: &Table) -> mlua::Result<bool> {
    Ok(error.raw_get::<Value>(IS_COUNTED.to_str().unwrap_or_default())? == Value::Boolean(true))
}

/// The error line's text in the form that scripts see: with `ERR` before it unless it begins with a code of its own,
/// and no ends of lines around what is behind the code.
pub(crate) fn error_text(line: &[u8]) -> Vec<u8> {
    let (code, text) = coded(line);
    let text = without_line_ends(text);
    let start = text.iter().position(|byte| !ends_line(*byte)).unwrap_or(text.len());
    [code, b" ", text.get(start..).unwrap_or_default()].concat()
}

/// The error line's code, and what is behind it: up to the first blank where the line begins with `-`.
fn coded(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(own) = line.strip_prefix(b"-") else { return (b"ERR", line) };
    let blank = own.iter().position(|&byte| byte == b' ');
    let parts = blank.and_then(|at| Some((own.get(..at)?, own.get(at + 1..)?)));
    parts.unwrap_or((b"ERR", own))
}

fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// As an error is written: ends of lines at its end are left out, where others become blanks.
pub(crate) fn without_line_ends(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !ends_line(*byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

/// A piece of a reply, which we wrote ourselves: a whole value, or how many of them follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Piece<'r> {
    Int(i64),
    Text(&'r [u8]),
    Null,
    Status(&'r [u8]),
    Error(&'r [u8]),
    Array(usize),
    /// So many pairs.
    Map(usize),
    Set(usize),
    Truth(bool),
    Double(f64),
    BigNumber(&'r [u8]),
    Verbatim {
        form: &'r [u8],
        text: &'r [u8],
    },
    Nothing,
}

impl<'r> Piece<'r> {
    /// Takes the next one off the front.
    pub(crate) fn next(rest: &mut &'r [u8]) -> Piece<'r> {
        let Some((kind, behind)) = rest.split_first() else { return Piece::Nothing };
        *rest = behind;
        match kind {
            b':' => Piece::Int(parse_int(line(rest)).unwrap_or_default()),
            b'$' => count(rest).map_or(Piece::Null, |count| Piece::Text(bytes(rest, count))),
            b'+' => Piece::Status(line(rest)),
            b'-' => Piece::Error(line(rest)),
            b'*' | b'>' => count(rest).map_or(Piece::Null, Piece::Array),
            b'%' => Piece::Map(count(rest).unwrap_or_default()),
            b'~' => Piece::Set(count(rest).unwrap_or_default()),
            b'#' => Piece::Truth(line(rest) == b"t"),
            b',' => Piece::Double(crate::text::parse_number(line(rest)).unwrap_or(f64::NAN)),
            b'(' => Piece::BigNumber(line(rest)),
            b'=' => {
                let count = count(rest).unwrap_or_default();
                let (form, text) = bytes(rest, count).split_at_checked(4).unwrap_or_default();
                Piece::Verbatim { form: form.get(..3).unwrap_or_default(), text }
            }
            _ => {
                line(rest);
                Piece::Nothing
            }
        }
    }
}

/// Takes a line off the front.
fn line<'r>(rest: &mut &'r [u8]) -> &'r [u8] {
    let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
    let line = rest.get(..end).unwrap_or_default();
    *rest = rest.get(end + 2..).unwrap_or_default();
    line
}

/// A count in a header; `None` for a null.
fn count(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(parse_int(line(rest))?).ok()
}

/// Takes so many bytes off the front, and the line's end behind them.
fn bytes<'r>(rest: &mut &'r [u8], count: usize) -> &'r [u8] {
    let bytes = rest.get(..count).unwrap_or_default();
    *rest = rest.get(count + 2..).unwrap_or_default();
    bytes
}

/// An array of texts in their order; as it is where it is something else.
pub(crate) fn sorted(resp: Vec<u8>) -> Vec<u8> {
    let mut rest = resp.as_slice();
    let Piece::Array(count) = Piece::next(&mut rest) else { return resp };
    let mut texts = Vec::new();
    for _ in 0..count {
        let Piece::Text(text) = Piece::next(&mut rest) else { return resp };
        texts.push(text);
    }
    texts.sort_unstable();
    let mut reply = Reply::new(Protocol::Resp2);
    reply.array(count);
    texts.iter().for_each(|text| reply.bulk(text));
    reply.to_vec()
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
    pulse: &Pulse,
    reply: &mut Reply,
) -> mlua::Result<Vec<Vec<u8>>> {
    let mut errors = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut places = 0;
    let start = reply.mark();
    let mut counted = 0;
    let mut value = value;
    loop {
        let bytes = reply.held_since(start);
        if bytes > ANSWER_BYTES_MAX {
            return Err(mlua::Error::MemoryError("not enough memory".into()));
        }
        // A text's bytes are counted with what comes behind it.
        pulse.spend(VALUE_WORK + bytes.saturating_sub(counted) / 16)?;
        counted = bytes;
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
        let text = without_line_ends(printed(&text));
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
        // Three letters, whatever is given: what is longer is cut, what is shorter (a zero byte ends it) filled up.
        let form = form.to_string_lossy();
        let form: String =
            form.chars().take_while(|letter| *letter != '\0').chain("   ".chars()).take(3).collect();
        reply.verbatim(&form, &text.as_bytes());
        return Ok(None);
    }
    Ok(Some(Open::Array { table, next: 1, at: reply.defer() }))
}
