//! Scripts that are edited while they run, as an editor saves them.

use rustix::process::Signal;
use serde_json::Value;

use crate::kit::{Project, Ran, Running};
use crate::server::Server;

/// Two virtual users that say which version of the script they run, of a helper, and of the data.
fn script(version: u32) -> String {
    format!(
        "local kt = require 'kt'
local rows = kt.data.array 'rows.json'
local helper = require 'helper'
local inits = kt.metrics.counter 'inits'
return {{
  http = {{ base_url = kt.env 'BASE_URL' }},
  scenarios = {{ a = {{ executor = 'constant-vus', vus = 2, duration = '1h', exec = function()
    kt.http.get '/'
    kt.sleep '30ms'
    kt.check(nil, {{ ['script {version}, helper ' .. helper.version .. ', data ' .. rows[1]] = kt.vu.id <= 2 }})
  end }} }},
  vu_init = function() inits:add(1) end,
}}"
    )
}

fn edited(project: Project) -> Project {
    project.file("j.lua", script(1));
    project.file("helper.lua", "return { version = '1' }");
    project.file("data/rows.json", "[1]");
    project
}

impl Running<'_> {
    async fn is_reloaded(&mut self, revision: u32) {
        self.said(&format!("reload: revision {revision} ")).await;
    }

    /// Ends it as Ctrl-C does.
    async fn stopped(self) -> Ran {
        self.signal(Signal::INT);
        self.ran().await
    }
}

fn checks(ran: &Ran) -> Vec<&str> {
    let checks = ran.summary["checks"].as_array().expect("a list");
    checks.iter().filter_map(|check| check["name"].as_str()).collect()
}

#[tokio::test]
async fn script_helper_and_data_are_taken_up_by_users_that_stay_who_they_are() {
    let server = Server::quick().await;
    let project = edited(Project::new().against(&server.url()));
    let mut running = project.start(&["j.lua", "--watch"]);
    server.has_seen(4).await;
    project.file("helper.lua", "return { version = '2' }");
    running.is_reloaded(2).await;
    server.has_seen(server.requests() + 4).await;
    project.file("data/rows.json", "[2]");
    running.is_reloaded(3).await;
    server.has_seen(server.requests() + 4).await;
    // As editors do that never leave half a file behind.
    project.file("j.lua.tmp", script(2));
    std::fs::rename(project.path("j.lua.tmp"), project.path("j.lua")).expect("it is in the same folder");
    running.is_reloaded(4).await;
    server.has_seen(server.requests() + 4).await;
    let ran = running.stopped().await;
    ran.exits(105).shows(&["edited 3 times", "REVISIONS"]);
    let expected = [
        "script 1, helper 1, data 1",
        "script 1, helper 2, data 1",
        "script 1, helper 2, data 2",
        "script 2, helper 2, data 2",
    ];
    assert_eq!(checks(&ran), expected);
    assert!(
        ran.summary["checks"].to_string().contains("\"fails\":0"),
        "the same two users"
    );
    assert_eq!(ran.summary["errors"], serde_json::json!([]));
    assert_eq!(ran.count("inits"), 8.0, "vu_init ran again for each of them");
    assert_eq!(server.connections(), 2, "connections stay");
    let revisions = ran.summary["run"]["revisions"].as_array().expect("a list");
    let files: Vec<_> = revisions.iter().map(|revision| &revision["file"]).collect();
    assert_eq!(files[0], "j.lua");
    assert_eq!(files[1], "helper.lua");
    assert!(files[2].as_str().is_some_and(|file| file.ends_with("data/rows.json")));
    let tagged = (1..=4).map(|number| ran.count(&format!("iterations{{revision:{number}}}")));
    assert_eq!(tagged.sum::<f64>(), ran.count("iterations"));
}

#[tokio::test]
async fn what_cannot_run_is_told_once_and_the_running_script_goes_on() {
    let server = Server::quick().await;
    let project = edited(Project::new().against(&server.url()));
    let mut running = project.start(&["j.lua", "--watch"]);
    server.has_seen(2).await;
    let good = script(1);
    // what is saved, what is said
    let table: [(&str, &[&str]); 5] = [
        ("local x =", &["--> j.lua:1", "local x ="]),
        (
            "local t\nreturn t.x",
            &["attempt to index nil", "--> j.lua:2", "return t.x"],
        ),
        ("return 5", &["must return a function or a plan table, got 5"]),
        (&good.replace("duration", "duratoin"), &["did you mean `duration`?"]),
        (&good.replace("a = {", "b = {"), &["no scenario `a`, which runs"]),
    ];
    for (text, parts) in table {
        project.file("j.lua", text);
        running.said("reload refused").await;
        for part in parts {
            running.said(part).await;
        }
        server.has_seen(server.requests() + 2).await;
    }
    // Saved again as it was: there is nothing to do, and nothing to say.
    project.file("j.lua", &good);
    std::fs::remove_file(project.path("helper.lua")).expect("it is there");
    running.said("reload refused").await;
    running.said("no module `helper`").await;
    project.file("helper.lua", "return { version = '2' }");
    running.is_reloaded(2).await;
    let ran = running.stopped().await;
    let events = ran.summary["run"]["events"].as_array().expect("a list");
    let refused = events.iter().filter(|event| event["what"] == "reload-refused");
    assert_eq!((refused.count(), events.len()), (6, 7), "{events:#?}");
    assert_eq!(ran.summary["errors"], serde_json::json!([]));
}

