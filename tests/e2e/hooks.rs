//! `setup`, `vu_init`, `teardown` and `summary`: when they run, what they get, and what their failures do.

use crate::kit::Project;
use crate::server::Server;

#[tokio::test]
async fn what_setup_returns_reaches_all_users_frozen() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'per-vu-iterations', vus = 6, iterations = 5, exec = function(state)
            check(state, {
              ['the values are there'] = state.name == 'x' and state.list[2] == 20 and state.deep.er == true,
              ['its length too'] = #state.list == 3,
              ['it is frozen'] = not pcall(function() state.name = 'y' end),
              ['all of it is frozen'] = not pcall(function() state.deep.er = false end),
            })
          end } },
          setup = function() return { name = 'x', list = { 10, 20, 30 }, deep = { er = true } } end,
          teardown = function(state) kt.log.info('teardown got ' .. state.name) end,
        }",
    );
    let ran = project.run(&["j.lua", "--threads", "3"]).await;
    ran.exits(0);
    assert_eq!(ran.metric("checks", "passes"), Some(120.0), "{}", ran.ended);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended);
    assert!(ran.ended.stderr.contains("teardown got x"));
}

#[tokio::test]
async fn requests_of_hooks_count_but_are_not_measured() {
    let server = Server::quick().await;
    let project = Project::with(
        "local function get() http.get(kt.env 'BASE_URL', { name = 'x' }) end
        return {
          scenarios = { a = { executor = 'per-vu-iterations', vus = 4, iterations = 10, exec = get } },
          setup = get, vu_init = get, teardown = get,
          thresholds = { ['http_reqs{lifecycle:vu_init}'] = 'count==4', ['http_req_duration{lifecycle:setup}'] = 'count==1' },
        }",
    )
    .against(&server.url());
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    assert_eq!((ran.count("http_reqs"), server.requests()), (46.0, 46));
    assert_eq!(ran.metric("http_req_duration", "count"), Some(40.0));
    assert_eq!(ran.metric("http_req_failed", "total"), Some(40.0));
}

#[tokio::test]
async fn each_user_has_its_own_globals() {
    let project = Project::with(
        "mine = 0
        local also = 0
        return {
          scenarios = { a = { executor = 'per-vu-iterations', vus = 3, iterations = 4, exec = function()
            mine, also = mine + 1, also + 1
            check(nil, { ['own globals and locals'] = mine == also and mine == kt.vu.iteration + 101 })
          end } },
          vu_init = function() mine, also = mine + 100, also + 100 end,
        }",
    );
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    assert_eq!(ran.exits(0).metric("checks", "passes"), Some(12.0), "{}", ran.ended);
}

/// What a user that is made on demand waits for the system is no fault of the generator, whether it gets it or not.
#[tokio::test]
async fn a_slow_vu_init_is_no_dispatch_lag() {
    for end in ["", "error 'no'"] {
        let project = Project::with(&format!(
            "return {{
              on_script_error = 'count',
              exec = function() end,
              vu_init = function() sleep '2s' {end} end,
              scenarios = {{ a = {{ executor = 'constant-arrival-rate', rate = 1, duration = '1s', pre_allocated_vus = 0 }} }},
              thresholds = {{ iteration_start_lag = 'min>=2s', dispatch_lag = 'max<1s' }},
            }}"
        ));
        let ran = project.run_script().await;
        ran.exits(0);
        assert_eq!(ran.counts("a")[..2], [1, 1], "{}", ran.ended);
    }
}

#[tokio::test]
async fn a_failing_vu_init_fails_the_iterations_of_its_user() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'per-vu-iterations', vus = 3, iterations = 2, exec = function() end } },
          vu_init = function()
            if kt.vu.id == 2 then error 'no token' end
          end,
        }",
    );
    let ran = project.run_script().await;
    ran.exits(107);
    assert_eq!(ran.counts("a"), [6, 6, 4, 0, 0, 2]);
    assert_eq!(ran.ended.stderr.matches("error: no token").count(), 1, "{}", ran.ended);
    assert!(ran.ended.stderr.contains("j.lua:5"), "{}", ran.ended);
}

/// A plan with the hook `name` doing this, one iteration that sends a request, and a teardown that tells that it ran.
fn with_setup(setup: &str, more: &str) -> String {
    format!(
        "return {{
          scenarios = {{ a = {{ executor = 'per-vu-iterations', exec = function() http.get(kt.env 'BASE_URL') end }} }},
          setup = function() {setup} end, {more}
          teardown = function() kt.log.info 'tearing down' end,
        }}"
    )
}

#[tokio::test]
async fn a_failing_setup_means_no_load() {
    let server = Server::quick().await;
    // setup, more keys, exit code, what is told
    let table = [
        ("error 'no database'", "", 107, "no database"),
        ("local x = nil; return x.y", "", 107, "index nil with 'y'"),
        (
            "sleep '1h'",
            "setup_timeout = '200ms',",
            100,
            "setup took longer than 200ms",
        ),
        ("kt.run.abort 'not today'", "", 108, "not today"),
        ("kt.fail 'not ready'", "", 107, "not ready"),
        (
            "return { f = function() end }",
            "",
            107,
            "setup returned what virtual users cannot share",
        ),
        (
            "while true do end",
            "limits = { cpu = '200ms' },",
            107,
            "computed for more than 200ms",
        ),
    ];
    for (setup, more, code, told) in table {
        let project = Project::with(&with_setup(setup, more)).against(&server.url());
        let ran = project.run_script().await;
        ran.exits(code);
        assert_eq!(ran.counts("a"), [0; 6], "{setup}");
        assert!(ran.complaints().contains(told), "{setup}: {}", ran.complaints());
        ran.shows(&[told]);
        assert!(ran.ended.stderr.contains("tearing down"), "{setup}: {}", ran.ended);
    }
    assert_eq!(server.connections(), 0, "no load");
}

