//! The orchestrator: takes events, one by one or in batches, and routes them through a queue. It keeps nothing on disk.
//!
//! `ORCHESTRATOR_URL` serves:
//!
//! | Path | Answers |
//! |---|---|
//! | `POST /api/orchestrator/events`, an event | 202 with the outcome; 400 when the body is not JSON |
//! | `POST /api/orchestrator/events/bulk-array`, a JSON array of events | the same; 400 when it is no array or empty |
//! | `POST /api/orchestrator/events/bulk-ndjson`, a line for each event | the same; 400 when no line is JSON |
//! | `POST /api/orchestrator/events/bulk`, an array or lines | the same |
//! | `GET /api/orchestrator/health` | 200 `{"status":"UP"}` |
//! | `GET /queues` | 200, a list of `{queue_name, messages_available, messages_in_flight}` |
//! | `POST`, `GET`, `DELETE /__fault` | set a fault (201, 400 with the reason), list, clear all |
//! | `GET`, `DELETE /__stats` | counts of events by outcome, exact service times in ms; start the times anew |
//! | `GET /metrics` | OpenMetrics text |
//!
//! The outcome is `{total, successful, failed, failures: [{index, correlationId, reason}], durationMs}`, and 202 does not
//! mean that all went well: events that are not as `event` wants them are counted as failed, and lines that are no JSON
//! are skipped and missing in `total`. At most 1,000 failures are listed.
//!
//! Good events go into a queue that drains at [`OrchestratorOptions::drain`]; what comes faster makes it grow. A request
//! whose events do not fit below [`OrchestratorOptions::queue`] is refused whole. Everything random follows from
//! [`OrchestratorOptions::seed`] and the numbers of requests and events.

mod batch;
mod engine;
pub(in crate::demo) mod event;
mod meters;
mod operation;
mod options;
mod queue;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use engine::Orchestrator;
use operation::{Operation, PART};

use super::fault::{FaultError, FaultSpec, Menu};
use super::host::{DemoError, Serves, Site};

pub use options::OrchestratorOptions;

/// What can go wrong with the orchestrator.
pub(in crate::demo) const MENU: Menu = Menu {
    kinds: &[
        "latency",
        "errors",
        "reset",
        "stall",
        "cold_start",
        "down",
        "slow_drain",
        "failed_events",
    ],
    operations: &Operation::NAMES,
    parts: &[PART],
};

/// Reads a fault of the orchestrator, as flags have it: `KIND=VALUE[@START][+DURATION]`.
///
/// # Errors
/// [`FaultError`] naming what is wrong.
pub fn fault(flag: &str) -> Result<FaultSpec, FaultError> {
    FaultSpec::from_flag(flag, &MENU)
}

/// Makes the orchestrator and what it serves, `ORCHESTRATOR_URL`. Must be called inside a runtime.
///
/// # Errors
/// [`DemoError::Option`].
pub(in crate::demo) fn sites(options: &OrchestratorOptions) -> Result<Vec<Site>, DemoError> {
    if let Some((name, reason)) = options.problem() {
        return Err(DemoError::Option { name, reason });
    }
    let orchestrator = Arc::new(Orchestrator::new(options));
    Ok(vec![Site {
        name: "ORCHESTRATOR_URL".to_owned(),
        port: options.port,
        gateway: false,
        serves: Serves::Http(routes::routes().with_state(orchestrator)),
    }])
}
