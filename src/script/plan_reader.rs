//! Reads what a script returned into a [`Plan`], strictly: an unknown key, a wrong type or a bad duration is refused before
//! any load starts. What the parts of a plan do is not known here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlua::{Function, Table, Value};

use crate::metrics::{NoData, Registry, Threshold};
use crate::net::{AddrPolicy, AddrSelect, Connections, CookieMode, DnsConfig, HttpConfig, Pem, TlsConfig};
use crate::plan::overrides::{DEFAULT_MAX_DURATION, DEFAULT_MAX_VUS, Overrides, default_pre_allocated};
use crate::plan::{Executor, HttpPlan, Limits, OnSaturation, OnScriptError, Plan, Scenario};

use super::fields::{FieldError, Fields, describe, suggest, to_duration, to_size};
use super::vu::Loaded;

/// The name of the scenario of a script that returns a function.
pub const DEFAULT_SCENARIO: &str = "default";

const PLAN_KEYS: [&str; 13] = [
    "http",
    "scenarios",
    "exec",
    "thresholds",
    "setup",
    "setup_timeout",
    "vu_init",
    "teardown",
    "teardown_timeout",
    "summary",
    "tags",
    "on_script_error",
    "limits",
];
const SCENARIO_KEYS: [&str; 6] = ["executor", "exec", "start_time", "graceful_stop", "tags", "env"];
const EXECUTORS: [&str; 4] = [
    "shared-iterations",
    "per-vu-iterations",
    "constant-vus",
    "constant-arrival-rate",
];
const HTTP_KEYS: [&str; 15] = [
    "base_url",
    "headers",
    "timeout",
    "tls",
    "hosts",
    "local_addrs",
    "proxy",
    "user_agent",
    "dns",
    "max_body",
    "connections",
    "redirects",
    "cookies",
    "compression",
    "discard_body",
];

fn wrong(path: &[&str], message: impl Into<String>) -> FieldError {
    FieldError {
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        message: message.into(),
    }
}

/// Reads and validates the plan.
///
/// # Errors
/// The first mistake, with the path of keys to it.
pub fn read(loaded: &Loaded, script: &Path, registry: &Registry, overrides: &Overrides) -> Result<Plan, FieldError> {
    let of_function = |overrides: &Overrides| {
        let executor = overrides
            .scenario_of_function()
            .map_err(|error| wrong(&[], error.to_string()))?;
        Ok::<_, FieldError>(vec![Scenario {
            name: DEFAULT_SCENARIO.to_owned(),
            executor,
            start_time: Duration::ZERO,
            graceful_stop: DEFAULT_GRACEFUL_STOP,
            tags: BTreeMap::new(),
            env: BTreeMap::new(),
        }])
    };
    let value = match &loaded.returned {
        Value::Function(_) => Value::Table(loaded.blank.clone()),
        Value::Table(table) => Value::Table(table.clone()),
        Value::Nil => {
            return Err(wrong(
                &[],
                "the script returns nothing; end it with `return function() … end` or `return { scenarios = { … } }`",
            ));
        }
        other => {
            return Err(wrong(
                &[],
                format!(
                    "the script must return a function or a plan table, got {}",
                    describe(other)
                ),
            ));
        }
    };
    let fields = Fields::new("plan", Vec::new(), &value, &PLAN_KEYS)?.ok_or_else(|| wrong(&[], "no plan"))?;
    for hook in ["setup", "vu_init", "teardown", "summary", "exec"] {
        let given = fields.get(hook);
        if !matches!(given, Value::Nil | Value::Function(_)) {
            return Err(fields.error(hook, &format!("must be a function, got {}", describe(&given))));
        }
    }
    let mut scenarios = if fields.has("scenarios") {
        let mut scenarios = scenarios(&fields)?;
        overrides
            .apply(&mut scenarios)
            .map_err(|error| wrong(&[], error.to_string()))?;
        scenarios
    } else {
        let made = of_function(overrides)?;
        if !overrides.scenarios.is_empty() {
            overrides
                .apply(&mut made.clone())
                .map_err(|error| wrong(&[], error.to_string()))?;
        }
        made
    };
    for scenario in &mut scenarios {
        validate(scenario)?;
        journey(loaded, &scenario.name)?;
    }
    let mut tags = fields.strings("tags")?;
    tags.extend(overrides.tags.clone());
    Ok(Plan {
        scenarios,
        http: http(&fields, script)?,
        thresholds: thresholds(&fields, registry)?,
        tags,
        setup_timeout: fields.duration("setup_timeout")?.unwrap_or(DEFAULT_HOOK_TIMEOUT),
        teardown_timeout: fields.duration("teardown_timeout")?.unwrap_or(DEFAULT_HOOK_TIMEOUT),
        on_script_error: match fields.choice("on_script_error", &["fail", "count", "abort"])? {
            Some("count") => OnScriptError::Count,
            Some("abort") => OnScriptError::Abort,
            _ => OnScriptError::Fail,
        },
        limits: limits(&fields)?,
    })
}

