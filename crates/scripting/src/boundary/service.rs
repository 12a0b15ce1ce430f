//! The script that runs, and who serves it: `redis.call` and its kin, from Lua's stack to a command's words and back.
//!
//! Owns the way there without a value of mlua's between: words are read where Lua keeps them, replies become Lua's
//! values where they stand. Who serves is there while a script runs, and at no other time.
//!
//! A call has two halves. In the first Rust works, with whatever it needs, and Lua does nothing that could raise; what
//! it leaves is an answer's bytes, which belong to who serves. In the second they are given to Lua, which may raise
//! (there is no memory): then nothing with a destructor is on the frame.

use std::any::Any;
use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use mlua::ffi::{self, lua_State};
use mlua::{Function, LightUserData, Lua, Table, Value};

use super::work::{OWN, Watch, end, pulse, push, watch};
use super::{Outcome, Raise, closure, explaining};
use crate::api::Request;
use crate::arguments::Arguments;
use crate::convert::Piece;

/// An argument of `redis.call`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'w> {
    Text(&'w [u8]),
    Number(f64),
    /// What cannot be a word.
    Other,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The answer's bytes are a reply.
    Reply,
    /// They are an error's text; whether it is counted already.
    Refused {
        is_counted: bool,
    },
    /// They are a text that is raised whatever was called.
    Raised,
    Truth(bool),
    /// The script must end.
    Ended,
}

/// Who serves a script.
pub(crate) trait Serve {
    /// Does what a function was called for that takes a command's words.
    fn call(&mut self, request: Request, words: &[Word<'_>]) -> Told;
    /// What it left, see [`Told`].
    fn answer(&self) -> &[u8];
    /// Whether a table for a map or a set has room for all from the start: what `pairs` gives first rests on that.
    fn sizes_maps(&self) -> bool;
    /// Does what another function was called for.
    fn ask(&mut self, lua: &Lua, request: Request, args: &Arguments) -> Outcome;
}

/// See the module. One for each state.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// A `&mut dyn Serve` on the frame of [`Service::during`]; null when nobody serves.
    serving: AtomicPtr<c_void>,
    /// What the first half of a call panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

const NOBODY: &CStr = c"redis.call/pcall can only be called inside a script invocation";

impl Service {
    /// Has somebody serve the script that `run` runs.
    fn during<R>(&self, mut serve: &mut dyn Serve, run: impl FnOnce() -> R) -> R {
        /// Nobody serves from here on, however it is left.
        struct Over<'s>(&'s Service);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.serving.store(std::ptr::null_mut(), Relaxed);
            }
        }
        let over = Over(self);
        self.serving.store((&raw mut serve).cast(), Relaxed);
        let ran = run();
        drop(over);
        if let Some(panic) = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
        ran
    }

    /// Asks who serves, if anybody does.
    fn with<R>(&self, ask: impl FnOnce(&mut dyn Serve) -> R) -> Option<R> {
        // While he is asked, nobody is there for others.
        let serving = self.serving.swap(std::ptr::null_mut(), Relaxed);
        if serving.is_null() {
            return None;
        }
        // SAFETY: put there by `during`, which has not ended: a state runs on one thread, and `during` takes it away
        // before its frame goes. It was taken out, so this is the only use.
        let serve = unsafe { &mut *serving.cast::<&mut dyn Serve>() };
        let answer = ask(&mut **serve);
        self.serving.store(serving, Relaxed);
        Some(answer)
    }

    /// Does what another function than `redis.call` was called for.
    pub(crate) fn ask(&self, lua: &Lua, request: Request, args: &Arguments) -> Outcome {
        let asked = self.with(|serve| serve.ask(lua, request, args));
        asked.unwrap_or_else(|| Ok(Err(Raise::here(NOBODY.to_bytes()))))
    }
}

/// `redis.call` and its kin, as functions of Lua's.
pub(crate) fn calling(
    lua: &Lua,
    watch: &Watch,
    service: &Arc<Service>,
    request: Request,
) -> mlua::Result<Function> {
    // The state owns it as long as it lives.
    lua.set_app_data(Arc::clone(service));
    let pointer = LightUserData(Arc::as_ptr(service).cast_mut().cast::<c_void>());
    let (ending, pulse) = watch.upvalues();
    closure(lua, call, OWN + 1, (ending, pulse, pointer, request.number()))
}

