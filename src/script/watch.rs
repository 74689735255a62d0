//! Notices scripts that compute without end, by CPU time, and says where. What becomes of them is the bridge's.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::raw::Interrupt;
use crate::clock;

/// Notices scripts that compute without end. One slice is the time between two yields.
#[derive(Debug)]
pub struct Watch {
    limit: Cell<Duration>,
    kill: CancellationToken,
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

impl Watch {
    /// For slices of at most `limit` CPU time, all of which end when `kill` is cancelled.
    pub(super) fn new(limit: Duration, kill: CancellationToken) -> Self {
        Self {
            limit: Cell::new(limit),
            kill,
            since: Cell::new(None),
            tripped: RefCell::default(),
        }
    }

    /// A slice begins.
    pub(super) fn begin(&self) {
        self.since.set(None);
        self.tripped.borrow_mut().take();
    }

    /// What was done for the script until now, such as reading a large file, is not its own computing.
    pub fn forgive(&self) {
        self.since.set(None);
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
}

impl Interrupt for Watch {
    fn must_stop(&self, place: &dyn Fn() -> String) -> bool {
        if self.tripped.borrow().is_none() {
            let cpu = clock::thread_cpu();
            let since = self.since.get().unwrap_or(cpu);
            self.since.set(Some(since));
            let by_kill = self.kill.is_cancelled();
            if cpu.saturating_sub(since) < self.limit.get() && !by_kill {
                return false;
            }
            *self.tripped.borrow_mut() = Some(Trip {
                by_kill,
                place: place(),
            });
        }
        true
    }
}
