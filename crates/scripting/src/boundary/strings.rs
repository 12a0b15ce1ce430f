//! `string`: what searches in texts and builds them, with an eye on the pulse.
//!
//! Owns the functions as Lua calls them: arguments, results, texts of errors. The matching itself is
//! [`crate::pattern`]'s.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Table, Value};

use super::work::{MOVED_AT_ONCE, OWN, Scratch, Watch, end, original, pulse, push, spend, text};
use crate::pattern::{self, CAPTURES_MAX, Captured, Captures, Trouble};

/// Puts them into `string`.
pub(crate) fn install(lua: &Lua, string: &Table, watch: &Watch) -> mlua::Result<()> {
    watch.set(lua, string, "find", find, Value::Nil)?;
    watch.set(lua, string, "match", first_match, Value::Nil)?;
    watch.set(lua, string, "gmatch", gmatch, Value::Nil)?;
    let gmatch: Value = string.raw_get("gmatch")?;
    string.raw_set("gfind", gmatch)?;
    watch.set(lua, string, "gsub", gsub, Value::Nil)?;
    watch.set(lua, string, "rep", rep, Value::Nil)?;
    watch.set(lua, string, "upper", upper, Value::Nil)?;
    watch.set(lua, string, "lower", lower, Value::Nil)?;
    watch.set(lua, string, "reverse", reverse, Value::Nil)?;
    watch.replace(lua, string, "sub", copying)?;
    watch.replace(lua, string, "format", formatting)
}

/// Raises what is wrong with a pattern, or why the script ends.
///
/// # Safety
/// As with [`end`].
unsafe fn fail(state: *mut lua_State, trouble: &Trouble) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match trouble {
            Trouble::Wrong(why) => wrong(state, why),
            Trouble::Ended(_) => end(state),
        }
    }
}

/// Raises a text with the caller's position.
///
/// # Safety
/// As with [`end`].
unsafe fn wrong(state: *mut lua_State, why: &CStr) -> c_int {
    // SAFETY: the caller's.
    unsafe { ffi::luaL_error(state, c"%s".as_ptr(), why.as_ptr()) }
}

/// Gives a capture to Lua.
///
/// # Safety
/// As with [`end`], with a free slot.
unsafe fn push_capture(
    state: *mut lua_State,
    captures: &Captures,
    place: usize,
    text: &[u8],
    whole: (usize, usize),
) {
    // SAFETY: the caller's.
    unsafe {
        match captures.at(place, text, whole) {
            Ok(Captured::Text(text)) => push(state, text),
            Ok(Captured::Place(place)) => push_place(state, place),
            Err(why) => {
                wrong(state, why);
            }
        }
    }
}

#[allow(clippy::cast_possible_wrap)] // Texts are shorter.
unsafe fn push_place(state: *mut lua_State, place: usize) {
    // SAFETY: the caller's, with a free slot.
    unsafe { ffi::lua_pushinteger(state, place as ffi::lua_Integer) };
}

/// Gives all captures to Lua, the first `least` whether they are there or not; and how many they are.
///
/// # Safety
/// As with [`end`].
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // There are but a few.
unsafe fn push_captures(
    state: *mut lua_State,
    captures: &Captures,
    least: usize,
    text: &[u8],
    whole: (usize, usize),
) -> c_int {
    // SAFETY: the caller's; the slots are asked for.
    unsafe {
        ffi::luaL_checkstack(state, CAPTURES_MAX as c_int, c"too many captures".as_ptr());
        let count = captures.count().max(least);
        for place in 0..count {
            push_capture(state, captures, place, text, whole);
        }
        count as c_int
    }
}

/// string.find(s, pattern [, init [, plain]])
unsafe extern "C-unwind" fn find(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe { search(state, true) }
}

/// string.match(s, pattern [, init])
unsafe extern "C-unwind" fn first_match(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe { search(state, false) }
}

/// The place that `init` stands for: counted from 1, or from the end.
fn place_of(init: ffi::lua_Integer, length: usize) -> usize {
    let distance = usize::try_from(init.unsigned_abs()).unwrap_or(usize::MAX);
    if init > 0 {
        (distance - 1).min(length)
    } else if init == 0 {
        0
    } else {
        length.saturating_sub(distance)
    }
}

