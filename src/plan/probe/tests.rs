//! Which plans can be probed, and what becomes of them.

use super::*;
use crate::metrics::{Registry, Threshold};
use crate::plan::Phase;
use crate::schedule::Stage;

const SECOND: Duration = Duration::from_secs(1);

fn probe(levels: &[(&str, f64)]) -> Probe {
    let level = |(name, value): &(&str, f64)| Level {
        name: (*name).to_owned(),
        value: *value,
    };
    Probe {
        levels: levels.iter().map(level).collect(),
        settle: 2 * SECOND,
        measure: 8 * SECOND,
        drain: 3 * SECOND,
    }
}

fn open(shape: Shape) -> Executor {
    Executor::Open {
        shape,
        pre_allocated_vus: 1,
        max_vus: 50,
        on_saturation: OnSaturation::Drop,
    }
}

fn constant(rate: f64) -> Executor {
    open(Shape::ConstantArrivalRate {
        rate,
        time_unit: 60 * SECOND,
        duration: 600 * SECOND,
        arrival: Spacing::Poisson,
    })
}

fn ramping() -> Executor {
    let stages = vec![Stage {
        duration: SECOND,
        target: 9.0,
        name: None,
    }];
    open(Shape::RampingArrivalRate {
        start_rate: 0.0,
        time_unit: SECOND,
        stages,
        arrival: Spacing::Constant,
    })
}

fn users() -> Executor {
    Executor::ConstantVus {
        vus: 3,
        duration: SECOND,
    }
}

fn iterations() -> Executor {
    Executor::SharedIterations {
        vus: 1,
        iterations: 9,
        max_duration: SECOND,
    }
}

/// What each scenario is held at: a rate, a number of users.
fn held(scenarios: &[Scenario]) -> Vec<f64> {
    let level = |scenario: &Scenario| match &scenario.executor {
        Executor::Open {
            shape: Shape::ConstantArrivalRate { rate, duration, .. },
            max_vus: 50,
            ..
        } if *duration == 10 * SECOND => *rate,
        Executor::ConstantVus { vus, duration } if *duration == 10 * SECOND => *vus as f64,
        other => panic!("{other:?}"),
    };
    scenarios.iter().map(level).collect()
}

#[test]
fn every_scenario_is_held_at_its_level() {
    type Row<'a> = (&'a [(&'a str, f64)], Vec<Executor>, &'a [f64]);
    let table: Vec<Row<'_>> = vec![
        (&[("s0", 20.0)], vec![constant(5.0)], &[20.0]),
        // Those without a level stay at their own.
        (&[("s1", 20.0)], vec![constant(5.0), constant(6.0)], &[5.0, 20.0]),
        (&[("s0", 20.0)], vec![constant(5.0), users()], &[20.0, 3.0]),
        // `rate` is everybody's who has one, `vus` everybody's who has that.
        (
            &[("rate", 2.5)],
            vec![constant(5.0), users(), ramping()],
            &[2.5, 3.0, 2.5],
        ),
        (&[("vus", 7.0), ("s0", 1.0)], vec![constant(5.0), users()], &[1.0, 7.0]),
    ];
    for (levels, executors, expected) in table {
        let mut scenarios: Vec<_> = executors
            .into_iter()
            .enumerate()
            .map(|(index, executor)| Scenario {
                start_time: SECOND,
                start_after: (index > 0).then(|| "s0".to_owned()),
                ..Scenario::of(&format!("s{index}"), executor)
            })
            .collect();
        probe(levels).apply(&mut scenarios).unwrap();
        assert_eq!(held(&scenarios), expected, "{levels:?}");
        for scenario in &scenarios {
            assert_eq!((scenario.start_time, &scenario.start_after), (Duration::ZERO, &None));
            assert_eq!((scenario.warmup, scenario.graceful_stop), (2 * SECOND, 3 * SECOND));
        }
    }
}

#[test]
fn a_scenario_called_rate_is_meant_itself() {
    let mut scenarios = vec![
        Scenario::of("other", constant(5.0)),
        Scenario::of("rate", constant(6.0)),
    ];
    probe(&[("rate", 9.0)]).apply(&mut scenarios).unwrap();
    assert_eq!(held(&scenarios), [5.0, 9.0]);
    assert_eq!(whose(&scenarios, "rate"), [1]);
}

