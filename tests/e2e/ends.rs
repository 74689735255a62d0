//! Every way in which a run ends other than passing: its exit code, its reasons, and which of several wins.

use crate::kit::{Project, Ran};

async fn run(script: &str, args: &[&str]) -> Ran {
    let args: Vec<&str> = ["j.lua"].iter().chain(args).copied().collect();
    Project::with(script).run(&args).await
}

#[tokio::test]
async fn a_failed_iteration_is_counted_and_nothing_more() {
    let ran = run(
        "return function() if kt.scenario.iteration % 2 == 0 then kt.fail 'odd only' end end",
        &["-i", "10"],
    )
    .await;
    ran.exits(0);
    assert_eq!(ran.counts("default"), [10, 10, 5, 0, 0, 5]);
    let error = &ran.summary["errors"][0];
    assert_eq!(
        (&error["message"], &error["count"]),
        (&"odd only".into(), &5.into()),
        "{error}"
    );
    ran.shows(&["odd only"]);
}

#[tokio::test]
async fn the_script_can_fail_or_abort_the_run() {
    let failed = run("return function() kt.run.fail 'stock is negative' end", &["-i", "10"]).await;
    failed.exits(110);
    assert_eq!(failed.counts("default"), [10, 10, 10, 0, 0, 0], "the run goes on");
    assert!(failed.complaints().contains("stock is negative"));

    let aborted = run(
        "return function() kt.run.abort 'the shop is closed' end",
        &["-u", "2", "-d", "1h"],
    )
    .await;
    aborted.exits(108);
    assert!(aborted.complaints().contains("the shop is closed"));
    assert!(aborted.counts("default")[1] <= 2, "the run stops");
}

/// `pcall` around a journey's own code must not swallow what ends the iteration for good.
#[tokio::test]
async fn an_error_that_nobody_catches_fails_its_iteration_and_the_run() {
    let script = |policy: &str| {
        format!(
            "local function price(p)\n  return p.value * 2\nend\n\
            return {{ {policy} exec = function()\n  if kt.scenario.iteration == 3 then price(nil) end\nend }}"
        )
    };
    let ran = run(&script(""), &["-i", "10"]).await;
    ran.exits(107);
    assert_eq!(ran.counts("default"), [10, 10, 9, 0, 0, 1]);
    let error = &ran.summary["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"], &error["count"]),
        (&"j.lua".into(), &3.into(), &1.into())
    );
    for part in [
        "index nil with 'value'",
        "j.lua:3",
        "3 |   return p.value * 2",
        "called from j.lua:6",
    ] {
        assert!(ran.ended.stderr.contains(part), "{part}: {}", ran.ended);
    }
    assert_eq!(ran.count("script_errors"), 1.0);

    run(&script("on_script_error = 'count',"), &["-i", "10"]).await.exits(0);
    let aborted = run(&script("on_script_error = 'abort',"), &["-i", "10"]).await;
    aborted.exits(107);
    assert_eq!(
        aborted.counts("default"),
        [10, 4, 3, 6, 0, 1],
        "nothing after the error"
    );
}

#[tokio::test]
async fn repeated_errors_are_told_once() {
    let ran = run("return function() error 'the same' end", &["-i", "1000", "-u", "5"]).await;
    ran.exits(107);
    assert_eq!(ran.ended.stderr.matches("error: the same").count(), 1, "{}", ran.ended);
    assert_eq!(ran.summary["errors"][0]["count"], 1000);
}

#[tokio::test]
async fn thresholds_decide() {
    let plan = |thresholds: &str| {
        format!(
            "local n = kt.metrics.trend 'n'
            return {{ exec = function() n:add(kt.scenario.iteration) end, thresholds = {{ {thresholds} }} }}"
        )
    };
    // thresholds, exit code
    let table = [
        (
            "n = { 'count==10', 'max<10', 'avg<=4.5', 'med<6', 'p(90)<=9', 'min==0' }",
            0,
        ),
        ("n = { 'count==10', 'max<9' }", 99),
        ("checks = 'rate>0.5'", 99),
        ("checks = { { threshold = 'rate>0.5', on_no_data = 'pass' } }", 0),
        ("['n{scenario:default}'] = 'count==10'", 0),
        ("['n{kind:other}'] = 'count==10'", 99),
    ];
    for (thresholds, code) in table {
        let ran = run(&plan(thresholds), &["-i", "10"]).await;
        assert_eq!(ran.ended.code, Some(code), "{thresholds}: {}", ran.ended);
        assert_eq!(ran.counts("default"), [10, 10, 10, 0, 0, 0]);
    }
    let ran = run(&plan("checks = 'rate>0.5'"), &[]).await;
    assert!(
        ran.complaints().contains("there were no samples"),
        "{}",
        ran.complaints()
    );
    assert_eq!(ran.summary["thresholds"][0]["observed"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_threshold_may_end_the_run_early() {
    let script = "return {
      scenarios = { a = { executor = 'constant-vus', duration = '1h', exec = function() check(nil, { x = false }) sleep '10ms' end } },
      thresholds = { checks = { { threshold = 'rate>0.9', abort_on_fail = true, delay_abort_eval = '2s' } } },
    }";
    let ran = run(script, &[]).await;
    ran.exits(99);
    let duration = ran.summary["run"]["duration_ms"].as_u64().expect("a duration");
    assert!(
        (2_000..6_000).contains(&duration),
        "not before 2 s, and soon after: {duration} ms"
    );
    assert_eq!(ran.summary["thresholds"][0]["aborted"], true);
}

/// A rate is of the seconds that all cores have told of. With 100 a second on three threads, all but the last second would
/// be 0 after the first, and 50 after the second.
#[tokio::test]
async fn a_rate_that_is_held_ends_no_run() {
    let script = "return {
      scenarios = { a = { executor = 'constant-arrival-rate', rate = 100, duration = '3s', exec = function() end } },
      thresholds = { iterations = { { threshold = 'rate>95', abort_on_fail = true } } },
      invariants = { steady = function() return kt.metrics.value('iterations', 'rate') > 95 end },
    }";
    let ran = run(script, &["--threads", "3"]).await;
    ran.exits(0);
    assert_eq!(ran.counts("a"), [300, 300, 300, 0, 0, 0]);
    assert_eq!(ran.summary["thresholds"][0]["aborted"], false);
}

/// Every fourth iteration never ends; percentiles of those that do say nothing about it.
#[tokio::test]
async fn iterations_that_never_end_are_told() {
    let script = "return {
      exec = function() if kt.scenario.iteration % 4 == 3 then sleep '1h' end end,
      scenarios = { a = { executor = 'constant-arrival-rate', rate = 20, duration = '1s', graceful_stop = '1s' } },
      thresholds = {
        iteration_response_time = { 'p(70)<10s', 'p(95)<10s', 'p(95)>=0' },
        ['iteration_response_time{scenario:a}'] = 'max<10s',
      },
    }";
    let ran = run(script, &[]).await;
    ran.exits(0);
    assert_eq!(ran.counts("a"), [20, 20, 15, 0, 5, 0]);
    ran.shows(&[
        "5 of 20 iterations never ended (5 interrupted, 0 dropped)",
        "percentiles above p75 of iteration_response_time are lower bounds; by such a bound passed: p(95)<10s, max<10s",
    ]);
}

