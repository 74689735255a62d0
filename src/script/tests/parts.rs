//! Parts of a run: how phases, warm-ups and windows are written, which iterations belong to them, and what that does to
//! the tags of their samples.

use std::time::Duration;

use super::plan::mistake;
use super::*;

const PARTED: &str = "
local function f() end
return {
  exec = f,
  phases = { { name = 'morning', duration = '10s' }, { name = 'noon', duration = '10s' } },
  scenarios = {
    a = { executor = 'constant-arrival-rate', rate = 1, duration = '1m', start_time = '5s', warmup = '3s' },
    b = { executor = 'constant-vus', duration = '1m' },
  },
}";

fn tags(context: &VuContext) -> String {
    let tags = context.tags().unwrap();
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    tags.join(",")
}

#[tokio::test(start_paused = true)]
async fn an_iteration_belongs_where_it_was_due() {
    let bed = Bed::new(PARTED).await;
    let plan = bed.ready().unwrap();
    let origin = clock::now();
    bed.session.started.set(origin).unwrap();
    // (scenario, due in ms, tags): spans are half-open, and the end of the last phase is the end of phases.
    let table = [
        (0, 5_000, "phase:morning,scenario:a,warmup:true"),
        (0, 7_999, "phase:morning,scenario:a,warmup:true"),
        (0, 8_000, "phase:morning,scenario:a"),
        (0, 10_000, "phase:noon,scenario:a"),
        (0, 19_999, "phase:noon,scenario:a"),
        (0, 20_000, "scenario:a"),
        (1, 0, "phase:morning,scenario:b"),
        (1, 9_999, "phase:morning,scenario:b"),
    ];
    for (scenario, due, expected) in table {
        let context = VuContext::new(&bed.host, 1, Some(scenario));
        // It has run others before, elsewhere.
        for before in [0, 30_000, due] {
            let into_run = Duration::from_millis(before);
            let start = plan.scenarios[scenario].start_time;
            let scheduled_at = origin + into_run;
            context.begin(&Iteration {
                scenario,
                number: 0,
                part: plan.part(scenario, 0, into_run, into_run.saturating_sub(start)),
                begun_at: origin + start,
                scheduled_at,
                // How late it begins does not matter.
                started_at: scheduled_at + Duration::from_secs(60),
            });
            tags(&context);
        }
        assert_eq!(tags(&context), expected, "{due} ms");
        context.open_group("g", clock::now()).unwrap();
        assert_eq!(tags(&context), format!("group:::g,{expected}"));
    }
}

#[tokio::test]
async fn what_is_no_iteration_belongs_nowhere() {
    let bed = Bed::new(PARTED).await;
    bed.ready().unwrap();
    bed.session.started.set(clock::now()).unwrap();
    let context = VuContext::new(&bed.host, 1, Some(0));
    let now = clock::now();
    context.begin(&Iteration {
        scenario: 0,
        number: 0,
        part: Part::default(),
        begun_at: now,
        scheduled_at: now,
        started_at: now,
    });
    context.enter(Lifecycle::VuInit);
    assert_eq!(tags(&context), "lifecycle:vu_init,scenario:a");
}

#[tokio::test]
async fn parts_are_read() {
    let script = "
local function f() end
return {
  exec = f,
  phases = { { name = 'login rush', duration = '5m' }, { name = 'noon', duration = 90 } },
  scenarios = {
    a = { executor = 'constant-vus', duration = '1m', warmup = '3s', start_time = '2s' },
    b = { executor = 'constant-vus', duration = '1m' },
  },
  thresholds = { checks = { 'rate>0.5', { threshold = 'rate>0.9', window = '1m30s' } } },
}";
    let mut plan = Bed::new(script).await.ready().unwrap();
    let s = Duration::from_secs;
    let phases: Vec<_> = plan.phases.iter().map(|p| (p.name.as_str(), p.start, p.end)).collect();
    assert_eq!(phases, [("login rush", s(0), s(300)), ("noon", s(300), s(390))]);
    assert_eq!([0, 1].map(|index: usize| plan.scenarios[index].warmup), [s(3), s(0)]);
    let windows: Vec<_> = plan.thresholds.iter().map(|threshold| threshold.window).collect();
    assert_eq!(windows, [None, Some(s(90))]);
    assert_eq!(plan.measured_from(), s(0), "one scenario has no warm-up");
    plan.scenarios.pop();
    assert_eq!(plan.measured_from(), s(5));
}

