//! Exact arithmetic: how many iterations each executor offers, and what becomes of them, whatever the number of threads.

use crate::kit::Project;
use crate::server::Server;

const THREADS: [&str; 3] = ["1", "2", "3"];

/// One scenario `a` that sends a request in each iteration.
fn one_scenario(options: &str) -> String {
    format!(
        "local function go() http.get(kt.env 'BASE_URL', {{ name = 'x' }}) end
        return {{ scenarios = {{ a = {{ {options}, exec = go }} }} }}"
    )
}

#[tokio::test]
async fn planned_iterations_are_all_done_once() {
    // options, iterations
    let table = [
        ("executor = 'shared-iterations', vus = 7, iterations = 100", 100),
        ("executor = 'shared-iterations', vus = 7, iterations = 3", 3),
        ("executor = 'per-vu-iterations', vus = 5, iterations = 20", 100),
        ("executor = 'constant-arrival-rate', rate = 200, duration = '3s'", 600),
        (
            "executor = 'constant-arrival-rate', rate = 90, time_unit = '1m', duration = '1s'",
            2,
        ),
    ];
    for (options, iterations) in table {
        for threads in THREADS {
            let server = Server::quick().await;
            let project = Project::with(&one_scenario(options)).against(&server.url());
            let ran = project.run(&["j.lua", "--threads", threads]).await;
            ran.exits(0);
            let all = [iterations, iterations, iterations, 0, 0, 0];
            assert_eq!(ran.counts("a"), all, "{options}, {threads} threads");
            assert_eq!(server.requests(), iterations, "{options}, {threads} threads");
            assert_eq!(ran.count("http_reqs"), iterations as f64);
            assert_eq!(ran.count("iterations"), iterations as f64);
        }
    }
}

/// Users are counted while there is a load: neither before it, nor not at all because it was short.
#[tokio::test]
async fn users_are_counted_while_the_load_lasts() {
    // options, how long an iteration takes, vus, vus_max
    let table = [
        (
            "executor = 'constant-vus', vus = 4, duration = '1s'",
            "1050ms",
            4.0,
            4.0,
        ),
        ("executor = 'burst', count = 3", "20ms", 3.0, 3.0),
    ];
    for (options, takes, vus, vus_max) in table {
        let project = Project::with(&format!(
            "return {{ scenarios = {{ a = {{ {options}, exec = function() sleep '{takes}' end }} }} }}"
        ));
        let ran = project.run(&["j.lua", "--threads", "2"]).await;
        ran.exits(0);
        let of = |metric, values: [&str; 2]| values.map(|value| ran.metric(metric, value));
        assert_eq!(of("vus", ["min", "max"]), [Some(vus); 2], "{options}");
        assert_eq!(of("vus_max", ["min", "max"]), [Some(vus_max); 2], "{options}");
    }
}

/// Every number below the total is handed out, and none twice: their sum can only be right by accident otherwise.
#[tokio::test]
async fn iteration_numbers_are_those_below_the_total() {
    for threads in THREADS {
        let project = Project::with(
            "local sum = kt.metrics.counter 'sum'
            local function go() sum:add(kt.scenario.iteration) end
            return { scenarios = {
              a = { executor = 'shared-iterations', vus = 7, iterations = 100, exec = go },
              b = { executor = 'per-vu-iterations', vus = 5, iterations = 20, exec = go },
              c = { executor = 'constant-arrival-rate', rate = 100, duration = '1s', exec = go } } }",
        );
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        ran.exits(0);
        assert_eq!(ran.count("sum"), 3.0 * 4950.0, "{threads} threads");
    }
}

#[tokio::test]
async fn constant_vus_stop_at_the_end_and_finish_what_they_do() {
    for threads in THREADS {
        let project = Project::with(
            "return { scenarios = { a = {
              executor = 'constant-vus', vus = 5, duration = '1s', exec = function() sleep '300ms' end } } }",
        );
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        ran.exits(0);
        // At 0, 300, 600 and 900 ms; the last one ends 200 ms after the duration.
        assert_eq!(ran.counts("a"), [20, 20, 20, 0, 0, 0], "{threads} threads");
        let duration = ran.summary["run"]["duration_ms"].as_u64().expect("a duration");
        assert!((1_200..2_500).contains(&duration), "{duration} ms");
    }
}