/// The first half: what was asked for, and what came of it.
///
/// # Safety
/// To be called by [`call`]; nothing of Lua's is changed.
unsafe fn ask(state: *mut lua_State, service: &Service, request: Request) -> Option<Told> {
    let asked = || {
        service.with(|serve| {
            // SAFETY: a text that is one already is not converted; all stay on the stack.
            let words: Vec<Word<'_>> = unsafe {
                (1..=ffi::lua_gettop(state))
                    .map(|argument| match ffi::lua_type(state, argument) {
                        ffi::LUA_TSTRING => {
                            let mut length = 0;
                            let start = ffi::lua_tolstring(state, argument, &raw mut length);
                            Word::Text(std::slice::from_raw_parts(start.cast::<u8>(), length))
                        }
                        ffi::LUA_TNUMBER => Word::Number(ffi::lua_tonumber(state, argument)),
                        _ => Word::Other,
                    })
                    .collect()
            };
            serve.call(request, &words)
        })
    };
    match catch_unwind(AssertUnwindSafe(asked)) {
        Ok(told) => told,
        Err(panic) => {
            *service.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            Some(Told::Ended)
        }
    }
}

unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules; the upvalues are what `calling` put there. The answer belongs to who serves, and
    // stays as it is until he is asked again.
    unsafe {
        let service = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(OWN)).cast::<Service>();
        let number = ffi::lua_tointeger(state, ffi::lua_upvalueindex(OWN + 1));
        let Some(request) = Request::of(number) else { return 0 };
        let Some(told) = ask(state, service, request) else {
            return ffi::luaL_error(state, c"%s".as_ptr(), NOBODY.as_ptr());
        };
        ffi::lua_settop(state, 0);
        let (answer, sized): (&[u8], bool) =
            match service.with(|serve| (std::ptr::from_ref(serve.answer()), serve.sizes_maps())) {
                Some((answer, sized)) => (&*answer, sized),
                None => (&[], false),
            };
        let raises = match told {
            Told::Reply => {
                let mut rest = answer;
                push_value(state, &mut rest, sized);
                answer.first() == Some(&b'-') && request == Request::Call
            }
            Told::Refused { is_counted } => {
                push_error(state, answer, is_counted);
                request == Request::Call
            }
            Told::Raised => {
                push_error(state, answer, false);
                true
            }
            Told::Truth(truth) => {
                ffi::lua_pushboolean(state, truth.into());
                false
            }
            Told::Ended => return end(state),
        };
        if raises { ffi::lua_error(state) } else { 1 }
    }
}

/// Pushes an error as scripts see it. A script finds by `ignore_error_stats_update` that it is counted already.
///
/// # Safety
/// As with [`end`].
unsafe fn push_error(state: *mut lua_State, text: &[u8], is_counted: bool) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, 0, 0);
        push(state, text);
        ffi::lua_setfield(state, -2, c"err".as_ptr());
        if is_counted {
            ffi::lua_pushboolean(state, 1);
            ffi::lua_setfield(state, -2, IS_COUNTED.as_ptr());
        }
    }
}

/// The field by which an error is known that is counted already.
pub(crate) const IS_COUNTED: &CStr = c"ignore_error_stats_update";

/// Pushes the value that a reply's next piece begins. Replies are ours, and nest a few levels. `sized`: see
/// [`Serve::sizes_maps`].
///
/// # Safety
/// As with [`end`].
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // Counts of what stands in memory.
unsafe fn push_value(state: *mut lua_State, rest: &mut &[u8], sized: bool) {
    // SAFETY: the caller's; the slots are asked for.
    unsafe {
        if pulse(state).spend(VALUE_WORK).is_err() {
            end(state);
        }
        ffi::luaL_checkstack(state, 6, c"out of stack".as_ptr());
        match Piece::next(rest) {
            Piece::Int(number) => ffi::lua_pushinteger(state, number),
            Piece::Text(text) => push(state, text),
            Piece::Null => ffi::lua_pushboolean(state, 0),
            Piece::Status(text) => {
                ffi::lua_createtable(state, 0, 0);
                push(state, text);
                ffi::lua_setfield(state, -2, c"ok".as_ptr());
            }
            Piece::Error(text) => push_error(state, text, true),
            Piece::Array(count) => {
                ffi::lua_createtable(state, count as c_int, 0);
                for index in 1..=count {
                    push_value(state, rest, sized);
                    ffi::lua_rawseti(state, -2, index as ffi::lua_Integer);
                }
            }
            Piece::Map(count) => {
                ffi::lua_createtable(state, 0, 0);
                ffi::lua_createtable(state, 0, if sized { count as c_int } else { 0 });
                for _ in 0..count {
                    push_value(state, rest, sized);
                    push_value(state, rest, sized);
                    ffi::lua_rawset(state, -3);
                }
                ffi::lua_setfield(state, -2, c"map".as_ptr());
            }
            Piece::Set(count) => {
                ffi::lua_createtable(state, 0, 0);
                ffi::lua_createtable(state, 0, if sized { count as c_int } else { 0 });
                for _ in 0..count {
                    push_value(state, rest, sized);
                    ffi::lua_pushboolean(state, 1);
                    ffi::lua_rawset(state, -3);
                }
                ffi::lua_setfield(state, -2, c"set".as_ptr());
            }
            Piece::Truth(truth) => ffi::lua_pushboolean(state, truth.into()),
            Piece::Double(number) => {
                ffi::lua_createtable(state, 0, 0);
                ffi::lua_pushnumber(state, number);
                ffi::lua_setfield(state, -2, c"double".as_ptr());
            }
            Piece::BigNumber(digits) => {
                ffi::lua_createtable(state, 0, 0);
                push(state, digits);
                ffi::lua_setfield(state, -2, c"big_number".as_ptr());
            }
            Piece::Verbatim { form, text } => {
                ffi::lua_createtable(state, 0, 0);
                ffi::lua_createtable(state, 0, 0);
                push(state, text);
                ffi::lua_setfield(state, -2, c"string".as_ptr());
                push(state, form);
                ffi::lua_setfield(state, -2, c"format".as_ptr());
                ffi::lua_setfield(state, -2, c"verbatim_string".as_ptr());
            }
            Piece::Nothing => ffi::lua_pushnil(state),
        }
    }
}