#[tokio::test]
async fn checkpoints_shrink_with_the_load_but_stay_whole_seconds() {
    let script = "return { exec = function() end, checkpoints = '5m',
      scenarios = { x = { executor = 'constant-vus', duration = '30m' } } }";
    let bed = Bed::new(script).await;
    // --time-scale, seconds
    let table = [
        (None, 300),
        (Some(0.1), 30),
        (Some(0.033), 10),
        (Some(0.001), 1),
        (Some(2.0), 600),
    ];
    for (time_scale, seconds) in table {
        let overrides = Overrides {
            time_scale,
            ..Overrides::default()
        };
        let plan = bed.plan(&overrides).unwrap();
        assert_eq!(plan.checkpoints, Some(Duration::from_secs(seconds)), "{time_scale:?}");
    }
}

/// By them the engine tells parts apart.
#[tokio::test]
async fn tags_that_the_engine_sets_are_no_users_own() {
    for name in ["scenario", "stage", "phase", "revision", "warmup", "lifecycle", "poll"] {
        let error = mistake(&format!("return {{ exec = f, tags = {{ {name} = false }} }}")).await;
        let own = format!("plan: tag `{name}` is the engine's own: it ");
        assert!(error.message.starts_with(&own), "{error}");
        assert_eq!(error.path, ["tags", name]);
    }
    let scenario = "{ executor = 'constant-vus', duration = '1s', exec = f, tags = { warmup = 'x' } }";
    let error = mistake(&format!("return {{ scenarios = {{ a = {scenario} }} }}")).await;
    let own =
        "scenarios.a: tag `warmup` is the engine's own: it keeps warm-ups out of the numbers; give yours another name";
    assert_eq!(error.message, own);
}

#[tokio::test]
async fn parts_that_cannot_be_are_refused() {
    // options beside `exec`, part of the message
    let table = [
        ("phases = 5", "plan: `phases` must be a list, got 5"),
        ("phases = { name = 'a', duration = 1 }", "plan: `phases` is a list, so"),
        ("phases = { { duration = 1 } }", "phases[1]: `name` is missing"),
        (
            "phases = { { name = 'a', duration = 1 }, { name = 'b' } }",
            "phases[2]: `duration` is missing",
        ),
        (
            "phases = { { name = 'a', duration = 0 } }",
            "phases[1]: `duration` must be longer than zero",
        ),
        (
            "phases = { { name = 'a', duraton = 1 } }",
            "phases[1]: unknown option `duraton`; did you mean `duration`?",
        ),
        (
            "phases = { { name = 'a', duration = 1 }, { name = 'a', duration = 1 } }",
            "holds two of the name \"a\"",
        ),
        (
            "checkpoints = '1500ms'",
            "plan: `checkpoints` must be whole seconds, at least 1s",
        ),
        ("checkpoints = 0", "must be whole seconds, at least 1s"),
        (
            "checkpoints = 'often'",
            "plan: `checkpoints` is wrong: `often` is not a duration",
        ),
        (
            "checkpoints = 2, scenarios = { x = { executor = 'constant-vus', duration = '1h' } }",
            "`checkpoints` would be 1800, one every 2s of a load that may last for 1h, and at most 1000 are kept; choose at least 4s",
        ),
        (
            "checkpoints = 1, scenarios = { x = { executor = 'constant-vus', duration = 1000.5 } }",
            "choose at least 2s",
        ),
        (
            "thresholds = { checks = { { threshold = 'rate>0.9', window = '1500ms' } } }",
            "`window` must be whole seconds",
        ),
        (
            "thresholds = { checks = { { threshold = 'rate>0.9', window = 0 } } }",
            "`window` must be whole seconds",
        ),
        (
            "thresholds = { checks = { { threshold = 'rate>0.9', window = '2h' } } }",
            "from 1s to 1h",
        ),
        (
            "scenarios = { x = { executor = 'constant-vus', duration = 30, warmup = '30s' } }",
            "leaves nothing to measure",
        ),
    ];
    for (options, part) in table {
        let error = mistake(&format!("return {{ exec = f, {options} }}")).await;
        assert!(error.message.contains(part), "{options}: {error}");
    }
}
