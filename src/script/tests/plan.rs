//! Plans as users write them: what is accepted, and how each mistake is told. Reading of single options is tested in
//! `fields`, thresholds' grammar in `metrics`.

use std::time::Duration;

use super::*;
use crate::metrics::NoData;
use crate::net::{Connections, CookieMode};
use crate::plan::{Executor, OnSaturation, OnScriptError};
use crate::schedule::{Shape, Spacing};

const GOOD: &str = r#"
local kt = require "kt"
local value = kt.metrics.trend("order_value", { unit = "USD" })
local function place_order() value:add(1) end
return {
  http = {
    base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s", headers = { ["X-A"] = "b" },
    max_body = "1MB", cookies = "keep", connections = "per-iteration", local_addrs = { "127.0.0.1" },
    hosts = { ["api.test"] = "127.0.0.1:1" }, dns = { ttl = "1m", select = "first", policy = "any" },
    tls = { insecure = true }, redirects = 0, compression = true, discard_body = true, user_agent = "x",
    proxy = "http://127.0.0.1:1",
  },
  scenarios = {
    sagas = {
      executor = "constant-arrival-rate", rate = 10, duration = "30s", exec = place_order, tags = { op = "order", n = 1 },
      time_unit = "1m", pre_allocated_vus = 2, max_vus = 5, on_saturation = "drop", start_time = 1.5, graceful_stop = "5s",
    },
    shared = { executor = "shared-iterations", exec = place_order, vus = 2, iterations = 7, max_duration = "1m" },
    each = { executor = "per-vu-iterations", exec = place_order },
    vus = { executor = "constant-vus", exec = place_order, vus = 3, duration = 60, env = { A = "b" } },
  },
  thresholds = {
    ["http_req_duration{name:POST /api/orders}"] = { "p(95)<600", "p(99)<1200" },
    order_value = "avg>1",
    saga_duration = "p(95)<8s",
    saga_timeouts = { { threshold = "rate<0.10", abort_on_fail = true, delay_abort_eval = "10s", on_no_data = "pass" } },
  },
  setup = function() return {} end,
  vu_init = function() end,
  teardown = function(state) end,
  teardown_timeout = "90s",
  summary = function(s) return {} end,
  tags = { team = "qa" },
  on_script_error = "count",
  limits = { cpu = "1s", memory = "64MB" },
}"#;

/// The executor of `sagas`.
fn ten_a_minute() -> Executor {
    Executor::Open {
        shape: Shape::ConstantArrivalRate {
            rate: 10.0,
            time_unit: Duration::from_secs(60),
            duration: Duration::from_secs(30),
            arrival: Spacing::Constant,
        },
        pre_allocated_vus: 2,
        max_vus: 5,
        on_saturation: OnSaturation::Drop,
    }
}

#[tokio::test]
async fn a_plan_with_everything_is_read() {
    let plan = Bed::new(GOOD).await.ready().unwrap();
    let names: Vec<_> = plan.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["each", "sagas", "shared", "vus"]);
    let sagas = &plan.scenarios[1];
    assert_eq!(sagas.executor, ten_a_minute());
    assert_eq!(
        (sagas.start_time, sagas.graceful_stop),
        (Duration::from_millis(1500), Duration::from_secs(5))
    );
    assert_eq!(
        sagas.tags,
        BTreeMap::from([("op".into(), "order".into()), ("n".into(), "1".into())])
    );
    let minute = Duration::from_secs(60);
    let shapes = [
        Executor::PerVuIterations {
            vus: 1,
            iterations: 1,
            max_duration: 10 * minute,
        },
        Executor::SharedIterations {
            vus: 2,
            iterations: 7,
            max_duration: minute,
        },
        Executor::ConstantVus {
            vus: 3,
            duration: minute,
        },
    ];
    assert_eq!(
        [0, 2, 3].map(|index: usize| plan.scenarios[index].executor.clone()),
        shapes
    );
    assert_eq!(plan.scenarios[3].graceful_stop, Duration::from_secs(30));
    assert_eq!(
        (plan.setup_timeout, plan.teardown_timeout),
        (minute, Duration::from_secs(90))
    );
    assert_eq!(plan.on_script_error, OnScriptError::Count);
    assert_eq!(
        plan.limits,
        Limits {
            cpu: Duration::from_secs(1),
            memory: 64 << 20
        }
    );
}

