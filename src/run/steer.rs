//! What live control sees of a run: which scenarios obey which commands, and where they stand. Obeying is `exec`'s.

use std::time::Duration;

use crate::clock::Instant;
use crate::control::{Control, ScenarioStatus, State, Status, Steerable};
use crate::exec::{Progress, Shared, abilities};
use crate::plan::Plan;
use crate::results::millis;

/// The scenarios of a plan, and what each can be told.
pub(super) fn steerables(plan: &Plan) -> Vec<Steerable> {
    let scenarios = plan.scenarios.iter();
    scenarios
        .map(|scenario| Steerable {
            name: scenario.name.clone(),
            executor: scenario.executor.name().to_owned(),
            abilities: abilities(&scenario.executor),
            stages: scenario.executor.segments(),
        })
        .collect()
}

/// When each scenario's load is over by plan, since the start of the load at `origin`.
pub(super) fn ends(control: &Control, shared: &Shared, origin: Instant, scenarios: usize) -> Vec<Duration> {
    let end = |index| shared.planned_end(index, control).saturating_duration_since(origin);
    (0..scenarios).map(end).collect()
}

/// Tells live control each second where the run stands.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    before: Vec<Progress>,
}

impl Reporter {
    pub(super) fn publish(
        &mut self,
        control: &Control,
        plan: &Plan,
        elapsed: Duration,
        (progress, ends): (&[Progress], &[Duration]),
    ) {
        let state = if control.stop_token().is_cancelled() {
            State::Stopping
        } else {
            State::Running
        };
        let scenarios = plan.scenarios.iter().zip(progress).zip(ends).enumerate();
        let scenarios = scenarios.map(|(index, ((scenario, now), end))| {
            let before = self.before.get(index).map_or(0, |before| before.started);
            #[expect(clippy::cast_precision_loss, reason = "counts of one second")]
            let rate = now.started.saturating_sub(before) as f64;
            ScenarioStatus {
                name: scenario.name.clone(),
                executor: scenario.executor.name().to_owned(),
                offered: now.offered,
                started: now.started,
                finished: now.finished,
                dropped: now.dropped,
                waiting: now.backlog,
                vus: now.active,
                rate,
                planned_end_ms: millis(*end),
                set_rate: None,
                set_vus: None,
            }
        });
        control.publish(Status {
            state,
            paused: false,
            elapsed_ms: millis(elapsed),
            scenarios: scenarios.collect(),
        });
        self.before = progress.to_vec();
    }
}
