//! The command line's short forms, applied to a plan: `--vus`, `--duration`, `--iterations`, `--rate`, `--stage`, `--time-scale`,
//! `--scenario`. How they are spelled and parsed is the command line's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Executor, OnSaturation, Scenario, scale};
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
        scenarios.iter_mut().try_for_each(|scenario| self.change(scenario))?;
        self.stretch(scenarios);
        Ok(())
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
        | Executor::ConstantVus { vus, .. } => Some(vus),
        _ => None,
    }
}

fn duration_of(executor: &mut Executor) -> Option<&mut Duration> {
    match executor {
        Executor::ConstantVus { duration, .. }
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
mod tests {
    use super::*;

    fn scenario(name: &str, executor: Executor) -> Scenario {
        Scenario {
            name: name.into(),
            executor,
            start_time: Duration::ZERO,
            start_after: None,
            warmup: Duration::ZERO,
            graceful_stop: Duration::from_secs(30),
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
                executor: Executor::Open {
                    shape: Shape::ConstantArrivalRate { rate: 9.0, .. },
                    ..
                },
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

    fn ramp(target: f64) -> Overrides {
        Overrides {
            stages: vec![Stage {
                duration: Duration::from_secs(10),
                target,
                name: None,
            }],
            ..Overrides::default()
        }
    }

    #[test]
    fn stages_make_a_ramp_of_vus_or_replace_those_of_the_plan() {
        let made = Overrides {
            vus: Some(0),
            ..ramp(7.0)
        }
        .scenario_of_function()
        .unwrap();
        assert_eq!((made.name(), made.vus()), ("ramping-vus", (7, 7)));
        assert!(ramp(7.5).scenario_of_function().is_err(), "half a VU");
        let with_rate = Overrides {
            rate: Some(1.0),
            ..ramp(7.0)
        };
        assert!(with_rate.scenario_of_function().is_err());
        let mut open = vec![scenario(
            "open",
            Executor::Open {
                shape: Shape::RampingArrivalRate {
                    start_rate: 0.0,
                    time_unit: Duration::from_secs(1),
                    stages: Vec::new(),
                    arrival: Spacing::Constant,
                },
                pre_allocated_vus: 1,
                max_vus: 1,
                on_saturation: OnSaturation::Queue,
            },
        )];
        ramp(7.5).apply(&mut open).unwrap();
        assert_eq!(open[0].executor.duration(), Duration::from_secs(10));
        let mut closed = vec![scenario("closed", made)];
        assert!(ramp(7.5).apply(&mut closed).is_err(), "half a VU");
        ramp(9.0).apply(&mut closed).unwrap();
        assert_eq!(closed[0].executor.vus(), (9, 9));
        let rate = Overrides {
            rate: Some(1.0),
            ..Overrides::default()
        };
        let error = rate.apply(&mut open).unwrap_err().to_string();
        assert!(
            error.contains("`open` is ramping-arrival-rate and has no `rate`"),
            "{error}"
        );
    }

    #[test]
    fn time_is_scaled_where_it_is_load() {
        let looping = Executor::ConstantVus {
            vus: 1,
            duration: Duration::from_secs(60),
        };
        let shared = Executor::SharedIterations {
            vus: 1,
            iterations: 1,
            max_duration: Duration::from_secs(60),
        };
        let ramping = ramp(7.0).scenario_of_function().unwrap();
        let mut all = [looping, shared, ramping].map(|executor| Scenario {
            start_time: Duration::from_secs(5),
            warmup: Duration::from_secs(20),
            ..scenario("any", executor)
        });
        scale(&mut all, 0.1);
        let millis = all.each_ref().map(|s| s.executor.duration().as_millis());
        assert_eq!(millis, [6_000, 60_000, 1_000]);
        for scenario in all {
            let times = [scenario.start_time, scenario.warmup, scenario.graceful_stop];
            assert_eq!(times.map(|time| time.as_millis()), [500, 2_000, 30_000]);
        }
    }

    #[test]
    fn nobody_waits_for_a_scenario_that_is_left_out() {
        let looping = Executor::ConstantVus {
            vus: 1,
            duration: Duration::from_secs(1),
        };
        let after = |name: &str, other: &str| Scenario {
            start_after: Some(other.to_owned()),
            ..scenario(name, looping.clone())
        };
        let mut all = vec![
            scenario("a", looping.clone()),
            after("b", "a"),
            after("c", "b"),
            after("d", "x"),
        ];
        let selected = Overrides {
            scenarios: vec!["b".into(), "c".into(), "d".into()],
            ..Overrides::default()
        };
        selected.apply(&mut all).unwrap();
        let after: Vec<_> = all.iter().map(|s| s.start_after.as_deref()).collect();
        assert_eq!(
            after,
            [None, Some("b"), Some("x")],
            "a name that never was is still refused"
        );
    }
}
