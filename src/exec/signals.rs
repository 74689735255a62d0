//! How a run is ended from outside, and how an executor asks for its end. Who listens to Ctrl-C is not here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::control::Control;

/// The switches that a run and its executors share. Clones are the same switches.
#[derive(Clone)]
pub struct Signals {
    /// Graceful: no new iterations; those in flight may finish within their scenario's `graceful_stop`.
    pub stop: CancellationToken,
    /// At once: iterations in flight are interrupted.
    pub kill: CancellationToken,
    /// Told why when a saturated scenario with `on_saturation = "abort"` stops the run; `stop` is cancelled right after.
    /// At most one call for each scenario.
    pub abort: Arc<dyn Fn(Saturated) + Send + Sync>,
    /// Where the setpoints of live control come from. Nobody steers a run whose scenarios it does not know when the cores
    /// begin.
    pub steering: Arc<Control>,
}

impl Signals {
    /// Fresh switches; `abort` is called from a core thread and must not block.
    pub fn new(abort: impl Fn(Saturated) + Send + Sync + 'static) -> Self {
        Self {
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            abort: Arc::new(abort),
            steering: Arc::default(),
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("stop", &self.stop.is_cancelled())
            .field("kill", &self.kill.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Why `on_saturation = "abort"` stopped the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "scenario `{scenario}` is saturated: all of its {max_vus} VUs were busy when iteration {number} was due at {at:?} \
     (on_saturation = \"abort\")"
)]
pub struct Saturated {
    /// The scenario's name.
    pub scenario: String,
    /// Its cap.
    pub max_vus: u64,
    /// The iteration that found no VU.
    pub number: u64,
    /// When it was due, from the start of the scenario.
    pub at: Duration,
}