const DEFAULT_GRACEFUL_STOP: Duration = Duration::from_secs(30);
const DEFAULT_HOOK_TIMEOUT: Duration = Duration::from_mins(1);

fn scenarios(plan: &Fields) -> Result<Vec<Scenario>, FieldError> {
    let Value::Table(table) = plan.get("scenarios") else {
        return Err(plan.error(
            "scenarios",
            &format!("must be a table of scenarios, got {}", describe(&plan.get("scenarios"))),
        ));
    };
    let mut named: Vec<(String, Value)> = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { continue };
        match key {
            Value::String(name) => named.push((name.to_string_lossy(), value)),
            other => {
                let text = format!(
                    "must have names as keys (`{{ smoke = {{ … }} }}`), got {}",
                    describe(&other)
                );
                return Err(plan.error("scenarios", &text));
            }
        }
    }
    if named.is_empty() {
        return Err(plan.error("scenarios", "is empty; a plan needs at least one scenario"));
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named.into_iter().map(|(name, value)| scenario(&name, &value)).collect()
}

fn scenario(name: &str, value: &Value) -> Result<Scenario, FieldError> {
    let owner = format!("scenarios.{name}");
    let path = vec!["scenarios".to_owned(), name.to_owned()];
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(FieldError {
            path,
            message: format!("{owner}: a scenario's name has 1 to 128 visible characters"),
        });
    }
    let Value::Table(table) = value else {
        return Err(FieldError {
            path,
            message: format!("{owner} must be a table, got {}", describe(value)),
        });
    };
    let kind = table.get::<Value>("executor").unwrap_or(Value::Nil);
    let executor = match &kind {
        Value::String(text) => text.to_string_lossy(),
        Value::Nil => {
            return Err(FieldError {
                path,
                message: format!("{owner}: `executor` is missing; it is one of {}", EXECUTORS.join(", ")),
            });
        }
        other => {
            return Err(FieldError {
                path,
                message: format!("{owner}: `executor` must be a string, got {}", describe(other)),
            });
        }
    };
    if !EXECUTORS.contains(&executor.as_str()) {
        let hint = suggest(&executor, EXECUTORS);
        let mut path = path;
        path.push("executor".to_owned());
        let message = format!(
            "{owner}: there is no executor \"{executor}\"; it is one of {}{hint}",
            EXECUTORS.join(", ")
        );
        return Err(FieldError { path, message });
    }
    let own: &[&str] = match executor.as_str() {
        "constant-vus" => &["vus", "duration"],
        "constant-arrival-rate" => &[
            "rate",
            "time_unit",
            "duration",
            "pre_allocated_vus",
            "max_vus",
            "on_saturation",
        ],
        _ => &["vus", "iterations", "max_duration"],
    };
    let known: Vec<&str> = SCENARIO_KEYS.iter().chain(own).copied().collect();
    let fields = Fields::new(&owner, path, value, &known)?.ok_or_else(|| wrong(&["scenarios"], "no scenario"))?;
    Ok(Scenario {
        name: name.to_owned(),
        executor: executor_of(&executor, &fields)?,
        start_time: fields.duration("start_time")?.unwrap_or_default(),
        graceful_stop: fields.duration("graceful_stop")?.unwrap_or(DEFAULT_GRACEFUL_STOP),
        tags: fields.strings("tags")?,
        env: fields.strings("env")?,
    })
}

