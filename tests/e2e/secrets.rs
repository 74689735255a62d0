//! That what `kt.secret` has read is in nothing that a run leaves or tells: reasons, names, tags, logs, traces, reports, and the
//! files of outputs. What is kept of requests that fail is in `failures`.

use crate::failures::{files, mirror};
use crate::kit::{Ended, Project};

/// One is the beginning of the other, which has all that is escaped somewhere.
const VALUES: [&str; 4] = ["-e", "USR=hunter", "-e", "PW=hunter2/se \"cr+t w0rd"];

/// What every way of writing them has in it.
const PARTS: [&str; 3] = ["hunter", "2/se", "w0rd"];

const HEAD: &str = "local user, pw = kt.secret 'USR', kt.secret 'PW'\n";

/// Runs `j.lua` with all that tells of a run, to its end.
async fn told(project: &Project, args: &[&str]) -> Ended {
    let mut command = project.command(["run", "j.lua", "--allow-suspect"]);
    command.args(args).args(VALUES);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", project.path("step.md"));
    project.start_command(command).ended().await
}

/// With all kinds of outputs that are files.
const OUTPUTS: [&str; 10] = [
    "--results",
    "results",
    "--summary-json",
    "s.json",
    "--out",
    "csv=all.csv",
    "--out",
    "jsonl=all.jsonl",
    "--out",
    "junit=all.xml",
];

/// No part of a secret is in any file but the script, or in what was printed.
fn assert_untold(project: &Project, ended: &Ended) {
    for part in PARTS {
        assert!(!format!("{ended}").contains(part), "{part}: {ended}");
        for file in files(&project.path("")) {
            let text = std::fs::read(&file).expect("it can be read");
            let text = String::from_utf8_lossy(&text);
            let found = text.find(part).filter(|_| !file.ends_with("j.lua"));
            let around = found.map(|at| text[..at].chars().rev().take(80).collect::<Vec<_>>());
            let around = around.map(|before| before.into_iter().rev().collect::<String>());
            assert!(found.is_none(), "{part} is in {} behind {around:?}", file.display());
        }
    }
}

#[tokio::test]
async fn whatever_ends_a_run_does_not_tell_them() {
    let refused = "('login with ' .. pw .. ' was refused')";
    // The plan, and the exit code.
    let table = [
        ("exec = function() end, setup = function() error REFUSED end", 107),
        ("exec = function() end, teardown = function() error REFUSED end", 107),
        ("exec = function() end, summary = function() error REFUSED end", 0),
        ("exec = function() kt.run.abort REFUSED end", 108),
        ("exec = function() kt.run.fail REFUSED end", 110),
        ("exec = function() error REFUSED end", 107),
        ("exec = function() error REFUSED end, on_script_error = 'abort'", 107),
        (
            "exec = function() end, invariants = { holds = function() return false, { pw } end }",
            99,
        ),
    ];
    for (plan, code) in table {
        let script = format!("{HEAD}return {{ {} }}", plan.replace("REFUSED", refused));
        let project = Project::with(&script);
        let ended = told(&project, &OUTPUTS).await;
        assert_eq!(ended.code, Some(code), "{plan}: {ended}");
        let summary = std::fs::read_to_string(project.path("s.json")).expect("it was written");
        assert!(summary.contains("[redacted]"), "{plan}: {summary}");
        assert_untold(&project, &ended);
    }
}

const JOURNEY: &str = "
local mine = kt.metrics.counter 'mine'
local form = kt.encoding.url_encode(pw)
return {
  http = { base_url = kt.env 'BASE_URL' },
  tags = { all = 'of ' .. pw },
  scenarios = { a = { executor = 'per-vu-iterations', vus = 1, iterations = 1, tags = { who = user }, exec = function()
    local res = http.get('/' .. form .. '?q=' .. form)
    kt.log.info('by ' .. pw, { a = pw })
    kt.log.info('at ' .. res.url)
    http.post('/x', {
      name = 'POST ' .. pw, json = { v = pw }, headers = { ['x-in'] = form }, cookies = { theme = form }, tags = { by = pw },
    })
    check(http.get '/fine', { ['has ' .. pw] = false })
    kt.group('of ' .. pw, function() sleep '1ms' end)
    mine:add(1, { t = pw })
    kt.fail('at ' .. res.url .. ' of ' .. pw)
  end } },
  thresholds = {
    ['http_reqs{name:POST ' .. pw .. '}'] = 'count==1',
    ['checks{check:has ' .. pw .. '}'] = 'count==1',
    ['group_duration{group:::of ' .. pw .. '}'] = 'count==1',
    ['mine{t:' .. pw .. '}'] = 'count==1',
  },
}";

#[tokio::test]
async fn names_tags_and_lines_of_a_script_do_not_tell_them() {
    let project = Project::with(&format!("{HEAD}{JOURNEY}")).against(&mirror().await);
    let ended = told(&project, &OUTPUTS).await;
    assert_eq!(
        ended.code,
        Some(0),
        "thresholds mean what the script has named\n{ended}"
    );
    assert_untold(&project, &ended);
    let summary = std::fs::read_to_string(project.path("s.json")).expect("it was written");
    for shown in [
        "\"http_req_duration{name:POST [redacted]}\"",
        "\"name\": \"has [redacted]\"",
        "\"check: has [redacted]\"",
        "\"mine{t:[redacted]}\"",
        "\"all\": \"of [redacted]\"",
    ] {
        assert!(summary.contains(shown), "{shown} is not in {summary}");
    }
    assert!(ended.stderr.contains("by [redacted] {\"a\":\"[redacted]\"}"), "{ended}");
}

#[tokio::test]
async fn a_trace_does_not_tell_them() {
    let project = Project::with(&format!("{HEAD}{JOURNEY}")).against(&mirror().await);
    let ended = told(&project, &["--once", "--trace-http"]).await;
    assert_untold(&project, &ended);
    for shown in [
        "/[redacted]?q=[redacted]",
        "cookie: theme=[redacted]",
        "\"v\": \"[redacted]\"",
    ] {
        assert!(ended.stderr.contains(shown), "{shown}: {ended}");
    }
}