#[tokio::test]
async fn network_options_are_read() {
    let plan = Bed::new(GOOD).await.ready().unwrap();
    let config = &plan.http.config;
    assert_eq!(
        (config.timeout, config.max_body, config.max_redirects),
        (Duration::from_secs(10), 1 << 20, 0)
    );
    assert_eq!(
        (config.cookies, config.connections),
        (CookieMode::Keep, Connections::PerIteration)
    );
    assert!(config.tls.insecure && config.compression && config.discard_body);
    assert_eq!(plan.http.base_url.unwrap().as_str(), "http://127.0.0.1:8080/");
}

#[tokio::test]
async fn thresholds_are_read_in_the_order_of_their_keys() {
    let plan = Bed::new(GOOD).await.ready().unwrap();
    let keys: Vec<_> = plan
        .thresholds
        .iter()
        .map(|t| format!("{} {}", t.selector, t.expression))
        .collect();
    let wanted = [
        "http_req_duration{name:POST /api/orders} p(95)<600",
        "http_req_duration{name:POST /api/orders} p(99)<1200",
        "order_value avg>1",
        "saga_duration p(95)<8s",
        "saga_timeouts rate<0.10",
    ];
    assert_eq!(keys, wanted);
    let last = &plan.thresholds[4];
    assert_eq!(
        (last.abort_on_fail, last.delay_abort_eval, last.on_no_data),
        (true, Duration::from_secs(10), NoData::Pass)
    );
}

#[tokio::test]
async fn a_function_is_a_plan_that_the_command_line_shapes() {
    let bed = Bed::new("return function() end").await;
    let minute = Duration::from_secs(60);
    let overrides = Overrides {
        vus: Some(10),
        duration: Some(minute),
        tags: BTreeMap::from([("a".into(), "b".into())]),
        ..Overrides::default()
    };
    let plan = bed.plan(&overrides).unwrap();
    assert_eq!(plan.scenarios.len(), 1);
    assert_eq!(plan.scenarios[0].name, plan_reader::DEFAULT_SCENARIO);
    assert_eq!(
        plan.scenarios[0].executor,
        Executor::ConstantVus {
            vus: 10,
            duration: minute
        }
    );
    assert_eq!(plan.tags["a"], "b");
    let rate = Overrides {
        rate: Some(5.0),
        duration: Some(minute),
        ..Overrides::default()
    };
    assert!(bed.plan(&rate).unwrap().scenarios[0].executor.is_open());
    let zero = Overrides {
        vus: Some(0),
        ..Overrides::default()
    };
    assert!(
        bed.plan(&zero)
            .unwrap_err()
            .message
            .contains("`vus` must be a whole number of at least 1")
    );
    let elsewhere = Overrides {
        scenarios: vec!["other".into()],
        ..Overrides::default()
    };
    assert!(bed.plan(&elsewhere).unwrap_err().message.contains("it has `default`"));
}

#[tokio::test]
async fn the_command_line_changes_scenarios_and_is_checked_as_they_are() {
    let main = "local function f() end\nreturn { exec = f, scenarios = { a = { executor = 'constant-vus', duration = 1 }, b = { executor = 'shared-iterations' } } }";
    let bed = Bed::new(main).await;
    let only = |name: &str| Overrides {
        scenarios: vec![name.into()],
        ..Overrides::default()
    };
    assert_eq!(bed.plan(&only("a")).unwrap().scenarios.len(), 1);
    let error = bed.plan(&only("c")).unwrap_err();
    assert!(error.message.contains("it has `a`, `b`"), "{error}");
    let zero = Overrides {
        vus: Some(0),
        ..Overrides::default()
    };
    assert_eq!(bed.plan(&zero).unwrap_err().path, ["scenarios", "a", "vus"]);
    let rate = Overrides {
        rate: Some(1.0),
        ..Overrides::default()
    };
    assert!(
        bed.plan(&rate)
            .unwrap_err()
            .message
            .contains("`a` is constant-vus and has no `rate`")
    );
}