fn executor_of(kind: &str, fields: &Fields) -> Result<Executor, FieldError> {
    let required = |key: &str| fields.error(key, &format!("is missing; {kind} needs it"));
    let vus = || Ok::<_, FieldError>(fields.count("vus", 1)?.unwrap_or(1));
    let duration = || fields.duration("duration")?.ok_or_else(|| required("duration"));
    match kind {
        "constant-vus" => Ok(Executor::ConstantVus {
            vus: vus()?,
            duration: duration()?,
        }),
        "constant-arrival-rate" => {
            let rate = fields.number("rate")?.ok_or_else(|| required("rate"))?;
            let time_unit = fields.duration("time_unit")?.unwrap_or(Duration::from_secs(1));
            let max_vus = fields.count("max_vus", 1)?;
            let pre_allocated = fields.count("pre_allocated_vus", 0)?;
            let cap = max_vus.unwrap_or_else(|| DEFAULT_MAX_VUS.max(pre_allocated.unwrap_or(0)));
            if time_unit.is_zero() {
                return Err(fields.error("time_unit", "must be longer than zero"));
            }
            Ok(Executor::ConstantArrivalRate {
                rate,
                time_unit,
                duration: duration()?,
                pre_allocated_vus: pre_allocated.unwrap_or_else(|| default_pre_allocated(rate, time_unit, cap)),
                max_vus: cap,
                on_saturation: match fields.choice("on_saturation", &["queue", "drop", "abort"])? {
                    Some("drop") => OnSaturation::Drop,
                    Some("abort") => OnSaturation::Abort,
                    _ => OnSaturation::Queue,
                },
            })
        }
        shared_or_per_vu => {
            let (vus, iterations) = (vus()?, fields.count("iterations", 1)?.unwrap_or(1));
            let max_duration = fields.duration("max_duration")?.unwrap_or(DEFAULT_MAX_DURATION);
            Ok(if shared_or_per_vu == "shared-iterations" {
                Executor::SharedIterations {
                    vus,
                    iterations,
                    max_duration,
                }
            } else {
                Executor::PerVuIterations {
                    vus,
                    iterations,
                    max_duration,
                }
            })
        }
    }
}

/// Rates above this are a slip of the keyboard: no machine starts so many iterations.
const MAX_RATE: f64 = 10_000_000.0;

fn validate(scenario: &Scenario) -> Result<(), FieldError> {
    let refuse = |key: &str, what: String| {
        Err(wrong(
            &["scenarios", &scenario.name, key],
            format!("scenarios.{}: `{key}` {what}", scenario.name),
        ))
    };
    let duration = scenario.executor.duration();
    if duration.is_zero() {
        return refuse("duration", "must be longer than zero".into());
    }
    match scenario.executor {
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            pre_allocated_vus,
            max_vus,
            ..
        } => {
            if !rate.is_finite() || rate <= 0.0 {
                return refuse("rate", format!("must be above zero, got {rate}"));
            }
            if rate / time_unit.as_secs_f64() > MAX_RATE {
                return refuse(
                    "rate",
                    format!(
                        "is {} per second; the limit is {MAX_RATE}",
                        rate / time_unit.as_secs_f64()
                    ),
                );
            }
            if pre_allocated_vus > max_vus {
                return refuse(
                    "pre_allocated_vus",
                    format!("is {pre_allocated_vus}, more than `max_vus` ({max_vus})"),
                );
            }
            max_vus_fit(max_vus).or_else(|what| refuse("max_vus", what))
        }
        Executor::ConstantVus { vus, .. }
        | Executor::SharedIterations { vus, .. }
        | Executor::PerVuIterations { vus, .. } => {
            if vus == 0 {
                return refuse("vus", "must be a whole number of at least 1, got 0".into());
            }
            max_vus_fit(vus).or_else(|what| refuse("vus", what))
        }
    }
}

fn max_vus_fit(vus: u64) -> Result<(), String> {
    const MAX_VUS: u64 = 1_000_000;
    if vus > MAX_VUS {
        Err(format!("is {vus}; one machine holds at most {MAX_VUS}"))
    } else {
        Ok(())
    }
}

