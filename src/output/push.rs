//! Sends bodies to a URL one after the other: bounded, retried with growing pauses, counted. What is in them is the
//! encoders' affair.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Event;
use super::tally::Tally;
use crate::clock::{self, Instant};
use crate::net::{Client, HeaderList, HttpConfig, Request, Shared};
use crate::results::{Header, Interval};

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
    /// It has it, and said this.
    Taken(Bytes),
    /// It may take it later.
    Later(String),
    /// It will never take it.
    Refused(String),
}

/// The way to one URL.
pub(super) struct Line {
    client: Client,
    url: Url,
    headers: HeaderList,
}

impl Line {
    /// To `url`, with these headers.
    ///
    /// # Errors
    /// The system has no trusted roots and the like.
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
        })
    }

    /// Sends a body when its time has come.
    async fn send(&self, at: Instant, parcel: Parcel) -> (Parcel, Answer) {
        clock::sleep_until(at).await;
        let mut request = Request::new(Method::POST, self.url.clone());
        request.headers = self.headers.clone();
        request.body = parcel.body.clone();
        // A redirected POST may become a GET without its body.
        request.redirects = 0;
        let exchange = self.client.fetch(request).await;
        let answer = match exchange.outcome {
            Err(error) => Answer::Later(error.to_string()),
            Ok(response) => answer(response.status, response.shared_body()),
        };
        (parcel, answer)
    }
}

/// Makes bodies of seconds.
pub(super) trait Encoder {
    /// The load begins.
    fn begin(&mut self, header: &Header);
    /// What is to be sent of a second.
    fn interval(&mut self, interval: &Interval) -> Vec<Parcel>;
    /// What is to be sent when the run is over.
    fn end(&mut self) -> Vec<Parcel> {
        Vec::new()
    }
    /// A body was refused for good.
    fn refused(&mut self, _problem: &str) {}
    /// How many records were left out of a body that was taken, and why, if its answer says so.
    fn rejected(&self, _answer: &[u8]) -> Option<(u64, String)> {
        None
    }
}

/// Sends what `encoder` makes of the events until they end, and then what is left, unless it is given up. A body that is on its
/// way is never cut short by the next one.
pub(super) async fn push(
    line: &Line,
    encoder: &mut dyn Encoder,
    events: &mut mpsc::Receiver<Event>,
    give_up: &CancellationToken,
    tally: &Tally,
) {
    let mut queue = Queue::default();
    let mut in_flight = None;
    let mut is_over = false;
    loop {
        if in_flight.is_none() {
            in_flight = queue.next().map(|(at, parcel)| Box::pin(line.send(at, parcel)));
        }
        if in_flight.is_none() && is_over {
            return;
        }
        let answered = async {
            match &mut in_flight {
                Some(sending) => sending.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            (parcel, answer) = answered => {
                in_flight = None;
                queue.settle(parcel, answer, encoder, tally);
            }
            event = events.recv(), if !is_over => match event {
                Some(Event::Begin(header)) => encoder.begin(&header),
                Some(Event::Interval(interval)) => queue.add(encoder.interval(&interval), tally),
                None => {
                    queue.add(encoder.end(), tally);
                    queue.hurry();
                    is_over = true;
                }
            },
            () = give_up.cancelled() => {
                queue.give_up(tally);
                return;
            }
        }
    }
}

/// Bodies that wait.
struct Queue {
    waiting: VecDeque<Parcel>,
    /// Of the one that is being sent.
    away: u64,
    /// The first of those that wait has been sent before; and so has the one that is being sent.
    again: (bool, bool),
    pause: Duration,
    /// When the next may be sent.
    at: Instant,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            away: 0,
            again: (false, false),
            pause: FIRST_PAUSE,
            at: clock::now(),
        }
    }
}

impl Queue {
    /// Queues what is to be sent, at the cost of the oldest when there is too much.
    fn add(&mut self, parcels: Vec<Parcel>, tally: &Tally) {
        for parcel in parcels {
            if self.waiting.len() == MOST_WAITING
                && let Some(oldest) = self.waiting.pop_front()
            {
                tally.dropped(oldest.records);
                self.again.0 = false;
            }
            self.waiting.push_back(parcel);
        }
    }

    /// The next one, and when it may go.
    fn next(&mut self) -> Option<(Instant, Parcel)> {
        let parcel = self.waiting.pop_front()?;
        self.away = parcel.records;
        self.again = (false, self.again.0);
        Some((self.at, parcel))
    }

    /// What is still there may go at once.
    fn hurry(&mut self) {
        self.pause = FIRST_PAUSE;
        self.at = clock::now();
    }

    /// Takes in what became of one.
    fn settle(&mut self, parcel: Parcel, answer: Answer, encoder: &mut dyn Encoder, tally: &Tally) {
        self.away = 0;
        if self.again.1 {
            tally.retried();
        }
        let records = parcel.records;
        match answer {
            Answer::Later(problem) => {
                tally.failed(problem, true);
                self.at = clock::now() + self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                if self.waiting.len() < MOST_WAITING {
                    self.waiting.push_front(parcel);
                    self.again.0 = true;
                } else {
                    tally.dropped(records);
                }
                return;
            }
            Answer::Refused(problem) => {
                encoder.refused(&problem);
                tally.failed(problem, false);
                tally.dropped(records);
            }
            Answer::Taken(said) => match encoder.rejected(&said) {
                Some((rejected, problem)) => {
                    tally.failed(format!("left out {rejected}: {problem}"), false);
                    tally.dropped(rejected.min(records));
                    tally.written(records.saturating_sub(rejected));
                }
                None => tally.written(records),
            },
        }
        self.hurry();
    }

    /// Nothing more is sent.
    fn give_up(&mut self, tally: &Tally) {
        let waiting = self.waiting.drain(..).map(|parcel| parcel.records);
        tally.dropped(waiting.sum::<u64>() + self.away);
    }
}

/// By the rules of remote write, which are those of OTLP and InfluxDB too: the server's own trouble and too many requests
/// pass, all else does not.
fn answer(status: u16, body: Bytes) -> Answer {
    let quoted: String = String::from_utf8_lossy(&body).trim().chars().take(QUOTED).collect();
    let problem = match quoted.as_str() {
        "" => format!("answered {status}"),
        text => format!("answered {status}: {}", text.replace(['\r', '\n'], " ")),
    };
    match status {
        200..=299 => Answer::Taken(body),
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
            (200, "x", Answer::Taken("x".into())),
            (204, "", Answer::Taken(Bytes::new())),
            (302, "", Answer::Refused("answered 302".into())),
            (
                400,
                "out of\norder\n",
                Answer::Refused("answered 400: out of order".into()),
            ),
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
            assert_eq!(answer(status, body.into()), expected, "{status} {body}");
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
