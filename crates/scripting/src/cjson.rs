//! `cjson`: JSON to Lua values and back, with the settings and the texts of lua-cjson 2.1.
//!
//! Owns the settings, which scripts can change and which last, as in Redis, until the Lua state is made anew. Values
//! nest on a stack of ours, not the thread's, so no setting makes it overflow.

mod decode;
mod encode;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, one, one_text};
use crate::boundary::{self, Outcome, Raise, function, pulse_of};

/// Nesting beyond this is refused whatever the settings say.
const DEPTH_MAX: i64 = crate::walk::DEPTH_MAX as i64;
/// The most that a setting takes.
const SETTING_MAX: i64 = i32::MAX as i64;
const DIGITS_MAX: i64 = 14;

/// What becomes of numbers that JSON has no text for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

/// See the module.
#[derive(Clone, Debug)]
struct Settings {
    sparse_converts: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth: i64,
    decode_depth: i64,
    digits: usize,
    keeps_buffer: bool,
    encode_invalid: InvalidNumbers,
    decodes_invalid: bool,
    marks_arrays: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_converts: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            digits: 14,
            keeps_buffer: true,
            encode_invalid: InvalidNumbers::Refused,
            decodes_invalid: true,
            marks_arrays: false,
        }
    }
}

type Shared = Arc<Mutex<Settings>>;

fn held(settings: &Shared) -> MutexGuard<'_, Settings> {
    settings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table that scripts know as `cjson`.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    // Of all scripts, so that none may change it.
    let (marker, _) = boundary::read_only(lua, &lua.create_table()?, Value::Boolean(false))?;
    with_marker(lua, &marker)
}

/// One whose arrays are marked by this metatable.
fn with_marker(lua: &Lua, marker: &Table) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let settings = Shared::default();
    let own = Arc::clone(&settings);
    let mark = marker.clone();
    let pulse = pulse_of(lua);
    table.raw_set(
        "encode",
        function(lua, move |lua, args| {
            let args = Arguments::from(args);
            if args.len() != 1 {
                return Ok(Err(Raise::Argument(1, "expected 1 argument".into())));
            }
            let settings = held(&own).clone();
            match encode::encode(lua, &settings, &mark, &pulse, args.get(1))? {
                Ok(text) => one_text(lua, text).map(Ok),
                Err(raise) => Ok(Err(raise)),
            }
        })?,
    )?;
    let own = Arc::clone(&settings);
    let mark = marker.clone();
    let pulse = pulse_of(lua);
    table.raw_set(
        "decode",
        function(lua, move |lua, args| {
            let args = Arguments::from(args);
            if args.len() != 1 {
                return Ok(Err(Raise::Argument(1, "expected 1 argument".into())));
            }
            let settings = held(&own).clone();
            let mark = settings.marks_arrays.then_some(&mark);
            match args.bytes(1) {
                Ok(text) => Ok(decode::decode(lua, &settings, mark, &pulse, &text)?.map(one)),
                Err(raise) => Ok(Err(raise)),
            }
        })?,
    )?;
    setters(lua, &table, &settings)?;
    let again = marker.clone();
    table
        .raw_set("new", function(lua, move |lua, _| Ok(Ok(one(Value::Table(with_marker(lua, &again)?)))))?)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

