//! Notices scripts that compute without end, by CPU time, and says where. What becomes of them is the bridge's.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use mlua::{Lua, VmState};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Notices scripts that compute without end. One slice is the time between two yields.
#[derive(Debug)]
pub struct Watch {
    limit: Cell<Duration>,
    kill: CancellationToken,
    /// Whether a slice is under way; Lua code of ours that runs outside of one is short.
    watching: Cell<bool>,
    ticks: Cell<u32>,
    since: Cell<Option<Duration>>,
    tripped: RefCell<Option<Trip>>,
}

/// Why and where a slice was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The run was interrupted, rather than the limit reached.
    pub by_kill: bool,
    /// `file:line: `, or nothing when it is unknown.
    pub place: String,
}

/// The VM asks at every loop and call; the CPU clock is read once in so many.
const TICKS_PER_CHECK: u32 = 256;

impl Watch {
    /// For slices of at most `limit` CPU time, all of which end when `kill` is cancelled.
    pub(super) fn new(limit: Duration, kill: CancellationToken) -> Self {
        Self {
            limit: Cell::new(limit),
            kill,
            watching: Cell::new(false),
            ticks: Cell::new(0),
            since: Cell::new(None),
            tripped: RefCell::default(),
        }
    }

    /// A slice begins.
    pub(super) fn begin(&self) {
        self.watching.set(true);
        self.ticks.set(0);
        self.since.set(None);
        self.tripped.borrow_mut().take();
    }

    /// What was done for the script until now, such as reading a large file, is not its own computing.
    pub fn forgive(&self) {
        self.since.set(None);
    }

    /// A slice ends.
    pub(super) fn end(&self) {
        self.watching.set(false);
    }

    /// Why the last slice was cut, if it was.
    pub fn take_trip(&self) -> Option<Trip> {
        self.tripped.borrow_mut().take()
    }

    /// From the next slice on.
    pub(super) fn set_limit(&self, limit: Duration) {
        self.limit.set(limit);
    }

    /// The CPU limit, for messages.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit.get()
    }

    /// Asked by the VM at every loop and call.
    pub(super) fn check(&self, lua: &Lua) -> mlua::Result<VmState> {
        if !self.watching.get() {
            return Ok(VmState::Continue);
        }
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        if !ticks.is_multiple_of(TICKS_PER_CHECK) {
            return Ok(VmState::Continue);
        }
        if self.tripped.borrow().is_none() {
            let cpu = clock::thread_cpu();
            let since = self.since.get().unwrap_or(cpu);
            self.since.set(Some(since));
            let by_kill = self.kill.is_cancelled();
            if cpu.saturating_sub(since) < self.limit.get() && !by_kill {
                return Ok(VmState::Continue);
            }
            *self.tripped.borrow_mut() = Some(Trip {
                by_kill,
                place: place(lua),
            });
        }
        // Raised again at every check, so that a loop around `pcall` ends too.
        self.ticks.set(TICKS_PER_CHECK - 1);
        Err(mlua::Error::runtime("interrupted"))
    }
}

/// The innermost line of a user's file on the stack.
fn place(lua: &Lua) -> String {
    (0..50)
        .map_while(|level| {
            lua.inspect_stack(level, |debug| {
                let source = debug
                    .source()
                    .short_src
                    .map(|name| name.into_owned())
                    .unwrap_or_default();
                (source, debug.current_line())
            })
        })
        .find_map(|(source, line)| {
            line.filter(|_| source.ends_with(".lua"))
                .map(|line| format!("{source}:{line}: "))
        })
        .unwrap_or_default()
}
