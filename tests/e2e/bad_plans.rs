//! Mistakes inside a script: each is refused with exit code 104, its file and line and what was probably meant, and nothing
//! is sent.

use crate::kit::Project;
use crate::server::Server;

/// The first three lines of every script here, so that the plan begins in line 4.
const HEAD: &str =
    "local kt = require \"kt\"\nlocal http = kt.http\nlocal function go() http.get(kt.env \"BASE_URL\") end\n";

/// A mistake, and what must be in the message.
struct Case {
    script: String,
    says: &'static [&'static str],
}

/// A script of [`HEAD`] and these lines.
fn script(lines: &str, says: &'static [&'static str]) -> Case {
    Case {
        script: format!("{HEAD}{lines}"),
        says,
    }
}

/// A plan whose scenario `a`, in line 6, has these options besides `exec`.
fn scenario(options: &str, says: &'static [&'static str]) -> Case {
    script(
        &format!("return {{\n  scenarios = {{\n    a = {{ exec = go, {options} }},\n  }},\n}}\n"),
        says,
    )
}

/// A sound plan with one more key, in line 6.
fn plan(key: &str, says: &'static [&'static str]) -> Case {
    let sound = "scenarios = { a = { executor = \"constant-vus\", duration = \"1s\", exec = go } }";
    script(&format!("return {{\n  {sound},\n  {key},\n}}\n"), says)
}

/// Each is refused as `run` and as `check` do it, and a listening server hears nothing.
async fn all_are_refused(cases: Vec<Case>, files: &[(&str, &str)]) {
    let server = Server::quick().await;
    for case in cases {
        let project = Project::new().against(&server.url());
        for (name, content) in files {
            project.file(name, content);
        }
        project.file("j.lua", &case.script);
        let run = project.call(&["run", "j.lua"]).await;
        run.says(104, case.says);
        assert!(run.stdout.is_empty(), "{run}");
        assert!(
            !project.path("results").exists(),
            "nothing was run, so nothing is left\n{run}"
        );
        let check = project.call(&["check", "j.lua"]).await;
        assert_eq!(
            (check.code, check.stderr),
            (run.code, run.stderr),
            "check says the same"
        );
    }
    assert_eq!(server.connections(), 0, "no load");
}

#[tokio::test]
async fn files_that_do_not_parse_or_return_no_plan() {
    let nothing = &["returns nothing", "return function()"];
    let cases = vec![
        script(
            "return function(\n  http.get \"/\"\nend\n",
            &["Expected ')'", "j.lua:5\n", "   5 |   http.get"],
        ),
        script(
            "return function()\n  if x then\n",
            &["Expected 'end'", "line 5", "<eof>", "not closed"],
        ),
        script("", nothing),
        script(
            "local function f() end\nreturn f()\n",
            &["`return go`, not `return go()`"],
        ),
        Case {
            script: String::new(),
            says: nothing,
        },
        script(
            "return \"hello\"\n",
            &["a function or a plan table, got \"hello\"", "j.lua"],
        ),
    ];
    all_are_refused(cases, &[]).await;
}

#[tokio::test]
async fn errors_while_the_file_loads() {
    let cases = vec![
        script(
            "error \"no config\"\n",
            &["error: no config", "j.lua:4\n", "   4 | error"],
        ),
        script(
            "local t\nlocal x = t.field\n",
            &["attempt to index nil with 'field'", "j.lua:5", "hint"],
        ),
        script(
            "local x = \"a\" .. kt.env \"UNSET\"\n",
            &["concatenate", "is nil", "j.lua:4"],
        ),
        script("error { code = 3 }\n", &["{\"code\":3}", "j.lua:4"]),
        script("while true do end\n", &["computed for more than 2s", "j.lua:4"]),
        script(
            "http.get(kt.env \"BASE_URL\")\n",
            &["http.get cannot be used while the file loads", "j.lua:4"],
        ),
        script(
            "kt.sleep(1)\n",
            &["sleep cannot be used while the file loads", "j.lua:4"],
        ),
        script(
            "kt.metrics.trend \"http_reqs\"\n",
            &["`http_reqs` is a built-in metric", "j.lua:4"],
        ),
    ];
    all_are_refused(cases, &[]).await;
}

