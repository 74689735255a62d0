//! Reads the `http` options of a plan. What they do is `net`'s.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mlua::Value;
use url::Url;

use super::super::fields::{FieldError, Fields, to_size};
use crate::net::{
    AddrPolicy, AddrSelect, Connections, CookieMode, DnsConfig, HeaderList, HttpConfig, HttpVersion, Pem, TlsConfig,
    base_url, http_url,
};
use crate::plan::HttpPlan;

const HTTP_KEYS: [&str; 16] = [
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
    "version",
    "connections",
    "redirects",
    "cookies",
    "compression",
    "discard_body",
];

/// What all requests have in common.
pub(super) fn read(plan: &Fields, script: &Path) -> Result<HttpPlan, FieldError> {
    let Some(fields) = plan.inner("http", &HTTP_KEYS)? else {
        return Ok(HttpPlan::default());
    };
    Ok(HttpPlan {
        base_url: url(&fields, "base_url", base_url)?,
        config: config(&fields, script)?,
    })
}

fn config(fields: &Fields, script: &Path) -> Result<HttpConfig, FieldError> {
    let defaults = HttpConfig::default();
    let timeout = fields.duration("timeout")?.unwrap_or(defaults.timeout);
    if timeout.is_zero() {
        return Err(fields.error("timeout", "must be longer than zero"));
    }
    let max_body = match fields.get("max_body") {
        Value::Nil => defaults.max_body,
        value => to_size(&value).map_err(|what| fields.error("max_body", &format!("is wrong: {what}")))?,
    };
    let redirects = fields.count("redirects", 0)?;
    Ok(HttpConfig {
        timeout,
        tls: tls(fields, script)?,
        hosts: fields.strings("hosts")?.into_iter().collect(),
        local_addrs: addresses(fields)?,
        proxy: url(fields, "proxy", http_url)?,
        headers: headers(fields)?,
        user_agent: fields.string("user_agent")?.unwrap_or(defaults.user_agent),
        dns: dns(fields)?,
        max_body,
        version: match fields.choice("version", &["auto", "1.1", "2"])? {
            Some("1.1") => HttpVersion::Http1,
            Some("2") => HttpVersion::Http2,
            _ => HttpVersion::Auto,
        },
        connections: connections(fields)?,
        max_redirects: redirects.map_or(defaults.max_redirects, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        cookies: match fields.choice("cookies", &["per-iteration", "keep", "off"])? {
            Some("keep") => CookieMode::Keep,
            Some("off") => CookieMode::Off,
            _ => CookieMode::PerIteration,
        },
        compression: fields.boolean("compression")?.unwrap_or(defaults.compression),
        discard_body: fields.boolean("discard_body")?.unwrap_or(defaults.discard_body),
        trace_sampling: defaults.trace_sampling,
    })
}

/// A word, or `{ shared = N }`.
fn connections(http: &Fields) -> Result<Connections, FieldError> {
    if !matches!(http.get("connections"), Value::Table(_)) {
        let words = ["per-vu", "per-iteration"];
        let chosen = http.choice("connections", &words);
        let chosen = chosen.map_err(|error| FieldError {
            message: format!("{}, or a table: {{ shared = 50 }}", error.message),
            ..error
        })?;
        return Ok(match chosen {
            Some("per-iteration") => Connections::PerIteration,
            _ => Connections::PerVu,
        });
    }
    let fields = http.inner("connections", &["shared"])?;
    let shared = match &fields {
        Some(fields) => fields.count("shared", 1)?,
        None => None,
    };
    let shared = shared.and_then(|count| NonZeroUsize::new(usize::try_from(count).unwrap_or(usize::MAX)));
    let missing = || http.error("connections", "must say how many are shared: { shared = 50 }");
    shared.map(Connections::Shared).ok_or_else(missing)
}

/// Headers that can be sent: a bad one would fail every request.
fn headers(fields: &Fields) -> Result<HeaderList, FieldError> {
    let mut headers = HeaderList::new();
    for (text, value) in fields.strings("headers")? {
        let Ok(name) = http::HeaderName::try_from(&text) else {
            return Err(fields.error("headers", &format!("holds `{text}`, which is no header name")));
        };
        let Ok(value) = http::HeaderValue::try_from(value) else {
            let what = format!("holds a value for `{text}` with a character that headers cannot carry");
            return Err(fields.error("headers", &what));
        };
        // One that stands there in several spellings is one.
        if !headers.contains(&name) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn addresses(fields: &Fields) -> Result<Vec<IpAddr>, FieldError> {
    let list = fields.list("local_addrs")?;
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| fields.error("local_addrs", &format!("holds \"{text}\", which is no IP address")))
    };
    list.iter().map(parse).collect()
}

/// A URL, as `read` reads it.
fn url(fields: &Fields, key: &str, read: fn(&str) -> Result<Url, String>) -> Result<Option<Url>, FieldError> {
    let Some(text) = fields.string(key)? else {
        return Ok(None);
    };
    let url = read(&text).map_err(|what| fields.error(key, &format!("is \"{text}\": {what}")))?;
    Ok(Some(url))
}

/// The TLS options below `tls`; files are looked for beside the script.
///
/// # Errors
/// Unknown options, and files that are not there.
pub fn tls(http: &Fields, script: &Path) -> Result<TlsConfig, FieldError> {
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
    let ttl = fields.duration("ttl")?.unwrap_or(defaults.ttl);
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