/// Reads `return { … }` and gives the mistake.
pub(super) async fn mistake(plan: &str) -> FieldError {
    let main = format!("local kt = require 'kt'\nlocal function f() end\nfunction checkout() end\n{plan}");
    let bed = Bed::new(&main).await;
    let Err(error) = bed.ready() else {
        panic!("accepted: {plan}")
    };
    error
}

#[tokio::test]
async fn what_a_file_returns_must_be_a_plan() {
    // script, part of the message
    let table = [
        ("", "the script returns nothing; end it with"),
        (
            "return 'x'",
            "the script must return a function or a plan table, got \"x\"",
        ),
        ("return 5", "got 5"),
        ("return {}", "scenarios.default: `exec` is nil"),
        (
            "return { scenarois = {} }",
            "plan: unknown option `scenarois`; did you mean `scenarios`?",
        ),
        (
            "return { exec = f, setup = 5 }",
            "plan: `setup` must be a function, got 5",
        ),
        (
            "return { exec = 'checkout' }",
            "plan: `exec` must be a function, got \"checkout\"",
        ),
        (
            "return { exec = f, tags = { a = {} } }",
            "plan: `tags` holds a table where a string is wanted",
        ),
        (
            "return { exec = f, setup_timeout = 'x' }",
            "plan: `setup_timeout` is wrong",
        ),
        (
            "return { exec = f, on_script_error = 'abrot' }",
            "did you mean `abort`?",
        ),
        (
            "return { exec = f, limits = { mem = 1 } }",
            "limits: unknown option `mem`",
        ),
        (
            "return { exec = f, limits = { memory = '1MB' } }",
            "`memory` at least 8MB",
        ),
        ("return { exec = f, scenarios = {} }", "plan: `scenarios` is empty"),
        (
            "return { exec = f, scenarios = 5 }",
            "plan: `scenarios` must be a table of scenarios, got 5",
        ),
        (
            "return { exec = f, scenarios = { { executor = 'constant-vus' } } }",
            "must have names as keys",
        ),
    ];
    for (plan, part) in table {
        let error = mistake(plan).await;
        assert!(error.message.contains(part), "{plan}: {error}");
    }
}

