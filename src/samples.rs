//! The samples of an exchange with a server, the same for whoever made it. What is expected of an answer, and what else
//! happens because of it, is the caller's business; what a metric leaves out of its headline is decided in `metrics`.

mod grpc;

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::Method;
use rustc_hash::FxHashMap;

use crate::clock::{self, Instant};
use crate::metrics::{Batch, MetricId, Recorder, TagSet, TraceId, builtin};
use crate::net::{ErrorKind, Exchange, Trace};

pub use grpc::{Grpc, has_response_time as has_call_response_time};

/// How many sets of tags are remembered before all are forgotten: tags may be made of ids.
const KEPT: usize = 4_096;

/// The samples of HTTP requests on one core.
pub struct Http {
    recorder: Recorder,
    /// The tags of an exchange's samples.
    tags: RefCell<FxHashMap<Key, TagSet>>,
}

/// What the tags of an exchange's samples are made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// [`TagSet::id`] of the request's tags.
    request: u64,
    method: Method,
    ending: Ending,
}

/// How an exchange ended, as far as its tags tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ending {
    Status { status: u16, expected: bool },
    Error { code: u16 },
}

impl Http {
    /// Records into `recorder`.
    #[must_use]
    pub fn new(recorder: &Recorder) -> Self {
        Self {
            recorder: recorder.clone(),
            tags: RefCell::default(),
        }
    }

    /// Records one exchange, of which a request with redirects has several.
    ///
    /// `tags` are those of the request, its name included. `expected`: whether the response was; without one it makes no
    /// difference. `intended`: when the iteration was meant to start, if the response time is to be recorded: in open
    /// scenarios, with the first exchange.
    pub fn exchange(&self, tags: &TagSet, exchange: &Exchange, expected: bool, intended: Option<Instant>) {
        let ending = match &exchange.outcome {
            Ok(response) => Ending::Status {
                status: response.status,
                expected,
            },
            Err(error) => {
                if error.kind == ErrorKind::LocalResource {
                    self.recorder.record(builtin::SOCKET_ERRORS, 1.0, tags);
                }
                Ending::Error { code: error.code }
            }
        };
        let key = Key {
            request: tags.id(),
            method: exchange.method.clone(),
            ending,
        };
        let mut known = self.tags.borrow_mut();
        if let Some(tags) = known.get(&key) {
            return record(&mut self.recorder.batch(tags), exchange, ending, intended);
        }
        let tags = self.full_tags(tags, &key);
        record(&mut self.recorder.batch(&tags), exchange, ending, intended);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(key, tags);
    }

    #[cold]
    fn full_tags(&self, tags: &TagSet, key: &Key) -> TagSet {
        let (status, expected, code) = match key.ending {
            Ending::Status { status, expected } => (status, expected, (!expected).then(|| 1000 + u32::from(status))),
            Ending::Error { code } => (0, false, Some(u32::from(code))),
        };
        let (status, expected) = (status.to_string(), expected.to_string());
        let code = code.map(|code| code.to_string());
        let mut extra = vec![
            ("method", key.method.as_str()),
            ("status", &status),
            ("expected_response", &expected),
        ];
        extra.extend(code.as_deref().map(|code| ("error_code", code)));
        self.recorder.tags(tags, &extra)
    }
}

fn record(batch: &mut Batch<'_>, exchange: &Exchange, ending: Ending, intended: Option<Instant>) {
    let failed = !matches!(ending, Ending::Status { expected: true, .. });
    batch.record(builtin::HTTP_REQS, 1.0);
    batch.record(builtin::HTTP_REQ_FAILED, f64::from(u8::from(failed)));
    #[expect(clippy::cast_precision_loss, reason = "no exchange has 2^52 bytes")]
    let (sent, received) = (exchange.sent as f64, exchange.received as f64);
    batch.record(builtin::DATA_SENT, sent);
    batch.record(builtin::DATA_RECEIVED, received);
    let timings = &exchange.timings;
    batch.record(builtin::HTTP_REQ_BLOCKED, millis(timings.blocked + timings.dns));
    batch.record(builtin::HTTP_REQ_CONNECTING, millis(timings.connecting));
    batch.record(builtin::HTTP_REQ_TLS_HANDSHAKING, millis(timings.tls_handshaking));
    if exchange.retried {
        batch.record(builtin::HTTP_CONN_RETRIES, 1.0);
    }
    let is_served = has_service_time(exchange);
    if is_served {
        batch.record(builtin::HTTP_REQ_DURATION, millis(timings.duration()));
        batch.record(builtin::HTTP_REQ_SENDING, millis(timings.sending));
        batch.record(builtin::HTTP_REQ_WAITING, millis(timings.waiting));
        batch.record(builtin::HTTP_REQ_RECEIVING, millis(timings.receiving));
    }
    let intended = intended.filter(|_| has_response_time(exchange));
    let whole = intended.map(|intended| exchange.finished_at.saturating_duration_since(intended));
    if let Some(whole) = whole {
        batch.record(builtin::HTTP_REQ_RESPONSE_TIME, millis(whole));
    }
    if let Some(trace) = exchange.trace
        && trace.is_sampled
        && is_served
    {
        let both = [
            (builtin::HTTP_REQ_DURATION, Some(timings.duration())),
            (builtin::HTTP_REQ_RESPONSE_TIME, whole),
        ];
        traced(batch, trace, both);
    }
}

/// Says whose trace the samples have that were just recorded.
#[cold]
fn traced(batch: &mut Batch<'_>, trace: Trace, samples: [(MetricId, Option<Duration>); 2]) {
    let Some(id) = TraceId::new(trace.id()) else { return };
    let at = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    for (metric, duration) in samples {
        if let Some(duration) = duration {
            batch.trace(metric, millis(duration), id, at_ms);
        }
    }
}

/// Whether anything of the request was ever written. One that was not is counted as failed; its times would only make the
/// fast end of the distributions look better.
fn has_service_time(exchange: &Exchange) -> bool {
    exchange.outcome.is_ok() || exchange.timings.has_service()
}

/// Whether somebody has waited for what became of the request: until it was served, or in vain, however far it had come when
/// its time was over. One that failed at once is as if it had not been.
#[must_use]
pub fn has_response_time(exchange: &Exchange) -> bool {
    has_service_time(exchange) || matches!(&exchange.outcome, Err(error) if error.kind.is_timeout())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests;
