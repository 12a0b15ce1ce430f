//! How a script looks at the pulse: at every so many instructions, and in the functions that it calls.
//!
//! A function of C has no instructions between which Lua could end it. Those whose work grows with what they are given
//! spend it from the script's [`Pulse`], before or while they do it.
//!
//! Owns the hook, what such a function finds in its upvalues, and the memory in which it puts together what it gives.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use mlua::{Function, LightUserData, Lua, Table, Value};

use super::closure;
use crate::pulse::Pulse;

/// What each of these functions has for upvalues.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Raises why the script ends; it owns the pulse.
    ending: Function,
    pulse: LightUserData,
}

/// Instructions between two looks: a few µs. Each of them may take as long as the state's memory lets it: a
/// concatenation, a comparison. So they are fewer where a state has taken more than this.
const LOOK_EVERY: c_int = 1_000;
const LOOK_EVERY_MIN: c_int = 10;
const SMALL_KILOBYTES: c_int = 4_096;

/// Its place among the upvalues.
const ENDING: c_int = 1;
const PULSE: c_int = 2;
/// A third upvalue, which is the function's own.
pub(super) const OWN: c_int = 3;

impl Watch {
    /// Of a state that has none yet.
    pub(crate) fn new(lua: &Lua, pulse: &Arc<Pulse>) -> mlua::Result<Watch> {
        lua.set_app_data(Arc::clone(pulse));
        let owned = Arc::clone(pulse);
        let ending = lua.create_function(move |_, ()| match owned.must_end() {
            Some(end) => Err::<(), mlua::Error>(end.into()),
            None => Ok(()),
        })?;
        let pulse = LightUserData(Arc::as_ptr(pulse).cast_mut().cast::<c_void>());
        // SAFETY: both go into the registry, for the hook.
        unsafe {
            lua.exec_raw::<()>((&ending, pulse), |state| {
                ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, (&raw const PULSE_KEY).cast());
                ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, (&raw const ENDING_KEY).cast());
            })?;
        }
        Ok(Watch { ending, pulse })
    }

    /// The two.
    pub(super) fn upvalues(&self) -> (&Function, LightUserData) {
        (&self.ending, self.pulse)
    }

    /// Puts a function into a table of functions.
    pub(super) fn set(
        &self,
        lua: &Lua,
        table: &Table,
        name: &str,
        function: ffi::lua_CFunction,
        own: Value,
    ) -> mlua::Result<()> {
        table.raw_set(name, closure(lua, function, 3, (&self.ending, self.pulse, own))?)
    }

    /// Puts a function in the place of Lua's own one, which it finds in its own upvalue.
    pub(super) fn replace(
        &self,
        lua: &Lua,
        table: &Table,
        name: &str,
        function: ffi::lua_CFunction,
    ) -> mlua::Result<()> {
        let original: Function = table.raw_get(name)?;
        // SAFETY: one value is replaced by another. A function of Lua's libraries has no upvalues but where `guarded`
        // says so; none of those comes here.
        let address: Value = unsafe {
            lua.exec_raw(&original, |state| {
                if let Some(function) = ffi::lua_tocfunction(state, 1) {
                    ffi::lua_pushlightuserdata(state, function as *mut c_void);
                    ffi::lua_remove(state, 1);
                }
            })?
        };
        self.set(lua, table, name, function, address)
    }
}

/// Their addresses are where the registry has what each [`Watch`] has.
static PULSE_KEY: u8 = 0;
static ENDING_KEY: u8 = 0;

/// Has the code that runs from now on look at the pulse now and then; coroutines that it makes do as it does.
///
/// # Safety
/// To be called by a C function of a state for which there is a [`Watch`].
pub(super) unsafe fn watch(state: *mut lua_State) {
    // SAFETY: the hook is of this state.
    unsafe { ffi::lua_sethook(state, Some(looking), ffi::LUA_MASKCOUNT, LOOK_EVERY) };
}