/// A pattern without the anchor before it, and whether it has one.
fn anchor(pattern: &[u8]) -> (&[u8], bool) {
    pattern.strip_prefix(b"^").map_or((pattern, false), |rest| (rest, true))
}

unsafe fn search(state: *mut lua_State, tells_place: bool) -> c_int {
    // SAFETY: the module's rules; both texts stay on the stack.
    unsafe {
        let subject = text(state, 1);
        let given = text(state, 2);
        let from = place_of(ffi::luaL_optinteger(state, 3, 1), subject.len());
        if tells_place && (ffi::lua_toboolean(state, 4) != 0 || pattern::is_plain(given)) {
            match pattern::find_plain(subject, given, from, pulse(state)) {
                Ok(Some(begin)) => {
                    push_place(state, begin + 1);
                    push_place(state, begin + given.len());
                    return 2;
                }
                Ok(None) => {
                    ffi::lua_pushnil(state);
                    return 1;
                }
                Err(_) => return end(state),
            }
        }
        let (wanted, is_anchored) = anchor(pattern::read(given));
        let mut captures = Captures::default();
        match pattern::find(subject, wanted, from, is_anchored, &mut captures, pulse(state)) {
            Ok(Some(whole)) if tells_place => {
                push_place(state, whole.0 + 1);
                push_place(state, whole.1);
                2 + push_captures(state, &captures, 0, subject, whole)
            }
            Ok(Some(whole)) => push_captures(state, &captures, 1, subject, whole),
            Ok(None) => {
                ffi::lua_pushnil(state);
                1
            }
            Err(trouble) => fail(state, &trouble),
        }
    }
}

/// string.gmatch(s, pattern): a function that goes from match to match.
unsafe extern "C-unwind" fn gmatch(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules. Behind the first two upvalues, which are this function's too: both texts, and how far
    // it has come.
    unsafe {
        text(state, 1);
        text(state, 2);
        ffi::lua_settop(state, 2);
        for upvalue in (1..OWN).rev() {
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue));
            ffi::lua_insert(state, 1);
        }
        ffi::lua_pushinteger(state, 0);
        ffi::lua_pushcclosure(state, next_match, OWN + 2);
        1
    }
}

unsafe extern "C-unwind" fn next_match(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules; the upvalues are what `gmatch` put there.
    unsafe {
        let subject = text(state, ffi::lua_upvalueindex(OWN));
        let wanted = pattern::read(text(state, ffi::lua_upvalueindex(OWN + 1)));
        let come = ffi::lua_tointeger(state, ffi::lua_upvalueindex(OWN + 2));
        let Some(from) = usize::try_from(come).ok().filter(|from| *from <= subject.len()) else { return 0 };
        let mut captures = Captures::default();
        match pattern::find(subject, wanted, from, false, &mut captures, pulse(state)) {
            Ok(Some(whole)) => {
                // From an empty match one further.
                push_place(state, if whole.1 == whole.0 { whole.1 + 1 } else { whole.1 });
                ffi::lua_replace(state, ffi::lua_upvalueindex(OWN + 2));
                push_captures(state, &captures, 1, subject, whole)
            }
            Ok(None) => 0,
            Err(trouble) => fail(state, &trouble),
        }
    }
}

/// string.gsub(s, pattern, repl [, n])
unsafe extern "C-unwind" fn gsub(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules; both texts stay on the stack, below what is pushed.
    unsafe {
        let subject = text(state, 1);
        let (wanted, is_anchored) = anchor(pattern::read(text(state, 2)));
        let kind = ffi::lua_type(state, 3);
        #[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation)] // As C's int.
        let most = ffi::luaL_optinteger(state, 4, subject.len() as ffi::lua_Integer + 1) as c_int;
        if !matches!(kind, ffi::LUA_TNUMBER | ffi::LUA_TSTRING | ffi::LUA_TFUNCTION | ffi::LUA_TTABLE) {
            return ffi::luaL_argerror(state, 3, c"string/function/table expected".as_ptr());
        }
        ffi::lua_settop(state, 4);
        ffi::lua_pushnil(state);
        let mut scratch = Scratch::new(state, 5, 0);
        let mut captures = Captures::default();
        let (mut at, mut count) = (0, 0);
        while count < most {
            let whole = match pattern::find(subject, wanted, at, is_anchored, &mut captures, pulse(state)) {
                Ok(Some(whole)) => whole,
                Ok(None) => break,
                Err(trouble) => return fail(state, &trouble),
            };
            count += 1;
            spend(state, MATCH_WORK);
            scratch.append(state, subject.get(at..whole.0).unwrap_or_default());
            replace(state, &mut scratch, &captures, kind, subject, whole);
            at = whole.1;
            if whole.0 == whole.1 {
                // Behind an empty match the next byte stays as it is.
                let Some(byte) = subject.get(at..=at) else { break };
                scratch.append(state, byte);
                at += 1;
            }
            if is_anchored {
                break;
            }
        }
        scratch.append(state, subject.get(at..).unwrap_or_default());
        scratch.push(state);
        ffi::lua_pushinteger(state, count.into());
        2
    }
}

