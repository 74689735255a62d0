//! How long memory that was freed stays with the process.
#![expect(unsafe_code, reason = "an option of the allocator; see the module above")]

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc 2, which the binding does not name.
const PURGE_DELAY: mi_option_t = 15;
/// How long, in milliseconds; mimalloc's own is 10.
const STAYS: c_long = 5_000;

/// Keeps memory that was freed for some seconds before the system gets it back. With each cycle of the collector, every
/// second or so where thousands of users are, a VM frees a third of its heap and takes it again; given back meanwhile, each
/// page of it costs a fault. To be called before there is another thread.
pub fn keep_freed() {
    // SAFETY: writes a number that other threads would read, of which there are none.
    unsafe { mi_option_set(PURGE_DELAY, STAYS) };
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: reads a number that no other test sets; each test is a process of its own, and one that shared it with
        // others would see what is set below or what was there before.
        let get = || unsafe { mi_option_get(PURGE_DELAY) };
        assert!(
            [10, STAYS].contains(&get()),
            "mimalloc's default is 10 ms; is the number of the option another one now?"
        );
        keep_freed();
        assert_eq!(get(), STAYS);
    }
}
