//! The plan of a dry run: one iteration of each scenario, for `check --once` and `run --once`.

use std::time::Duration;

use crate::plan::{Executor, OnSaturation, Plan};
use crate::schedule::{Shape, Wave};

/// The same plan with one iteration of one VU for each scenario, and no thresholds: they are for load.
pub(super) fn once(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for scenario in &mut plan.scenarios {
        scenario.start_time = Duration::ZERO;
        scenario.start_after = None;
        scenario.warmup = Duration::ZERO;
        scenario.executor = one_iteration(&scenario.executor);
    }
    plan.thresholds.clear();
    plan
}

/// One iteration that finds what it would find under load: the first row of a trace, the first stage.
fn one_iteration(executor: &Executor) -> Executor {
    let shape = match executor {
        Executor::Open {
            shape: Shape::Replay { trace, speed },
            ..
        } => Some(Shape::Replay {
            trace: trace.first(),
            speed: *speed,
        }),
        other => other.segments().into_iter().next().map(|name| Shape::Waves {
            waves: vec![Wave {
                at: Duration::ZERO,
                count: 1,
                name: Some(name),
            }],
        }),
    };
    match shape {
        Some(shape) => Executor::Open {
            shape,
            pre_allocated_vus: 1,
            max_vus: 1,
            on_saturation: OnSaturation::Queue,
        },
        None => Executor::SharedIterations {
            vus: 1,
            iterations: 1,
            max_duration: Duration::from_mins(10),
        },
    }
}

/// Executors that the tests of the command line look at.
#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::schedule::{Spacing, Stage, Trace};

    pub(in crate::cli) const SECOND: Duration = Duration::from_secs(1);

    pub(in crate::cli) fn open(shape: Shape) -> Executor {
        Executor::Open {
            shape,
            pre_allocated_vus: 1,
            max_vus: 50,
            on_saturation: OnSaturation::Queue,
        }
    }

    fn stage<T>(target: T) -> Stage<T> {
        Stage {
            duration: 60 * SECOND,
            target,
            name: Some("up".to_owned()),
        }
    }

    pub(in crate::cli) fn ramping(arrival: Spacing) -> Executor {
        open(Shape::RampingArrivalRate {
            start_rate: 0.0,
            time_unit: 60 * SECOND,
            stages: vec![stage(120.0)],
            arrival,
        })
    }

    pub(in crate::cli) fn ramping_vus() -> Executor {
        Executor::RampingVus {
            start_vus: 0,
            stages: vec![stage(10), stage(5)],
            graceful_ramp_down: SECOND,
        }
    }

    pub(in crate::cli) fn replay() -> Executor {
        let trace = Trace::new("t.csv".to_owned(), &[3 * SECOND, SECOND]);
        open(Shape::Replay { trace, speed: 2.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{open, ramping, ramping_vus, replay};
    use super::*;
    use crate::schedule::Spacing;

    #[test]
    fn a_dry_iteration_has_the_first_stage_and_the_first_row() {
        for executor in [ramping_vus(), ramping(Spacing::Poisson)] {
            let once = one_iteration(&executor);
            assert_eq!(once.segments(), ["up"]);
            assert!(matches!(once, Executor::Open { shape, .. } if shape.planned() == 1));
        }
        match one_iteration(&replay()) {
            Executor::Open {
                shape: Shape::Replay { trace, .. },
                ..
            } => assert_eq!((trace.times.len(), &trace.rows[..]), (1, &[1][..])),
            other => panic!("{other:?}"),
        }
        let burst = one_iteration(&open(Shape::Burst { count: 7 }));
        assert!(matches!(burst, Executor::SharedIterations { iterations: 1, .. }));
    }
}