#[tokio::test]
async fn thresholds_that_have_failed_stay_failed_and_new_ones_count_from_the_edit() {
    let project = Project::new();
    let with = |thresholds: &str, passes: bool| {
        format!(
            "local kt = require 'kt'
return {{
  scenarios = {{ a = {{ executor = 'constant-arrival-rate', rate = 50, duration = '1h', exec = function()
    kt.check(nil, {{ ok = {passes} }})
    if kt.scenario.iteration == 100 then kt.log.info 'two seconds' end
    if kt.scenario.elapsed > 4 and {passes} then kt.run.abort 'enough' end
  end }} }},
  thresholds = {{ {thresholds} }},
}}"
        )
    };
    project.file(
        "j.lua",
        with("checks = { 'rate>0.9', 'count>10' }, iterations = 'count>1'", false),
    );
    let mut running = project.start(&["j.lua", "--watch"]);
    // A second has to be folded before a threshold has anything to fail with.
    running.said("two seconds").await;
    project.file("j.lua", with("checks = { 'rate>0.8', 'count>10' }", true));
    running.is_reloaded(2).await;
    let ran = running.ran().await;
    ran.exits(108);
    let thresholds = ran.summary["thresholds"].as_array().expect("a list");
    let outcome = |expression: &str| {
        thresholds
            .iter()
            .find(|threshold| threshold["expression"] == expression)
    };
    let failed = outcome("rate>0.9").expect("it stays");
    assert_eq!(
        (&failed["ok"], &failed["since_ms"]),
        (&Value::Bool(false), &Value::Null)
    );
    let new = outcome("rate>0.8").expect("it came");
    assert_eq!(
        (&new["ok"], &new["observed"]),
        (&Value::Bool(true), &serde_json::json!(1.0))
    );
    assert!(new["since_ms"].as_u64().is_some_and(|since| since >= 1_000));
    let same = outcome("count>10").expect("it goes on");
    assert_eq!(same["since_ms"], Value::Null);
    assert!(outcome("count>1").is_none(), "what had not failed may go");
}

#[tokio::test]
async fn an_edit_that_computes_without_end_holds_up_nothing() {
    let project = Project::new();
    let script = "local kt = require 'kt'
return { scenarios = { a = { executor = 'constant-arrival-rate', rate = 50, duration = '8s', exec = function()
  if kt.scenario.iteration == 60 then kt.log.info 'now' end
end } } }";
    project.file("j.lua", script);
    let mut running = project.start(&["j.lua", "--watch"]);
    running.said("now").await;
    project.file("j.lua", format!("while true do end\n{script}"));
    running.said("computed for more than 2s without waiting").await;
    let ran = running.ran().await;
    ran.exits(0);
    assert_eq!(ran.counts("a"), [400, 400, 400, 0, 0, 0]);
    let took = ran.summary["run"]["duration_ms"].as_u64().expect("a number");
    assert!((7_900..9_000).contains(&took), "{took} ms");
}

#[tokio::test]
async fn what_a_refused_edit_declared_and_asked_for_is_forgotten() {
    let server = Server::quick().await;
    let project = edited(Project::new().against(&server.url()));
    let mut running = project.start(&["j.lua", "--watch"]);
    server.has_seen(2).await;
    let head = "local kt = require 'kt' ";
    let refused = [
        format!("{head} kt.metrics.counter 'mm' error 'typo'"),
        format!("{head} kt.data.pool {{ name = 'vip', rows = {{ 'wrong' }} }} error 'typo'"),
        format!("{head} kt.run.abort 'at the top' return function() end"),
        format!("{head} kt.run.fail 'at the top' {}", script(1)),
    ];
    for text in refused {
        project.file("j.lua", text);
        running.said("reload refused").await;
        server.has_seen(server.requests() + 2).await;
    }
    let good = script(2).replace(
        "kt.sleep '30ms'",
        "kt.sleep '30ms' mm:add(1) kt.check(nil, { [rows_of_pool:claim() or 'none'] = true })",
    );
    let declared = "local mm, rows_of_pool = kt.metrics.trend 'mm', kt.data.pool { name = 'vip', rows = { 'right' } }\nlocal inits";
    project.file("j.lua", good.replace("local inits", declared));
    running.is_reloaded(2).await;
    server.has_seen(server.requests() + 4).await;
    let ran = running.stopped().await;
    ran.exits(105);
    assert_eq!(ran.reasons(), [105]);
    assert!(checks(&ran).contains(&"right") && !checks(&ran).contains(&"wrong"));
    assert_eq!(ran.summary["metrics"]["mm"]["type"], "trend");
}
