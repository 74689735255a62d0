//! The script that does what `kingtide quick` was asked to, as text: formatted, and short because defaults are left out.

use std::collections::BTreeMap;

use http::header::AUTHORIZATION;

use crate::direct::Call;
use crate::net::{Address, Connections, HttpConfig, HttpVersion, userinfo};
use crate::plan::duration::format as human;
use crate::plan::expect::Expect;
use crate::plan::{Executor, Plan};
use crate::schedule::Shape;

/// No line is longer where it can be broken.
const WIDTH: usize = 120;

/// The whole file.
pub(super) fn print(plan: &Plan, call: &Call) -> String {
    let mut entries = vec![Entry::key("http", http(&plan.http.config))];
    let scenarios = plan.scenarios.iter();
    let scenarios = scenarios.map(|scenario| Entry::key(&scenario.name, executor(&scenario.executor)));
    entries.push(Entry::key("scenarios", Lua::Table(scenarios.collect())));
    if !plan.thresholds.is_empty() {
        entries.push(Entry::key("thresholds", thresholds(plan)));
    }
    if let Some(traces) = &plan.traces {
        let sampling = Entry::key("sampling", Lua::Raw(traces.sampling.to_string()));
        entries.push(Entry::key("traces", Lua::Table(vec![sampling])));
    }
    if !plan.tags.is_empty() {
        let tags = plan.tags.iter().map(|(key, value)| Entry::key(key, Lua::text(value)));
        entries.push(Entry::key("tags", Lua::Table(tags.collect())));
    }
    let mut out = String::from("local kt = require \"kt\"\nlocal http = kt.http\n\n");
    let auth = auth(call, &plan.http.config);
    if let Some((_, Some(secret))) = &auth {
        out.push_str(secret);
    }
    out.push_str(&journey(call, &plan.http.config, auth.map(|(auth, _)| auth)));
    out.push_str("\nreturn ");
    Lua::Table(entries).write_open(&mut out, 0);
    out.push('\n');
    out
}

/// User and password of the URL as an option of the request, and the line before it that reads the password: that is not
/// printed. A header says who asks in the place of both.
fn auth(call: &Call, config: &HttpConfig) -> Option<(Entry, Option<&'static str>)> {
    let (user, password) = userinfo(&call.url)?;
    if config.headers.contains(&AUTHORIZATION) {
        return None;
    }
    let (password, secret) = match password.is_empty() {
        true => ("\"\"", None),
        false => ("password", Some("local password = kt.secret \"PASSWORD\"\n\n")),
    };
    let both = [quoted(&user), password.to_owned()].map(|text| Entry::item(Lua::Raw(text)));
    let basic = Entry::key("basic", Lua::Table(both.into()));
    Some((Entry::key("auth", Lua::Table(vec![basic])), secret))
}

/// The function that sends the request: on one line if it fits.
fn journey(call: &Call, config: &HttpConfig, auth: Option<Entry>) -> String {
    let method = call.method.as_str();
    let known = matches!(method, "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS");
    let start = if known {
        format!("http.{}(", method.to_ascii_lowercase())
    } else {
        format!("http.request({}, ", quoted(method.as_bytes()))
    };
    // Without user and password.
    let address = Address::from(call.url.clone());
    let start = format!("{start}{}", quoted(address.as_str().as_bytes()));
    let mut options: Vec<Entry> = auth.into_iter().collect();
    let repeated = headers(config, |times| times > 1);
    if !repeated.is_empty() {
        options.push(Entry::key("headers", Lua::Table(repeated)));
    }
    if !call.body.is_empty() {
        options.push(Entry::key("body", Lua::Raw(quoted(&call.body))));
    }
    let ranges = match &call.expect {
        Expect::Default => Vec::new(),
        Expect::One(status) => vec![(*status, *status)],
        Expect::Ranges(ranges) => ranges.clone(),
    };
    if !ranges.is_empty() {
        let ranges = ranges.iter().map(|(low, high)| match low == high {
            true => Lua::Raw(low.to_string()),
            false => Lua::text(&format!("{low}-{high}")),
        });
        options.push(Entry::key("expect", one_or_list(ranges.collect())));
    }
    let mut line = start.clone();
    if !options.is_empty() {
        line.push_str(", ");
        line.push_str(&Lua::Table(options.clone()).inline());
    }
    line.push(')');
    let whole = format!("local function {NAME}() {line} end\n");
    if whole.len() <= WIDTH {
        return whole;
    }
    if line.len() + INDENT.len() > WIDTH && !options.is_empty() {
        line = format!("{start}, ");
        Lua::Table(options).write_open(&mut line, 1);
        line.push(')');
    }
    format!("local function {NAME}()\n{INDENT}{line}\nend\n")
}