#[tokio::test]
async fn scenarios_run_side_by_side_from_their_start_times() {
    for threads in THREADS {
        let project = Project::with(
            "local begun = kt.metrics.trend('begun', { unit = 'ms' })
            local function go() begun:add(kt.run.elapsed * 1000, { of = kt.scenario.name }) end
            return {
              scenarios = {
                now = { executor = 'shared-iterations', vus = 3, iterations = 30, exec = go },
                later = { executor = 'constant-arrival-rate', rate = 50, duration = '400ms', start_time = '600ms', exec = go },
                last = { executor = 'per-vu-iterations', vus = 2, iterations = 3, start_time = '1200ms', exec = go },
              },
              thresholds = {
                ['begun{of:now}'] = 'max<500', ['begun{of:later}'] = { 'min>=600', 'max<1200' }, ['begun{of:last}'] = 'min>=1200',
              },
            }",
        );
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        assert_eq!(ran.counts("now"), [30, 30, 30, 0, 0, 0]);
        assert_eq!(ran.counts("later"), [20, 20, 20, 0, 0, 0]);
        assert_eq!(ran.counts("last"), [6, 6, 6, 0, 0, 0]);
        ran.exits(0);
    }
}

#[tokio::test]
async fn what_no_user_can_take_waits_or_is_dropped() {
    let script = |policy: &str| {
        format!(
            "return {{ scenarios = {{ a = {{
              executor = 'constant-arrival-rate', rate = 20, duration = '1s', max_vus = 2, graceful_stop = '10s',
              on_saturation = '{policy}', exec = function() sleep '190ms' end }} }} }}"
        )
    };
    let queued = Project::with(&script("queue")).run_script().await;
    queued.exits(0);
    assert_eq!(
        queued.counts("a"),
        [20, 20, 20, 0, 0, 0],
        "all get their turn within graceful_stop"
    );
    let lag = queued.metric("iteration_start_lag", "max").expect("it was measured");
    assert!(lag > 700.0, "the last waits for about nine others: {lag} ms");

    let dropped = Project::with(&script("drop")).run_script().await;
    let [offered, started, completed, lost, 0, 0] = dropped.exits(0).counts("a") else {
        panic!("nothing is interrupted: {}", dropped.summary)
    };
    assert_eq!((offered, completed), (20, started));
    assert!(
        (8..=12).contains(&started) && lost > 0,
        "two users, about five turns each: {started}"
    );

    let aborted = Project::with(&script("abort")).run_script().await;
    aborted.exits(114);
    assert!(
        aborted.complaints().contains("all of its 2 VUs were busy"),
        "{}",
        aborted.complaints()
    );
}

#[tokio::test]
async fn what_outlasts_graceful_stop_is_interrupted() {
    for threads in THREADS {
        let project = Project::with(
            "local function go() sleep '1h' end
            return { scenarios = {
              a = { executor = 'constant-vus', vus = 4, duration = '200ms', graceful_stop = '200ms', exec = go },
              b = { executor = 'constant-arrival-rate', rate = 10, duration = '1s', graceful_stop = 0, exec = go },
              c = { executor = 'shared-iterations', vus = 2, iterations = 5, max_duration = '200ms', graceful_stop = 0, exec = go },
            } }",
        );
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        ran.exits(0);
        assert_eq!(ran.counts("a"), [4, 4, 0, 0, 4, 0], "{threads} threads");
        assert_eq!(ran.counts("b"), [10, 10, 0, 0, 10, 0], "{threads} threads");
        assert_eq!(ran.counts("c"), [5, 2, 0, 3, 2, 0], "{threads} threads");
    }
}

#[tokio::test]
async fn rows_that_run_out_retire_their_users() {
    for threads in THREADS {
        let project = Project::with(
            "local rows = kt.data.array 'rows.json'
            return { scenarios = { a = {
              executor = 'shared-iterations', vus = 3, iterations = 50, exec = function() rows:unique() end } } }",
        );
        project.file("rows.json", "[1, 2, 3, 4, 5, 6, 7]");
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        ran.exits(0);
        assert_eq!(ran.counts("a"), [50, 10, 7, 40, 3, 0], "{threads} threads");
    }
}

#[tokio::test]
async fn rates_are_of_the_part_that_was_asked_for_and_of_journeys() {
    let project = Project::with(
        "local things = kt.metrics.counter 'things'
        return {
          setup = function()
            things:add(500)
            check(1, { seeded = true })
          end,
          scenarios = { s = { executor = 'steps', exec = function()
            things:add(1)
            check(1, { works = false })
          end, steps = {
            { rate = 10, duration = '1s', name = 'low' }, { rate = 100, duration = '500ms', name = 'peak' } } } },
          thresholds = { ['iterations{stage:peak}'] = 'rate>90', ['things{scenario:s,stage:low}'] = { 'rate>9', 'rate<11' },
            things = { 'rate<60', 'count==560' }, checks = { 'rate==0', 'count==60' }, ['checks{lifecycle:setup}'] = 'rate==1' },
        }",
    );
    let ran = project.run(&["j.lua"]).await;
    ran.exits(0);
    let told = "0 of 60 passed, 0%; 1 of 1 passed outside of journeys";
    assert!(ran.ended.stdout.contains(told), "{}", ran.ended);
}