/// The hook. Once the script must end it is asked at every instruction, so that none goes on behind a `pcall`.
unsafe extern "C-unwind" fn looking(state: *mut lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: the module's rules; a hook has as many slots as a C function. The pulse lives as long as the function in
    // the registry that owns it.
    unsafe {
        ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, (&raw const PULSE_KEY).cast());
        let pulse = &*ffi::lua_touserdata(state, -1).cast::<Pulse>();
        ffi::lua_pop(state, 1);
        if let Ok(work) = pulse.look() {
            pulse.leave_work(work);
            let kilobytes = ffi::lua_gc(state, ffi::LUA_GCCOUNT, 0).max(SMALL_KILOBYTES);
            let count = (LOOK_EVERY * SMALL_KILOBYTES / kilobytes).max(LOOK_EVERY_MIN);
            ffi::lua_sethook(state, Some(looking), ffi::LUA_MASKCOUNT, count);
        } else {
            ffi::lua_sethook(state, Some(looking), ffi::LUA_MASKCOUNT, 1);
            ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, (&raw const ENDING_KEY).cast());
            ffi::lua_call(state, 0, 0);
        }
    }
}

/// The pulse of a state's scripts.
pub(crate) fn pulse_of(lua: &Lua) -> Arc<Pulse> {
    let pulse = lua.app_data_ref::<Arc<Pulse>>();
    Arc::clone(&pulse.expect("each state is given one before anything else"))
}

/// The pulse of the function that runs.
///
/// # Safety
/// To be called by a function that [`Watch`] made; the pulse lives as long as that function, whose upvalue owns it.
pub(super) unsafe fn pulse<'p>(state: *mut lua_State) -> &'p Pulse {
    // SAFETY: put there by `Watch`.
    unsafe { &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(PULSE)).cast::<Pulse>() }
}

/// Goes on as the function of Lua's own in whose place this one stands.
///
/// # Safety
/// To be called by a function that [`Watch::replace`] made, with its arguments on the stack.
pub(super) unsafe fn original(state: *mut lua_State) -> c_int {
    // SAFETY: the address of a `lua_CFunction`, put there by `Watch::replace`.
    unsafe {
        let address = ffi::lua_touserdata(state, ffi::lua_upvalueindex(OWN));
        let function = std::mem::transmute::<*mut c_void, ffi::lua_CFunction>(address);
        function(state)
    }
}

/// Raises why the script ends.
///
/// # Safety
/// To be called by a function that [`Watch`] made, without anything on its frame that has a destructor.
pub(super) unsafe fn end(state: *mut lua_State) -> c_int {
    // SAFETY: the module's rules.
    unsafe {
        ffi::luaL_checkstack(state, 1, c"too many arguments".as_ptr());
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(ENDING));
        ffi::lua_call(state, 0, 0);
        ffi::luaL_error(state, c"the script has ended".as_ptr())
    }
}

/// Spends work, and raises why the script ends if it must.
///
/// # Safety
/// As with [`end`].
pub(super) unsafe fn spend(state: *mut lua_State, work: usize) {
    // SAFETY: the caller's.
    unsafe {
        if pulse(state).spend(work).is_err() {
            end(state);
        }
    }
}

/// The text that this argument is, or that a number there becomes.
///
/// # Safety
/// To be called by a C function of Lua's, and to be used only while the argument stays where it is.
pub(super) unsafe fn text<'t>(state: *mut lua_State, argument: c_int) -> &'t [u8] {
    // SAFETY: a string of Lua's has so many bytes, and does not move.
    unsafe {
        let mut length = 0;
        let start = ffi::luaL_checklstring(state, argument, &raw mut length);
        std::slice::from_raw_parts(start.cast::<u8>(), length)
    }
}

/// Gives a text to Lua.
///
/// # Safety
/// To be called by a C function of Lua's with a free slot.
pub(super) unsafe fn push(state: *mut lua_State, text: &[u8]) {
    // SAFETY: Lua copies it.
    unsafe {
        ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
    }
}

/// What fits here takes no memory of Lua's.
const NEAR_BYTES: usize = 1024;
/// What is appended without counting: who appends often counts how often.
const SHORT_BYTES: usize = 256;
/// So much is moved between two looks at the pulse.
pub(super) const MOVED_AT_ONCE: usize = 256 * 1024;
/// More than Lua gives to anybody.
const TOO_LONG: usize = 1 << 40;