/// The function that a scenario runs: its `exec` (a function, or the name of a global one), else the plan's `exec`.
///
/// # Errors
/// When there is no such function.
pub fn journey(loaded: &Loaded, scenario: &str) -> Result<Function, FieldError> {
    let plan = match &loaded.returned {
        Value::Function(function) => return Ok(function.clone()),
        Value::Table(plan) => plan,
        other => {
            return Err(wrong(
                &[],
                format!(
                    "the script must return a function or a plan table, got {}",
                    describe(other)
                ),
            ));
        }
    };
    let of_plan = || match plan.get::<Value>("exec") {
        Ok(Value::Function(function)) => Some(function),
        _ => None,
    };
    let exec = plan
        .get::<Table>("scenarios")
        .and_then(|scenarios| scenarios.get::<Table>(scenario))
        .and_then(|table| table.get::<Value>("exec"))
        .unwrap_or(Value::Nil);
    let path = ["scenarios", scenario, "exec"];
    match exec {
        Value::Function(function) => Ok(function),
        Value::Nil => of_plan().ok_or_else(|| {
            wrong(
                &path,
                format!("scenarios.{scenario}: `exec` is nil; give it the journey's function (is its name spelled as where it is defined?)"),
            )
        }),
        Value::String(name) => {
            let name = name.to_string_lossy();
            if let Ok(Value::Function(function)) = loaded.environment.raw_get::<Value>(name.as_str()) {
                return Ok(function);
            }
            let globals: Vec<String> = loaded
                .environment
                .pairs::<String, Value>()
                .flatten()
                .filter(|(key, value)| matches!(value, Value::Function(_)) && key != "require")
                .map(|(key, _)| key)
                .collect();
            let hint = suggest(&name, globals.iter().map(String::as_str));
            let text = format!("scenarios.{scenario}: `exec` names no function: there is no global function `{name}`{hint}; a local one is given without quotes");
            Err(wrong(&path, text))
        }
        other => Err(wrong(&path, format!("scenarios.{scenario}: `exec` must be a function or the name of one, got {}", describe(&other)))),
    }
}

fn limits(plan: &Fields) -> Result<Limits, FieldError> {
    let mut limits = Limits::default();
    if let Some(fields) = plan.inner("limits", &["cpu", "memory"])? {
        limits.cpu = fields.duration("cpu")?.unwrap_or(limits.cpu);
        if fields.has("memory") {
            limits.memory = to_size(&fields.get("memory")).map_err(|what| fields.error("memory", &what))?;
        }
        if limits.cpu.is_zero() || limits.memory < 8 << 20 {
            return Err(plan.error("limits", "are too small: `cpu` is above zero and `memory` at least 8MB"));
        }
    }
    Ok(limits)
}

fn thresholds(plan: &Fields, registry: &Registry) -> Result<Vec<Threshold>, FieldError> {
    let table = match plan.get("thresholds") {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(table) => table,
        other => return Err(plan.error("thresholds", &format!("must be a table, got {}", describe(&other)))),
    };
    let mut all = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { continue };
        let Value::String(key) = &key else {
            return Err(plan.error(
                "thresholds",
                &format!("must have metrics as keys, got {}", describe(&key)),
            ));
        };
        let key = key.to_string_lossy();
        let many = match &value {
            Value::Table(list) if list.raw_len() > 0 => list.sequence_values::<Value>().flatten().collect(),
            one => vec![one.clone()],
        };
        for one in many {
            all.push(threshold(&key, &one, registry)?);
        }
    }
    all.sort_by(|a, b| {
        a.selector
            .to_string()
            .cmp(&b.selector.to_string())
            .then_with(|| a.expression.cmp(&b.expression))
    });
    Ok(all)
}

fn threshold(key: &str, value: &Value, registry: &Registry) -> Result<Threshold, FieldError> {
    let path = ["thresholds", key];
    let parse = |text: &str| {
        Threshold::parse(key, text, registry).map_err(|error| wrong(&path, format!("thresholds: `{key}`: {error}")))
    };
    match value {
        Value::String(text) => parse(&text.to_string_lossy()),
        Value::Table(_) => {
            let owner = format!("thresholds.{key}");
            let known = ["threshold", "abort_on_fail", "delay_abort_eval", "on_no_data"];
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            let fields = Fields::new(&owner, path, value, &known)?.ok_or_else(|| wrong(&["thresholds"], "nothing"))?;
            let text = fields
                .string("threshold")?
                .ok_or_else(|| fields.error("threshold", "is missing, as `threshold = \"p(95)<500\"`"))?;
            let mut threshold = parse(&text)?;
            threshold.abort_on_fail = fields.boolean("abort_on_fail")?.unwrap_or(false);
            threshold.delay_abort_eval = fields.duration("delay_abort_eval")?.unwrap_or_default();
            if fields.choice("on_no_data", &["fail", "pass"])? == Some("pass") {
                threshold.on_no_data = NoData::Pass;
            }
            Ok(threshold)
        }
        other => Err(wrong(
            &path,
            format!(
                "thresholds: `{key}` must be a string as \"p(95)<500\", a table or a list, got {}",
                describe(other)
            ),
        )),
    }
}

