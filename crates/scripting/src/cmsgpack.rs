//! `cmsgpack`: MessagePack to Lua values and back.
//!
//! Owns the choice of each form: the shortest for integers, a single float where it loses nothing, an array where the
//! keys are 1 to n. Reading nests on a stack of ours, not the thread's.

mod pack;
mod unpack;

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, one_text};
use crate::boundary::{Outcome, Raise, function, pulse_of};
use crate::pulse::Pulse;
use crate::walk::VALUES_MAX;

/// The table that scripts know as `cmsgpack`.
pub(crate) fn library(lua: &Lua, copyright: &str) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let pulse = pulse_of(lua);
    table.raw_set("pack", function(lua, move |lua, args| pack(lua, args, &pulse))?)?;
    for (name, which) in
        [("unpack", Which::All), ("unpack_one", Which::One), ("unpack_limit", Which::Limited)]
    {
        let pulse = pulse_of(lua);
        table.raw_set(name, function(lua, move |lua, args| read(lua, args, which, &pulse))?)?;
    }
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", copyright)?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn pack(lua: &Lua, args: MultiValue, pulse: &Pulse) -> Outcome {
    if args.is_empty() {
        return Ok(Err(Raise::Argument(0, "MessagePack pack needs input.".into())));
    }
    let mut packed = Vec::new();
    for value in &args {
        pack::value(&mut packed, value, 0, pulse)?;
    }
    one_text(lua, packed).map(Ok)
}

/// How many values are wanted.
#[derive(Clone, Copy)]
enum Which {
    All,
    One,
    Limited,
}

fn read(lua: &Lua, args: MultiValue, which: Which, pulse: &Pulse) -> Outcome {
    let args = Arguments::from(args);
    let asked = || -> Result<(Vec<u8>, i64, i64), Raise> {
        let (limit, offset) = match which {
            Which::All => (i64::MAX, 0),
            Which::One => (1, args.integer_or(2, 0)?),
            Which::Limited => (args.integer(2)?, args.integer_or(3, 0)?),
        };
        Ok((args.bytes(1)?, limit, offset))
    };
    let (packed, limit, offset) = match asked() {
        Ok(asked) => asked,
        Err(raise) => return Ok(Err(raise)),
    };
    if offset < 0 || limit < 0 {
        return Ok(Err(Raise::here(format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            packed.len()
        ))));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| packed.get(offset..)) else {
        return Ok(Err(Raise::here(format!(
            "Start offset {offset} greater than input length {}.",
            packed.len()
        ))));
    };
    let mut unpacker = unpack::Unpacker::new(lua, rest, pulse);
    let mut values = MultiValue::new();
    let all = matches!(which, Which::All) || (limit == 0 && offset == 0);
    while !unpacker.is_empty() && (all || i64::try_from(values.len()).is_ok_and(|read| read < limit)) {
        if values.len() == VALUES_MAX {
            return Ok(Err(Raise::here("stack overflow (too many values to unpack)")));
        }
        match unpacker.value()? {
            Ok(value) => values.push_back(value),
            Err(raise) => return Ok(Err(raise)),
        }
    }
    if !all {
        let next = if unpacker.is_empty() {
            -1
        } else {
            i64::try_from(packed.len() - unpacker.left()).unwrap_or(i64::MAX)
        };
        values.push_front(Value::Integer(next));
    }
    Ok(Ok(values))
}