/// A text that a C function puts together. What does not fit on its frame is in a userdata, which Lua frees.
pub(super) struct Scratch {
    near: [MaybeUninit<u8>; NEAR_BYTES],
    /// Where the userdata is, once there is one.
    far: *mut u8,
    room: usize,
    length: usize,
    /// The slot that keeps the userdata.
    slot: c_int,
}

impl Scratch {
    /// Room for so many bytes at first.
    ///
    /// # Safety
    /// To be called by a C function of Lua's; the slot is its own, in use, and nobody's else.
    pub(super) unsafe fn new(state: *mut lua_State, slot: c_int, room: usize) -> Scratch {
        let near = [MaybeUninit::uninit(); NEAR_BYTES];
        let mut scratch = Scratch { near, far: std::ptr::null_mut(), room: NEAR_BYTES, length: 0, slot };
        // SAFETY: the caller's.
        unsafe { scratch.reserve(state, room) };
        scratch
    }

    /// Where it begins.
    fn start(&mut self) -> *mut u8 {
        if self.far.is_null() { self.near.as_mut_ptr().cast() } else { self.far }
    }

    /// Makes room for so many more bytes.
    ///
    /// # Safety
    /// As with [`Scratch::new`].
    unsafe fn reserve(&mut self, state: *mut lua_State, more: usize) {
        let needed = self.length.saturating_add(more);
        if needed <= self.room {
            return;
        }
        let room = if self.length == 0 { needed } else { needed.max(self.room.saturating_mul(2)) };
        // SAFETY: a userdata has as many bytes as were asked for, and the old one stays until its slot is written. A
        // slot for it is asked for.
        unsafe {
            ffi::luaL_checkstack(state, 1, c"string too long".as_ptr());
            let far = ffi::lua_newuserdata(state, room.min(TOO_LONG)).cast::<u8>();
            std::ptr::copy_nonoverlapping(self.start(), far, self.length);
            ffi::lua_replace(state, self.slot);
            (self.far, self.room) = (far, room);
        }
    }

    /// So many more bytes, to be written by [`Scratch::wrote`]'s caller before it says so.
    ///
    /// # Safety
    /// As with [`Scratch::new`].
    pub(super) unsafe fn more(&mut self, state: *mut lua_State, count: usize) -> &mut [MaybeUninit<u8>] {
        // SAFETY: there is room for them behind what was written.
        unsafe {
            self.reserve(state, count);
            let start = self.start().add(self.length).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(start, count)
        }
    }

    /// So many bytes of them are written.
    ///
    /// # Safety
    /// They are.
    pub(super) unsafe fn wrote(&mut self, count: usize) {
        self.length += count;
    }

    /// Appends a text.
    ///
    /// # Safety
    /// As with [`Scratch::new`], by a function that [`Watch`] made.
    pub(super) unsafe fn append(&mut self, state: *mut lua_State, text: &[u8]) {
        if text.len() <= SHORT_BYTES && self.room - self.length >= text.len() {
            // SAFETY: there is room for it.
            unsafe {
                std::ptr::copy_nonoverlapping(text.as_ptr(), self.start().add(self.length), text.len())
            };
            self.length += text.len();
            return;
        }
        for part in text.chunks(MOVED_AT_ONCE) {
            // SAFETY: as many bytes are copied as there is room for.
            unsafe {
                spend(state, part.len() / 16);
                let room = self.more(state, part.len());
                std::ptr::copy_nonoverlapping(part.as_ptr(), room.as_mut_ptr().cast(), part.len());
                self.wrote(part.len());
            }
        }
    }

    /// Gives it to Lua.
    ///
    /// # Safety
    /// As with [`push`].
    pub(super) unsafe fn push(&mut self, state: *mut lua_State) {
        // SAFETY: so many bytes were written.
        unsafe { push(state, std::slice::from_raw_parts(self.start(), self.length)) };
    }
}
