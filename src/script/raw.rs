//! The VM without a binding in between: functions that read and write a coroutine's stack, coroutines that are resumed in
//! place, the interrupt, and the memory under it. This module is all `unsafe` code there is; its callers see safe types only. What an
//! operation does and how long it takes is theirs.
//!
//! Why at all: an iteration of one request costs 8.7 µs through the binding's values and 6.7 µs without; wrk with a script
//! needs 8.1 (docs/ARCHITECTURE.md, "Decisions").
//!
//! What makes it sound:
//!
//! - A [`Stack`] exists only while the VM runs one of our functions, on the coroutine that called it. Errors that the VM
//!   raises there (it is out of memory, a table is read-only) unwind our frames as C++ exceptions do, with destructors run,
//!   which the `C-unwind` ABI allows; nothing of ours may catch them, and nothing does.
//! - Positions on a stack count from 1. Each position up to the top may be read, and so may the first 20, whatever the top is:
//!   a call begins with room for as many values, and what is above the top there reads as nil, as an argument does that was
//!   not given. Further up the VM promises nothing. It makes room for what is pushed. What an operation needs there (a table, a
//!   value above it) its caller has seen; builds with debug assertions, and so all tests, check all of this each time.
//! - Text of a string stays where it is while the string is on the stack: reading borrows the [`Stack`], and whatever takes
//!   values off it borrows it mutably. What it says never changes, so that a VM may remember whether it is UTF-8.
//! - A [`Coroutine`] is touched from outside only while it does not run: between two turns, by whoever owns it.

mod coroutine;
mod function;
mod interrupt;
mod memory;
mod near;
mod stack;
#[cfg(test)]
mod tests;

pub use coroutine::{Coroutine, Pinned, Turn};
pub use function::{Flow, INTERNAL, function, mark_value};
pub use interrupt::{Interrupt, each_collection, set_interrupt, watch};
pub use memory::keep_freed;
pub use near::{LINE, bring};
pub use stack::{Kind, Stack, make, remember_texts, with_stack};
