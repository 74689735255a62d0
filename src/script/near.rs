//! What a virtual user that wakes up will use, step by step, so that it is near by then. How memory is brought near is in
//! `raw`; when, is the business of `clock`.

use std::mem::size_of;
use std::ptr::from_ref;
use std::rc::Rc;

use crate::clock::Near;

use super::context::VuContext;
use super::raw::{Coroutine, bring};
use super::vu::LuaVu;

/// The task of a virtual user, with what it keeps while it waits.
const TASK: usize = 1_344;
/// What it waits for, and the allocator's word before it.
const PENDING: usize = 192;

/// Where the parts of a virtual user are that its context does not hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    /// The address of its [`LuaVu`].
    pub(super) vu: usize,
    /// The address of the operation that it waits for.
    pub(super) pending: usize,
}

impl Near for VuContext {
    fn bring(&self, depth: u8, task: *const ()) {
        match depth {
            0 => {
                bring(task.addr(), TASK);
                bring(from_ref(self).addr() - 16, size_of::<Self>() + 16);
            }
            1 => {
                let Places { vu, pending } = self.places.get();
                bring(vu, size_of::<LuaVu>());
                bring(pending, PENDING);
                if let Ok(coroutine) = self.coroutine.try_borrow()
                    && let Some(coroutine) = &*coroutine
                {
                    bring(Rc::as_ptr(coroutine).addr(), size_of::<Coroutine>());
                }
            }
            2 => self.with_coroutine(Coroutine::bring),
            3 => self.with_coroutine(Coroutine::bring_stack),
            _ => {}
        }
        if depth > 0 {
            self.with_client(|client| client.places(depth, bring));
        }
    }
}
