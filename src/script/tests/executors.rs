//! Executors as scripts write them: what they are read as, and what is refused with which words.

use std::time::Duration;

use super::*;
use crate::plan::{Executor, Scenario};
use crate::schedule::{Shape, Spacing, Trace};

/// Reads the scenario `a` with these options, beside these files.
async fn beside(files: &[(&str, &str)], options: &str) -> Result<Scenario, String> {
    let main = format!("return {{ exec = function() end, scenarios = {{ a = {{ {options} }} }} }}");
    let files: Vec<_> = std::iter::once(("main.lua", main.as_str()))
        .chain(files.iter().copied())
        .collect();
    let bed = Bed::with(&files, Limits::default()).await;
    let plan = bed.plan(&Overrides::default()).map_err(|error| error.message)?;
    Ok(plan.scenarios.into_iter().next().expect("it has one"))
}

async fn scenario(options: &str) -> Result<Scenario, String> {
    beside(&[], options).await
}

async fn shape(options: &str) -> Shape {
    match scenario(options).await.unwrap().executor {
        Executor::Open { shape, .. } => shape,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn executors_are_read() {
    // (options, name, iterations or VUs at most, seconds)
    let table = [
        (
            r#"executor = "constant-arrival-rate", rate = 50, duration = "1m""#,
            "constant-arrival-rate",
            3_000,
            60,
        ),
        (
            r#"executor = "ramping-arrival-rate", start_rate = 10, stages = {
                { duration = "2m", target = 1000 }, { duration = "3m", target = 1000, name = "hold" }, { duration = 120, target = 50 } }"#,
            "ramping-arrival-rate",
            303_600,
            420,
        ),
        (
            r#"executor = "steps", time_unit = "1m", steps = { { rate = 60, duration = "10s" }, { rate = 0, duration = "5s" } }"#,
            "steps",
            10,
            15,
        ),
        (
            r#"executor = "waves", waves = { { at = "0s", count = 500 }, { at = "5m", count = 200 }, { at = 600, count = 50 } }"#,
            "waves",
            750,
            600,
        ),
        (r#"executor = "burst", count = 300"#, "burst", 300, 0),
    ];
    for (options, name, iterations, seconds) in table {
        let shape = shape(options).await;
        let got = (shape.name(), shape.planned(), shape.duration().as_secs());
        assert_eq!(got, (name, iterations, seconds), "{options}");
    }
    let ramp = scenario(r#"executor = "ramping-vus", stages = { { duration = "30s", target = 10 } }"#)
        .await
        .unwrap();
    assert_eq!((ramp.executor.name(), ramp.executor.vus().1), ("ramping-vus", 10));
    let Executor::RampingVus {
        start_vus,
        graceful_ramp_down,
        ..
    } = ramp.executor
    else {
        panic!("a ramp")
    };
    assert_eq!((start_vus, graceful_ramp_down.as_secs()), (1, 30));
}

#[tokio::test]
async fn options_of_open_scenarios_have_defaults_that_fit_the_shape() {
    // (options, VUs before the start, at most)
    let table = [
        (r#"executor = "burst", count = 300"#, (300, 10_000)),
        (r#"executor = "burst", count = 300, max_vus = 20"#, (20, 20)),
        (
            r#"executor = "waves", waves = { { at = 0, count = 5 }, { at = 0, count = 7 } }"#,
            (12, 10_000),
        ),
        (
            r#"executor = "constant-arrival-rate", rate = 250, duration = 1, arrival = "burst""#,
            (250, 10_000),
        ),
        (
            r#"executor = "constant-arrival-rate", rate = 250, duration = 1"#,
            (100, 10_000),
        ),
        (
            r#"executor = "constant-arrival-rate", rate = 5, duration = 1, pre_allocated_vus = 7"#,
            (7, 10_000),
        ),
    ];
    for (options, vus) in table {
        assert_eq!(scenario(options).await.unwrap().executor.vus(), vus, "{options}");
    }
    let poisson = shape(r#"executor = "constant-arrival-rate", rate = 5, duration = 1, arrival = "poisson""#).await;
    assert!(matches!(
        poisson,
        Shape::ConstantArrivalRate {
            arrival: Spacing::Poisson,
            ..
        }
    ));
}

/// Checks that the options are refused with these words.
async fn refused(table: &[(&str, &str)]) {
    for (options, words) in table {
        match scenario(options).await {
            Err(message) => assert!(message.contains(words), "{options}: {message}"),
            Ok(scenario) => panic!("{options} is read as {scenario:?}"),
        }
    }
}

/// The same with each option text put after this.
async fn refused_as(before: &str, table: &[(&str, &str)]) {
    for (list, words) in table {
        refused(&[(&format!("{before}{list}"), words)]).await;
    }
}

#[tokio::test]
async fn stages_of_vus_are_checked() {
    let table = [
        ("{}", "`stages` is no list"),
        ("5", "`stages` must be a list as { {"),
        ("{ duration = 5, target = 1 }", "`stages` is no list"),
        ("{ 5 }", "scenarios.a.stages[1] must be a table, got 5"),
        (
            "{ { duration = 1, target = 1 }, nil, { duration = 600, target = 1 } }",
            "scenarios.a: `stages` has a hole",
        ),
        (
            "{ { duration = 1, target = 1 }, nil, { duration = 600, target = 1 }, nil }",
            "scenarios.a: `stages` has a hole",
        ),
        (
            "{ { duration = 1, target = 1 }, { target = 2 } }",
            "scenarios.a.stages[2]: `duration` is missing",
        ),
        ("{ { duration = 1 } }", "`target` is missing"),
        (
            "{ { duration = 1, target = 1.5 } }",
            "must be a whole number of VUs, got 1.5",
        ),
        (
            "{ { duration = 1, target = -1 } }",
            "must be a whole number of VUs, got -1",
        ),
        ("{ { duration = 1, targte = 1 } }", "did you mean `target`"),
        ("{ { duration = 1, target = 1, name = '' } }", "1 to 128"),
        ("{ { duration = 0, target = 5 } }", "`stages` take no time"),
        (
            "{ { duration = 1, target = 0 } }, start_vus = 0",
            "must reach at least 1 VU",
        ),
        ("{ { duration = 1, target = 2000000 } }", "one machine holds at most"),
        (
            "{ { duration = 1, target = 1 } }, vus = 5",
            "unknown option `vus`; known are",
        ),
    ];
    refused_as("executor = 'ramping-vus', stages = ", &table).await;
}

#[tokio::test]
async fn stages_of_rates_are_checked() {
    let table = [
        (
            "{ { duration = 1, target = -5 } }",
            "`stages` must not have rates below zero, got -5",
        ),
        ("{ { duration = 1, target = 0 } }", "never rise above zero"),
        ("{ { duration = 0, target = 5 } }", "`stages` must be longer than zero"),
        (
            "{ { duration = 1, target = 1e9 } }",
            "per second; the limit is 10000000",
        ),
        (
            "{ { duration = 1, target = 1 } }, arrival = 'posson'",
            "did you mean `poisson`",
        ),
        (
            "{ { duration = 1, target = 1 } }, time_unit = 0",
            "`time_unit` must be longer than zero",
        ),
    ];
    refused_as("executor = 'ramping-arrival-rate', stages = ", &table).await;
}

#[tokio::test]
async fn other_mistakes_are_told() {
    let table = [
        ("ramping-vu'", "did you mean `ramping-vus`"),
        ("ramping-vus'", "`stages` is missing; write { { duration"),
        (
            "steps', steps = { { rate = 5 } }",
            "scenarios.a.steps[1]: `duration` is missing",
        ),
        (
            "steps', steps = { { rate = 5, duration = 1 }, late = 1 }",
            "\"late\" is no place in it",
        ),
        (
            "waves', waves = { { at = 5, count = 0 } }",
            "`count` must be a whole number of at least 1",
        ),
        ("waves', waves = { { count = 7 } }", "`at` is missing"),
        ("burst'", "`count` is missing"),
        ("burst', count = 1e8", "the limit is 10000000"),
        (
            "burst', count = 5, start_after = 'b'",
            "names `b`, and there is no such scenario",
        ),
        ("burst', count = 5, start_after = 'a'", "goes in a circle: a → a"),
        (
            "constant-vus', duration = '10s', warmup = '10s'",
            "leaves nothing to measure",
        ),
        ("replay'", "`trace` is missing"),
        ("replay', trace = 'none.jsonl'", "is \"none.jsonl\": there is no file"),
    ];
    refused_as("executor = '", &table).await;
}

const TRACES: [(&str, &str); 3] = [
    (
        "t.jsonl",
        "{\"ts\": 1763632800.5}\n{\"ts\": 1763632800.25, \"user\": 7}\n{\"ts\": 1763632801}\n",
    ),
    (
        "data/t.csv",
        "when,user\n2026-11-20T10:00:00Z,1\n2026-11-20T10:00:02.5Z,2\n",
    ),
    ("bad.csv", "ts\n1\nsoon\n"),
];

async fn replay(options: &str) -> Result<(Trace, f64), String> {
    let scenario = beside(&TRACES, &format!("executor = 'replay', {options}")).await?;
    match scenario.executor {
        Executor::Open {
            shape: Shape::Replay { trace, speed },
            ..
        } => Ok((trace, speed)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn traces_are_found_like_data_and_sorted_by_time() {
    let (jsonl, speed) = replay("trace = 't.jsonl', speed = 2").await.unwrap();
    assert_eq!(jsonl.times[..], [0, 250, 750].map(Duration::from_millis));
    assert_eq!((&jsonl.rows[..], speed), (&[1, 0, 2][..], 2.0));
    let (csv, speed) = replay("trace = 't.csv', at = 'when'").await.unwrap();
    assert_eq!(
        (&csv.times[..], speed),
        (&[0, 2_500].map(Duration::from_millis)[..], 1.0)
    );
    let refused = [
        ("trace = 't.csv'", "whose row 1 has no `ts`"),
        ("trace = 'bad.csv'", "whose row 2 has \"soon\", which is neither"),
        ("trace = 't.jsonl', speed = 0", "`speed` must be a number from 0.000001"),
    ];
    for (options, words) in refused {
        let message = replay(options).await.unwrap_err();
        assert!(message.contains(words), "{options}: {message}");
    }
}

#[tokio::test]
async fn the_command_line_compresses_time_last() {
    let overrides = Overrides {
        duration: Some(Duration::from_secs(60)),
        time_scale: Some(0.1),
        ..Overrides::default()
    };
    let script = r#"return { exec = function() end, scenarios = {
        a = { executor = "constant-vus", duration = "5s", start_time = "10s", graceful_stop = "20s" },
        b = { executor = "constant-arrival-rate", rate = 7, duration = "5s", start_after = "a", warmup = "20s" },
    } }"#;
    let plan = Bed::new(script).await.plan(&overrides).unwrap();
    let [a, b] = &plan.scenarios[..] else { panic!("two") };
    let times = [
        a.executor.duration(),
        a.start_time,
        a.graceful_stop,
        b.executor.duration(),
        b.warmup,
    ];
    assert_eq!(times.map(|time| time.as_secs()), [6, 1, 20, 6, 2]);
    assert_eq!(b.start_after.as_deref(), Some("a"));
    // For a function too, whose one scenario is made of flags.
    let of_function = Bed::new("return function() end").await.plan(&overrides).unwrap();
    assert_eq!(of_function.scenarios[0].executor.duration().as_secs(), 6);
}