#[tokio::test]
async fn of_several_reasons_the_first_in_precedence_wins_and_all_are_told() {
    let script = "return {
      exec = function()
        kt.run.fail 'marked'
        if kt.scenario.iteration == 1 then error 'a bug' end
        if kt.scenario.iteration == 2 then kt.run.abort 'enough' end
      end,
      teardown = function() sleep '1h' end, teardown_timeout = '100ms',
      thresholds = { checks = 'rate>0.5' },
    }";
    let ran = run(script, &["-i", "10"]).await;
    ran.exits(108);
    assert_eq!(ran.reasons(), [108, 101, 107, 99, 110]);
    for told in [
        "enough",
        "teardown took longer",
        "raised an error once",
        "checks: rate>0.5",
        "marked",
    ] {
        assert!(ran.complaints().contains(told), "{told}: {}", ran.complaints());
        ran.shows(&[told]);
    }
}

/// The first iteration of each user is stuck, the others are not: a new user takes the place of a stuck one.
#[tokio::test]
async fn a_stuck_journey_is_interrupted_and_its_user_replaced() {
    for stuck in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
    ] {
        let script = format!(
            "local first = true
            return {{
              limits = {{ cpu = '300ms' }},
              scenarios = {{ a = {{ executor = 'per-vu-iterations', vus = 2, iterations = 4, exec = function()
                if kt.scenario.iteration < 2 then
                  first = false
                  {stuck}
                end
                check(nil, {{ ['a fresh user'] = first }})
              end }} }},
            }}"
        );
        let ran = run(&script, &["--threads", "1"]).await;
        ran.exits(107);
        assert_eq!(ran.counts("a"), [8, 8, 6, 0, 0, 2]);
        assert_eq!(ran.metric("checks", "passes"), Some(6.0));
        assert_eq!(ran.count("interrupted_scripts"), 2.0);
        let error = &ran.summary["errors"][0];
        assert_eq!(
            (&error["file"], &error["line"]),
            (&"j.lua".into(), &8.into()),
            "{error}"
        );
        assert!(
            ran.ended.stderr.contains("computed for more than 300ms"),
            "{}",
            ran.ended
        );
    }
}

#[tokio::test]
async fn a_vm_that_is_full_is_an_error_that_names_the_limit() {
    let script = "return {
      limits = { memory = '16MB' },
      scenarios = { a = { executor = 'per-vu-iterations', vus = 1, iterations = 3, exec = function()
        if kt.scenario.iteration == 0 then
          local hoard = {}
          for i = 1, 1e9 do hoard[i] = tostring(i) .. string.rep('x', 1000) end
        end
      end } },
    }";
    let ran = run(script, &[]).await;
    ran.exits(107);
    assert_eq!(ran.counts("a"), [3, 3, 2, 0, 0, 1]);
    assert!(
        ran.ended.stderr.contains("memory") && ran.ended.stderr.contains("limits = {"),
        "{}",
        ran.ended
    );
}

/// Far more work than a second holds in 40 iterations a second: one core cannot do that, and the verdict says so.
#[tokio::test]
async fn a_generator_that_cannot_keep_up_is_not_trusted() {
    let project = Project::with(
        "local function work() local x = 0 for i = 1, 3e6 do x = x + i end end
        return { scenarios = { a = { executor = 'constant-arrival-rate', rate = 40, duration = '1s', exec = work } } }",
    );
    let args = ["run", "j.lua", "--threads", "1", "--summary-json", "s.json"];
    let ended = project.call(&args).await;
    assert_eq!(ended.code, Some(113), "{ended}");
    assert!(ended.stdout.contains("generator is invalid"), "{ended}");
    let trusting = project.call(&[&args[..], &["--allow-suspect"]].concat()).await;
    assert_eq!(trusting.code, Some(0), "{trusting}");
    assert!(trusting.stdout.contains("generator invalid"), "{trusting}");
}