const NAME: &str = "request";
const INDENT: &str = "  ";

/// The headers that were given so often, by name. A plan's have one value each; those with several are the request's.
fn headers(config: &HttpConfig, wanted: impl Fn(usize) -> bool) -> Vec<Entry> {
    let mut named: BTreeMap<&str, Vec<Lua>> = BTreeMap::new();
    for (name, value) in &config.headers {
        let value = Lua::Raw(quoted(value.as_bytes()));
        named.entry(name.as_str()).or_default().push(value);
    }
    let wanted = named.into_iter().filter(|(_, values)| wanted(values.len()));
    wanted
        .map(|(name, values)| Entry::key(name, one_or_list(values)))
        .collect()
}

/// What differs from a script's defaults.
fn http(config: &HttpConfig) -> Lua {
    let defaults = HttpConfig::default();
    let mut entries = Vec::new();
    let once = headers(config, |times| times == 1);
    if !once.is_empty() {
        entries.push(Entry::key("headers", Lua::Table(once)));
    }
    if config.timeout != defaults.timeout {
        entries.push(Entry::key("timeout", Lua::text(&human(config.timeout))));
    }
    if config.max_redirects != defaults.max_redirects {
        entries.push(Entry::key("redirects", Lua::Raw(config.max_redirects.to_string())));
    }
    if config.tls.insecure {
        let insecure = Entry::key("insecure", Lua::Raw("true".to_owned()));
        entries.push(Entry::key("tls", Lua::Table(vec![insecure])));
    }
    let version = match config.version {
        HttpVersion::Auto => None,
        HttpVersion::Http1 => Some("1.1"),
        HttpVersion::Http2 => Some("2"),
    };
    entries.extend(version.map(|version| Entry::key("version", Lua::text(version))));
    match config.connections {
        Connections::PerVu => {}
        Connections::PerIteration => entries.push(Entry::key("connections", Lua::text("per-iteration"))),
        Connections::Shared(shared) => {
            let shared = Entry::key("shared", Lua::Raw(shared.to_string()));
            entries.push(Entry::key("connections", Lua::Table(vec![shared])));
        }
    }
    entries.push(Entry::key("discard_body", Lua::Raw("true".to_owned())));
    Lua::Table(entries)
}

/// The executors that `quick` knows.
fn executor(executor: &Executor) -> Lua {
    let mut entries = vec![Entry::key("executor", Lua::text(executor.name()))];
    let mut number = |key: &str, value: String| entries.push(Entry::key(key, Lua::Raw(value)));
    let (duration, time) = match executor {
        Executor::Open {
            shape: Shape::ConstantArrivalRate { rate, duration, .. },
            pre_allocated_vus,
            max_vus,
            ..
        } => {
            number("rate", rate.to_string());
            number("pre_allocated_vus", pre_allocated_vus.to_string());
            number("max_vus", max_vus.to_string());
            ("duration", *duration)
        }
        Executor::SharedIterations {
            vus,
            iterations,
            max_duration,
        } => {
            number("vus", vus.to_string());
            number("iterations", iterations.to_string());
            ("max_duration", *max_duration)
        }
        other => {
            number("vus", other.vus().0.to_string());
            ("duration", other.duration())
        }
    };
    entries.push(Entry::key(duration, Lua::text(&human(time))));
    entries.push(Entry::key("exec", Lua::Raw(NAME.to_owned())));
    Lua::Table(entries)
}