fn http(plan: &Fields, script: &Path) -> Result<HttpPlan, FieldError> {
    let Some(fields) = plan.inner("http", &HTTP_KEYS)? else {
        return Ok(HttpPlan::default());
    };
    let defaults = HttpConfig::default();
    let base_url = fields
        .string("base_url")?
        .map(|text| absolute_url(&fields, "base_url", &text))
        .transpose()?;
    let proxy = fields
        .string("proxy")?
        .map(|text| absolute_url(&fields, "proxy", &text))
        .transpose()?;
    let local_addrs = fields
        .list("local_addrs")?
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| fields.error("local_addrs", &format!("holds \"{text}\", which is no IP address")))
        })
        .collect::<Result<_, _>>()?;
    let connections = match fields.choice("connections", &["per-vu", "per-iteration"])? {
        Some("per-iteration") => Connections::PerIteration,
        _ => Connections::PerVu,
    };
    let cookies = match fields.choice("cookies", &["per-iteration", "keep", "off"])? {
        Some("keep") => CookieMode::Keep,
        Some("off") => CookieMode::Off,
        _ => CookieMode::PerIteration,
    };
    let max_body = match fields.get("max_body") {
        Value::Nil => defaults.max_body,
        value => to_size(&value).map_err(|what| fields.error("max_body", &what))?,
    };
    let redirects = fields
        .count("redirects", 0)?
        .map_or(defaults.max_redirects, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let config = HttpConfig {
        timeout: fields.duration("timeout")?.unwrap_or(defaults.timeout),
        tls: tls(&fields, script)?,
        hosts: fields.strings("hosts")?.into_iter().collect(),
        local_addrs,
        proxy,
        user_agent: fields.string("user_agent")?.unwrap_or(defaults.user_agent),
        dns: dns(&fields)?,
        max_body,
        connections,
        max_redirects: redirects,
        cookies,
        compression: fields.boolean("compression")?.unwrap_or(defaults.compression),
        discard_body: fields.boolean("discard_body")?.unwrap_or(defaults.discard_body),
    };
    if config.timeout.is_zero() {
        return Err(fields.error("timeout", "must be longer than zero"));
    }
    Ok(HttpPlan {
        base_url,
        headers: fields.strings("headers")?,
        config,
    })
}

fn absolute_url(fields: &Fields, key: &str, text: &str) -> Result<url::Url, FieldError> {
    let url = url::Url::parse(text)
        .map_err(|error| fields.error(key, &format!("is \"{text}\", which is no absolute URL: {error}")))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(fields.error(key, &format!("is \"{text}\"; it must begin with http:// or https://")))
    }
}

fn tls(http: &Fields, script: &Path) -> Result<TlsConfig, FieldError> {
    let Some(fields) = http.inner("tls", &["insecure", "ca", "cert", "key", "server_name"])? else {
        return Ok(TlsConfig::default());
    };
    let file = |key: &str| -> Result<Option<Pem>, FieldError> {
        let Some(name) = fields.string(key)? else {
            return Ok(None);
        };
        let path: PathBuf = script.parent().unwrap_or(Path::new("")).join(&name);
        if path.is_file() {
            Ok(Some(Pem::Path(path)))
        } else {
            Err(fields.error(key, &format!("names `{}`, which is no file", path.display())))
        }
    };
    Ok(TlsConfig {
        insecure: fields.boolean("insecure")?.unwrap_or(false),
        ca: file("ca")?,
        cert: file("cert")?,
        key: file("key")?,
        server_name: fields.string("server_name")?,
    })
}

fn dns(http: &Fields) -> Result<DnsConfig, FieldError> {
    let defaults = DnsConfig::default();
    let Some(fields) = http.inner("dns", &["ttl", "select", "policy"])? else {
        return Ok(defaults);
    };
    let ttl = match fields.get("ttl") {
        Value::Nil => defaults.ttl,
        value => to_duration(&value).map_err(|what| fields.error("ttl", &what))?,
    };
    let select = match fields.choice("select", &["first", "random", "round-robin"])? {
        Some("first") => AddrSelect::First,
        Some("round-robin") => AddrSelect::RoundRobin,
        _ => AddrSelect::Random,
    };
    let policies = ["prefer-ipv4", "prefer-ipv6", "only-ipv4", "only-ipv6", "any"];
    let policy = match fields.choice("policy", &policies)? {
        Some("prefer-ipv6") => AddrPolicy::PreferIpv6,
        Some("only-ipv4") => AddrPolicy::OnlyIpv4,
        Some("only-ipv6") => AddrPolicy::OnlyIpv6,
        Some("any") => AddrPolicy::Any,
        _ => AddrPolicy::PreferIpv4,
    };
    Ok(DnsConfig { ttl, select, policy })
}
