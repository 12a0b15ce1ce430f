//! `redis`: what a script may ask of the server.
//!
//! Owns the table's functions and constants. What needs the script that runs is done by [`crate::run`], by number.

use std::sync::Arc;

use commands::{Dialect, printed};
use mlua::{Lua, MultiValue, Table, Value};
use sha1::{Digest, Sha1};

use crate::arguments::{Arguments, one, one_text};
use crate::boundary::service::{Service, calling};
use crate::boundary::{Raise, Watch, function, pulse_of};
use crate::convert::{error_table, error_text};
use crate::state::{Identity, Purpose};

/// What is done for the script that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `redis.call`
    Call,
    /// `redis.pcall`
    Pcall,
    /// `redis.log`
    Log,
    /// `redis.setresp`
    Setresp,
    /// `redis.set_repl`
    SetRepl,
    /// `redis.acl_check_cmd`
    AclCheck,
    /// `redis.register_function`, while a library is loaded
    Register,
}

impl Request {
    const ALL: [(Request, &'static str); 7] = [
        (Request::Call, "call"),
        (Request::Pcall, "pcall"),
        (Request::Log, "log"),
        (Request::Setresp, "setresp"),
        (Request::SetRepl, "set_repl"),
        (Request::AclCheck, "acl_check_cmd"),
        (Request::Register, "register_function"),
    ];

    /// That of this number.
    pub(crate) fn of(number: i64) -> Option<Request> {
        usize::try_from(number).ok().and_then(|place| Request::ALL.get(place)).map(|(request, _)| *request)
    }

    /// Its number.
    pub(crate) fn number(self) -> i64 {
        let place = Request::ALL.iter().position(|(request, _)| *request == self);
        place.and_then(|place| i64::try_from(place).ok()).unwrap_or_default()
    }

    fn add(self, lua: &Lua, table: &Table, (watch, service): Served<'_>) -> mlua::Result<()> {
        let own = Arc::clone(service);
        let asked = match self {
            Request::Call | Request::Pcall | Request::AclCheck => calling(lua, watch, service, self)?,
            _ => function(lua, move |lua, args| own.ask(lua, self, &Arguments::from(args)))?,
        };
        let name = Request::ALL.iter().find(|(request, _)| *request == self).map_or("", |(_, name)| *name);
        table.raw_set(name, asked)
    }
}

/// What functions that need the script which runs are made with.
pub(crate) type Served<'s> = (&'s Watch, &'s Arc<Service>);

/// So much is hashed between two looks at the pulse.
const HASHED_AT_ONCE: usize = 64 * 1024;

/// Levels of `redis.log`.
const LEVELS: [(&str, i64); 4] =
    [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)];

/// The table that scripts know as `redis`.
pub(crate) fn library(
    lua: &Lua,
    served: Served<'_>,
    purpose: Purpose,
    identity: &Identity,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for request in
        [Request::Call, Request::Pcall, Request::Log, Request::Setresp, Request::SetRepl, Request::AclCheck]
    {
        request.add(lua, &table, served)?;
    }
    // Valkey takes the ends of lines out of an error from 9.1 on only where that has a code of its own.
    let keeps_lines =
        identity.valkey.as_deref().is_some_and(|version| version_number(version) >= 0x0009_0100);
    table.raw_set(
        "error_reply",
        function(lua, move |lua, args| {
            single_field(lua, args, "err", |text| {
                let text = printed(text);
                let text = text.strip_prefix(b"-").unwrap_or(text);
                if keeps_lines && !text.contains(&b' ') {
                    return [b"ERR ", text].concat();
                }
                error_text(&[b"-", text].concat())
            })
        })?,
    )?;
    table
        .raw_set("status_reply", function(lua, |lua, args| single_field(lua, args, "ok", <[u8]>::to_vec))?)?;
    let pulse = pulse_of(lua);
    table.raw_set(
        "sha1hex",
        function(lua, move |lua, args| {
            let args = Arguments::from(args);
            if args.len() != 1 {
                return raised(lua, "wrong number of arguments");
            }
            let mut hasher = Sha1::new();
            for part in args.bytes(1).unwrap_or_default().chunks(HASHED_AT_ONCE) {
                pulse.spend(part.len() / 2)?;
                hasher.update(part);
            }
            one_text(lua, hexadecimal(&hasher.finalize())).map(Ok)
        })?,
    )?;
    if purpose == Purpose::Scripts {
        table.raw_set("replicate_commands", function(lua, |_, _| Ok(Ok(one(Value::Boolean(true)))))?)?;
        table.raw_set("breakpoint", function(lua, |_, _| Ok(Ok(one(Value::Boolean(false)))))?)?;
        table.raw_set("debug", function(lua, |_, _| Ok(Ok(MultiValue::new())))?)?;
    }
    for (name, value) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        table.raw_set(name, value)?;
    }
    constants(&table, identity)?;
    Ok(table)
}

/// The one that a library finds while it is loaded.
pub(crate) fn loading_library(lua: &Lua, served: Served<'_>, identity: &Identity) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    Request::Register.add(lua, &table, served)?;
    Request::Log.add(lua, &table, served)?;
    constants(&table, identity)?;
    Ok(table)
}

fn constants(table: &Table, identity: &Identity) -> mlua::Result<()> {
    for (name, value) in LEVELS {
        table.raw_set(name, value)?;
    }
    let own = identity.valkey.as_deref();
    let version = own.map_or(identity.version.as_str(), |_| Dialect::REDIS_VERSION_OF_VALKEY);
    table.raw_set("REDIS_VERSION", version)?;
    table.raw_set("REDIS_VERSION_NUM", version_number(version))?;
    if let Some(own) = own {
        table.raw_set("SERVER_NAME", "valkey")?;
        table.raw_set("VALKEY_VERSION", own)?;
        table.raw_set("VALKEY_VERSION_NUM", version_number(own))?;
    }
    Ok(())
}

/// `0x00MMmmpp` of a version.
fn version_number(version: &str) -> i64 {
    let mut parts = version.split('.').map(|part| part.parse::<i64>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    (part() << 16) | (part() << 8) | part()
}

/// Forty hexadecimal digits.
pub(crate) fn sha1hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha1::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error that is raised as Redis' own functions raise theirs: a table with the text.
pub(crate) fn raised(lua: &Lua, text: &str) -> mlua::Result<Result<MultiValue, Raise>> {
    Ok(Err(Raise::Value(Value::Table(error_table(lua, &error_text(text.as_bytes()))?))))
}

/// `redis.error_reply` and `redis.status_reply`: a table with one field.
fn single_field(
    lua: &Lua,
    args: MultiValue,
    field: &str,
    text: impl Fn(&[u8]) -> Vec<u8>,
) -> mlua::Result<Result<MultiValue, Raise>> {
    let args = Arguments::from(args);
    let table = match args.all() {
        [Value::String(given)] => {
            let table = lua.create_table()?;
            table.raw_set(field, lua.create_string(text(&given.as_bytes()))?)?;
            table
        }
        _ => error_table(lua, b"ERR wrong number or type of arguments")?,
    };
    Ok(Ok(one(Value::Table(table))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_numbers() {
        assert_eq!(version_number("8.10.2"), 526_850);
        assert_eq!(version_number("7.2.4"), 459_268);
    }
}
