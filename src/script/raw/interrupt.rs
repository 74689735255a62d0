//! What the VM asks at every loop and call: whether the script may go on.
#![expect(unsafe_code, reason = "the VM's C interface; see the module above")]

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;
use std::time::Duration;

use mlua::Lua;
use mlua::ffi::{self, lua_State};

use super::coroutine::call_at;
use crate::clock::{self, Instant};

/// Somebody who decides whether a script may go on.
pub trait Interrupt {
    /// Asked now and then while the script runs; `place` tells the innermost line of a user's file, as `file:line: `.
    fn must_stop(&self, place: &dyn Fn() -> String) -> bool;
}

/// The VM asks at every loop and call; the decision is taken once in so many.
const TICKS_PER_CHECK: u32 = 256;

/// Steps that are remembered until somebody asks, which is done every few milliseconds under load.
const MOST_STEPS: usize = 1_000;

thread_local! {
    static TICKS: Cell<u32> = const { Cell::new(0) };
    /// When the step of the collector that is under way began.
    static STEP: Cell<Option<Instant>> = const { Cell::new(None) };
    /// How long the steps took that nobody has asked for yet.
    static STEPS: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) };
    static WATCHING: RefCell<Option<Rc<dyn Interrupt>>> = const { RefCell::new(None) };
}

/// Has `watching` asked from now on, until it is replaced; gives who was before.
pub fn watch(watching: Option<Rc<dyn Interrupt>>) -> Option<Rc<dyn Interrupt>> {
    TICKS.set(0);
    WATCHING.replace(watching)
}

/// Makes a VM ask.
///
/// # Errors
/// When the VM is out of memory.
pub fn set_interrupt(lua: &Lua) -> mlua::Result<()> {
    // SAFETY: the callbacks belong to the VM, which is not running; this one is set for as long as the VM lives.
    unsafe { lua.exec_raw((), |state| (*ffi::lua_callbacks(state)).interrupt = Some(interrupt)) }
}

unsafe extern "C-unwind" fn interrupt(state: *mut lua_State, gc: c_int) {
    if gc >= 0 {
        return collecting(gc);
    }
    let ticks = TICKS.get() + 1;
    TICKS.set(ticks);
    if ticks >= TICKS_PER_CHECK {
        // SAFETY: the VM runs `state`, and may raise here.
        unsafe { decide(state) }
    }
}

/// A step of the collector begins, which is told by 0, or has ended, which is told by the state that it began in.
#[cold]
fn collecting(state: c_int) {
    match STEP.take() {
        Some(began) => STEPS.with_borrow_mut(|steps| {
            if steps.len() < MOST_STEPS {
                steps.push(clock::now() - began);
            }
        }),
        None if state == 0 => STEP.set(Some(clock::now())),
        // An end whose beginning was not heard of.
        None => {}
    }
}

/// Tells how long each step of the collector took since the last call, on this thread.
pub fn each_collection(tell: impl FnMut(Duration)) {
    STEPS.with_borrow_mut(|steps| steps.drain(..).for_each(tell));
}

/// # Safety
/// The VM runs `state` at a place where it may raise.
#[cold]
unsafe fn decide(state: *mut lua_State) {
    TICKS.set(0);
    let watching = WATCHING.with_borrow(Clone::clone);
    let stop = watching.is_some_and(|watching| watching.must_stop(&|| place(state)));
    if stop {
        // Again at the next question, so that a loop around `pcall` ends too.
        TICKS.set(TICKS_PER_CHECK - 1);
        // SAFETY: nothing needs dropping.
        unsafe {
            ffi::lua_pushlstring_(state, c"interrupted".as_ptr(), 11);
            ffi::lua_error(state);
        }
    }
}

/// The innermost line of a user's file on the stack.
fn place(state: *mut lua_State) -> String {
    (0..50)
        .map_while(|level| call_at(state, level))
        .find(|call| call.file.ends_with(".lua"))
        .map(|call| format!("{}:{}: ", call.file, call.line))
        .unwrap_or_default()
}
