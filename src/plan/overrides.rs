//! The command line's short forms, applied to a plan: `--vus`, `--duration`, `--iterations`, `--rate`, `--stage`, `--time-scale`,
//! `--scenario`. How they are spelled and parsed is the command line's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::probe::{Probe, ProbeError};
use super::{Executor, OnSaturation, Scenario, Traces, scale};
use crate::schedule::{Shape, Spacing, Stage};

/// What the command line asks to change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Number of VUs.
    pub vus: Option<u64>,
    /// Duration of the load.
    pub duration: Option<Duration>,
    /// Iterations (in all, or per VU, as the executor has it).
    pub iterations: Option<u64>,
    /// Iterations for each time unit.
    pub rate: Option<f64>,
    /// Stages of a ramp, instead of those of the plan.
    pub stages: Vec<Stage<f64>>,
    /// Stretches all schedules; 0.1 is ten times as fast.
    pub time_scale: Option<f64>,
    /// Only these scenarios; empty means all.
    pub scenarios: Vec<String>,
    /// Test-wide tags.
    pub tags: BTreeMap<String, String>,
    /// The share of traces that is kept.
    pub trace_sampling: Option<f64>,
    /// Makes the plan that of one probe of a search.
    pub probe: Option<Probe>,
    /// Thresholds besides those of the script: series and expression.
    pub thresholds: Vec<(String, String)>,
}

