//! Journeys against a gRPC server: what it sees of connections and caps, and what the summary says of it.

#[path = "../lua/grpc.rs"]
pub(crate) mod lab;

use std::sync::atomic::Ordering;
use std::time::Duration;

use kingtide::clock;
use serde_json::Value;

use crate::kit::{Project, root};

const HEAD: &str = "
kt.grpc.load { 'lab.proto' }
local function client(options)
  options.plaintext = true
  return kt.grpc.connect(kt.env 'BASE_URL', options)
end
";

async fn project(script: &str) -> (Project, std::sync::Arc<lab::Seen>) {
    let (address, seen) = lab::start().await;
    let project = Project::with(&format!("{HEAD}{script}")).against(&address);
    for name in ["lab.proto", "colour.proto"] {
        let proto = std::fs::read(root().join("tests/lua/fixtures").join(name)).expect("the proto is there");
        project.file(name, proto);
    }
    (project, seen)
}

/// Waits until the server has seen so many calls.
async fn has_seen(seen: &lab::Seen, calls: usize) {
    let deadline = clock::now() + Duration::from_secs(30);
    while seen.calls.load(Ordering::SeqCst) < calls {
        assert!(clock::now() < deadline, "the calls do not come");
        clock::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_shared_connection_is_one_and_its_cap_holds_over_all_threads() {
    let (project, seen) = project(
        "
local client = client { share = 1, max_in_flight = 3 }
return {
  scenarios = { waiting = { executor = 'shared-iterations', vus = 20, iterations = 300, exec = function()
    local res = client:call('lab.v1.Lab/Wait', { count = 2 }, { name = 'wait' })
    check(res, { waited = res.ok and res.message.text == 'waited' })
  end } },
  thresholds = { checks = 'rate==1', ['grpc_reqs{status:OK,method:lab.v1.Lab/Wait}'] = 'count==300' },
}",
    )
    .await;
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    assert_eq!(seen.calls.load(Ordering::SeqCst), 300);
    assert_eq!(seen.most.load(Ordering::SeqCst), 3);
    let warnings = ran.summary["warnings"].as_array().cloned().unwrap_or_default();
    let bound = warnings
        .iter()
        .filter_map(Value::as_str)
        .find(|text| text.contains("max_in_flight = 3"));
    let bound = bound.expect("the cap is named");
    assert!(bound.starts_with("the cap max_in_flight = 3 (127.0.0.1:"), "{bound}");
    assert!(
        bound.contains("bound the load: ") && bound.ends_with("% of calls waited for it"),
        "{bound}"
    );
    let metrics = &ran.summary["metrics"];
    for name in [
        "grpc_req_duration{name:wait}",
        "grpc_req_duration{scenario:waiting}",
        "grpc_req_blocked",
    ] {
        assert_eq!(metrics[name]["count"], 300, "{name}");
    }
    assert!(metrics["http_req_duration"].is_null(), "nothing was sent over HTTP");
    ran.shows(&["grpc_req_duration by name"]);
}

#[tokio::test]
async fn each_user_has_a_connection_of_its_own_and_calls_outside_of_journeys_are_left_out() {
    let (project, seen) = project(
        "
local client = client { reflect = true }
local function ask() return client:call('lab.v1.Lab/Echo', { text = 'x' }).message.text end
return {
  setup = function() return { text = ask() } end,
  vu_init = function() ask() end,
  teardown = function() ask() end,
  scenarios = { a = { executor = 'per-vu-iterations', vus = 4, iterations = 5, exec = function(state)
    local s = client:stream 'lab.v1.Lab/Count'
    s:send { count = 2 }
    check(ask(), { same = function(text) return text == state.text end })
    check(s:recv(), { first = function(note) return note.id == '1' end })
  end } },
  thresholds = { checks = { 'rate==1', 'count==40' }, ['grpc_req_duration{lifecycle:setup}'] = 'count==1' },
}",
    )
    .await;
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    // Those of four users, and that of setup and teardown.
    assert_eq!(seen.connections.load(Ordering::SeqCst), 5);
    let metrics = &ran.summary["metrics"];
    assert_eq!(metrics["grpc_reqs"]["count"], 26);
    assert_eq!(metrics["grpc_req_duration"]["count"], 20);
    assert_eq!(metrics["grpc_req_failed"]["passes"], 0);
    // Open when their iterations ended, which is the script's own doing.
    assert_eq!(metrics["grpc_streams"]["count"], 20);
}

#[tokio::test]
async fn streams_under_way_at_the_end_of_the_load_are_counted_without_a_time() {
    let (project, _) = project(
        "
local client = client {}
local own
return {
  vu_init = function()
    own = client:stream 'lab.v1.Lab/Talk'
    own:send { text = 'x' }
    own:recv()
  end,
  scenarios = { a = { executor = 'constant-vus', vus = 2, duration = '1s', graceful_stop = '0s', exec = function()
    local s = client:stream 'lab.v1.Lab/Count'
    s:send { count = 3, code = -1 }
    while s:recv() do end
  end } },
  thresholds = { ['grpc_streams{status:CANCELLED,expected_response:true}'] = 'count==4', grpc_req_failed = 'rate==0' },
}",
    )
    .await;
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    let metrics = &ran.summary["metrics"];
    assert_eq!(metrics["grpc_streams"]["count"], 4);
    assert_eq!(metrics["grpc_streams_msgs_sent"]["count"], 4);
    assert_eq!(metrics["grpc_streams_msgs_received"]["count"], 8);
    assert!(metrics["grpc_stream_duration"].is_null(), "{metrics}");
    assert_eq!(ran.summary["scenarios"]["a"]["iterations"]["interrupted"], 2);
}

#[tokio::test]
async fn a_proto_that_does_not_compile_is_told_with_its_line_before_any_load() {
    let (project, _) = project("return function() end").await;
    project.file("colour.proto", "syntax = \"proto3\";\nenum Colour { NONE = 0 }\n");
    let ran = project.call(&["check", "j.lua"]).await;
    ran.says(104, &["grpc.load: ", "colour.proto"]);
}

#[tokio::test]
async fn an_edited_proto_reloads_the_script() {
    let (project, seen) = project(
        "
local client = client { share = 1 }
return { scenarios = { a = { executor = 'constant-vus', vus = 2, duration = '1h', exec = function()
  local res = client:call('lab.v1.Lab/Echo', { colour = 2 })
  check(res, { [res.message.colour] = res.ok })
  kt.sleep '20ms'
end } } }",
    )
    .await;
    let mut running = project.start(&["j.lua", "--watch"]);
    let colours = "syntax = \"proto3\";\npackage lab.v1;\nenum Colour { NONE = 0; RED = 1; BLUE = 2; }\n";
    has_seen(&seen, 4).await;
    project.file("colour.proto", colours);
    running.said("reload: revision 2 ").await;
    has_seen(&seen, seen.calls.load(Ordering::SeqCst) + 6).await;
    running.signal(rustix::process::Signal::INT);
    let ran = running.ran().await;
    let checks = ran.summary["checks"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    assert_eq!(names, ["BLUE", "GREEN"]);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1, "the connection stays");
}

/// The failed calls in the results, in which no credential is anywhere.
fn kept_failures(project: &Project) -> Vec<Value> {
    let mut kept = Vec::new();
    for run in std::fs::read_dir(project.path("results"))
        .expect("there are results")
        .flatten()
    {
        for file in std::fs::read_dir(run.path()).into_iter().flatten().flatten() {
            let text = String::from_utf8_lossy(&std::fs::read(file.path()).expect("it can be read")).into_owned();
            for hidden in ["f!sh and chips", "hunter2plain", "ZiFzaCBhbmQgY2hpcH"] {
                assert!(!text.contains(hidden), "{hidden} is in {}", file.path().display());
            }
            if file.file_name() == "intervals.jsonl" {
                let lines = text
                    .lines()
                    .skip(1)
                    .map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
                kept.extend(lines.filter_map(|line| line["failures"].as_array().cloned()).flatten());
            }
        }
    }
    kept
}

#[tokio::test]
async fn a_failed_call_is_kept_with_its_message_and_without_credentials() {
    let (project, _) = project(
        "
local client = client {}
local hush = kt.secret 'SECRET'
return {
  scenarios = { asking = { executor = 'shared-iterations', vus = 1, iterations = 5, exec = function()
    client:call('lab.v1.Lab/Fail', { code = 5, text = 'no ' .. hush, count = 7 },
      { name = 'ask', metadata = { ['x-shown'] = 'shown', ['x-token'] = 'hunter2plain', ['x-any-bin'] = hush } })
    local res = client:call('lab.v1.Lab/Echo', { text = 'moonless' }, { name = 'echo' })
    check(res, { ['has a moon'] = res.message.text == 'moon' })
    local stream = client:stream('lab.v1.Lab/Sum', { name = 'sum', expect = 'NOT_FOUND' })
    stream:send { text = 'a', id = 1 }
    stream:close_send()
    stream:finish()
  end } },
}",
    )
    .await;
    let ran = project.run(&["j.lua", "-e", "SECRET=f!sh and chips"]).await;
    ran.exits(0);
    ran.ended
        .says(0, &["OK, which `expect` does not name (status 0; told once)"]);
    let kept = kept_failures(&project);
    let of = |name: &str| {
        kept.iter()
            .find(|failed| failed["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {kept:#?}"))
    };
    let failed = of("ask");
    assert_eq!(
        (&failed["what"], &failed["grpc_status"]),
        (&"NOT_FOUND".into(), &"NOT_FOUND".into())
    );
    assert_eq!(
        (&failed["method"], &failed["error"]),
        (&"gRPC".into(), &"no [redacted]".into())
    );
    let body: Value = serde_json::from_str(failed["request"]["body"].as_str().expect("a text")).expect("it is JSON");
    assert_eq!(
        body,
        serde_json::json!({ "code": 5, "text": "no [redacted]", "count": 7 })
    );
    let headers = failed["request"]["headers"].to_string();
    assert!(
        headers.contains("[\"x-shown\",\"shown\"]") && headers.contains("[\"x-token\",\"[redacted]\"]"),
        "{headers}"
    );
    assert!(
        failed["url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/lab.v1.Lab/Fail")),
        "{failed}"
    );
    let came = failed["response"].to_string();
    assert!(came.contains("[\"x-why\",\"asked\"]"), "{came}");
    assert_eq!(
        (&of("echo")["check"], &of("echo")["response"]["body"]),
        (&"has a moon".into(), &"{\"text\":\"moonless\"}".into())
    );
    assert_eq!(of("sum")["what"], "OK");
}
