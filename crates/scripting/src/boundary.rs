//! The Lua boundary: the few C functions that raise Lua's own errors, and the way into them.
//!
//! A function made with mlua alone fails with a userdata of mlua's, which a script's `pcall` would see in the place of
//! Redis' text, and a wrapper written in Lua would lose the position in `return redis.call(…)`, a tail call. So the
//! work is done by safe functions that *return* their failure ([`Raise`]), and the C functions here raise it.
//!
//! Owns all of the crate's unsafe code, which is here and in the modules below. Each C function there obeys three
//! rules: it has no value with a destructor on its frame when it raises or calls (Lua leaves by `longjmp`); it touches
//! only its own stack frame, its upvalues and the registry; it needs fewer than the 20 slots that Lua guarantees a C
//! function, beside its arguments, or asks for them.
#![allow(unsafe_code)] // See above; nowhere else in the crate.

use std::ffi::{c_char, c_int, c_void};

use mlua::ffi::{self, lua_State};
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

use crate::pulse::End;
use crate::walk::VALUES_MAX;

mod compiler;
pub(crate) mod service;
pub(crate) mod strings;
pub(crate) mod tables;
mod work;

pub(crate) use compiler::compile;
pub(crate) use work::{Watch, pulse_of};

/// Why a function of ours fails in Lua.
#[derive(Debug)]
pub(crate) enum Raise {
    /// This text, with the position of the caller before it.
    Here(Vec<u8>),
    /// This text, without a position.
    Bare(&'static str),
    /// This value as it is.
    Value(Value),
    /// The argument of this number (the first is 1) is wrong.
    Argument(usize, String),
    /// The script must end.
    Ended(End),
}

impl From<End> for Raise {
    fn from(end: End) -> Self {
        Raise::Ended(end)
    }
}

impl Raise {
    /// A text with the caller's position.
    pub(crate) fn here(text: impl Into<Vec<u8>>) -> Self {
        Raise::Here(text.into())
    }
}

/// What a function of ours answers: its results, or why it fails; mlua's own errors (no memory) go through.
pub(crate) type Outcome = mlua::Result<Result<MultiValue, Raise>>;

/// Of a function that succeeded: what follows are its results.
const DONE: c_int = 0;
/// A text to raise with the caller's position.
const RAISE_HERE: c_int = 1;
/// A value to raise.
const RAISE_VALUE: c_int = 2;
/// An argument that is wrong: this and its number.
const RAISE_ARGUMENT: c_int = 16;

/// Puts an outcome into the form that [`raising`] understands.
fn told(lua: &Lua, outcome: Outcome) -> mlua::Result<MultiValue> {
    let (code, mut values) = match outcome? {
        Ok(values) => (DONE, values),
        Err(Raise::Here(text)) => (RAISE_HERE, one(Value::String(lua.create_string(text)?))),
        Err(Raise::Bare(text)) => (RAISE_VALUE, one(Value::String(lua.create_string(text)?))),
        Err(Raise::Value(value)) => (RAISE_VALUE, one(value)),
        Err(Raise::Argument(number, text)) => {
            let number = c_int::try_from(number).unwrap_or(1);
            // The text is C's, ended by a zero byte.
            (RAISE_ARGUMENT + number, one(Value::String(lua.create_string(text.replace('\0', ""))?)))
        }
        Err(Raise::Ended(end)) => return Err(end.into()),
    };
    values.push_front(Value::Integer(code.into()));
    Ok(values)
}

fn one(value: Value) -> MultiValue {
    MultiValue::from_iter([value])
}

/// Texts that are no longer than this altogether are not worth counting.
const SHORT_BYTES: usize = 4096;

/// A Lua function that does `work`, and raises what it says. That it looks at each byte of its arguments once is
/// counted here; what takes longer it spends itself.
pub(crate) fn function(
    lua: &Lua,
    work: impl Fn(&Lua, MultiValue) -> Outcome + Send + 'static,
) -> mlua::Result<Function> {
    let pulse = pulse_of(lua);
    let work = lua.create_function(move |lua, args: MultiValue| {
        let bytes_of = |value: &Value| value.as_string().map_or(0, |text| text.as_bytes().len());
        let bytes: usize = args.iter().map(bytes_of).sum();
        if bytes > SHORT_BYTES {
            pulse.spend(bytes / 4)?;
        }
        told(lua, work(lua, args))
    })?;
    closure(lua, raising, 1, work)
}

/// A C function with as many upvalues as are said and given.
fn closure(
    lua: &Lua,
    function: ffi::lua_CFunction,
    count: c_int,
    upvalues: impl IntoLuaMulti,
) -> mlua::Result<Function> {
    // SAFETY: exactly the upvalues are on the stack, and one value takes their place. Nothing here has a destructor
    // when Lua raises (no memory).
    unsafe { lua.exec_raw(upvalues, move |state| ffi::lua_pushcclosure(state, function, count)) }
}

/// See [`function`]: its upvalue is the work.
unsafe extern "C-unwind" fn raising(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules. All is plain values; the work's results are read before they are dropped.
    unsafe {
        let args = ffi::lua_gettop(state);
        ffi::luaL_checkstack(state, 2, c"too many arguments".as_ptr());
        if args > VALUES_MAX as c_int {
            return ffi::luaL_error(state, c"too many arguments".as_ptr());
        }
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, args, ffi::LUA_MULTRET);
        let code = c_int::try_from(ffi::lua_tointeger(state, 1)).unwrap_or(RAISE_VALUE);
        match code {
            DONE => {
                ffi::lua_remove(state, 1);
                ffi::lua_gettop(state)
            }
            RAISE_HERE => {
                ffi::lua_settop(state, 2);
                ffi::luaL_where(state, 1);
                ffi::lua_insert(state, 2);
                ffi::lua_concat(state, 2);
                ffi::lua_error(state)
            }
            RAISE_VALUE => {
                ffi::lua_settop(state, 2);
                ffi::lua_error(state)
            }
            argument => {
                let text = ffi::lua_tostring(state, 2);
                ffi::luaL_argerror(state, argument - RAISE_ARGUMENT, text)
            }
        }
    }
}

