//! Commands into a running test and the reasons why it ended. Who obeys them is `exec`'s and `run`'s business; which exit
//! code they become is the command line's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Why a run ended early or did not pass; several may hold at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Ctrl-C or SIGTERM.
    Signal,
    /// `kt.run.abort(reason)`.
    ScriptAbort(String),
    /// `kt.run.fail(reason)`: the run goes on and is marked failed.
    MarkedFailed(String),
    /// A threshold with `abort_on_fail`.
    ThresholdAbort(String),
    /// `on_saturation = "abort"`.
    Saturation(String),
    /// `on_script_error = "abort"`.
    ScriptError(String),
    /// `on_exhausted = "abort"`.
    DataExhausted(String),
    /// kingtide itself failed.
    Internal(String),
}

/// The switches of one run, shared by everything that may end it.
#[derive(Debug, Default)]
pub struct Control {
    stop: CancellationToken,
    kill: CancellationToken,
    cut: CancellationToken,
    closing: AtomicBool,
    reasons: Mutex<Vec<Reason>>,
}

impl Control {
    /// Switches of a run that nothing has stopped yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when no new iteration may start; those in flight have until their graceful stop.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when iterations in flight are interrupted at once.
    #[must_use]
    pub fn kill_token(&self) -> &CancellationToken {
        &self.kill
    }

    /// Cancelled when `teardown` is cut short.
    #[must_use]
    pub fn cut_token(&self) -> &CancellationToken {
        &self.cut
    }

    /// The load is over, and `teardown` runs.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether `teardown` runs, so that stopping means cutting it short.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Remembers `reason` and stops gracefully. The first abort of a kind is kept, repeats are not.
    pub fn stop(&self, reason: Reason) {
        self.note(reason);
        self.stop.cancel();
    }

    /// Interrupts everything at once.
    pub fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }

    /// Interrupts everything, `teardown` included.
    pub fn cut(&self) {
        self.kill();
        self.cut.cancel();
    }

    /// Remembers `reason` without stopping.
    pub fn note(&self, reason: Reason) {
        let mut reasons = self.lock();
        let repeated = reasons
            .iter()
            .any(|known| std::mem::discriminant(known) == std::mem::discriminant(&reason));
        if !repeated || !reasons.contains(&reason) && reasons.len() < 100 {
            reasons.push(reason);
        }
    }

    /// Everything that was noted, in order.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reason>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_is_graceful_and_kill_is_both() {
        let control = Control::new();
        control.note(Reason::MarkedFailed("a".into()));
        assert!(!control.stop_token().is_cancelled());
        control.stop(Reason::Signal);
        control.stop(Reason::Signal);
        assert!(control.stop_token().is_cancelled() && !control.kill_token().is_cancelled());
        control.kill();
        assert!(control.kill_token().is_cancelled());
        assert_eq!(
            control.reasons(),
            vec![Reason::MarkedFailed("a".into()), Reason::Signal]
        );
    }
}
