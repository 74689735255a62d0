//! What live control sees of a run: which scenarios obey which commands, and where they stand. Obeying is `exec`'s.

use std::time::Duration;

use crate::control::{Control, ScenarioStatus, State, Status, Steerable};
use crate::exec::{Progress, abilities};
use crate::plan::Plan;

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

/// Tells live control each second where the run stands.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    before: Vec<Progress>,
}

impl Reporter {
    pub(super) fn publish(&mut self, control: &Control, plan: &Plan, elapsed: Duration, progress: &[Progress]) {
        let state = if control.stop_token().is_cancelled() {
            State::Stopping
        } else {
            State::Running
        };
        let scenarios = plan.scenarios.iter().zip(progress).enumerate();
        let scenarios = scenarios.map(|(index, (scenario, now))| {
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
                set_rate: None,
                set_vus: None,
            }
        });
        control.publish(Status {
            state,
            paused: false,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            scenarios: scenarios.collect(),
        });
        self.before = progress.to_vec();
    }
}
