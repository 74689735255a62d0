//! Flags against plans.

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

#[test]
fn what_the_plan_does_not_say_follows_from_what_the_command_line_does() {
    let executor = |rate: f64, made: u64| Executor::Open {
        shape: Shape::ConstantArrivalRate {
            rate,
            time_unit: Duration::from_secs(1),
            duration: Duration::from_secs(9),
            arrival: Spacing::Constant,
        },
        pre_allocated_vus: made,
        max_vus: 50,
        on_saturation: OnSaturation::Queue,
    };
    let external = |vus, max_vus| Executor::ExternallyControlled {
        vus,
        max_vus,
        duration: Duration::from_secs(9),
    };
    let rate = |rate| Overrides {
        rate: Some(rate),
        ..Overrides::default()
    };
    let vus = |vus| Overrides {
        vus: Some(vus),
        ..Overrides::default()
    };
    // (as the script has it, the command line, what comes of it)
    let table = [
        (executor(1.0, 1), rate(40.0), executor(40.0, 40)),
        (executor(1.0, 1), rate(80.0), executor(80.0, 50)),
        (executor(20.0, 20), rate(3.0), executor(3.0, 3)),
        (executor(20.0, 7), rate(40.0), executor(40.0, 7)),
        (external(1, 1), vus(5), external(5, 5)),
        (external(3, 3), vus(2), external(2, 3)),
        // This one is refused later.
        (external(1, 3), vus(5), external(5, 3)),
    ];
    for (script, overrides, expected) in table {
        let mut scenarios = vec![scenario("a", script)];
        overrides.apply(&mut scenarios).unwrap();
        assert_eq!(scenarios[0].executor, expected, "{overrides:?}");
    }
}
