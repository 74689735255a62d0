//! `kingtide run --once` and `--trace-http`: one iteration, every step of it in order, and nothing that must stay secret.

use crate::kit::Project;
use crate::server::Server;

const JOURNEY: &str = r#"
local token = kt.secret "API_TOKEN"
local function go()
  kt.group("browse", function()
    local res = http.get("/items?access_token=hush", { auth = { bearer = token }, cookies = { sid = "0123456789abcdef" } })
    check(res, { ["is up"] = res.status == 200, ["is down"] = res.status == 500 })
  end)
  kt.log.info("the token is " .. token)
  sleep "5ms"
  http.post("/orders", { json = { b = 1, a = { token } } })
  http.get("http://127.0.0.1:9/", { timeout = "1s" })
  kt.poll { name = "order", every = "1ms", timeout = "1s", call = function() return 1 end, done = function() return true end }
end
return {
  http = { base_url = kt.env "BASE_URL" },
  scenarios = {
    a = { executor = "constant-arrival-rate", rate = 1000, duration = "1m", exec = go },
    b = { executor = "constant-vus", vus = 50, duration = "1m", exec = function() error "broken" end },
  },
  thresholds = { checks = "rate>0.99" },
  setup = function() http.get "/health" end,
}"#;

/// Where each part first is in a text, which has them in this order.
fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        match text[from..].find(part) {
            Some(at) => from += at + part.len(),
            None => panic!("`{part}` is not in its place in\n{text}"),
        }
    }
}

#[tokio::test]
async fn every_step_is_shown_in_order_without_secrets() {
    let server = Server::quick().await;
    let project = Project::with(JOURNEY).against(&server.url());
    let args = [
        "run",
        "j.lua",
        "--once",
        "--trace-http",
        "--scenario",
        "a",
        "-e",
        "API_TOKEN=s3cret-token",
    ];
    let ended = project.call(&args).await;
    assert_eq!(
        ended.code,
        Some(0),
        "a failed check fails nothing, and thresholds are for load\n{ended}"
    );
    in_order(
        &ended.stderr,
        &[
            "── setup\n",
            "→ GET http://127.0.0.1:",
            "/health\n",
            "user-agent: kingtide/",
            "← HTTP/1.1 200 OK in ",
            "(new connection, blocked 0, dns 0, connecting ",
            "── a, iteration 0, virtual user 1\n",
            "┌ the iteration begins\n",
            "┌ group browse\n",
            "/items?access_token=[redacted]\n",
            "cookie: sid=012345…\n",
            "authorization: Bearer [redacted, 19 bytes]\n",
            "✓ check: is up\n",
            "└ group browse in ",
            "i info: the token is [redacted]\n",
            "… sleep 5.0ms\n",
            "→ POST http://127.0.0.1:",
            "content-type: application/json\n",
            "               {\n                 \"a\": [\n                   \"[redacted]\"\n",
            "← HTTP/1.1 200 OK in ",
            "(kept connection, ",
            "✗ GET http://127.0.0.1:9/: ",
            "(error_code 1212)",
            "┌ poll attempt\n",
            "└ poll \"order\" done after 1 attempts, ",
            "└ completed\n",
        ],
    );
    assert!(ended.stderr.contains("✗ check: is down\n"), "{ended}");
    for secret in ["s3cret-token", "hush", "6789abcdef", "\u{1b}["] {
        assert!(!ended.stderr.contains(secret), "{secret:?}: {ended}");
    }
}

#[tokio::test]
async fn once_is_one_iteration_of_each_scenario_and_leaves_nothing() {
    let server = Server::quick().await;
    let project = Project::with(JOURNEY).against(&server.url());
    let ended = project
        .call(&["run", "j.lua", "--once", "-e", "API_TOKEN=s3cret-token"])
        .await;
    ended.says(107, &["error: broken\n", "j.lua:"]);
    assert!(!ended.stderr.contains("──"), "no trace\n{ended}");
    assert!(!project.path("results").exists());
    // setup, and the two of `a` that reach the server.
    assert_eq!(server.requests(), 3, "{ended}");
}

#[tokio::test]
async fn an_error_is_in_its_place_and_ascii_and_colours_are_heeded() {
    let server = Server::quick().await;
    let project = Project::with(JOURNEY).against(&server.url());
    let args = [
        "run",
        "j.lua",
        "--once",
        "--trace-http",
        "--scenario",
        "b",
        "-e",
        "API_TOKEN=s3cret-token",
    ];
    let ended = crate::kit::finish(project.command(args).env("LC_ALL", "C").env("CLICOLOR_FORCE", "1")).await;
    in_order(
        &ended.stderr,
        &[
            "\u{1b}[1m-- b, iteration 0",
            "error: broken",
            "\u{1b}[31mx failed: broken",
        ],
    );
    let plain = crate::kit::finish(project.command(args).env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1")).await;
    assert!(!plain.stderr.contains('\u{1b}'), "{plain}");
}

#[tokio::test]
async fn a_trace_of_a_load_is_refused() {
    let project = Project::with("return function() end");
    project
        .call(&["run", "j.lua", "--trace-http"])
        .await
        .says(2, &["unreadable under load", "add --once"]);
}