/// Why the command line does not fit the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// `--scenario` names nothing.
    #[error("--scenario {name}: the script has no such scenario; it has {known}")]
    NoScenario {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A scenario has no such option.
    #[error("--{flag}: scenario `{scenario}` is {executor} and has no `{option}`; choose others by --scenario")]
    NoOption {
        /// The flag without dashes.
        flag: &'static str,
        /// The option's name in the plan.
        option: &'static str,
        /// The scenario.
        scenario: String,
        /// Its executor.
        executor: &'static str,
    },
    /// Flags that cannot go together for a script without scenarios.
    #[error("{0}")]
    Conflict(String),
    /// The plan cannot be probed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// VUs that an open scenario may have when the plan does not say: they are cheap.
pub const DEFAULT_MAX_VUS: u64 = 10_000;

/// How long the `*-iterations` executors may take when the plan does not say.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_mins(10);

/// How long iterations may go on after the end, or after their VU was ramped down, when the plan does not say.
pub const DEFAULT_GRACEFUL: Duration = Duration::from_secs(30);

/// VUs made before the start of an open scenario when the plan does not say: for those that start at once, else for one
/// second's arrivals, at most 100.
#[must_use]
pub fn default_pre_allocated(shape: &Shape, max_vus: u64) -> u64 {
    let wanted = shape.at_once().unwrap_or_else(|| {
        let rate = shape.peak_rate().unwrap_or(100.0);
        whole_number(rate.ceil().clamp(1.0, 100.0)).unwrap_or(100)
    });
    wanted.min(max_vus)
}

/// Which options of an executor are what they are when the plan does not say them.
#[derive(Debug, Clone, Copy)]
struct Unsaid {
    pre_allocated_vus: bool,
    max_vus: bool,
}

impl Unsaid {
    fn of(executor: &Executor) -> Self {
        let mut unsaid = Self {
            pre_allocated_vus: false,
            max_vus: false,
        };
        match executor {
            Executor::Open {
                shape,
                pre_allocated_vus,
                max_vus,
                ..
            } => unsaid.pre_allocated_vus = *pre_allocated_vus == default_pre_allocated(shape, *max_vus),
            Executor::ExternallyControlled { vus, max_vus, .. } => unsaid.max_vus = *max_vus == (*vus).max(1),
            _ => {}
        }
        unsaid
    }

    /// They follow from the rest of the changed executor, too. A cap is not lowered: it may have been said after all.
    fn follow(self, executor: &mut Executor) {
        match executor {
            Executor::Open {
                shape,
                pre_allocated_vus,
                max_vus,
                ..
            } if self.pre_allocated_vus => *pre_allocated_vus = default_pre_allocated(shape, *max_vus),
            Executor::ExternallyControlled { vus, max_vus, .. } if self.max_vus => *max_vus = (*max_vus).max(*vus),
            _ => {}
        }
    }
}

impl Overrides {
    /// Keeps the selected scenarios and changes their options.
    ///
    /// # Errors
    /// [`OverrideError`] naming the scenario that cannot be changed so.
    pub fn apply(&self, scenarios: &mut Vec<Scenario>) -> Result<(), OverrideError> {
        for name in &self.scenarios {
            if !scenarios.iter().any(|scenario| scenario.name == *name) {
                let known = scenarios
                    .iter()
                    .map(|s| format!("`{}`", s.name))
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(OverrideError::NoScenario {
                    name: name.clone(),
                    known,
                });
            }
        }
        if !self.scenarios.is_empty() {
            self.select(scenarios);
        }
        let unsaid: Vec<Unsaid> = scenarios
            .iter()
            .map(|scenario| Unsaid::of(&scenario.executor))
            .collect();
        scenarios.iter_mut().try_for_each(|scenario| self.change(scenario))?;
        self.stretch(scenarios);
        if let Some(probe) = &self.probe {
            probe.apply(scenarios)?;
        }
        for (scenario, unsaid) in scenarios.iter_mut().zip(unsaid) {
            unsaid.follow(&mut scenario.executor);
        }
        Ok(())
    }

    /// How requests are traced, where the plan says this.
    #[must_use]
    pub fn traces(&self, plan: Option<Traces>) -> Option<Traces> {
        match self.trace_sampling {
            None => plan,
            Some(sampling) => Some(Traces {
                sampling,
                url: plan.and_then(|traces| traces.url),
            }),
        }
    }

    /// Compresses schedules by `--time-scale`.
    pub fn stretch(&self, scenarios: &mut [Scenario]) {
        if let Some(factor) = self.time_scale {
            scale(scenarios, factor);
        }
    }

    /// Keeps the selected scenarios. Nobody waits for one that is left out.
    fn select(&self, scenarios: &mut Vec<Scenario>) {
        let left_out: Vec<String> = scenarios
            .iter()
            .map(|scenario| scenario.name.clone())
            .filter(|name| !self.scenarios.contains(name))
            .collect();
        scenarios.retain(|scenario| self.scenarios.contains(&scenario.name));
        for scenario in scenarios {
            scenario.start_after.take_if(|other| left_out.contains(other));
        }
    }

    fn change(&self, scenario: &mut Scenario) -> Result<(), OverrideError> {
        let (name, executor) = (scenario.name.clone(), scenario.executor.name());
        let missing = |flag, option| OverrideError::NoOption {
            flag,
            option,
            scenario: name.clone(),
            executor,
        };
        if let Some(value) = self.vus {
            *vus_of(&mut scenario.executor).ok_or_else(|| missing("vus", "vus"))? = value;
        }
        if let Some(value) = self.duration {
            *duration_of(&mut scenario.executor).ok_or_else(|| missing("duration", "duration"))? = value;
        }
        if let Some(value) = self.iterations {
            *iterations_of(&mut scenario.executor).ok_or_else(|| missing("iterations", "iterations"))? = value;
        }
        if let Some(value) = self.rate {
            *rate_of(&mut scenario.executor).ok_or_else(|| missing("rate", "rate"))? = value;
        }
        if self.stages.is_empty() {
            return Ok(());
        }
        match &mut scenario.executor {
            Executor::RampingVus { stages, .. } => *stages = self.stages_of_vus()?,
            Executor::Open {
                shape: Shape::RampingArrivalRate { stages, .. },
                ..
            } => stages.clone_from(&self.stages),
            _ => return Err(missing("stage", "stages")),
        }
        Ok(())
    }

    fn stages_of_vus(&self) -> Result<Vec<Stage<u64>>, OverrideError> {
        let whole = |stage: &Stage<f64>| {
            let target = whole_number(stage.target).ok_or_else(|| {
                OverrideError::Conflict(format!(
                    "--stage: a number of VUs is a whole number, got {}",
                    stage.target
                ))
            })?;
            Ok(Stage {
                duration: stage.duration,
                target,
                name: stage.name.clone(),
            })
        };
        self.stages.iter().map(whole).collect()
    }

    /// The one scenario of a script that returns a function.
    ///
    /// # Errors
    /// [`OverrideError::Conflict`] when the flags do not make one executor.
    pub fn scenario_of_function(&self) -> Result<Executor, OverrideError> {
        let conflict = |text: &str| Err(OverrideError::Conflict(text.to_owned()));
        if let Some(probe) = &self.probe {
            return Ok(probe.executor_of_function()?);
        }
        let vus = self.vus.unwrap_or(1);
        if !self.stages.is_empty() {
            return match (self.rate, self.iterations, self.duration) {
                (None, None, None) => Ok(Executor::RampingVus {
                    start_vus: vus,
                    stages: self.stages_of_vus()?,
                    graceful_ramp_down: DEFAULT_GRACEFUL,
                }),
                _ => conflict("--stage cannot go together with --rate, --iterations or --duration: stages say it all"),
            };
        }
        match (self.rate, self.iterations, self.duration) {
            (Some(_), Some(_), _) => {
                conflict("--rate and --iterations cannot go together: a rate lasts for a --duration")
            }
            (Some(_), None, None) => conflict("--rate needs a --duration, for example --duration 30s"),
            (Some(_), None, Some(_)) if self.vus.is_some() => {
                conflict("--rate and --vus cannot go together: with a rate, VUs come as they are needed")
            }
            (Some(rate), None, Some(duration)) => {
                let time_unit = Duration::from_secs(1);
                let shape = Shape::ConstantArrivalRate {
                    rate,
                    time_unit,
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
            (None, Some(_), Some(_)) => {
                conflict("--iterations and --duration cannot go together for a script without scenarios")
            }
            (None, None, Some(duration)) => Ok(Executor::ConstantVus { vus, duration }),
            (None, iterations, None) => Ok(Executor::SharedIterations {
                vus,
                iterations: iterations.unwrap_or(vus),
                max_duration: DEFAULT_MAX_DURATION,
            }),
        }
    }
}

fn vus_of(executor: &mut Executor) -> Option<&mut u64> {
    match executor {
        Executor::SharedIterations { vus, .. }
        | Executor::PerVuIterations { vus, .. }
        | Executor::ConstantVus { vus, .. }
        | Executor::ExternallyControlled { vus, .. } => Some(vus),
        _ => None,
    }
}

fn duration_of(executor: &mut Executor) -> Option<&mut Duration> {
    match executor {
        Executor::ConstantVus { duration, .. }
        | Executor::ExternallyControlled { duration, .. }
        | Executor::Open {
            shape: Shape::ConstantArrivalRate { duration, .. },
            ..
        } => Some(duration),
        _ => None,
    }
}

fn iterations_of(executor: &mut Executor) -> Option<&mut u64> {
    match executor {
        Executor::SharedIterations { iterations, .. } | Executor::PerVuIterations { iterations, .. } => {
            Some(iterations)
        }
        _ => None,
    }
}

fn rate_of(executor: &mut Executor) -> Option<&mut f64> {
    match executor {
        Executor::Open {
            shape: Shape::ConstantArrivalRate { rate, .. },
            ..
        } => Some(rate),
        _ => None,
    }
}

/// The value as a count, if it is one.
#[must_use]
pub fn whole_number(value: f64) -> Option<u64> {
    const MOST: f64 = (1_u64 << 53) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within 0..=2^53"
    )]
    (value.fract() == 0.0 && (0.0..=MOST).contains(&value)).then_some(value as u64)
}

#[cfg(test)]
mod tests;