/// The functions that change the settings, each of which tells what holds afterwards.
fn setters(lua: &Lua, table: &Table, settings: &Shared) -> mlua::Result<()> {
    let add = |name: &str, most: usize, set: fn(&Lua, &mut Settings, &Arguments) -> Outcome| {
        let own = Arc::clone(settings);
        let setter = function(lua, move |lua, args| {
            let args = Arguments::from(args);
            if args.len() > most {
                return Ok(Err(Raise::Argument(most + 1, "found too many arguments".into())));
            }
            set(lua, &mut held(&own), &args)
        })?;
        table.raw_set(name, setter)
    };
    add("encode_sparse_array", 3, |_, settings, args| {
        let set = || -> Result<(bool, i64, i64), Raise> {
            Ok((
                choice(args, &["off", "on"])?.map_or(settings.sparse_converts, |place| place == 1),
                integer(args, 2, 0, SETTING_MAX)?.unwrap_or(settings.sparse_ratio),
                integer(args, 3, 0, SETTING_MAX)?.unwrap_or(settings.sparse_safe),
            ))
        };
        Ok(set().map(|(converts, ratio, safe)| {
            settings.sparse_converts = converts;
            settings.sparse_ratio = ratio;
            settings.sparse_safe = safe;
            MultiValue::from_iter([Value::Boolean(converts), Value::Integer(ratio), Value::Integer(safe)])
        }))
    })?;
    add("encode_max_depth", 1, |_, settings, args| {
        Ok(integer(args, 1, 1, SETTING_MAX).map(|set| {
            settings.encode_depth = set.unwrap_or(settings.encode_depth);
            one(Value::Integer(settings.encode_depth))
        }))
    })?;
    add("decode_max_depth", 1, |_, settings, args| {
        Ok(integer(args, 1, 1, SETTING_MAX).map(|set| {
            settings.decode_depth = set.unwrap_or(settings.decode_depth);
            one(Value::Integer(settings.decode_depth))
        }))
    })?;
    add("encode_number_precision", 1, |_, settings, args| {
        Ok(integer(args, 1, 1, DIGITS_MAX).map(|set| {
            let digits = set.and_then(|digits| usize::try_from(digits).ok());
            settings.digits = digits.unwrap_or(settings.digits);
            one(Value::Integer(i64::try_from(settings.digits).unwrap_or(DIGITS_MAX)))
        }))
    })?;
    add("encode_keep_buffer", 1, |_, settings, args| {
        Ok(choice(args, &["off", "on"]).map(|set| {
            settings.keeps_buffer = set.map_or(settings.keeps_buffer, |place| place == 1);
            one(Value::Boolean(settings.keeps_buffer))
        }))
    })?;
    add("encode_invalid_numbers", 1, |lua, settings, args| {
        let set = match choice(args, &["off", "on", "null"]) {
            Ok(set) => set,
            Err(raise) => return Ok(Err(raise)),
        };
        settings.encode_invalid = match set {
            None => settings.encode_invalid,
            Some(0) => InvalidNumbers::Refused,
            Some(1) => InvalidNumbers::Written,
            Some(_) => InvalidNumbers::Null,
        };
        match settings.encode_invalid {
            InvalidNumbers::Null => one_text(lua, "null").map(Ok),
            other => Ok(Ok(one(Value::Boolean(other == InvalidNumbers::Written)))),
        }
    })?;
    add("decode_invalid_numbers", 1, |_, settings, args| {
        Ok(choice(args, &["off", "on"]).map(|set| {
            settings.decodes_invalid = set.map_or(settings.decodes_invalid, |place| place == 1);
            one(Value::Boolean(settings.decodes_invalid))
        }))
    })?;
    add("decode_array_with_array_mt", 1, |_, settings, args| {
        Ok(choice(args, &["off", "on"]).map(|set| {
            settings.marks_arrays = set.map_or(settings.marks_arrays, |place| place == 1);
            one(Value::Boolean(settings.marks_arrays))
        }))
    })
}

/// An integer between these, if one is given.
fn integer(args: &Arguments, number: usize, least: i64, most: i64) -> Result<Option<i64>, Raise> {
    if args.is_nil(number) {
        return Ok(None);
    }
    // The original's is of 32 bits.
    #[allow(clippy::cast_possible_truncation)]
    let value = i64::from(args.integer(number)? as i32);
    if (least..=most).contains(&value) {
        Ok(Some(value))
    } else {
        Err(Raise::Argument(1, format!("expected integer between {least} and {most}")))
    }
}

/// The place of the first argument among these words, if one is given; a truth stands for one of the first two.
fn choice(args: &Arguments, words: &[&str]) -> Result<Option<usize>, Raise> {
    match args.get(1) {
        Value::Nil => Ok(None),
        Value::Boolean(on) => Ok(Some(usize::from(*on))),
        _ => {
            let word = args.bytes(1)?;
            let place = words.iter().position(|known| known.as_bytes() == word);
            let wrong = || Raise::Argument(1, format!("invalid option '{}'", String::from_utf8_lossy(&word)));
            place.map(Some).ok_or_else(wrong)
        }
    }
}