/// By metric.
fn thresholds(plan: &Plan) -> Lua {
    let mut by_metric: BTreeMap<String, Vec<Lua>> = BTreeMap::new();
    for threshold in &plan.thresholds {
        let expression = Lua::text(&threshold.expression);
        let of_metric = by_metric.entry(threshold.selector.to_string()).or_default();
        of_metric.push(expression);
    }
    let entries = by_metric
        .into_iter()
        .map(|(metric, all)| Entry::key(&metric, one_or_list(all)));
    Lua::Table(entries.collect())
}

fn one_or_list(mut values: Vec<Lua>) -> Lua {
    match values.len() {
        1 => values.remove(0),
        _ => Lua::Table(values.into_iter().map(Entry::item).collect()),
    }
}

/// A value that can be written.
#[derive(Debug, Clone)]
enum Lua {
    /// As it stands.
    Raw(String),
    Table(Vec<Entry>),
}

#[derive(Debug, Clone)]
struct Entry {
    /// With its ` = `; empty for an item of a list.
    key: String,
    value: Lua,
}

impl Entry {
    fn key(key: &str, value: Lua) -> Self {
        let is_name = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !KEYWORDS.contains(&key);
        let key = if is_name {
            key.to_owned()
        } else {
            format!("[{}]", quoted(key.as_bytes()))
        };
        Self {
            key: format!("{key} = "),
            value,
        }
    }

    fn item(value: Lua) -> Self {
        Self {
            key: String::new(),
            value,
        }
    }
}

/// Words that are no names in Lua.
const KEYWORDS: [&str; 22] = [
    "and", "break", "continue", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

impl Lua {
    fn text(text: &str) -> Self {
        Self::Raw(quoted(text.as_bytes()))
    }

    fn inline(&self) -> String {
        match self {
            Self::Raw(text) => text.clone(),
            Self::Table(entries) => {
                let inside: Vec<_> = entries
                    .iter()
                    .map(|entry| format!("{}{}", entry.key, entry.value.inline()))
                    .collect();
                format!("{{ {} }}", inside.join(", "))
            }
        }
    }

    /// Writes it with every entry on a line of its own, as deep as `depth`; what is in the entries stays on theirs if it
    /// fits.
    fn write_open(&self, out: &mut String, depth: usize) {
        let Self::Table(entries) = self else {
            out.push_str(&self.inline());
            return;
        };
        let indent = INDENT.repeat(depth);
        out.push_str("{\n");
        for Entry { key, value } in entries {
            let inline = value.inline();
            out.push_str(&format!("{indent}{INDENT}{key}"));
            // The comma at the end is not on the line that a reader has to fit in.
            if indent.len() + INDENT.len() + key.len() + inline.len() < WIDTH {
                out.push_str(&inline);
            } else {
                value.write_open(out, depth + 1);
            }
            out.push_str(",\n");
        }
        out.push_str(&format!("{indent}}}"));
    }
}

/// A string that Lua reads back as these bytes, between the quotes that need fewer escapes.
fn quoted(bytes: &[u8]) -> String {
    let count = |wanted: u8| bytes.iter().filter(|byte| **byte == wanted).count();
    let quote = if count(b'"') > count(b'\'') { '\'' } else { '"' };
    let mut out = String::from(quote);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\\' => out.push_str("\\\\"),
                c if c == quote => out.extend(['\\', c]),
                c if c.is_ascii_control() => out.push_str(&format!("\\{:03}", u32::from(c))),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\{byte:03}"));
        }
    }
    out.push(quote);
    out
}