#[tokio::test]
async fn modules_that_are_not_there() {
    let cases = vec![
        script(
            "local x = kt.chek\n",
            &["kt has no `chek`; did you mean `check`?", "j.lua:4"],
        ),
        script(
            "require \"kt.htpp\"\n",
            &["no built-in module `kt.htpp`; did you mean `kt.http`?", "j.lua:4"],
        ),
        script(
            "require \"helpers\"\n",
            &["no module `helpers`", "`helpers.lua` and lib-lua", "j.lua:4"],
        ),
        script(
            "require \"raises\"\n",
            &["index nil with 'b'", "raises.lua:2\n", "called from j.lua:4"],
        ),
        script(
            "require \"broken\"\n",
            &["error: Expected", "--> broken.lua:2", "called from j.lua:4"],
        ),
        script("io.open \"x\"\n", &["there is no `io` here", "kt.data", "j.lua:4"]),
        script("os.execute \"ls\"\n", &["of `os` only clock", "j.lua:4"]),
    ];
    let files = [
        ("raises.lua", "local m = {}\nlocal x = m.a.b\nreturn m\n"),
        ("broken.lua", "local m = {\nfunction m.x() end\nreturn m\n"),
    ];
    all_are_refused(cases, &files).await;
}

/// A scenario with constant virtual users, in line 6.
fn vus(options: &str, says: &'static [&'static str]) -> Case {
    scenario(&format!("executor = \"constant-vus\", {options}"), says)
}

#[tokio::test]
async fn options_of_scenarios() {
    const RATE: &str = "executor = \"constant-arrival-rate\", rate";
    let rate = |options: &str, says| scenario(&format!("{RATE} = {options}"), says);
    let unknown = &[
        "no executor \"constant-vu\"",
        "it is one of shared-iterations, per-vu-iterations, constant-vus, externally-controlled, ramping-vus, constant-arrival-rate",
        "did you mean `constant-vus`?",
        "j.lua:6",
    ];
    let cases = vec![
        scenario("executor = \"constant-vu\", duration = \"1s\"", unknown),
        scenario("duration = \"1s\"", &["`executor` is missing", "j.lua:6"]),
        vus(
            "durration = \"1s\"",
            &["unknown option `durration`; did you mean `duration`?", "j.lua:6"],
        ),
        vus(
            "rate = 5, duration = \"1s\"",
            &["unknown option `rate`; known are", "`vus`", "j.lua:6"],
        ),
        vus(
            "vus = -1, duration = \"1s\"",
            &["`vus` must be a whole number of at least 1, got -1", "j.lua:6"],
        ),
        vus("vus = 0, duration = \"1s\"", &["at least 1, got 0", "j.lua:6"]),
        vus("vus = 1.5, duration = \"1s\"", &["whole number", "j.lua:6"]),
        vus(
            "vus = \"ten\", duration = \"1s\"",
            &["must be a number, got \"ten\"", "j.lua:6"],
        ),
        vus(
            "duration = \"5 parsecs\"",
            &["`parsecs` in `5 parsecs`", "h, m, s, ms", "j.lua:6"],
        ),
        vus("duration = -5", &["a duration cannot be -5", "j.lua:6"]),
        vus("duration = \"0s\"", &["longer than zero", "j.lua:6"]),
        vus("vus = 1", &["`duration` is missing", "j.lua:6"]),
        rate("0, duration = 1", &["`rate` must be above zero", "j.lua:6"]),
        rate("1, timeUnit = \"1s\"", &["did you mean `time_unit`?", "j.lua:6"]),
    ];
    all_are_refused(cases, &[]).await;
}

/// A plan in one line, 4, whose only scenario has this function.
fn exec(function: &str, says: &'static [&'static str]) -> Case {
    script(
        &format!("return {{ scenarios = {{ a = {{ executor = \"per-vu-iterations\", exec = {function} }} }} }}"),
        says,
    )
}

#[tokio::test]
async fn journeys_of_scenarios() {
    let cases = vec![
        script("return { scenarios = {} }", &["at least one scenario", "j.lua:4"]),
        script(
            "return { scenarios = { { exec = go } } }",
            &["names as keys", "j.lua:4"],
        ),
        exec("gone", &["scenarios.a: `exec` is nil", "j.lua:4"]),
        exec(
            "\"go\"",
            &[
                "no global function `go`",
                "a local one is given without quotes",
                "j.lua:4",
            ],
        ),
        exec("\"assertt\"", &["no global function `assertt`", "j.lua:4"]),
        script(
            "function browse() end\nreturn { scenarios = { a = { executor = \"per-vu-iterations\", exec = \"brows\" } } }",
            &["no global function `brows`", "did you mean `browse`?", "j.lua:5"],
        ),
    ];
    all_are_refused(cases, &[]).await;
}