/// Its address marks the metatables of read-only tables, which no script can make.
static MARK: u8 = 0;

/// Where a read-only table's metatable keeps the table behind it, and the mark.
const BEHIND: ffi::lua_Integer = 1;
const MARKED: ffi::lua_Integer = 2;

/// The text of a write to a read-only table.
const READ_ONLY: &std::ffi::CStr = c"Attempt to modify a readonly table";

/// A table that reads as `behind`, and refuses to be written to; and its metatable. (Redis changed Lua so that tables
/// can refuse; the Lua we build is the original, so what refuses is an empty table before it.)
pub(crate) fn read_only(lua: &Lua, behind: &Table, shown_metatable: Value) -> mlua::Result<(Table, Table)> {
    let front = lua.create_table()?;
    let metatable = lua.create_table()?;
    turn_to(&metatable, behind)?;
    let mark = std::ptr::addr_of!(MARK).cast_mut().cast::<c_void>();
    metatable.raw_set(MARKED, Value::LightUserData(mlua::LightUserData(mark)))?;
    metatable.raw_set("__newindex", closure(lua, refusing, 0, ())?)?;
    metatable.raw_set("__metatable", shown_metatable)?;
    front.set_metatable(Some(metatable.clone()))?;
    Ok((front, metatable))
}

/// Has the read-only table of this metatable read as `behind` from now on.
pub(crate) fn turn_to(metatable: &Table, behind: &Table) -> mlua::Result<()> {
    metatable.raw_set(BEHIND, behind)?;
    metatable.raw_set("__index", behind)
}

unsafe extern "C-unwind" fn refusing(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe { ffi::luaL_error(state, c"%s".as_ptr(), READ_ONLY.as_ptr()) }
}

/// `original`, which must be a function of Lua's own libraries, but that it looks through a read-only table given
/// first.
pub(crate) fn seeing_through(lua: &Lua, original: &Function) -> mlua::Result<Function> {
    guarded(lua, seeing, original)
}

/// `original`, which must be a function of Lua's own libraries, but that it refuses a read-only table given first.
pub(crate) fn refusing_read_only(lua: &Lua, original: &Function) -> mlua::Result<Function> {
    guarded(lua, guarding, original)
}

fn guarded(lua: &Lua, guard: ffi::lua_CFunction, original: &Function) -> mlua::Result<Function> {
    // SAFETY: the one argument is the function. Its C function and its first upvalue (the only one that any function of
    // Lua's libraries has) are taken out of it; the two upvalues of ours are pushed before it is dropped.
    unsafe {
        lua.exec_raw(original, |state| {
            let Some(function) = ffi::lua_tocfunction(state, 1) else { return };
            if ffi::lua_getupvalue(state, 1, 1).is_null() {
                ffi::lua_pushnil(state);
            }
            ffi::lua_pushlightuserdata(state, function as *mut c_void);
            ffi::lua_pushcclosure(state, guard, 2);
            ffi::lua_remove(state, 1);
        })
    }
}

unsafe extern "C-unwind" fn seeing(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules, and those of `is_read_only` and `original`.
    unsafe {
        if is_read_only(state) {
            ffi::lua_getmetatable(state, 1);
            ffi::lua_rawgeti(state, -1, BEHIND);
            ffi::lua_replace(state, 1);
            ffi::lua_pop(state, 1);
        }
        original(state)
    }
}

unsafe extern "C-unwind" fn guarding(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules, and those of `is_read_only` and `original`.
    unsafe {
        if is_read_only(state) {
            ffi::lua_pushstring(state, READ_ONLY.as_ptr());
            ffi::lua_error(state);
        }
        original(state)
    }
}

/// `original`, which must be Lua's `getmetatable`, but that a read-only table which is to show none has none.
pub(crate) fn hiding_metatables(lua: &Lua, original: &Function) -> mlua::Result<Function> {
    guarded(lua, hiding, original)
}

unsafe extern "C-unwind" fn hiding(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules, and those of `is_read_only` and `original`.
    unsafe {
        let given = original(state);
        if is_read_only(state) && ffi::lua_type(state, -1) == ffi::LUA_TBOOLEAN {
            ffi::lua_pushnil(state);
        }
        given
    }
}