/// The work of a replacement that is short.
const MATCH_WORK: usize = 16;

/// Appends what takes the place of a match.
///
/// # Safety
/// As with [`end`], in `gsub`.
unsafe fn replace(
    state: *mut lua_State,
    scratch: &mut Scratch,
    captures: &Captures,
    kind: c_int,
    subject: &[u8],
    whole: (usize, usize),
) {
    // SAFETY: the caller's. What was pushed is gone again afterwards.
    unsafe {
        match kind {
            ffi::LUA_TFUNCTION => {
                ffi::lua_pushvalue(state, 3);
                let count = push_captures(state, captures, 1, subject, whole);
                ffi::lua_call(state, count, 1);
            }
            ffi::LUA_TTABLE => {
                push_capture(state, captures, 0, subject, whole);
                ffi::lua_gettable(state, 3);
            }
            _ => return fill_in(state, scratch, captures, subject, whole),
        }
        if ffi::lua_toboolean(state, -1) == 0 {
            scratch.append(state, subject.get(whole.0..whole.1).unwrap_or_default());
        } else if ffi::lua_isstring(state, -1) == 0 {
            let name = ffi::luaL_typename(state, -1);
            ffi::luaL_error(state, c"invalid replacement value (a %s)".as_ptr(), name);
        } else {
            // In its own slot: making room takes one above it.
            let replacement = text(state, ffi::lua_gettop(state));
            scratch.append(state, replacement);
        }
        ffi::lua_pop(state, 1);
    }
}

/// Appends a replacement with captures in the places of `%0` to `%9`.
///
/// # Safety
/// As with [`end`], in `gsub`.
unsafe fn fill_in(
    state: *mut lua_State,
    scratch: &mut Scratch,
    captures: &Captures,
    subject: &[u8],
    whole: (usize, usize),
) {
    // SAFETY: the caller's.
    unsafe {
        let mut rest = text(state, 3);
        while let Some(escape) = rest.iter().position(|byte| *byte == b'%') {
            spend(state, 1);
            scratch.append(state, rest.get(..escape).unwrap_or_default());
            // Behind a last `%` stands C's end of the string.
            let wanted = rest.get(escape + 1).copied().unwrap_or(0);
            rest = rest.get(escape + 2..).unwrap_or_default();
            match wanted {
                b'0' => scratch.append(state, subject.get(whole.0..whole.1).unwrap_or_default()),
                b'1'..=b'9' => {
                    push_capture(state, captures, usize::from(wanted - b'1'), subject, whole);
                    let captured = text(state, ffi::lua_gettop(state));
                    scratch.append(state, captured);
                    ffi::lua_pop(state, 1);
                }
                other => scratch.append(state, &[other]),
            }
        }
        scratch.append(state, rest);
    }
}

/// string.rep(s, n)
unsafe extern "C-unwind" fn rep(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules; the text stays on the stack.
    unsafe {
        let repeated = text(state, 1);
        #[allow(clippy::cast_possible_truncation)] // As C's int.
        let count = ffi::luaL_checkinteger(state, 2) as c_int;
        let count = usize::try_from(count).unwrap_or(0);
        let total = repeated.len().saturating_mul(count);
        ffi::lua_settop(state, 2);
        let mut scratch = Scratch::new(state, 2, total);
        // What is long in any case by itself; else first as many as make it long, and then those at once.
        let at_once = (MOVED_AT_ONCE / repeated.len().max(1)).clamp(1, count.max(1));
        let mut left = if total == 0 { 0 } else { count };
        while left > 0 {
            let times = at_once.min(left);
            let bytes = times * repeated.len();
            spend(state, bytes / 16);
            fill(scratch.more(state, bytes), repeated);
            scratch.wrote(bytes);
            left -= times;
        }
        scratch.push(state);
        1
    }
}

