//! Compiling: Lua's own compiler, which is given a text piece by piece, with an eye on the pulse.
//!
//! Owns the way in. What is compiled already is refused before: it can be made to do anything.

use std::ffi::{CStr, c_char, c_void};

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Value};

use super::work::pulse_of;
use crate::pulse::{End, Pulse};

/// So much is given at once.
const PIECE_BYTES: usize = 4096;
/// The work of compiling a byte: 50 ns.
const BYTE_WORK: usize = 16;

/// What is left of a text.
struct Source<'t> {
    rest: &'t [u8],
    pulse: &'t Pulse,
    ended: Option<End>,
}

/// A function whose body is this text; `name` is what errors call it. Inside, where it cannot be compiled: the
/// compiler's words.
pub(crate) fn compile(lua: &Lua, name: &CStr, text: &[u8]) -> mlua::Result<Result<Function, Vec<u8>>> {
    let pulse = pulse_of(lua);
    let mut source = Source { rest: text, pulse: &pulse, ended: None };
    let given = (&raw mut source).cast::<c_void>();
    // SAFETY: `read` is given the source, which nobody else touches meanwhile; a function or a text is left on the
    // stack.
    let compiled: Value = unsafe {
        lua.exec_raw((), |state| {
            ffi::lua_load(state, read, given, name.as_ptr());
        })?
    };
    if let Some(end) = source.ended {
        return Err(end.into());
    }
    Ok(match compiled {
        Value::Function(compiled) => Ok(compiled),
        other => Err(other.as_string().map(|text| text.as_bytes().to_vec()).unwrap_or_default()),
    })
}

unsafe extern "C-unwind" fn read(_: *mut lua_State, given: *mut c_void, size: *mut usize) -> *const c_char {
    // SAFETY: `compile`'s source, and Lua's place for a size. Nothing is raised.
    unsafe {
        let source = &mut *given.cast::<Source<'_>>();
        let (piece, rest) = source.rest.split_at(source.rest.len().min(PIECE_BYTES));
        // A text that ends early is not used.
        source.ended = source.pulse.spend(piece.len() * BYTE_WORK).err();
        if piece.is_empty() || source.ended.is_some() {
            source.rest = &[];
            *size = 0;
            return std::ptr::null();
        }
        source.rest = rest;
        *size = piece.len();
        piece.as_ptr().cast()
    }
}