#[test]
fn it_is_known_whose_a_level_is() {
    let scenarios = [
        Scenario::of("api", constant(5.0)),
        Scenario::of("users", users()),
        Scenario::of("ramp", ramping()),
        Scenario::of("few", iterations()),
    ];
    let table: [(_, &[usize]); 5] = [
        ("rate", &[0, 2]),
        ("vus", &[1]),
        ("ramp", &[2]),
        ("few", &[3]),
        ("nobody", &[]),
    ];
    for (name, indices) in table {
        assert_eq!(whose(&scenarios, name), indices, "{name}");
    }
}

#[test]
fn what_cannot_be_held_is_refused() {
    type Row<'a> = (&'a [(&'a str, f64)], Vec<Executor>, &'a str);
    let table: [Row<'_>; 7] = [
        (
            &[("x", 1.0)],
            vec![users()],
            "it has `s0` (constant-vus), and `rate` stands for",
        ),
        (&[("rate", 1.0)], vec![users()], "no selected scenario has a rate"),
        (
            &[("vus", 1.0)],
            vec![constant(1.0)],
            "no selected scenario has a number of users",
        ),
        (
            &[("rate", 1.0), ("s0", 2.0)],
            vec![constant(1.0)],
            "two levels, `rate` and `s0`",
        ),
        (
            &[("s0", 1.0)],
            vec![iterations()],
            "level `s0`: it is shared-iterations",
        ),
        (
            &[("s0", 1.0)],
            vec![constant(1.0), ramping()],
            "give it a level (`s1=…`)",
        ),
        (&[("s0", 1.5)], vec![users()], "a whole number, got 1.5"),
    ];
    for (levels, executors, part) in table {
        let named = executors.into_iter().enumerate();
        let mut scenarios: Vec<_> = named
            .map(|(index, executor)| Scenario::of(&format!("s{index}"), executor))
            .collect();
        let error = probe(levels).apply(&mut scenarios).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_function_is_held_at_a_rate_or_by_users() {
    for (name, value, expected) in [("rate", 30.0, "constant-arrival-rate"), ("vus", 4.0, "constant-vus")] {
        let probe = probe(&[(name, value)]);
        let executor = probe.executor_of_function().unwrap();
        assert_eq!((executor.name(), executor.duration()), (expected, 10 * SECOND));
        probe.apply(&mut [Scenario::of("default", executor)]).unwrap();
    }
}

#[test]
fn what_a_steady_load_cannot_have_is_left_out_and_told() {
    let threshold = |series: &str, window: Option<u64>| Threshold {
        window: window.map(Duration::from_secs),
        delay_abort_eval: Duration::from_secs(window.unwrap_or(0) / 10),
        ..Threshold::parse(series, "p(95)<1s", &Registry::new()).unwrap()
    };
    let mut plan = Plan::of(vec![Scenario::of("a", constant(1.0))]);
    plan.checkpoints = Some(SECOND);
    plan.phases = vec![Phase {
        name: "peak".to_owned(),
        start: Duration::ZERO,
        end: SECOND,
    }];
    plan.thresholds = vec![
        threshold("http_req_duration", Some(30)),
        threshold("http_req_duration", Some(8)),
        threshold("http_req_duration{phase:peak}", None),
        threshold("http_req_duration{stage:1}", None),
    ];
    let told = probe(&[("a", 1.0)]).adapt(&mut plan);
    assert_eq!(plan.measured_until, Some(10 * SECOND), "what drains is not measured");
    let windows: Vec<_> = plan.thresholds.iter().map(|threshold| threshold.window).collect();
    assert_eq!(windows, [None, Some(8 * SECOND)]);
    let delays = plan.thresholds.iter().map(|threshold| threshold.delay_abort_eval);
    assert!(delays.eq([5 * SECOND, 3 * SECOND]), "a second is measured first");
    assert!(plan.phases.is_empty() && plan.checkpoints.is_none());
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("without a phase") && told[2].contains("shorter than its window"),
        "{told:?}"
    );
}
