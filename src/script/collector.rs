//! How the garbage of a VM is collected, and how long that keeps its core. What becomes of the times is `run`'s.
//!
//! Luau collects in steps while a script allocates. With its own settings it takes a tiny step for each KB and lets the
//! heap double and more; with these it takes an eighth of the steps and works harder in each, so that a cycle is over
//! sooner. Measured with users that make 2 KB of garbage each time: with 10,000 of them 10 % less CPU time and two thirds
//! of the heap, with 50 of them 2 % less and half of it; that was with a goal of 180 % and a step for each 16 KB. Half of
//! that makes each step half as long, and a goal of 150 % takes 1.4 KB less for each user at half a per cent of CPU time.
//! Steps in idle moments of the core were tried too: the VM's own came first, and few were left.

use mlua::Lua;
use mlua::state::{GcIncParams, GcMode};

use super::raw;
use crate::metrics::{Recorder, builtin};

/// The heap, in percent of what was left after the last cycle, that the next one is to end at.
const GOAL: i32 = 150;
/// Work of a step in percent of what was allocated since the last.
const WORK: i32 = 400;
/// KB between two steps, which is some 20 µs of work.
const STEP: i32 = 8;

pub(super) fn tune(lua: &Lua) {
    let steps = GcIncParams::default();
    let steps = steps.goal(GOAL).step_multiplier(WORK).step_size(STEP);
    lua.gc_set_mode(GcMode::Incremental(steps));
}

/// Records how long each step took that the VMs of this thread have made since the last call, as `gc_pause`.
pub fn record_pauses(recorder: &Recorder) {
    let tags = recorder.no_tags();
    raw::each_collection(|took| recorder.record(builtin::GC_PAUSE, took.as_secs_f64() * 1e3, &tags));
}
