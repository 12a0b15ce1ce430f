//! `table`, and what else of Lua's own goes through as much as it is given, with an eye on the pulse.
//!
//! Owns those functions as Lua calls them. Where Lua's own function calls another for each step, as `table.sort` does,
//! it stays, and what it calls does the looking.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Table, Value};

use super::service::note_stopped;
use super::strings::{copying, given_bytes};
use super::work::{OWN, Scratch, Watch, original, spend, text};
use super::{READ_ONLY, is_read_only};

/// Elements that are moved between two looks.
const MOVED_AT_ONCE: usize = 1024;
/// The work of moving one.
const ELEMENT_WORK: usize = 4;
/// So few are sorted by Lua alone.
const SORTED_MAX: usize = 256;

/// Puts them into `table`.
pub(crate) fn install(lua: &Lua, table: &Table, watch: &Watch) -> mlua::Result<()> {
    watch.set(lua, table, "concat", concat, Value::Nil)?;
    watch.set(lua, table, "insert", insert, Value::Nil)?;
    watch.set(lua, table, "remove", remove, Value::Nil)?;
    watch.set(lua, table, "maxn", maxn, Value::Nil)?;
    watch.replace(lua, table, "sort", sort)?;
    watch.replace(lua, table, "foreach", foreach)?;
    watch.replace(lua, table, "foreachi", foreach)
}

/// Puts those into a table that are nobody's but Lua's.
pub(crate) fn install_globals(lua: &Lua, globals: &Table, watch: &Watch) -> mlua::Result<()> {
    watch.replace(lua, globals, "assert", copying)?;
    watch.replace(lua, globals, "error", copying)?;
    watch.replace(lua, globals, "collectgarbage", collecting)?;
    watch.replace(lua, globals, "tonumber", reading)?;
    watch.replace(lua, globals, "unpack", unpacking)
}

/// How many elements an array has.
///
/// # Safety
/// To be called by a C function of Lua's.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // As C's int; no memory holds more.
unsafe fn count(state: *mut lua_State) -> c_int {
    // SAFETY: of a table.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_objlen(state, 1) as c_int
    }
}

/// An argument as C's int, or this one.
///
/// # Safety
/// To be called by a C function of Lua's.
#[allow(clippy::cast_possible_truncation)] // As C's int.
unsafe fn int_or(state: *mut lua_State, argument: c_int, default: c_int) -> c_int {
    // SAFETY: the caller's.
    unsafe { ffi::luaL_optinteger(state, argument, default.into()) as c_int }
}

/// table.concat(t [, sep [, i [, j]]])
unsafe extern "C-unwind" fn concat(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules; the separator stays on the stack.
    unsafe {
        let separator = if ffi::lua_isnoneornil(state, 2) != 0 { &[] } else { text(state, 2) };
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        let first = int_or(state, 3, 1);
        let last = if ffi::lua_isnoneornil(state, 4) != 0 { count(state) } else { int_or(state, 4, 0) };
        ffi::lua_settop(state, 4);
        ffi::lua_pushnil(state);
        let mut scratch = Scratch::new(state, 5, 0);
        let mut index = first;
        while index <= last {
            spend(state, ELEMENT_WORK);
            ffi::lua_rawgeti(state, 1, index.into());
            if ffi::lua_isstring(state, -1) == 0 {
                let name = ffi::luaL_typename(state, -1);
                let wrong = c"invalid value (%s) at index %d in table for 'concat'";
                return ffi::luaL_error(state, wrong.as_ptr(), name, index);
            }
            scratch.append(state, text(state, 6));
            ffi::lua_settop(state, 5);
            if index == last {
                break;
            }
            scratch.append(state, separator);
            index += 1;
        }
        scratch.push(state);
        1
    }
}

/// Moves the elements between these places by one, from `from` on towards `to`.
///
/// # Safety
/// To be called by a function that [`Watch`] made, with a table for its first argument.
unsafe fn shift(state: *mut lua_State, from: c_int, to: c_int) {
    let step = if from < to { 1 } else { -1 };
    let mut index = from;
    let mut moved = 0;
    while index != to {
        // SAFETY: one slot is used and given back.
        unsafe {
            ffi::lua_rawgeti(state, 1, (index + step).into());
            ffi::lua_rawseti(state, 1, index.into());
            moved += 1;
            if moved % MOVED_AT_ONCE == 0 {
                spend(state, MOVED_AT_ONCE * ELEMENT_WORK);
            }
        }
        index += step;
    }
    // SAFETY: the caller's.
    unsafe { spend(state, (moved % MOVED_AT_ONCE) * ELEMENT_WORK) };
}

