//! One Lua state with Redis' sandbox: its libraries, its read-only globals, and the way to run a function in it.
//!
//! Owns what a script finds before it has said anything. Never knows what is run.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

use crate::api::Served;
use crate::arguments::{Arguments, one, one_text};
use crate::boundary::service::{self, Given, Serve, Service};
use crate::boundary::{self, Outcome, Raise, Watch, function, strings, tables};
use crate::pulse::Pulse;
use crate::random::Random;
use crate::{api, bit, cjson, cmsgpack, structs, walk};

/// The most memory that a state may take: a script that needs more would take it from the data set.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Refuses to go on with a text that is so long already that no state could take it: it is put together outside.
///
/// # Errors
/// There is not enough memory, in Lua's words.
#[inline]
pub(crate) fn takes(bytes: usize) -> mlua::Result<()> {
    if bytes > MEMORY_BYTES_MAX {
        return Err(mlua::Error::MemoryError("not enough memory".into()));
    }
    Ok(())
}
/// Above this, garbage is collected when a script is over.
const MEMORY_BYTES_KEPT: usize = 16 << 20;

/// What is left of Lua's own globals.
const KEPT: &[&str] = &[
    "_VERSION",
    "assert",
    "collectgarbage",
    "error",
    "gcinfo",
    "ipairs",
    "rawequal",
    "select",
    "tonumber",
    "tostring",
    "type",
    "unpack",
];
/// Globals that would read past a read-only table.
const SEEING: &[&str] = &["next", "pairs", "rawget"];
/// Globals that would write past it.
const GUARDED: &[&str] = &["rawset", "setmetatable"];

/// What a state is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// EVAL and its kin.
    Scripts,
    /// Libraries of functions.
    Libraries,
}

/// What scripts are told of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `redis.REDIS_VERSION`, where it is a Redis: three numbers.
    pub version: String,
    /// The version of the Valkey that it is, if it is one: scripts find `server` too.
    pub valkey: Option<String>,
}

impl Identity {
    pub(crate) fn is_valkey(&self) -> bool {
        self.valkey.is_some()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) lua: Lua,
    /// The globals as scripts have them.
    front: Front,
    /// The table behind.
    pub(crate) globals: Table,
    watch: Watch,
    service: Arc<Service>,
    pub(crate) random: Random,
}

/// A read-only table, whose table behind can change.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) table: Table,
    metatable: Table,
}

impl Front {
    /// One that shows no metatable.
    pub(crate) fn new(lua: &Lua, behind: &Table) -> mlua::Result<Front> {
        Front::showing(lua, behind, Value::Boolean(false))
    }

    fn showing(lua: &Lua, behind: &Table, metatable: Value) -> mlua::Result<Front> {
        let (table, metatable) = boundary::read_only(lua, behind, metatable)?;
        Ok(Front { table, metatable })
    }

    /// Shows another table from now on.
    pub(crate) fn turn_to(&self, behind: &Table) -> mlua::Result<()> {
        boundary::turn_to(&self.metatable, behind)
    }
}

impl State {
    pub(crate) fn new(purpose: Purpose, identity: &Identity, pulse: &Arc<Pulse>) -> mlua::Result<State> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let plain = lua.globals();
        let globals = lua.create_table()?;
        let watch = Watch::new(&lua, pulse)?;
        tables::install_globals(&lua, &plain, &watch)?;
        walk::keep_next(&lua, plain.raw_get("next")?)?;
        for name in KEPT {
            globals.raw_set(*name, plain.raw_get::<Value>(*name)?)?;
        }
        for name in SEEING {
            globals.raw_set(*name, boundary::seeing_through(&lua, &plain.raw_get(*name)?)?)?;
        }
        for name in GUARDED {
            globals.raw_set(*name, boundary::refusing_read_only(&lua, &plain.raw_get(*name)?)?)?;
        }
        let original = plain.raw_get("getmetatable")?;
        globals.raw_set("getmetatable", boundary::hiding_metatables(&lua, &original)?)?;
        globals.raw_set("pcall", boundary::pcall(&lua)?)?;
        globals.raw_set("xpcall", boundary::xpcall(&lua)?)?;
        globals.raw_set("loadstring", function(&lua, loadstring)?)?;
        globals.raw_set("load", load(&lua, &plain)?)?;
        let add = |name: &str, library: &Table| {
            let front = Front::new(&lua, library)?.table;
            globals.raw_set(name, &front)?;
            Ok::<Table, mlua::Error>(front)
        };
        let table: Table = plain.raw_get("table")?;
        tables::install(&lua, &table, &watch)?;
        add("table", &table)?;
        add("coroutine", &plain.raw_get("coroutine")?)?;
        let random = Random::default();
        let math: Table = plain.raw_get("math")?;
        random.install(&lua, &math)?;
        add("math", &math)?;
        let os = lua.create_table()?;
        os.raw_set("clock", plain.raw_get::<Table>("os")?.raw_get::<Function>("clock")?)?;
        add("os", &os)?;
        let string: Table = plain.raw_get("string")?;
        strings::install(&lua, &string, &watch)?;
        let string = add("string", &string)?;
        if let Some(metatable) = lua.type_metatable::<mlua::String>() {
            let shown = lua.create_table()?;
            shown.raw_set("__index", string)?;
            metatable.raw_set("__metatable", Front::new(&lua, &shown)?.table)?;
        }
        add("bit", &bit::library(&lua)?)?;
        add("cjson", &cjson::library(&lua)?)?;
        add("struct", &structs::library(&lua)?)?;
        let copyright = if identity.is_valkey() { "Redis Ltd." } else { "Salvatore Sanfilippo" };
        add("cmsgpack", &cmsgpack::library(&lua, &format!("Copyright (C) 2012, {copyright}"))?)?;
        let service = Arc::<Service>::default();
        let redis = add("redis", &api::library(&lua, (&watch, &service), purpose, identity)?)?;
        if identity.is_valkey() {
            globals.raw_set("server", redis)?;
        }
        let missing = missing(&lua)?;
        globals.set_metatable(Some(missing.clone()))?;
        let front = Front::showing(&lua, &globals, Value::Table(Front::new(&lua, &missing)?.table))?;
        globals.raw_set("_G", &front.table)?;
        lua.set_globals(front.table.clone())?;
        lua.set_memory_limit(MEMORY_BYTES_MAX)?;
        Ok(State { lua, front, globals, watch, service, random })
    }

    /// What scripts have for globals: in place of them, for a time, this.
    pub(crate) fn turn_to(&self, globals: &Table) -> mlua::Result<()> {
        self.front.turn_to(globals)
    }

    /// What functions are made with that need the script which runs.
    pub(crate) fn served(&self) -> Served<'_> {
        (&self.watch, &self.service)
    }

    /// A function whose body is this text; `name` is what errors call it.
    ///
    /// # Errors
    /// The compiler's words.
    pub(crate) fn compile(&self, name: &CStr, text: &[u8]) -> Result<Function, Vec<u8>> {
        if text.first() == Some(&COMPILED) {
            let shown = name.to_bytes().strip_prefix(b"@").unwrap_or(name.to_bytes());
            return Err([shown, b":1: unexpected symbol near 'char(27)'"].concat());
        }
        boundary::compile(&self.lua, name, text).unwrap_or_else(|error| Err(error.to_string().into_bytes()))
    }

    /// Runs a function: gives true and its result, or false and its error.
    pub(crate) fn run(
        &self,
        body: &Function,
        given: Given<'_>,
        serve: &mut dyn Serve,
    ) -> mlua::Result<(bool, Value)> {
        let ran = service::run(&self.lua, &self.service, body, given, serve);
        if self.lua.used_memory() > MEMORY_BYTES_KEPT {
            self.lua.gc_collect()?;
        }
        ran
    }

    /// Bytes that the state has taken.
    pub(crate) fn used_bytes(&self) -> usize {
        self.lua.used_memory()
    }
}

