//! What `--out KIND=TARGET` means: the kinds of outputs and where each goes. How they write is in a file for each kind.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::net::http_url;

/// The port of the scrape endpoint when none is named.
const SCRAPE_PORT: u16 = 9_464;

/// An output that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// A line in a file for each sample.
    Jsonl(PathBuf),
    /// HdrHistogram's interval log.
    Hlog(PathBuf),
    /// A table in a file: a row for each series and second.
    Csv(PathBuf),
    /// JUnit's XML, when the run is over. `report` knows what is in it, so that it is not opened here.
    Junit(PathBuf),
    /// An endpoint that Prometheus scrapes.
    Prometheus(SocketAddr),
    /// Prometheus remote write.
    PrometheusRw(Url),
    /// Line protocol of InfluxDB over HTTP.
    Influx(Url),
    /// StatsD over UDP: host and port.
    Statsd(String),
    /// OTLP over HTTP.
    Otlp(Url),
}

/// The kinds, as they are listed to who asks for another.
const KINDS: &str = "csv, hlog, influx, jsonl, junit, otlp, prometheus, prometheus-rw, statsd";

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, target) = match text.split_once('=') {
            Some((kind, target)) => (kind, Some(target).filter(|target| !target.is_empty())),
            None => (text, None),
        };
        let needs = |form: &str| target.ok_or_else(|| format!("write it as {kind}={form}"));
        match kind {
            "csv" => needs("FILE").map(|file| Self::Csv(file.into())),
            "jsonl" => needs("FILE").map(|file| Self::Jsonl(file.into())),
            "hlog" => needs("FILE").map(|file| Self::Hlog(file.into())),
            "junit" => needs("FILE").map(|file| Self::Junit(file.into())),
            "prometheus" => target
                .map_or(Ok(([127, 0, 0, 1], SCRAPE_PORT).into()), |text| {
                    listen_addr(text, SCRAPE_PORT)
                })
                .map(Self::Prometheus),
            "prometheus-rw" => needs("URL")
                .and_then(|text| url(text, "/api/v1/write"))
                .map(Self::PrometheusRw),
            "influx" => needs("URL").and_then(influx).map(Self::Influx),
            "statsd" => needs("HOST:PORT").and_then(host_port).map(Self::Statsd),
            "otlp" => needs("URL").and_then(|text| url(text, "/v1/metrics")).map(Self::Otlp),
            other => Err(match nearest(other) {
                Some(near) => format!("there is no output `{other}`; did you mean `{near}`?"),
                None => format!("there is no output `{other}`; there are {KINDS}"),
            }),
        }
    }
}

fn nearest(kind: &str) -> Option<&'static str> {
    let distance = |known: &str| strsim::damerau_levenshtein(known, kind);
    let near = KINDS.split(", ").min_by_key(|known| distance(known))?;
    (distance(near) <= 2).then_some(near)
}

/// An address to listen at, or a port of this machine; `usual` is an example.
///
/// # Errors
/// How it is written.
pub fn listen_addr(text: &str, usual: u16) -> Result<SocketAddr, String> {
    let text = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = text.parse::<u16>() {
        return Ok(([127, 0, 0, 1], port).into());
    }
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse()
        .map_err(|_| format!("`{text}` is no address; write it as 127.0.0.1:{usual}, or a port alone"))
}

fn host_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no address; write it as 127.0.0.1:8125")),
    }
}

/// An HTTP URL, which gets `path` if it has none of its own.
fn url(text: &str, path: &str) -> Result<Url, String> {
    // The text is not repeated: it may hold a password.
    let mut url = http_url(text).map_err(|what| format!("not a URL: {what}"))?;
    if url.path() == "/" {
        url.set_path(path);
    }
    Ok(url)
}

/// The write endpoint; without a path that of InfluxDB 1, with a database of our name. Times are milliseconds.
fn influx(text: &str) -> Result<Url, String> {
    let mut url = url(text, "/write")?;
    let has = |url: &Url, key: &str| url.query_pairs().any(|(name, _)| name == key);
    if url.path().ends_with("/write") && !url.path().ends_with("/v2/write") && !has(&url, "db") {
        url.query_pairs_mut().append_pair("db", "kingtide");
    }
    let precision = url
        .query_pairs()
        .find(|(name, _)| name == "precision")
        .map(|(_, value)| value.into_owned());
    match precision.as_deref() {
        None => {
            url.query_pairs_mut().append_pair("precision", "ms");
        }
        Some("ms") => {}
        Some(other) => {
            return Err(format!(
                "times are written in ms, not in `{other}`: leave `precision` out"
            ));
        }
    }
    Ok(url)
}

