//! A plan as one probe of a search runs it: every scenario at a steady level, which settles, is measured, and ends. Which
//! levels are probed, and what comes of them, is the campaign's.

use std::time::Duration;

use super::overrides::{DEFAULT_MAX_VUS, default_pre_allocated, whole_number};
use super::{Executor, OnSaturation, Plan, Scenario};
use crate::schedule::{Shape, Spacing};

/// The level that all open scenarios take that have a rate, unless a scenario is called so.
pub const ALL_RATES: &str = "rate";
/// The level that all closed scenarios take that have a number of users, unless a scenario is called so.
pub const ALL_VUS: &str = "vus";

/// What one probe asks of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Whose level is what.
    pub levels: Vec<Level>,
    /// How long the load runs before it is measured; whole seconds.
    pub settle: Duration,
    /// How long it is measured; whole seconds.
    pub measure: Duration,
    /// How long iterations in flight may then go on.
    pub drain: Duration,
}

/// One number of a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// A scenario, [`ALL_RATES`] or [`ALL_VUS`].
    pub name: String,
    /// Iterations for each time unit of an open scenario, virtual users of a closed one.
    pub value: f64,
}

/// Why a plan cannot be probed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The name is nobody's.
    #[error(
        "level `{name}`: the script has no such scenario; it has {known}, and `rate` stands for all open scenarios, `vus` for all closed ones"
    )]
    NoScenario {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// `rate` or `vus`, and no scenario has it.
    #[error("level `{name}`: no selected scenario has {what}; the script has {known}")]
    Nobody {
        /// What was asked for.
        name: &'static str,
        /// What none has.
        what: &'static str,
        /// What there is.
        known: String,
    },
    /// Two levels for one scenario.
    #[error("scenario `{scenario}` has two levels, `{first}` and `{second}`; give it one")]
    Twice {
        /// The scenario.
        scenario: String,
        /// The first level.
        first: String,
        /// The other.
        second: String,
    },
    /// The scenario has no level at all.
    #[error(
        "level `{scenario}`: it is {executor}, which has neither a rate nor a number of users that could be held; a search needs constant-arrival-rate or constant-vus"
    )]
    NoLevel {
        /// The scenario.
        scenario: String,
        /// Its executor.
        executor: &'static str,
    },
    /// A scenario without a level that has none of its own.
    #[error(
        "scenario `{scenario}` is {executor}, which is no steady load; give it a level (`{scenario}=…`), or choose others by --scenario"
    )]
    Unsteady {
        /// The scenario.
        scenario: String,
        /// Its executor.
        executor: &'static str,
    },
    /// A fraction of a user.
    #[error("level `{name}`: a number of virtual users is a whole number, got {value}")]
    Fraction {
        /// The level.
        name: String,
        /// Its value.
        value: String,
    },
}

