//! Functions of ours that the VM calls without a binding in between.
#![expect(unsafe_code, reason = "the VM's C interface; see the module above")]

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Value, WeakLua};

use super::super::host::ApiError;
use super::stack::Stack;

/// What a function of ours has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Its results are that many values on top.
    Return(i32),
    /// The coroutine waits; its owner resumes it, and then the second half of the function gives the results.
    Wait,
    /// The function that lies below that many arguments on top is called, which may wait; it gives one result.
    Call(i32),
}

/// The name of code of ours in Lua: errors are raised past it, at the line of the script that called.
pub const INTERNAL: &CStr = c"kt";

type Half = Box<dyn Fn(&mut Stack<'_>) -> Result<Flow, ApiError>>;

/// A function of ours, in the userdata that is its one upvalue.
struct Own {
    call: Half,
    then: Option<Half>,
    lua: WeakLua,
}

/// Makes a function that Lua can call. Errors are raised at the line of the script that called it, itself or through code of
/// ours, when they are texts. `then` is called after a wait, on the same stack.
///
/// # Errors
/// When the VM is out of memory.
pub fn function(
    lua: &Lua,
    call: impl Fn(&mut Stack<'_>) -> Result<Flow, ApiError> + 'static,
    then: Option<Half>,
) -> mlua::Result<Function> {
    let own = Own {
        call: Box::new(call),
        then,
        lua: lua.weak(),
    };
    // SAFETY: called as a C function; the closure takes the userdata that was just pushed as its upvalue, and so keeps it.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::lua_newuserdata_t(state, own);
            ffi::lua_pushcclosurek(state, begin, ptr::null(), 1, Some(go_on));
        })
    }
}

unsafe extern "C-unwind" fn begin(state: *mut lua_State) -> c_int {
    // SAFETY: only `function` makes closures of this, each with its `Own` as the first upvalue, which lives as long as
    // the closure that is running.
    unsafe {
        let own = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Own>();
        run(state, own, &own.call)
    }
}

unsafe extern "C-unwind" fn go_on(state: *mut lua_State, _status: c_int) -> c_int {
    // SAFETY: as above; the VM continues a closure where it waited.
    unsafe {
        let own = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Own>();
        match &own.then {
            Some(then) => run(state, own, then),
            // After a call: its one result is on top.
            None => 1,
        }
    }
}

/// # Safety
/// `state` runs the closure of `own`.
unsafe fn run(state: *mut lua_State, own: &Own, half: &Half) -> c_int {
    let outcome = {
        // SAFETY: the caller's promise; the stack is gone before anything is raised.
        let mut stack = unsafe { Stack::new(state, &own.lua) };
        half(&mut stack)
    };
    // SAFETY: nothing that needs dropping is alive when these raise or yield, except what `raise` drops itself.
    unsafe {
        match outcome {
            Ok(Flow::Return(count)) => count,
            Ok(Flow::Wait) => {
                ffi::lua_pushlightuserdatatagged(state, mark(), 0);
                ffi::lua_yield(state, 1)
            }
            Ok(Flow::Call(count)) => ffi::lua_callyieldable(state, count, 1),
            Err(error) => raise(state, own, error),
        }
    }
}

/// Raises an error: a text with the place of the script that called, a value as it is.
///
/// # Safety
/// `state` runs the closure of `own`.
unsafe fn raise(state: *mut lua_State, own: &Own, error: ApiError) -> c_int {
    // SAFETY: pushes and raises; `error` has been dropped by then.
    unsafe {
        match error {
            ApiError::Text(text) => {
                push_place(state);
                ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len());
                drop(text);
                ffi::lua_concat(state, 2);
            }
            ApiError::Value(value) => {
                let pushed = Stack::new(state, &own.lua).push_values(value);
                if pushed.is_err() {
                    ffi::lua_pushnil(state);
                }
                drop(pushed);
            }
        }
        ffi::lua_error(state)
    }
}

/// Pushes where the innermost call is that a script makes, as `file:line: `; nothing where there is none.
///
/// # Safety
/// `state` is running.
unsafe fn push_place(state: *mut lua_State) {
    for level in 1.. {
        // SAFETY: fills in what is asked for, or gives 0 when there are not so many calls; its text lives as long as the code
        // it names, which is being called.
        unsafe {
            let mut call = MaybeUninit::<ffi::lua_Debug>::zeroed();
            if ffi::lua_getinfo(state, level, c"sl".as_ptr(), call.as_mut_ptr()) == 0 {
                return ffi::lua_pushlstring_(state, c"".as_ptr(), 0);
            }
            let call = call.assume_init_ref();
            // Functions that are not in Lua have no line.
            if call.currentline > 0 && CStr::from_ptr(call.short_src) != INTERNAL {
                return ffi::luaL_where(state, level);
            }
        }
    }
}

/// What a coroutine yields when one of our functions waits, so that a script's own coroutines can pass it on.
pub(super) fn mark() -> *mut std::ffi::c_void {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK).cast_mut().cast()
}

/// What a coroutine yields when one of our functions waits, as a value for Lua code of ours.
pub fn mark_value() -> Value {
    Value::LightUserData(mlua::LightUserData(mark()))
}
