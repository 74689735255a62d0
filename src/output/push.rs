//! Sends bodies to a URL one after the other: bounded, retried with growing pauses, counted. What is in them is the
//! encoders' affair.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use url::Url;

use super::tally::Tally;
use crate::clock::{self, Instant};
use crate::net::{Client, HeaderList, HttpConfig, Request, Shared};

/// Bodies that wait while the receiver does not answer; a minute of most outputs. Then the oldest is dropped.
const MOST_WAITING: usize = 120;
/// The receiver's time for one request.
const ANSWER: Duration = Duration::from_secs(5);
/// The first pause before a body is sent again, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much of a refusal is repeated.
const QUOTED: usize = 200;

/// A body to be sent.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) body: Bytes,
    /// Samples, lines or data points in it.
    pub(super) records: u64,
}

/// What the receiver made of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has it.
    Taken,
    /// It may take it later.
    Later(String),
    /// It will never take it.
    Refused(String),
}

/// Bodies on their way to one URL.
pub(super) struct Push {
    client: Client,
    url: Url,
    headers: HeaderList,
    waiting: VecDeque<Parcel>,
    pause: Duration,
    /// When the first of those that wait is sent.
    at: Instant,
}

impl Push {
    /// To `url`, with these headers.
    ///
    /// # Errors
    /// There is no TLS to be had.
    pub(super) fn new(url: Url, headers: HeaderList) -> Result<Self, String> {
        let config = HttpConfig {
            timeout: ANSWER,
            max_body: 64 << 10,
            ..HttpConfig::default()
        };
        let shared = Shared::new(config).map_err(|error| error.to_string())?;
        Ok(Self {
            client: Client::new(shared, 0),
            url,
            headers,
            waiting: VecDeque::new(),
            pause: FIRST_PAUSE,
            at: clock::now(),
        })
    }

    /// Queues what is to be sent.
    pub(super) fn add(&mut self, parcel: Parcel, tally: &mut Tally) {
        if self.waiting.len() == MOST_WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            tally.dropped(oldest.records);
        }
        self.waiting.push_back(parcel);
    }

    /// Whether all has been sent or dropped.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nothing more is sent.
    pub(super) fn give_up(&mut self, tally: &mut Tally) {
        for parcel in self.waiting.drain(..) {
            tally.dropped(parcel.records);
        }
    }

    /// Waits until the first body may go, and sends it; never done when there is none. May be dropped at any time: the
    /// body stays then.
    pub(super) async fn attempt(&self) -> Answer {
        let Some(parcel) = self.waiting.front() else {
            return std::future::pending().await;
        };
        clock::sleep_until(self.at).await;
        let mut request = Request::new(Method::POST, self.url.clone());
        request.headers = self.headers.clone();
        request.body = parcel.body.clone();
        // A redirected POST may become a GET without its body.
        request.redirects = 0;
        let exchange = self.client.send(&mut request, &mut |_| ()).await;
        match exchange.outcome {
            Err(error) => Answer::Later(error.to_string()),
            Ok(response) => answer(response.status, &response.body),
        }
    }

    /// Takes in what [`Push::attempt`] gave.
    pub(super) fn settle(&mut self, answer: Answer, tally: &mut Tally) {
        let done = match answer {
            Answer::Later(problem) => {
                tally.retried(problem);
                self.at = clock::now() + self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                return;
            }
            done => done,
        };
        self.pause = FIRST_PAUSE;
        self.at = clock::now();
        let records = self.waiting.pop_front().map_or(0, |parcel| parcel.records);
        match done {
            Answer::Refused(problem) => {
                tally.failed(problem);
                tally.dropped(records);
            }
            _ => tally.written(records),
        }
    }
}

/// By the rules of remote write, which are those of OTLP and InfluxDB too: the server's own trouble and too many requests
/// pass, all else does not.
fn answer(status: u16, body: &[u8]) -> Answer {
    let quoted: String = String::from_utf8_lossy(body).trim().chars().take(QUOTED).collect();
    let problem = match quoted.as_str() {
        "" => format!("answered {status}"),
        text => format!("answered {status}: {}", text.replace(['\r', '\n'], " ")),
    };
    match status {
        200..=299 => Answer::Taken,
        // Prometheus says so with 500; it will not change its mind.
        500 if quoted.contains("native histograms are disabled") => Answer::Refused(problem),
        408 | 429 | 500..=599 => Answer::Later(problem),
        _ => Answer::Refused(problem),
    }
}

/// Headers for an output, from the environment variable `KINGTIDE_OUT_<KIND>_HEADERS`: `name=value,name=value`, as
/// OpenTelemetry writes them. Secrets have no place on a command line.
///
/// # Errors
/// Text that is none; it is not repeated.
pub(super) fn headers(kind: &str, fixed: &[(HeaderName, &'static str)]) -> Result<HeaderList, String> {
    let variable = format!("KINGTIDE_OUT_{}_HEADERS", kind.replace('-', "_").to_uppercase());
    let text = std::env::var(&variable).unwrap_or_default();
    let given = parse_headers(&text).map_err(|what| format!("{variable}: {what}"))?;
    let mut headers = HeaderList::new();
    for (name, value) in fixed {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
    for (name, value) in given {
        headers.insert(name, value);
    }
    Ok(headers)
}

fn parse_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, &'static str> {
    const FORM: &str = "write it as name=value,name=value";
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or(FORM)?;
            let name: HeaderName = name.trim().parse().map_err(|_| FORM)?;
            if name == header::CONTENT_TYPE || name == header::CONTENT_ENCODING || name == header::CONTENT_LENGTH {
                return Err("what the body is follows from the output");
            }
            let mut value = HeaderValue::from_str(value.trim()).map_err(|_| FORM)?;
            value.set_sensitive(true);
            Ok((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_asked_again() {
        // status, body, what it means
        let table = [
            (200, "", Answer::Taken),
            (204, "", Answer::Taken),
            (302, "", Answer::Refused("answered 302".into())),
            (400, "out of\norder\n", Answer::Refused("answered 400: out of order".into())),
            (401, "", Answer::Refused("answered 401".into())),
            (429, "slow", Answer::Later("answered 429: slow".into())),
            (503, "", Answer::Later("answered 503".into())),
            (
                500,
                "native histograms are disabled\n",
                Answer::Refused("answered 500: native histograms are disabled".into()),
            ),
        ];
        for (status, body, expected) in table {
            assert_eq!(answer(status, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn headers_are_read_as_opentelemetry_writes_them() {
        let read = parse_headers("Authorization=Bearer a=b, x-scope = 7,").unwrap();
        let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(read, [("authorization", "Bearer a=b"), ("x-scope", "7")]);
        assert_eq!(parse_headers("").unwrap().len(), 0);
        for wrong in ["secret", "a b=c", "content-type=text/plain"] {
            let error = parse_headers(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