impl Probe {
    /// From the start of the load to its end, without the drain.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.settle.saturating_add(self.measure)
    }

    /// Makes all scenarios begin at once, at their levels, for the probe's time.
    ///
    /// # Errors
    /// [`ProbeError`] naming the level or the scenario that does not fit.
    pub fn apply(&self, scenarios: &mut [Scenario]) -> Result<(), ProbeError> {
        let known = || {
            let named = scenarios
                .iter()
                .map(|s| format!("`{}` ({})", s.name, s.executor.name()));
            named.collect::<Vec<_>>().join(", ")
        };
        let mut taken: Vec<Option<&Level>> = vec![None; scenarios.len()];
        for level in &self.levels {
            let whose = whose(scenarios, &level.name);
            if whose.is_empty() {
                let known = known();
                return Err(match level.name.as_str() {
                    ALL_RATES => ProbeError::Nobody {
                        name: ALL_RATES,
                        what: "a rate",
                        known,
                    },
                    ALL_VUS => ProbeError::Nobody {
                        name: ALL_VUS,
                        what: "a number of users",
                        known,
                    },
                    name => ProbeError::NoScenario {
                        name: name.to_owned(),
                        known,
                    },
                });
            }
            for index in whose {
                if let Some(first) = taken[index].replace(level) {
                    return Err(ProbeError::Twice {
                        scenario: scenarios[index].name.clone(),
                        first: first.name.clone(),
                        second: level.name.clone(),
                    });
                }
            }
        }
        for (scenario, level) in scenarios.iter_mut().zip(taken) {
            self.hold(scenario, level)?;
        }
        Ok(())
    }

    fn hold(&self, scenario: &mut Scenario, level: Option<&Level>) -> Result<(), ProbeError> {
        let executor = scenario.executor.name();
        let lasting = self.duration();
        let held = match level {
            Some(level) => at_level(&mut scenario.executor, level, lasting)?,
            None => steady(&mut scenario.executor, lasting),
        };
        if !held {
            let scenario = scenario.name.clone();
            return Err(match level {
                Some(_) => ProbeError::NoLevel { scenario, executor },
                None => ProbeError::Unsteady { scenario, executor },
            });
        }
        scenario.start_time = Duration::ZERO;
        scenario.start_after = None;
        scenario.warmup = self.settle;
        scenario.graceful_stop = self.drain;
        Ok(())
    }

    /// The one scenario of a script that returns a function: users with `vus`, a rate otherwise.
    ///
    /// # Errors
    /// [`ProbeError::Fraction`].
    pub fn executor_of_function(&self) -> Result<Executor, ProbeError> {
        let duration = self.duration();
        if let Some(level) = self.levels.iter().find(|level| level.name == ALL_VUS) {
            return Ok(Executor::ConstantVus {
                vus: users(level)?,
                duration,
            });
        }
        let shape = Shape::ConstantArrivalRate {
            rate: self.levels.first().map_or(1.0, |level| level.value),
            time_unit: Duration::from_secs(1),
            duration,
            arrival: Spacing::Constant,
        };
        Ok(Executor::Open {
            pre_allocated_vus: default_pre_allocated(&shape, DEFAULT_MAX_VUS),
            shape,
            max_vus: DEFAULT_MAX_VUS,
            on_saturation: OnSaturation::Queue,
        })
    }

    /// Takes out of the plan what a steady load has no use for, and says what was to be judged and is not: phases and
    /// stages are not there, and no window is longer than what is measured. What may end a run early does so by what is
    /// measured.
    #[must_use]
    pub fn adapt(&self, plan: &mut Plan) -> Vec<String> {
        let mut told = Vec::new();
        plan.phases.clear();
        plan.checkpoints = None;
        plan.measured_until = Some(self.duration());
        plan.thresholds.retain(|threshold| {
            let mut tags = threshold.selector.tags.iter();
            let part = tags.find(|(tag, _)| matches!(tag.as_str(), "phase" | "stage"));
            if let Some((tag, _)) = part {
                told.push(format!(
                    "threshold `{}: {}` is left out: a probe is one steady load without a {tag}",
                    threshold.selector, threshold.expression
                ));
            }
            part.is_none()
        });
        for threshold in &mut plan.thresholds {
            // Before a second is measured there is nothing that could end the probe.
            let early = threshold.delay_abort_eval.max(Duration::from_secs(1));
            threshold.delay_abort_eval = self.settle.saturating_add(early);
            if threshold.window.is_some_and(|window| window > self.measure) {
                threshold.window = None;
                told.push(format!(
                    "threshold `{}: {}` is judged over all that is measured, which is shorter than its window",
                    threshold.selector, threshold.expression
                ));
            }
        }
        told
    }
}

/// The scenarios that take a level of this name, as indices: before they are held and after it.
#[must_use]
pub fn whose(scenarios: &[Scenario], name: &str) -> Vec<usize> {
    match (scenarios.iter().position(|scenario| scenario.name == name), name) {
        (Some(index), _) => vec![index],
        (None, ALL_RATES) => all(scenarios, has_rate),
        (None, ALL_VUS) => all(scenarios, has_vus),
        (None, _) => Vec::new(),
    }
}

fn all(scenarios: &[Scenario], has: fn(&Executor) -> bool) -> Vec<usize> {
    let scenarios = scenarios.iter().enumerate();
    let those = scenarios.filter(|(_, scenario)| has(&scenario.executor));
    those.map(|(index, _)| index).collect()
}

fn has_rate(executor: &Executor) -> bool {
    matches!(
        executor,
        Executor::Open {
            shape: Shape::ConstantArrivalRate { .. } | Shape::RampingArrivalRate { .. } | Shape::Steps { .. },
            ..
        }
    )
}

fn has_vus(executor: &Executor) -> bool {
    matches!(
        executor,
        Executor::ConstantVus { .. } | Executor::RampingVus { .. } | Executor::ExternallyControlled { .. }
    )
}

fn users(level: &Level) -> Result<u64, ProbeError> {
    whole_number(level.value).ok_or_else(|| ProbeError::Fraction {
        name: level.name.clone(),
        value: level.value.to_string(),
    })
}

/// Holds the executor at a level; false when it has none. What ramps is held where it is told.
fn at_level(executor: &mut Executor, level: &Level, lasting: Duration) -> Result<bool, ProbeError> {
    if has_vus(executor) {
        *executor = Executor::ConstantVus {
            vus: users(level)?,
            duration: lasting,
        };
        return Ok(true);
    }
    let Executor::Open { shape, .. } = executor else {
        return Ok(false);
    };
    let (Shape::ConstantArrivalRate { time_unit, arrival, .. }
    | Shape::RampingArrivalRate { time_unit, arrival, .. }
    | Shape::Steps { time_unit, arrival, .. }) = shape
    else {
        return Ok(false);
    };
    *shape = Shape::ConstantArrivalRate {
        rate: level.value,
        time_unit: *time_unit,
        duration: lasting,
        arrival: *arrival,
    };
    Ok(true)
}

/// Lets a load that is steady by itself last as long as the probe; false when it is none.
fn steady(executor: &mut Executor, lasting: Duration) -> bool {
    match executor {
        Executor::ConstantVus { duration, .. }
        | Executor::ExternallyControlled { duration, .. }
        | Executor::Open {
            shape: Shape::ConstantArrivalRate { duration, .. },
            ..
        } => {
            *duration = lasting;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