#[tokio::test]
async fn a_failing_teardown_is_told() {
    // teardown, more keys, exit code, what is told
    let table = [
        ("error 'cannot clean up'", "", 107, "cannot clean up"),
        (
            "sleep '1h'",
            "teardown_timeout = '200ms',",
            101,
            "teardown took longer than 200ms",
        ),
    ];
    for (teardown, more, code, told) in table {
        let project = Project::with(&format!(
            "return {{ exec = function() end, {more} teardown = function() {teardown} end }}"
        ));
        let ran = project.run_script().await;
        ran.exits(code);
        assert!(ran.complaints().contains(told), "{}", ran.complaints());
        assert_eq!(ran.counts("default"), [1, 1, 1, 0, 0, 0]);
    }
}

/// The journey that brings a run to its end in each way, and the exit code.
#[tokio::test]
async fn teardown_runs_after_every_end() {
    let table = [
        ("", 0),
        ("error 'x'", 107),
        ("kt.run.abort 'x'", 108),
        ("kt.run.fail 'x'", 110),
        ("check(nil, { x = false }) sleep '1h'", 99),
    ];
    for (journey, code) in table {
        let project = Project::with(&format!(
            "return {{
              exec = function() {journey} end,
              setup = function() return 'the state' end,
              teardown = function(state) kt.log.info('teardown got ' .. state) end,
              thresholds = {{ checks = {{ {{ threshold = 'rate==1', abort_on_fail = true, on_no_data = 'pass' }} }} }},
            }}"
        ));
        let running = project.run(&["j.lua", "--iterations", "2"]).await;
        running.exits(code);
        assert!(
            running.ended.stderr.contains("teardown got the state"),
            "{journey}: {}",
            running.ended
        );
    }
}

#[tokio::test]
async fn summary_writes_files_below_the_folder_and_nowhere_else() {
    let project = Project::with(
        "return {
          exec = function() check(nil, { fine = true }) end,
          summary = function(s)
            return {
              ['out/raw.bin'] = '\\255\\0a',
              ['out/deep/custom.json'] = kt.json.encode { checks = s.checks[1].passes, schema = s.schema },
              ['../escaped.txt'] = 'x', ['/tmp/kingtide-escaped.txt'] = 'x', ['out/../../escaped.txt'] = 'x',
            }
          end,
        }",
    );
    let ran = project.run(&["j.lua", "--iterations", "3"]).await;
    ran.exits(0);
    let custom = std::fs::read_to_string(project.path("out/deep/custom.json")).expect("it was written");
    let custom: serde_json::Value = serde_json::from_str(&custom).expect("it is JSON");
    let raw = std::fs::read(project.path("out/raw.bin")).expect("it was written");
    assert_eq!(raw, b"\xff\0a", "bytes are written as they are");
    assert_eq!(
        custom,
        serde_json::json!({ "checks": 3, "schema": "kingtide.summary/1" })
    );
    for outside in ["../escaped.txt", "/tmp/kingtide-escaped.txt"] {
        assert!(!project.path(outside).exists(), "{outside}");
        assert!(
            ran.summary["warnings"].to_string().contains(outside),
            "{}",
            ran.summary["warnings"]
        );
    }
}

#[tokio::test]
async fn summary_may_replace_the_text_and_its_failure_is_a_warning() {
    let project = Project::with(
        "return { exec = function() end, summary = function(s) return { stdout = 'mine: ' .. s.verdict .. '\\n' } end }",
    );
    let ran = project.run_script().await;
    assert_eq!((ran.ended.code, ran.ended.stdout.as_str()), (Some(0), "mine: pass\n"));
    // With a text of its own nobody sees the warnings of the summary.
    let project = Project::with(
        "return { exec = function() end, summary = function() return { stdout = 'mine\\n', ['../x'] = 'a' } end }",
    );
    let ran = project.run_script().await;
    ran.ended
        .says(0, &["error: summary: `../x` must be a path below the current folder"]);
    // what it does, the warning
    let table = [
        ("error 'oops'", "oops"),
        ("return 5", "a table of file names and texts is wanted"),
        (
            "return { a = {} }",
            "summary returned a table for `a`, where a table of file names and texts is wanted",
        ),
        ("return { 'x' }", "summary returned 1 as the name of a file"),
        ("http.get 'http://127.0.0.1:1'", "cannot be used in `summary`"),
    ];
    for (code, warning) in table {
        let project = Project::with(&format!(
            "return {{ exec = function() end, summary = function() {code} end }}"
        ));
        let ran = project.run_script().await;
        ran.exits(0);
        assert!(
            ran.summary["warnings"].to_string().contains(warning),
            "{code}: {}",
            ran.ended
        );
        ran.shows(&[warning]);
    }
}

#[tokio::test]
async fn a_verdict_of_summary_comes_too_late_and_is_told() {
    for (call, function) in [
        ("kt.run.fail 'they differ'", "fail"),
        ("kt.run.abort 'they differ'", "abort"),
    ] {
        let project = Project::with(&format!(
            "return {{
              scenarios = {{ a = {{ executor = 'per-vu-iterations', exec = function() end }} }},
              summary = function() {call} end,
            }}"
        ));
        let ran = project.run(&["j.lua"]).await;
        ran.exits(0);
        let warnings = ran.summary["warnings"].to_string();
        for part in [&format!("run.{function}("), "they differ", "call it in `teardown`"] {
            assert!(warnings.contains(part), "{warnings}");
        }
    }
}