/// Fills all of it with a text, again and again.
fn fill(room: &mut [MaybeUninit<u8>], text: &[u8]) {
    if let [byte] = text {
        return room.fill(MaybeUninit::new(*byte));
    }
    let mut bytes = text.iter().cycle();
    let (first, rest) = room.split_at_mut(text.len().min(room.len()));
    first.iter_mut().zip(&mut bytes).for_each(|(to, from)| *to = MaybeUninit::new(*from));
    for part in rest.chunks_mut(text.len().max(1)) {
        part.copy_from_slice(first.get(..part.len()).unwrap_or_default());
    }
}

/// A function that gives a text as long as its argument.
unsafe fn mapped(
    state: *mut lua_State,
    map: impl Fn(&[u8], &mut [MaybeUninit<u8>]),
    from_end: bool,
) -> c_int {
    // SAFETY: the module's rules; the text stays on the stack, and all of the room is written.
    unsafe {
        let given = text(state, 1);
        ffi::lua_settop(state, 1);
        ffi::lua_pushnil(state);
        let mut scratch = Scratch::new(state, 2, given.len());
        let mut rest = given;
        while !rest.is_empty() {
            let count = rest.len().min(MOVED_AT_ONCE);
            let part;
            if from_end {
                (rest, part) = rest.split_at(rest.len() - count);
            } else {
                (part, rest) = rest.split_at(count);
            }
            spend(state, count / 8);
            map(part, scratch.more(state, count));
            scratch.wrote(count);
        }
        scratch.push(state);
        1
    }
}

/// string.upper(s)
unsafe extern "C-unwind" fn upper(state: *mut lua_State) -> c_int {
    let map = |from: &[u8], to: &mut [MaybeUninit<u8>]| {
        from.iter().zip(to).for_each(|(from, to)| *to = MaybeUninit::new(from.to_ascii_uppercase()));
    };
    // SAFETY: the module's rules.
    unsafe { mapped(state, map, false) }
}

/// string.lower(s)
unsafe extern "C-unwind" fn lower(state: *mut lua_State) -> c_int {
    let map = |from: &[u8], to: &mut [MaybeUninit<u8>]| {
        from.iter().zip(to).for_each(|(from, to)| *to = MaybeUninit::new(from.to_ascii_lowercase()));
    };
    // SAFETY: the module's rules.
    unsafe { mapped(state, map, false) }
}

/// string.reverse(s)
unsafe extern "C-unwind" fn reverse(state: *mut lua_State) -> c_int {
    let map = |from: &[u8], to: &mut [MaybeUninit<u8>]| {
        from.iter().rev().zip(to).for_each(|(from, to)| *to = MaybeUninit::new(*from));
    };
    // SAFETY: the module's rules.
    unsafe { mapped(state, map, true) }
}

/// The bytes of all texts among the arguments.
///
/// # Safety
/// To be called by a C function of Lua's.
pub(super) unsafe fn given_bytes(state: *mut lua_State) -> usize {
    // SAFETY: asked of texts alone, which are not changed by it.
    unsafe {
        let is_text = |argument: &c_int| ffi::lua_type(state, *argument) == ffi::LUA_TSTRING;
        (1..=ffi::lua_gettop(state)).filter(is_text).map(|argument| ffi::lua_objlen(state, argument)).sum()
    }
}

/// string.sub, error, assert: Lua's own, which copy.
pub(super) unsafe extern "C-unwind" fn copying(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        spend(state, given_bytes(state) / 16);
        original(state)
    }
}

/// string.format(format, …): Lua's own. (50 MB of `%q` take it 290 ms.)
unsafe extern "C-unwind" fn formatting(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        spend(state, given_bytes(state) * 2);
        original(state)
    }
}