#[tokio::test]
async fn other_keys() {
    let cases = vec![
        plan(
            "tresholds = {}",
            &["unknown option `tresholds`; did you mean `thresholds`?", "j.lua:6"],
        ),
        plan("setup = \"x\"", &["`setup` must be a function, got \"x\"", "j.lua:6"]),
        plan(
            "http = { base_uri = \"http://x\" }",
            &["did you mean `base_url`?", "j.lua:6"],
        ),
        plan(
            "http = { base_url = \"localhost:80\" }",
            &["it has no scheme; write http://localhost:80", "j.lua:6"],
        ),
        plan("http = { timeout = \"soon\" }", &["`timeout` is wrong", "j.lua:6"]),
        plan(
            "http = { tls = { ca = \"nope.pem\" } }",
            &["`nope.pem`, which is no file", "j.lua:6"],
        ),
        plan(
            "thresholds = { http_req_duration = \"p95<500\" }",
            &["`p95`", "no aggregation", "p(N)", "j.lua:6"],
        ),
        plan(
            "thresholds = { http_req_failed = \"p(95)<1\" }",
            &["a rate, which has no `p(95)`", "j.lua:6"],
        ),
        plan("thresholds = { checks = \"rate under 1\" }", &["rate<0.01", "j.lua:6"]),
        plan(
            "thresholds = { checks = 0.9 }",
            &["must be a string", "got 0.9", "j.lua:6"],
        ),
        plan(
            "thresholds = { http_req_duratoin = \"avg<5\" }",
            &[
                "no metric `http_req_duratoin`",
                "did you mean `http_req_duration`?",
                "j.lua:6",
            ],
        ),
        plan(
            "thresholds = { [\"http_reqs{name=x}\"] = \"count>1\" }",
            &["not `key:value`", "j.lua:6"],
        ),
        plan(
            "thresholds = { checks = { { threshold = \"rate>1\", abortOnFail = true } } }",
            &["did you mean `abort_on_fail`?", "j.lua:6"],
        ),
    ];
    all_are_refused(cases, &[]).await;
}

#[tokio::test]
async fn data_files() {
    let array = |file: &str, says| script(&format!("local rows = kt.data.array \"{file}\"\nreturn go\n"), says);
    let cases = vec![
        array(
            "customer.json",
            &["no file `customer.json`", "did you mean `customers.json`?", "j.lua:4"],
        ),
        array("empty.json", &["`empty.json` is empty", "j.lua:4"]),
        array("none.json", &["`none.json` is empty", "j.lua:4"]),
        array("broken.json", &["`broken.json`, line 3: not JSON", "j.lua:4"]),
        array("object.json", &["`object.json`, line 1: not a JSON array", "j.lua:4"]),
        array(
            "ragged.csv",
            &["`ragged.csv`, line 3: 3 fields where the first row has 2", "j.lua:4"],
        ),
        array("head.csv", &["`head.csv` is empty", "j.lua:4"]),
        array("rows.yaml", &["ends in .json", "j.lua:4"]),
    ];
    let files = [
        ("data/customers.json", "[1]"),
        ("empty.json", ""),
        ("none.json", "[]"),
        ("broken.json", "[1,\n2,\n{\"a\": }\n]"),
        ("object.json", "{\"a\":1}"),
        ("ragged.csv", "id,name\n1,a\n2,b,c\n"),
        ("head.csv", "id,name\n"),
        ("rows.yaml", "- a\n"),
    ];
    all_are_refused(cases, &files).await;
}

/// Large data is not bad input: it is parsed once for all virtual users and stays about as large as its text.
#[tokio::test]
async fn forty_megabytes_of_good_data_load() {
    let project = Project::with(
        "local rows = kt.data.array \"rows.json\"
        return function()
          local row = rows:next()
          check(row, { ['a row'] = #row.text == 1000, ['all rows'] = #rows == 40000 })
        end",
    );
    let row = format!("{{\"text\":\"{}\"}},\n", "x".repeat(1000));
    let text = row.repeat(40_000);
    project.file("rows.json", format!("[{}]", text.trim_end_matches(",\n")));
    let ran = project.run(&["j.lua", "--vus", "5", "--iterations", "50"]).await;
    ran.exits(0);
    assert_eq!(ran.summary["checks"].as_array().map(Vec::len), Some(2));
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended);
}
