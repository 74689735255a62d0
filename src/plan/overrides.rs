//! The command line's short forms, applied to a plan: `--vus`, `--duration`, `--iterations`, `--rate`, `--scenario`. How
//! they are spelled and parsed is the command line's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Executor, OnSaturation, Scenario};

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
    /// Only these scenarios; empty means all.
    pub scenarios: Vec<String>,
    /// Test-wide tags.
    pub tags: BTreeMap<String, String>,
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
}

/// VUs that an open scenario may have when the plan does not say: they are cheap.
pub const DEFAULT_MAX_VUS: u64 = 10_000;

/// How long the `*-iterations` executors may take when the plan does not say.
pub const DEFAULT_MAX_DURATION: Duration = Duration::from_mins(10);

/// VUs made before the start of an open scenario when the plan does not say: one second's arrivals, at most 100.
#[must_use]
pub fn default_pre_allocated(rate: f64, time_unit: Duration, max_vus: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=100"
    )]
    let one_second = (rate / time_unit.as_secs_f64()).ceil().clamp(1.0, 100.0) as u64;
    one_second.min(max_vus)
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
            scenarios.retain(|scenario| self.scenarios.contains(&scenario.name));
        }
        scenarios.iter_mut().try_for_each(|scenario| self.change(scenario))
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
            match &mut scenario.executor {
                Executor::SharedIterations { vus, .. }
                | Executor::PerVuIterations { vus, .. }
                | Executor::ConstantVus { vus, .. } => {
                    *vus = value;
                }
                Executor::ConstantArrivalRate { .. } => return Err(missing("vus", "vus")),
            }
        }
        if let Some(value) = self.duration {
            match &mut scenario.executor {
                Executor::ConstantVus { duration, .. } | Executor::ConstantArrivalRate { duration, .. } => {
                    *duration = value
                }
                _ => return Err(missing("duration", "duration")),
            }
        }
        if let Some(value) = self.iterations {
            match &mut scenario.executor {
                Executor::SharedIterations { iterations, .. } | Executor::PerVuIterations { iterations, .. } => {
                    *iterations = value
                }
                _ => return Err(missing("iterations", "iterations")),
            }
        }
        if let Some(value) = self.rate {
            match &mut scenario.executor {
                Executor::ConstantArrivalRate { rate, .. } => *rate = value,
                _ => return Err(missing("rate", "rate")),
            }
        }
        Ok(())
    }

    /// The one scenario of a script that returns a function.
    ///
    /// # Errors
    /// [`OverrideError::Conflict`] when the flags do not make one executor.
    pub fn scenario_of_function(&self) -> Result<Executor, OverrideError> {
        let conflict = |text: &str| Err(OverrideError::Conflict(text.to_owned()));
        let vus = self.vus.unwrap_or(1);
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
                Ok(Executor::ConstantArrivalRate {
                    rate,
                    time_unit,
                    duration,
                    pre_allocated_vus: default_pre_allocated(rate, time_unit, DEFAULT_MAX_VUS),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, executor: Executor) -> Scenario {
        Scenario {
            name: name.into(),
            executor,
            start_time: Duration::ZERO,
            graceful_stop: Duration::from_secs(30),
            warmup: Duration::ZERO,
            tags: BTreeMap::new(),
            env: BTreeMap::new(),
        }
    }

    #[test]
    fn a_flag_changes_every_selected_scenario_or_is_refused_by_name() {
        let constant = Executor::ConstantVus {
            vus: 1,
            duration: Duration::from_secs(1),
        };
        let open = Overrides {
            rate: Some(5.0),
            duration: Some(Duration::from_secs(2)),
            ..Overrides::default()
        }
        .scenario_of_function()
        .unwrap();
        let mut both = vec![scenario("a", constant.clone()), scenario("b", open)];
        let error = Overrides {
            rate: Some(9.0),
            ..Overrides::default()
        }
        .apply(&mut both.clone())
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("scenario `a` is constant-vus and has no `rate`"),
            "{error}"
        );
        let only_b = Overrides {
            rate: Some(9.0),
            scenarios: vec!["b".into()],
            ..Overrides::default()
        };
        let mut selected = both.clone();
        only_b.apply(&mut selected).unwrap();
        assert!(matches!(
            selected[..],
            [Scenario {
                executor: Executor::ConstantArrivalRate { rate: 9.0, .. },
                ..
            }]
        ));
        let error = Overrides {
            scenarios: vec!["c".into()],
            ..Overrides::default()
        }
        .apply(&mut both)
        .unwrap_err();
        assert!(error.to_string().contains("it has `a`, `b`"), "{error}");
    }

    #[test]
    fn flags_make_the_scenario_of_a_function() {
        let second = Some(Duration::from_secs(1));
        let table = [
            (Overrides::default(), Some("shared-iterations")),
            (
                Overrides {
                    vus: Some(3),
                    duration: second,
                    ..Overrides::default()
                },
                Some("constant-vus"),
            ),
            (
                Overrides {
                    vus: Some(3),
                    iterations: Some(9),
                    ..Overrides::default()
                },
                Some("shared-iterations"),
            ),
            (
                Overrides {
                    rate: Some(3.0),
                    duration: second,
                    ..Overrides::default()
                },
                Some("constant-arrival-rate"),
            ),
            (
                Overrides {
                    rate: Some(3.0),
                    ..Overrides::default()
                },
                None,
            ),
            (
                Overrides {
                    rate: Some(3.0),
                    duration: second,
                    vus: Some(1),
                    ..Overrides::default()
                },
                None,
            ),
            (
                Overrides {
                    iterations: Some(3),
                    duration: second,
                    ..Overrides::default()
                },
                None,
            ),
        ];
        for (overrides, executor) in table {
            assert_eq!(
                overrides.scenario_of_function().ok().map(|made| made.name()),
                executor,
                "{overrides:?}"
            );
        }
    }
}