/// Options of scenario `x`, the key at the end of the path, part of the message.
const IN_SCENARIOS: &[(&str, &str, &str)] = &[
    (
        "exec = f",
        "x",
        "scenarios.x: `executor` is missing; it is one of shared-iterations",
    ),
    (
        "executor = 5",
        "executor",
        "scenarios.x: `executor` must be a string, got 5",
    ),
    (
        "executor = 'constant-vu'",
        "executor",
        "there is no executor \"constant-vu\"; it is one of shared-iterations, per-vu-iterations, constant-vus, externally-controlled, ramping-vus, constant-arrival-rate, ramping-arrival-rate, steps, waves, burst, replay; did you mean `constant-vus`?",
    ),
    (
        "executor = 'constant-vus'",
        "duration",
        "scenarios.x: `duration` is missing; constant-vus needs it",
    ),
    (
        "executor = 'constant-vus', duration = 1, vus = -1",
        "vus",
        "scenarios.x: `vus` must be a whole number of at least 1, got -1",
    ),
    (
        "executor = 'constant-vus', duration = 1, vus = 0",
        "vus",
        "at least 1, got 0",
    ),
    (
        "executor = 'constant-vus', duration = 1, vus = 1.5",
        "vus",
        "whole number",
    ),
    (
        "executor = 'constant-vus', duration = 1, vus = '5'",
        "vus",
        "must be a number, got \"5\"",
    ),
    (
        "executor = 'constant-vus', duration = 1, vus = 1e7",
        "vus",
        "one machine holds at most 1000000",
    ),
    (
        "executor = 'constant-vus', duration = '5 parsecs'",
        "duration",
        "scenarios.x: `duration` is wrong",
    ),
    (
        "executor = 'constant-vus', duration = 0",
        "duration",
        "must be longer than zero",
    ),
    (
        "executor = 'constant-vus', duration = -1",
        "duration",
        "`duration` is wrong",
    ),
    (
        "executor = 'constant-vus', duration = 1, rate = 5",
        "rate",
        "scenarios.x: unknown option `rate`",
    ),
    (
        "executor = 'constant-vus', duration = 1, tag = {}",
        "tag",
        "did you mean `tags`?",
    ),
    (
        "executor = 'constant-vus', duration = 1, env = 5",
        "env",
        "must be a table of strings",
    ),
    (
        "executor = 'shared-iterations', iterations = 0",
        "iterations",
        "at least 1, got 0",
    ),
    (
        "executor = 'shared-iterations', max_duration = 0",
        "max_duration",
        "must be longer than zero",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1",
        "rate",
        "`rate` is missing; constant-arrival-rate needs it",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 0",
        "rate",
        "must be above zero, got 0",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 0/0",
        "rate",
        "must be above zero, got NaN",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 1e9",
        "rate",
        "the limit is 10000000",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 1, time_unit = 0",
        "time_unit",
        "must be longer than zero",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 1, max_vus = 5, pre_allocated_vus = 6",
        "pre_allocated_vus",
        "is 6, more than `max_vus` (5)",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 1, on_saturation = 'que'",
        "on_saturation",
        "did you mean `queue`?",
    ),
    (
        "executor = 'constant-arrival-rate', duration = 1, rate = 1, vus = 5",
        "vus",
        "unknown option `vus`",
    ),
    (
        "executor = 'constant-vus', duration = 1, exec = 5",
        "exec",
        "`exec` must be a function or the name of one, got 5",
    ),
    (
        "executor = 'constant-vus', duration = 1, exec = 'chekout'",
        "exec",
        "there is no global function `chekout` (a local one is given without quotes); did you mean `checkout`?",
    ),
    (
        "executor = 'constant-vus', duration = 1, exec = nothing",
        "exec",
        "`exec` is nil; give it the journey's function",
    ),
];

#[tokio::test]
async fn mistakes_in_a_scenario_are_told_with_their_path() {
    for (options, key, part) in IN_SCENARIOS {
        let error = mistake(&format!("return {{ scenarios = {{ x = {{ {options} }} }} }}")).await;
        assert!(error.message.contains(part), "{options}: {error}");
        assert_eq!(error.path.last().map(String::as_str), Some(*key), "{options}: {error}");
        assert_eq!(error.path[..2], ["scenarios", "x"], "{options}");
    }
}

#[tokio::test]
async fn mistakes_in_thresholds_are_told_with_their_key() {
    // key, value, part of the message
    let table = [
        (
            "http_req_durration",
            "'p(95)<1'",
            "there is no metric `http_req_durration`; did you mean `http_req_duration`?",
        ),
        ("no_such_metric", "'count>1'", "there is no metric `no_such_metric`"),
        ("http_req_duration", "'p95<1'", "`p95` in `p95<1` is no aggregation"),
        (
            "http_req_duration",
            "'rate<1'",
            "`http_req_duration` is a trend, which has no `rate`; it has",
        ),
        ("http_req_duration", "'p(95)<1parsec'", "is not a number or a duration"),
        (
            "http_req_duration",
            "'p(95) 500'",
            "is not `<aggregation> <operator> <limit>`",
        ),
        ("http_req_failed", "'rate<5'", "a rate is a share between 0 and 1"),
        ("http_req_duration{name}", "'p(95)<1'", "is not `key:value`"),
        (
            "http_req_duration",
            "5",
            "must be a string as \"p(95)<500\", a table or a list, got 5",
        ),
        ("http_req_duration", "{}", "`threshold` is missing"),
        (
            "http_req_duration",
            "{ threshold = 'p(95)<1', abort = true }",
            "unknown option `abort`",
        ),
        (
            "http_req_duration",
            "{ 'p(95)<1', abort_on_fail = true }",
            "\"abort_on_fail\" does not belong there",
        ),
        (
            "http_req_duration",
            "{ { threshold = 'p(95)<1', delay_abort_eval = 'x' } }",
            "`delay_abort_eval` is wrong",
        ),
        (
            "http_req_duration",
            "{ { threshold = 'p(95)<1', on_no_data = 'x' } }",
            "it must be one of `fail`, `pass`",
        ),
    ];
    for (key, value, part) in table {
        let error = mistake(&format!(
            "return {{ exec = f, thresholds = {{ ['{key}'] = {value} }} }}"
        ))
        .await;
        assert!(error.message.contains(part), "{key} = {value}: {error}");
        assert_eq!(error.path[..2], ["thresholds", key], "{value}");
    }
    let error = mistake("return { exec = f, thresholds = { 'p(95)<1' } }").await;
    assert!(error.message.contains("must have metrics as keys, got 1"), "{error}");
}