/// The metatable of what refuses to be asked for what it has not.
pub(crate) fn missing(lua: &Lua) -> mlua::Result<Table> {
    let metatable = lua.create_table()?;
    let refuse = function(lua, |_, args| {
        let args = Arguments::from(args);
        let Ok(name) = args.bytes(2) else {
            return Ok(Err(Raise::here(
                "Second argument to luaProtectedTableError must be a string or number",
            )));
        };
        let text = b"Script attempted to access nonexistent global variable '";
        Ok(Err(Raise::Here([&text[..], &name, b"'"].concat())))
    })?;
    metatable.raw_set("__index", refuse)?;
    Ok(metatable)
}

/// What compiled code begins with. It is refused: it can be made to do anything.
const COMPILED: u8 = 0x1b;

/// loadstring(text [, name])
fn loadstring(lua: &Lua, args: MultiValue) -> Outcome {
    let args = Arguments::from(args);
    let given = || Ok((args.bytes(1)?, if args.is_nil(2) { args.bytes(1)? } else { args.bytes(2)? }));
    let (text, name) = match given() {
        Ok(given) => given,
        Err(raise) => return Ok(Err(raise)),
    };
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = CString::new(name).unwrap_or_default();
    // What is not at the beginning is no compiled code, but a byte that no text has.
    let text = if text.first() == Some(&COMPILED) { &[b' ', COMPILED][..] } else { &text };
    let compiled = boundary::compile(lua, &name, text)?;
    match compiled {
        Ok(compiled) => Ok(Ok(one(Value::Function(compiled)))),
        Err(text) => {
            let mut results = one_text(lua, text)?;
            results.push_front(Value::Nil);
            Ok(Ok(results))
        }
    }
}

/// load(function [, name]): `loadstring` of the pieces that the function gives.
fn load(lua: &Lua, plain: &Table) -> mlua::Result<Function> {
    const GATHER: &str = "
        local pcall, type, concat, byte = ...
        return function(give)
            local pieces, count = {}, 0
            while true do
                local ok, piece = pcall(give)
                if not ok then return nil, piece end
                if piece == nil or piece == '' then return concat(pieces) end
                if type(piece) ~= 'string' and type(piece) ~= 'number' then
                    return nil, 'reader function must return a string'
                end
                count = count + 1
                pieces[count] = piece
                if count == 1 and byte(piece) == 27 then return piece end
            end
        end";
    let concat: Function = plain.raw_get::<Table>("table")?.raw_get("concat")?;
    let byte: Function = plain.raw_get::<Table>("string")?.raw_get("byte")?;
    let needed = (plain.raw_get::<Function>("pcall")?, plain.raw_get::<Function>("type")?, concat, byte);
    let gather: Function = lua.load(GATHER).set_name("=load").call(needed)?;
    function(lua, move |lua, args| {
        let args = Arguments::from(args);
        let Value::Function(give) = args.get(1) else {
            return Ok(Err(args.expected(1, "function")));
        };
        let gathered: MultiValue = gather.call(give)?;
        if gathered.len() != 1 {
            return Ok(Ok(gathered));
        }
        let mut args_of_loadstring = gathered;
        args_of_loadstring.push_back(match args.get(2) {
            Value::Nil => Value::String(lua.create_string("=(load)")?),
            name => name.clone(),
        });
        loadstring(lua, args_of_loadstring)
    })
}
