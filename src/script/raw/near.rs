//! Memory that will be used soon, asked for without waiting for it. Who will use what is in `near`, a level above.
#![expect(unsafe_code, reason = "the processor's own instruction; see the module above")]

use super::coroutine::Coroutine;

/// What the memory comes in.
pub const LINE: usize = 64;

/// Has `bytes` from an address on brought near. It may be any address: nothing is read.
pub fn bring(address: usize, bytes: usize) {
    for line in (address & !(LINE - 1)..address.saturating_add(bytes)).step_by(LINE) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint that changes nothing and cannot fault, whatever the address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line as *const i8);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// The VM's own part of a coroutine.
const STATE: usize = 176;

impl Coroutine {
    /// Shows address and size of the VM's part of it, and of its stack and its calls.
    pub fn places(&self, mut see: impl FnMut(usize, usize)) {
        see(self.state().addr(), STATE);
        see(self.word(CALL), LINE);
        let (stack, top) = (self.word(STACK), self.word(TOP));
        see(stack, top.saturating_sub(stack).clamp(3 * LINE, 16 * LINE));
        see(self.word(CALLS), 3 * LINE);
    }

    /// A word of the VM's part.
    fn word(&self, at: usize) -> usize {
        // SAFETY: the coroutine is alive as long as this is, and its part has more words than are asked for, all of them
        // pointers. Should the VM put them in another order, something else is shown.
        unsafe { self.state().cast::<usize>().add(at).read() }
    }
}

/// Words of the VM's part, after one of flags: where the stack ends.
const TOP: usize = 1;
/// The innermost call.
const CALL: usize = 4;
/// The stack.
const STACK: usize = 6;
/// The calls.
const CALLS: usize = 8;