/// The work of one value: some 100 ns.
const VALUE_WORK: usize = 40;

/// What a script is given.
#[derive(Clone, Copy)]
pub(crate) enum Given<'g> {
    /// `KEYS` and `ARGV` of this table.
    Globals {
        table: &'g Table,
        keys: &'g [&'g [u8]],
        args: &'g [&'g [u8]],
    },
    /// Keys and arguments for its arguments.
    Arguments {
        keys: &'g [&'g [u8]],
        args: &'g [&'g [u8]],
    },
    Nothing,
}

/// Runs a function: gives true and its result, or false and a table that tells the error (`err`) and where it happened
/// (`source`, `line`), or false and what else was left of it.
pub(crate) fn run(
    lua: &Lua,
    service: &Service,
    body: &Function,
    given: Given<'_>,
    serve: &mut dyn Serve,
) -> mlua::Result<(bool, Value)> {
    let table = match given {
        Given::Globals { table, .. } => Some(table),
        Given::Arguments { .. } | Given::Nothing => None,
    };
    service.during(serve, || {
        // SAFETY: the body and the table, or nil, are on the stack, and in their places one truth and one value are
        // left. The closure holds references alone.
        unsafe {
            lua.exec_raw((body, table), |state| {
                let mut count = 0;
                ffi::lua_pushcclosure(state, explaining, 0);
                ffi::lua_pushvalue(state, 1);
                match given {
                    Given::Globals { keys, args, .. } => {
                        for (name, texts) in [(c"KEYS", keys), (c"ARGV", args)] {
                            ffi::lua_pushstring(state, name.as_ptr());
                            push_texts(state, texts);
                            ffi::lua_rawset(state, 2);
                        }
                    }
                    Given::Arguments { keys, args } => {
                        push_texts(state, keys);
                        push_texts(state, args);
                        count = 2;
                    }
                    Given::Nothing => {}
                }
                watch(state);
                let status = ffi::lua_pcall(state, count, 1, 3);
                ffi::lua_replace(state, 2);
                ffi::lua_pushboolean(state, c_int::from(status == ffi::LUA_OK));
                ffi::lua_replace(state, 1);
                ffi::lua_settop(state, 2);
                restart_collector(state);
            })
        }
    })
}

/// Pushes an array of texts.
///
/// # Safety
/// To be called with a few free slots, and nothing that has a destructor on the frame.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // Counts of what stands in memory.
unsafe fn push_texts(state: *mut lua_State, texts: &[&[u8]]) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, texts.len() as c_int, 0);
        for (index, text) in (1..).zip(texts) {
            push(state, text);
            ffi::lua_rawseti(state, -2, index);
        }
    }
}

/// Its address is where the registry notes that a script has stopped the collector.
static STOPPED_KEY: u8 = 0;

/// Notes that a script has stopped the collector. (Telling Lua in any case to go on has it collect at each run.)
///
/// # Safety
/// To be called by a C function of Lua's with a free slot.
pub(super) unsafe fn note_stopped(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_pushboolean(state, 1);
        ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, (&raw const STOPPED_KEY).cast());
    }
}

/// Has the collector go on that a script has stopped.
///
/// # Safety
/// As with [`note_stopped`].
unsafe fn restart_collector(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, (&raw const STOPPED_KEY).cast());
        let is_stopped = ffi::lua_toboolean(state, -1) != 0;
        ffi::lua_pop(state, 1);
        if is_stopped {
            ffi::lua_gc(state, ffi::LUA_GCRESTART, 0);
            ffi::lua_pushnil(state);
            ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, (&raw const STOPPED_KEY).cast());
        }
    }
}
