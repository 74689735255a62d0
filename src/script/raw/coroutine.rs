//! Coroutines that are filled, resumed and read in place.
#![expect(unsafe_code, reason = "the VM's C interface; see the module above")]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write as _;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};
use mlua::{Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Thread, Value};

use super::stack::push_pin;

/// How a turn of a coroutine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It has yielded.
    Waits,
    /// Its function has returned.
    Returned,
    /// Its function has raised an error.
    Raised,
}

/// A coroutine, one call after another.
#[derive(Debug)]
pub struct Coroutine {
    /// Keeps the state alive.
    thread: Thread,
}

impl Coroutine {
    /// A coroutine without a call.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn new(lua: &Lua) -> mlua::Result<Self> {
        let nothing = lua.create_function(|_, ()| Ok(()))?;
        Ok(Self {
            thread: lua.create_thread(nothing)?,
        })
    }

    pub(super) fn state(&self) -> *mut lua_State {
        self.thread.state()
    }

    /// Forgets the last call, however it ended or did not end: what is on its stack keeps nothing alive any more.
    pub fn clear(&self, lua: &Lua) {
        let state = self.state();
        // SAFETY: it does not run: this is its owner. One that has ended keeps only values.
        unsafe {
            if ffi::lua_status(state) == ffi::LUA_OK {
                return ffi::lua_settop(state, 0);
            }
        }
        // A stack that has grown is replaced by a small one before it is freed, and it may have ended because the VM has
        // no memory left: the limit, which always can be set, does not count for that moment.
        let limit = lua.set_memory_limit(0);
        // SAFETY: as above; any other is reset. What that raises, where the process has no memory either, the binding
        // catches, and it is reset again before its next call.
        let _ = unsafe { lua.exec_raw::<()>((), |_| ffi::lua_resetthread(state)) };
        if let Ok(limit) = limit {
            let _ = lua.set_memory_limit(limit);
        }
    }

    /// Prepares a call of `function`; gives the number of arguments for [`Coroutine::resume`].
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn load(&self, lua: &Lua, function: &Function, args: impl IntoLuaMulti) -> mlua::Result<i32> {
        self.clear(lua);
        let mut values = args.into_lua_multi(lua)?;
        values.push_front(Value::Function(function.clone()));
        let count = c_int::try_from(values.len()).map_err(mlua::Error::external)?;
        // SAFETY: moves the values that were just pushed to a coroutine that does not run; there is room, or it raises where the
        // binding catches it.
        unsafe { lua.exec_raw::<()>(values, |from| ffi::lua_xmove(from, self.state(), count))? };
        Ok(count - 1)
    }

    /// As [`Coroutine::load`], for a function and an argument that are pinned: costs no way through the binding.
    #[must_use]
    pub fn load_pinned(&self, lua: &Lua, function: &Pinned, argument: &Pinned) -> i32 {
        self.clear(lua);
        let state = self.state();
        // SAFETY: two pushes on the empty stack of a coroutine that does not run; a coroutine has room for 20 values.
        unsafe {
            push_pin(state, function.pin);
            push_pin(state, argument.pin);
        }
        1
    }

    /// Lets it run until it yields, returns or raises.
    #[must_use]
    pub fn resume(&self, arguments: i32) -> Turn {
        // SAFETY: it does not run, and has a call to start with that many arguments, or waits; a coroutine that has neither raises,
        // inside.
        match unsafe { ffi::lua_resume_(self.state(), std::ptr::null_mut(), arguments) } {
            ffi::LUA_OK => Turn::Returned,
            ffi::LUA_YIELD | ffi::LUA_BREAK => Turn::Waits,
            _ => Turn::Raised,
        }
    }

    /// What it returned.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn results(&self, lua: &Lua) -> mlua::Result<MultiValue> {
        let state = self.state();
        // SAFETY: it has ended, and its results are all that is on its stack.
        unsafe {
            let count = ffi::lua_gettop(state);
            lua.exec_raw((), |to| ffi::lua_xmove(state, to, count))
        }
    }

    /// What it raised, and where: a trace of `file:line function name`, innermost first. The call is forgotten.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn raised(&self, lua: &Lua) -> (mlua::Result<Value>, String) {
        let state = self.state();
        let trace = trace(state);
        // SAFETY: after an error, its value is on top.
        let value = unsafe { lua.exec_raw((), |to| ffi::lua_xmove(state, to, 1)) };
        self.clear(lua);
        (value, trace)
    }
}

/// The deepest trace that is read: of a stack overflow, the innermost calls tell enough.
const MAX_LEVELS: c_int = 64;

/// The calls on a stack, as `debug.traceback` prints them.
pub(super) fn trace(state: *mut lua_State) -> String {
    let mut text = String::new();
    for level in 0..MAX_LEVELS {
        let Some(call) = call_at(state, level) else { break };
        let _ = write!(text, "{}:{}", call.file, call.line);
        if let Some(name) = call.name {
            let _ = write!(text, " function {name}");
        }
        text.push('\n');
    }
    text
}

/// One call on a stack.
pub(super) struct Call {
    pub(super) file: String,
    pub(super) line: c_int,
    pub(super) name: Option<String>,
}

/// The call at a level, 0 being the innermost.
pub(super) fn call_at(state: *mut lua_State, level: c_int) -> Option<Call> {
    // SAFETY: all zeroes is a `lua_Debug` whose pointers are null; the VM fills it for a level that exists, without allocating,
    // and its texts end. They are copied before anything else runs.
    unsafe {
        let mut debug: ffi::lua_Debug = std::mem::zeroed();
        if ffi::lua_getinfo(state, level, c"sln".as_ptr(), &raw mut debug) == 0 {
            return None;
        }
        Some(Call {
            file: text(debug.short_src).unwrap_or_default(),
            line: debug.currentline,
            name: text(debug.name),
        })
    }
}

/// # Safety
/// Null, or a text that ends.
unsafe fn text(start: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start) }.to_string_lossy().into_owned())
}

/// A value that is kept where our functions reach it at once.
pub struct Pinned {
    pin: c_int,
    loose: Rc<Loose>,
}

/// The pins of a VM that nobody needs any more. They are given back when the next value is pinned: a pin may be dropped with
/// an object that the VM is collecting, and the VM must not be called from there.
#[derive(Debug, Default)]
struct Loose(RefCell<Vec<c_int>>);

impl Pinned {
    /// Pins a value.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn new(lua: &Lua, value: impl IntoLua) -> mlua::Result<Self> {
        let known = lua.app_data_ref::<Rc<Loose>>().map(|loose| Rc::clone(&loose));
        let loose = known.unwrap_or_else(|| {
            let loose = Rc::<Loose>::default();
            lua.set_app_data(Rc::clone(&loose));
            loose
        });
        let returned = loose.0.take();
        let mut pin = ffi::LUA_REFNIL;
        // SAFETY: called as a C function with the value as its argument. The pins that are given back are this VM's, and
        // each is given back once.
        unsafe {
            lua.exec_raw::<()>(value, |state| {
                for returned in returned {
                    ffi::lua_unref(state, returned);
                }
                pin = ffi::lua_ref(state, 1);
            })?;
        }
        Ok(Self { pin, loose })
    }

    pub(super) fn pin(&self) -> c_int {
        self.pin
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pinned({})", self.pin)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.loose.0.borrow_mut().push(self.pin);
    }
}
