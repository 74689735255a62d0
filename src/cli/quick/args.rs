//! What can be written after `kingtide quick`. What it means is next door.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use crate::cli::args::{count, rate, share, tag};
use crate::cli::outputs::OutputArgs;
use crate::cli::ui::UiArgs;
use crate::metrics::{Registry, Threshold};
use crate::net::{HttpVersion, http_url};
use crate::plan::duration;
use crate::plan::expect::Expect;

#[derive(Debug, Args)]
pub(in crate::cli) struct QuickArgs {
    /// Where the requests go. User and password in it become basic auth.
    #[arg(value_parser = http_url)]
    pub(super) url: Url,

    /// Virtual users, each with a connection of its own, who send one request after the other. With --rate: the most that
    /// may be busy at once. Default: 50; with --rate as many as are needed, up to 10000.
    #[arg(short = 'c', short_alias = 'u', long, value_name = "N", value_parser = count, help_heading = LOAD, allow_negative_numbers = true)]
    pub(super) vus: Option<u64>,
    /// Requests started per second, whatever the system does.
    #[arg(short, long, value_name = "N", value_parser = rate, help_heading = LOAD, allow_negative_numbers = true)]
    pub(super) rate: Option<f64>,
    /// Duration of the load, as 30s or 1m30s; with --iterations the longest. Default: 10s, with --iterations 10m.
    #[arg(short, long, value_name = "D", value_parser = duration::parse, help_heading = LOAD, allow_negative_numbers = true)]
    pub(super) duration: Option<Duration>,
    /// Requests in all, in place of a duration.
    #[arg(short = 'n', short_alias = 'i', long, value_name = "N", value_parser = count, help_heading = LOAD, allow_negative_numbers = true, conflicts_with = "rate")]
    pub(super) iterations: Option<u64>,
    /// With --rate: the most users there may be, of which --vus are made before the start.
    #[arg(long, value_name = "N", value_parser = count, requires = "rate", conflicts_with = "iterations", help_heading = LOAD)]
    pub(super) max_vus: Option<u64>,
    /// Threads that send. Default: all cores but one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256), help_heading = LOAD)]
    pub(super) threads: Option<u32>,

    /// The method. Default: GET, and POST when there is a body.
    #[arg(short, long, value_name = "METHOD", value_parser = method, help_heading = REQUEST)]
    pub(super) method: Option<Method>,
    /// A header, as 'Name: value'; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header, help_heading = REQUEST)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body: the text itself, @FILE for that of a file, @- for that of stdin.
    #[arg(long, value_name = "TEXT", help_heading = REQUEST)]
    pub(super) body: Option<String>,
    /// A file with the body.
    #[arg(long, value_name = "FILE", conflicts_with = "body", help_heading = REQUEST)]
    pub(super) body_file: Option<PathBuf>,
    /// Limit for a request with its redirects. Default: 60s.
    #[arg(short, long, value_name = "D", value_parser = duration::parse, help_heading = REQUEST)]
    pub(super) timeout: Option<Duration>,
    /// Redirects to follow; 0 takes the redirect as the answer. Default: 10.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100), help_heading = REQUEST)]
    pub(super) redirects: Option<u32>,
    /// Statuses that are a success, as 200, 2xx, 200-299 or several with commas. Default: 200-399.
    #[arg(long, value_name = "STATUSES", help_heading = REQUEST)]
    pub(super) expect: Option<Expect>,
    /// Which HTTP is spoken: auto (https: what the server picks, http: 1.1), 1.1 or 2.
    #[arg(long, value_name = "VERSION", value_parser = version, help_heading = REQUEST)]
    pub(super) http_version: Option<HttpVersion>,
    /// The same as --http-version 2: over http without an upgrade, which the server has to know.
    #[arg(long, conflicts_with = "http_version", help_heading = REQUEST)]
    pub(super) http2: bool,
    /// Connections that all users share, in place of one for each.
    #[arg(long, value_name = "N", conflicts_with = "no_keepalive", help_heading = REQUEST)]
    pub(super) connections: Option<NonZeroUsize>,
    /// Accept every certificate.
    #[arg(short = 'k', long, help_heading = REQUEST)]
    pub(super) insecure: bool,
    /// Close the connection after each request.
    #[arg(long, help_heading = REQUEST)]
    pub(super) no_keepalive: bool,