/// Whether the first argument is a read-only table. The stack is as before.
///
/// # Safety
/// To be called by a C function of Lua's.
unsafe fn is_read_only(state: *mut lua_State) -> bool {
    // SAFETY: two slots are used and given back.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE || ffi::lua_getmetatable(state, 1) == 0 {
            return false;
        }
        ffi::lua_rawgeti(state, -1, MARKED);
        let mark = ffi::lua_touserdata(state, -1);
        ffi::lua_pop(state, 2);
        std::ptr::eq(mark.cast::<u8>(), &raw const MARK)
    }
}

/// Goes on as the function that [`guarded`] has put into upvalue 2, in the same frame, so that its messages are right.
///
/// # Safety
/// To be called by a function that [`guarded`] made, with its arguments on the stack.
unsafe fn original(state: *mut lua_State) -> c_int {
    // SAFETY: upvalue 2 is the address of a `lua_CFunction`, put there by `guarded`; upvalue 1 is where it looks for
    // its own.
    unsafe {
        let address = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2));
        let function = std::mem::transmute::<*mut c_void, ffi::lua_CFunction>(address);
        function(state)
    }
}

/// `pcall` as Redis has it: an error that is a table with a text at `err` is given as that text.
pub(crate) fn pcall(lua: &Lua) -> mlua::Result<Function> {
    closure(lua, calling, 0, ())
}

unsafe extern "C-unwind" fn calling(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        let args = ffi::lua_gettop(state);
        if args == 0 {
            // Servers put the `true` of a call that went well in front, and then call that.
            ffi::lua_pushboolean(state, 0);
            ffi::lua_pushstring(state, c"attempt to call a boolean value".as_ptr());
            return 2;
        }
        ffi::lua_pushboolean(state, 1);
        ffi::lua_insert(state, 1);
        if ffi::lua_pcall(state, args - 1, ffi::LUA_MULTRET, 0) != ffi::LUA_OK {
            if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                ffi::lua_getfield(state, -1, c"err".as_ptr());
                if ffi::lua_isstring(state, -1) != 0 {
                    ffi::lua_replace(state, -2);
                } else {
                    ffi::lua_pop(state, 1);
                }
            }
            ffi::lua_pushboolean(state, 0);
            ffi::lua_replace(state, 1);
        }
        ffi::lua_gettop(state)
    }
}

/// `xpcall`, but that the handler is not asked about the end of the script: while Lua tells of that, nothing could end
/// the handler.
pub(crate) fn xpcall(lua: &Lua) -> mlua::Result<Function> {
    closure(lua, calling_with_handler, 0, ())
}

unsafe extern "C-unwind" fn calling_with_handler(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        ffi::luaL_checkany(state, 2);
        ffi::lua_settop(state, 2);
        ffi::lua_pushcclosure(state, handling, 1);
        ffi::lua_insert(state, 1);
        let status = ffi::lua_pcall(state, 0, ffi::LUA_MULTRET, 1);
        ffi::lua_pushboolean(state, c_int::from(status == ffi::LUA_OK));
        ffi::lua_replace(state, 1);
        ffi::lua_gettop(state)
    }
}

unsafe extern "C-unwind" fn handling(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        // Errors that are userdata are ours alone.
        if ffi::lua_type(state, 1) != ffi::LUA_TUSERDATA {
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
            ffi::lua_insert(state, 1);
            ffi::lua_call(state, 1, 1);
        }
        1
    }
}

/// The handler of errors: makes of the error a table that tells what and where.
unsafe extern "C-unwind" fn explaining(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules; `info` is plain data, and is read only after Lua has filled it.
    unsafe {
        let mut info: ffi::lua_Debug = std::mem::zeroed();
        let what: *const c_char = c"Sl".as_ptr();
        // In a C function: its caller. Errors of ours that are userdata come from more C functions.
        let levels = if ffi::lua_type(state, 1) == ffi::LUA_TUSERDATA { c_int::MAX } else { 2 };
        let mut found = false;
        for level in 1..=levels {
            found = ffi::lua_getstack(state, level, &raw mut info) != 0
                && ffi::lua_getinfo(state, what, &raw mut info) != 0;
            if !found || *info.what != b'C' as c_char {
                break;
            }
        }
        ffi::lua_settop(state, 1);
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            ffi::lua_newtable(state);
            ffi::lua_pushstring(state, c"ERR ".as_ptr());
            ffi::luaL_tolstring(state, 1, std::ptr::null_mut());
            ffi::lua_concat(state, 2);
            ffi::lua_setfield(state, 2, c"err".as_ptr());
            ffi::lua_replace(state, 1);
        }
        if found {
            ffi::lua_pushstring(state, info.source);
            ffi::lua_setfield(state, 1, c"source".as_ptr());
            ffi::lua_pushinteger(state, ffi::lua_Integer::from(info.currentline as i32));
            ffi::lua_setfield(state, 1, c"line".as_ptr());
        }
        1
    }
}
