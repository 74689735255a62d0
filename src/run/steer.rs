//! What live control sees of a run: which scenarios obey which commands, and where they stand. Obeying is `exec`'s.

use std::time::Duration;

use crate::control::{Abilities, Control, ScenarioStatus, State, Status, Steerable};
use crate::exec::Progress;
use crate::plan::{Executor, Plan};

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

/// What an executor obeys. What is not listed is refused rather than accepted and ignored.
fn abilities(executor: &Executor) -> Abilities {
    let (rate, max_vus) = match executor {
        Executor::SharedIterations { .. } | Executor::PerVuIterations { .. } | Executor::RampingVus { .. } => {
            (false, None)
        }
        // There are never more than were made for it.
        Executor::ConstantVus { vus, .. } => (false, Some(*vus)),
        Executor::ExternallyControlled { max_vus, .. } => (false, Some(*max_vus)),
        Executor::Open { shape, .. } => (shape.has_one_rate(), None),
    };
    Abilities {
        pause: true,
        rate,
        max_vus,
    }
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