    /// A condition to meet, as 'http_req_duration=p(95)<200ms'; may be given several times.
    #[arg(long = "threshold", value_name = "METRIC=CONDITION", value_parser = threshold, help_heading = RESULT)]
    pub(super) thresholds: Vec<Threshold>,
    /// Tag all samples.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag, help_heading = RESULT)]
    pub(super) tags: Vec<(String, String)>,
    /// Send trace ids (W3C traceparent) with all requests and have this share of them, 0 to 1, kept by who looks at traces.
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = RESULT, allow_negative_numbers = true)]
    pub(super) trace_sampling: Option<f64>,
    /// Write the summary as JSON to this file.
    #[arg(long, value_name = "FILE", help_heading = RESULT)]
    pub(super) summary_json: Option<PathBuf>,
    /// Do not let a suspect or invalid generator change the exit code.
    #[arg(long, help_heading = RESULT)]
    pub(super) allow_suspect: bool,
    #[command(flatten, next_help_heading = RESULT)]
    pub(super) ui: UiArgs,
    /// Show no progress, only the summary.
    #[arg(short, long, help_heading = RESULT)]
    pub(super) quiet: bool,
    /// Send nothing, and print the script that does the same.
    #[arg(long, help_heading = RESULT)]
    pub(super) print_script: bool,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
}

const LOAD: &str = "Load";
const REQUEST: &str = "Request";
const RESULT: &str = "Result";

fn method(text: &str) -> Result<Method, String> {
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| "it is no HTTP method".to_owned())
}

fn version(text: &str) -> Result<HttpVersion, String> {
    match text {
        "auto" => Ok(HttpVersion::Auto),
        "1.1" => Ok(HttpVersion::Http1),
        "2" => Ok(HttpVersion::Http2),
        _ => Err("it is auto, 1.1 or 2".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let name = name.trim();
    let parsed = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))?;
    let value = HeaderValue::try_from(value.trim())
        .map_err(|_| format!("the value of `{name}` holds a character that headers cannot carry"))?;
    Ok((parsed, value))
}

/// A metric or sub-metric, `=`, and an expression. Values in braces may hold `=` too.
fn threshold(text: &str) -> Result<Threshold, String> {
    const FORM: &str = "write it as METRIC=CONDITION, for example 'http_req_duration=p(95)<200ms'";
    let metric_end = text.rfind('}').map_or(0, |brace| brace + 1);
    let at = text[metric_end..].find('=').ok_or(FORM)? + metric_end;
    let (metric, condition) = (&text[..at], &text[at + 1..]);
    Threshold::parse(metric, condition, &Registry::new()).map_err(|error| format!("{error}; {FORM}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_as_on_the_wire() {
        let table = [
            ("Accept: text/html", Some(("accept", "text/html"))),
            ("a:b:c", Some(("a", "b:c"))),
            ("empty:", Some(("empty", ""))),
            ("no colon", None),
            (": value", None),
            ("bad name: x", None),
            ("a: b\nc", None),
        ];
        for (text, expected) in table {
            let got = header(text).ok();
            let got = got
                .as_ref()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn a_threshold_is_a_metric_and_a_condition() {
        let table = [
            ("http_req_duration=p(95)<200", Some("http_req_duration")),
            ("http_req_failed = rate==0", Some("http_req_failed")),
            (
                "http_req_duration{status:200}=max<=1s",
                Some("http_req_duration{status:200}"),
            ),
            ("http_req_duration{name:a=b}=avg<9", Some("http_req_duration{name:a=b}")),
            ("http_req_duration", None),
            ("nothing_like_that=rate<1", None),
            ("http_req_duration=fast", None),
        ];
        for (text, selector) in table {
            let got = threshold(text).ok().map(|threshold| threshold.selector.to_string());
            assert_eq!(got.as_deref(), selector, "{text}");
        }
    }
}