impl Spec {
    /// What was written before the `=`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Jsonl(_) => "jsonl",
            Self::Hlog(_) => "hlog",
            Self::Junit(_) => "junit",
            Self::Csv(_) => "csv",
            Self::Prometheus(_) => "prometheus",
            Self::PrometheusRw(_) => "prometheus-rw",
            Self::Influx(_) => "influx",
            Self::Statsd(_) => "statsd",
            Self::Otlp(_) => "otlp",
        }
    }

    /// The file that it goes to, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Csv(file) | Self::Jsonl(file) | Self::Hlog(file) | Self::Junit(file) => Some(file),
            _ => None,
        }
    }

    /// Where it goes, without secrets.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Csv(file) | Self::Jsonl(file) | Self::Hlog(file) | Self::Junit(file) => file.display().to_string(),
            Self::Prometheus(addr) => addr.to_string(),
            Self::Statsd(addr) => addr.clone(),
            Self::PrometheusRw(url) | Self::Influx(url) | Self::Otlp(url) => redacted(url),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind(), self.target())
    }
}

/// Parameters of a URL that are worth showing; the values of all others may be secrets.
const HARMLESS: &[&str] = &["db", "org", "bucket", "precision", "rp"];

/// A URL as it may be shown: without userinfo, and without the values of parameters that are not known to be harmless.
fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        let _ = shown.set_password(None);
        let _ = shown.set_username("***");
    }
    if url.query().is_some() {
        let shows = |name: &str| HARMLESS.contains(&name);
        let pairs: Vec<String> = url
            .query_pairs()
            .map(|(name, value)| format!("{name}={}", if shows(&name) { &value } else { "***" }))
            .collect();
        shown.set_query(Some(&pairs.join("&")));
    }
    shown.set_fragment(None);
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        // what is written, what it is shown as
        let table = [
            ("csv=a/b.csv", "csv=a/b.csv"),
            ("prometheus", "prometheus=127.0.0.1:9464"),
            ("prometheus=9999", "prometheus=127.0.0.1:9999"),
            ("prometheus=:9999", "prometheus=127.0.0.1:9999"),
            ("prometheus=localhost:0", "prometheus=127.0.0.1:0"),
            ("prometheus=[::1]:9", "prometheus=[::1]:9"),
            (
                "prometheus-rw=http://a:9090",
                "prometheus-rw=http://a:9090/api/v1/write",
            ),
            (
                "prometheus-rw=https://a/push?tenant=7",
                "prometheus-rw=https://a/push?tenant=***",
            ),
            ("otlp=http://me:secret@a:4318", "otlp=http://***@a:4318/v1/metrics"),
            ("otlp=http://token@a/x#secret", "otlp=http://***@a/x"),
            (
                "influx=http://a:8086",
                "influx=http://a:8086/write?db=kingtide&precision=ms",
            ),
            (
                "influx=http://a/api/v2/write?org=o&bucket=b",
                "influx=http://a/api/v2/write?org=o&bucket=b&precision=ms",
            ),
            (
                "influx=http://a/write?db=x&u=me&p=secret",
                "influx=http://a/write?db=x&u=***&p=***&precision=ms",
            ),
            ("statsd=a:8125", "statsd=a:8125"),
        ];
        for (text, shown) in table {
            let spec: Spec = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(spec.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_cannot() {
        let table = [
            ("csv", "write it as csv=FILE"),
            ("csv=", "write it as csv=FILE"),
            ("cvs=a", "there is no output `cvs`; did you mean `csv`?"),
            ("kafka=a", "there is no output `kafka`; there are csv"),
            ("prometheus-rw=a:9090", "not a URL: it has no scheme; write http://"),
            ("otlp=http://", "not a URL"),
            ("influx=http://a/write?precision=s", "times are written in ms"),
            ("statsd=a", "is no address"),
            ("statsd=:8125", "is no address"),
            ("prometheus=a", "is no address"),
        ];
        for (text, says) in table {
            let error = text.parse::<Spec>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
