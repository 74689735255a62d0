//! What a virtual user that goes on will use is noted down when it begins to wait, while all of it is at hand, so that it can
//! be brought near as a whole before its turn. How memory is brought near is in `raw`; when, is `usher`'s.

use std::mem::size_of;
use std::ptr::from_ref;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::VuContext;
use super::functions::Pending;
use super::raw::{self, Coroutine, LINE};
use super::vu::LuaVu;

/// The task of a virtual user, with what it keeps while it waits.
const TASK: usize = 768;
/// A function with what it captures.
const JOURNEY: usize = 192;
/// The allocator's word, or what is in front of the value of an `Rc`.
const FRONT: usize = 16;
/// More than the pieces of memory that one uses.
const SPANS: usize = 16;

/// Where the parts of a virtual user are that neither its context nor its task tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
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

/// What a virtual user used before it began to wait. Hints: what was there may be gone.
///
/// Each word is the address of a cache line, and in the bits that such an address leaves how many lines follow from there on.
#[derive(Debug)]
pub(super) struct Trail([AtomicUsize; SPANS]);

impl Trail {
    pub(super) const fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; SPANS])
    }

    /// Notes what the user of `context` has at hand, whose task is at `task`.
    pub(super) fn note(&self, context: &Rc<VuContext>, task: usize) {
        let mut words = self.0.iter();
        let mut see = |address: usize, bytes: usize| {
            if address != 0
                && bytes != 0
                && let Some(word) = words.next()
            {
                word.store(pack(address, bytes), Ordering::Relaxed);
            }
        };
        let Places { vu, pending, journey } = context.places.get();
        see(task, TASK);
        see(from_ref(&**context).addr() - FRONT, size_of::<VuContext>() + FRONT);
        see(vu, size_of::<LuaVu>());
        see(pending.0, pending.1);
        see(journey, JOURNEY);
        context.with_coroutine(|coroutine| {
            see(from_ref(coroutine).addr() - FRONT, size_of::<Coroutine>() + FRONT);
            coroutine.places(&mut see);
        });
        context.with_client(|client| client.places(&mut see));
        words.for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Has it brought near itself.
    pub(super) fn bring(&self) {
        raw::bring(from_ref(self).addr(), size_of::<Self>());
    }

    /// Has all brought near that was noted.
    pub(super) fn follow(&self) {
        for word in &self.0 {
            let word = word.load(Ordering::Relaxed);
            if word == 0 {
                break;
            }
            raw::bring(word & !(LINE - 1), (word & (LINE - 1)) * LINE);
        }
    }
}

#[cfg(test)]
impl Trail {
    pub(super) fn leads_to_for_test(&self, address: usize) -> bool {
        let words = self.0.iter().map(|word| word.load(Ordering::Relaxed));
        let mut spans = words.map(|word| word & !(LINE - 1)..(word & !(LINE - 1)) + (word & (LINE - 1)) * LINE);
        spans.any(|span| span.contains(&address))
    }
}

/// The lines of `bytes` from `address` on as one word.
fn pack(address: usize, bytes: usize) -> usize {
    let first = address & !(LINE - 1);
    let lines = (address + bytes - first).div_ceil(LINE);
    first | lines.min(LINE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_into_one_word() {
        for (address, bytes, first, lines) in [
            (0x1000, 1, 0x1000, 1),
            (0x1000, 64, 0x1000, 1),
            (0x1000, 65, 0x1000, 2),
            (0x103f, 2, 0x1000, 2),
            (0x1040, 1_344, 0x1040, 21),
            (0x1044, 1_344, 0x1040, 22),
            // As many as the word has room for.
            (0x1000, 1 << 20, 0x1000, 63),
        ] {
            let word = pack(address, bytes);
            assert_eq!((word & !63, word & 63), (first, lines), "{bytes} bytes at {address:#x}");
        }
    }
}
