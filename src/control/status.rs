//! Where a run stands, as live control tells it. Who publishes it is `run`.

use serde::{Deserialize, Serialize};

/// What happens at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// `setup` runs, or virtual users are being made.
    #[default]
    Preparing,
    /// The load runs.
    Running,
    /// No new iterations; those in flight finish.
    Stopping,
    /// `teardown` runs.
    Teardown,
}

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What happens.
    pub state: State,
    /// Whether the schedules stand still.
    pub paused: bool,
    /// Since the start of the load.
    pub elapsed_ms: u64,
    /// In the plan's order.
    pub scenarios: Vec<ScenarioStatus>,
}

/// Where a scenario stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioStatus {
    /// Its name.
    pub name: String,
    /// Its executor.
    pub executor: String,
    /// Iterations that were due, or claimed.
    pub offered: u64,
    /// Iterations that a virtual user began.
    pub started: u64,
    /// Iterations that ended in any way.
    pub finished: u64,
    /// Iterations that never started.
    pub dropped: u64,
    /// Iterations that wait for a virtual user.
    pub waiting: u64,
    /// Virtual users that run an iteration.
    pub vus: u64,
    /// Iterations started in the last second.
    pub rate: f64,
    /// When its load is over by plan, since the start of the load: with all pauses and edits so far.
    #[serde(default)]
    pub planned_end_ms: u64,
    /// The rate that was set through live control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_rate: Option<f64>,
    /// The number of virtual users that was set through live control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_vus: Option<u64>,
}
