//! What a virtual user that goes on will use, step by step, so that it is near by then. How memory is brought near is in
//! `raw`; when, is `usher`'s.

use std::mem::size_of;
use std::ptr::from_ref;
use std::rc::Rc;

use super::context::VuContext;
use super::functions::Pending;
use super::raw::{self, Coroutine};
use super::vu::LuaVu;

/// How many steps there are: what one brings says where the next is.
pub(super) const DEPTHS: u8 = 4;

/// The task of a virtual user, with what it keeps while it waits.
const TASK: usize = 1_344;
/// A function with what it captures.
const JOURNEY: usize = 192;
/// The allocator's word, or what is in front of the value of an `Rc`.
const FRONT: usize = 16;

/// Where the parts of a virtual user are that its context does not hold. Hints: what is there may be gone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    /// The address of its task.
    pub(super) task: usize,
    /// The address of its [`LuaVu`].
    pub(super) vu: usize,
    /// Address and size of the operation that it waits for.
    pub(super) pending: (usize, usize),
    /// The address of its journey, the function.
    pub(super) journey: usize,
}

impl Places {
    /// The address and the size of what is waited for.
    pub(super) fn of(pending: &Pending) -> (usize, usize) {
        match pending {
            Pending::Operation(operation) => (from_ref(&**operation).addr(), size_of_val(&**operation)),
            // Part of the task.
            Pending::Sleep(_) => (0, 0),
        }
    }
}

/// Has what is `depth` steps away from a user's context brought near; what was asked for one step ago should be there.
pub(super) fn bring(context: &Rc<VuContext>, depth: u8) {
    match depth {
        0 => raw::bring(from_ref(&**context).addr() - FRONT, size_of::<VuContext>() + FRONT),
        1 => {
            let Places {
                task,
                vu,
                pending,
                journey,
            } = context.places.get();
            raw::bring(task, TASK);
            raw::bring(vu, size_of::<LuaVu>());
            raw::bring(pending.0, pending.1);
            raw::bring(journey, JOURNEY);
            if let Ok(coroutine) = context.coroutine.try_borrow()
                && let Some(coroutine) = &*coroutine
            {
                raw::bring(Rc::as_ptr(coroutine).addr() - FRONT, size_of::<Coroutine>() + FRONT);
            }
        }
        2 => context.with_coroutine(Coroutine::bring),
        3 => context.with_coroutine(Coroutine::bring_stack),
        _ => {}
    }
    if depth > 0 {
        context.with_client(|client| client.places(depth, raw::bring));
    }
}