/// table.insert(t, [pos,] value)
unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        if is_read_only(state) {
            ffi::lua_pushstring(state, READ_ONLY.as_ptr());
            ffi::lua_error(state);
        }
        let end = count(state).wrapping_add(1);
        let place = match ffi::lua_gettop(state) {
            2 => end,
            3 => {
                #[allow(clippy::cast_possible_truncation)] // As C's int.
                let place = ffi::luaL_checkinteger(state, 2) as c_int;
                if place < end {
                    shift(state, end, place);
                }
                place
            }
            _ => return ffi::luaL_error(state, c"wrong number of arguments to 'insert'".as_ptr()),
        };
        ffi::lua_rawseti(state, 1, place.into());
        0
    }
}

/// table.remove(t [, pos])
unsafe extern "C-unwind" fn remove(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        let last = count(state);
        let place = int_or(state, 2, last);
        if !(1..=last).contains(&place) {
            return 0;
        }
        ffi::lua_rawgeti(state, 1, place.into());
        shift(state, place, last);
        ffi::lua_pushnil(state);
        ffi::lua_rawseti(state, 1, last.into());
        1
    }
}

/// table.maxn(t)
unsafe extern "C-unwind" fn maxn(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        let mut most = 0.0;
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, 1) != 0 {
            spend(state, ELEMENT_WORK);
            ffi::lua_pop(state, 1);
            if ffi::lua_type(state, -1) == ffi::LUA_TNUMBER {
                most = f64::max(most, ffi::lua_tonumber(state, -1));
            }
        }
        ffi::lua_pushnumber(state, most);
        1
    }
}

/// table.sort(t [, comp]): Lua's own. Where no Lua would run between, what compares looks.
unsafe extern "C-unwind" fn sort(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        let has_none = ffi::lua_isnoneornil(state, 2) != 0;
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE || (has_none && ffi::lua_objlen(state, 1) <= SORTED_MAX)
        {
            return original(state);
        }
        ffi::lua_settop(state, 2);
        if has_none {
            push_watched(state, is_less);
            ffi::lua_replace(state, 2);
        } else {
            watch_second(state);
        }
        original(state)
    }
}

/// table.foreach(t, f), table.foreachi(t, f): Lua's own.
unsafe extern "C-unwind" fn foreach(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        watch_second(state);
        original(state)
    }
}

/// Has a second argument that is a C function look at the pulse.
///
/// # Safety
/// To be called by a function that [`Watch`] made.
unsafe fn watch_second(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        if ffi::lua_iscfunction(state, 2) != 0 {
            push_watched(state, passing_on);
            ffi::lua_replace(state, 2);
        }
    }
}

/// Pushes a function with the upvalues of the one that runs, but for its own: that is the second argument.
///
/// # Safety
/// To be called by a function that [`Watch`] made, with two arguments at least.
unsafe fn push_watched(state: *mut lua_State, function: ffi::lua_CFunction) {
    // SAFETY: the caller's.
    unsafe {
        for upvalue in 1..OWN {
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue));
        }
        ffi::lua_pushvalue(state, 2);
        ffi::lua_pushcclosure(state, function, OWN);
    }
}

unsafe extern "C-unwind" fn is_less(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        let is_text = ffi::lua_type(state, 1) == ffi::LUA_TSTRING;
        let bytes = if is_text { ffi::lua_objlen(state, 1) } else { 0 };
        spend(state, ELEMENT_WORK + bytes / 32);
        ffi::lua_pushboolean(state, ffi::lua_lessthan(state, 1, 2));
        1
    }
}

unsafe extern "C-unwind" fn passing_on(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        spend(state, ELEMENT_WORK);
        let args = ffi::lua_gettop(state);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(OWN));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, args, ffi::LUA_MULTRET);
        ffi::lua_gettop(state)
    }
}

/// collectgarbage([opt [, arg]]): Lua's own. (A million tables take it 35 ms.)
unsafe extern "C-unwind" fn collecting(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        let kilobytes = ffi::lua_gc(state, ffi::LUA_GCCOUNT, 0);
        match if ffi::lua_type(state, 1) == ffi::LUA_TSTRING { text(state, 1) } else { b"collect" } {
            b"count" => {}
            b"stop" => note_stopped(state),
            _ => spend(state, usize::try_from(kilobytes).unwrap_or(0).saturating_mul(200)),
        }
        original(state)
    }
}

/// tonumber(e [, base]): Lua's own. (70 MB of digits take it 180 ms.)
unsafe extern "C-unwind" fn reading(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        spend(state, given_bytes(state));
        original(state)
    }
}

/// unpack(list [, i [, j]]): Lua's own, but that it is not asked for more than C's int can count: it would count wrong,
/// and write past its stack.
unsafe extern "C-unwind" fn unpacking(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        let all = count(state);
        let first = int_or(state, 2, 1);
        let last = int_or(state, 3, all);
        if i64::from(last) - i64::from(first) >= i64::from(c_int::MAX) {
            return ffi::luaL_error(state, c"too many results to unpack".as_ptr());
        }
        original(state)
    }
}