/// Options, the path below `http`, part of the message.
const IN_HTTP: &[(&str, &str, &str)] = &[
    (
        "base_ulr = 'x'",
        "base_ulr",
        "http: unknown option `base_ulr`; did you mean `base_url`?",
    ),
    (
        "base_url = 'localhost:80'",
        "base_url",
        "it has no scheme; write http://",
    ),
    ("base_url = '/api'", "base_url", "write it as http://host:port/path"),
    ("base_url = 'http://h/?a=b'", "base_url", "it has a query or a fragment"),
    ("base_url = 5", "base_url", "must be a string, got 5"),
    ("timeout = 'soon'", "timeout", "`timeout` is wrong"),
    ("timeout = 0", "timeout", "must be longer than zero"),
    (
        "max_body = '5 elephants'",
        "max_body",
        "a size is a number of bytes or a string as \"16MB\"",
    ),
    ("cookies = 'kept'", "cookies", "did you mean `keep`?"),
    (
        "connections = 'shared'",
        "connections",
        "it must be one of `per-vu`, `per-iteration`",
    ),
    ("connections = {}", "connections", "{ shared = 50 }"),
    ("connections = { shared = 0 }", "connections.shared", "1"),
    (
        "connections = { share = 5 }",
        "connections.share",
        "did you mean `shared`?",
    ),
    ("version = 2", "version", "must be a string"),
    ("version = '3'", "version", "it must be one of `auto`, `1.1`, `2`"),
    (
        "local_addrs = { 'lo' }",
        "local_addrs",
        "holds \"lo\", which is no IP address",
    ),
    ("proxy = 'socks5://x'", "proxy", "`socks5` is not spoken here"),
    (
        "headers = { ['a b'] = 'x' }",
        "headers",
        "holds `a b`, which is no header name",
    ),
    (
        "headers = { a = 'x\\n' }",
        "headers",
        "with a character that headers cannot carry",
    ),
    (
        "dns = { tll = 1 }",
        "dns.tll",
        "http.dns: unknown option `tll`; did you mean `ttl`?",
    ),
    (
        "dns = { select = 'last' }",
        "dns.select",
        "it must be one of `first`, `random`, `round-robin`",
    ),
    ("tls = { insecure = 1 }", "tls.insecure", "must be true or false, got 1"),
    ("tls = { ca = 'none.pem' }", "tls.ca", "none.pem`, which is no file"),
    ("redirects = -1", "redirects", "must be a whole number of at least 0"),
];

#[tokio::test]
async fn mistakes_in_http_options_are_told_with_their_path() {
    for (options, path, part) in IN_HTTP {
        let error = mistake(&format!("return {{ exec = f, http = {{ {options} }} }}")).await;
        assert!(error.message.contains(part), "{options}: {error}");
        let got = error.path.join(".");
        assert_eq!(got, format!("http.{path}"), "{options}");
    }
}
