//! What a request leaves in the metrics: the samples of one exchange. What a metric leaves out of its headline is decided in
//! `metrics`; what a request is for is the caller's to know.

use std::time::Duration;

use crate::clock::Instant;
use crate::metrics::{Recorder, TagSet, builtin};
use crate::net::{ErrorKind, Exchange};

/// Records exchanges of HTTP.
#[derive(Clone)]
pub struct Http {
    recorder: Recorder,
}

impl Http {
    /// Records with `recorder`.
    #[must_use]
    pub fn new(recorder: &Recorder) -> Self {
        Self {
            recorder: recorder.clone(),
        }
    }

    /// Records one exchange. `intended`: when it was due, where the response time counts from it.
    pub fn exchange(&self, tags: &TagSet, exchange: &Exchange, expected: bool, intended: Option<Instant>) {
        let recorder = &self.recorder;
        let method = exchange.method.as_str();
        let (status, code) = match &exchange.outcome {
            Ok(response) => {
                let code = (response.status >= 400).then(|| 1000 + u32::from(response.status));
                (response.status, code)
            }
            Err(error) => {
                if error.kind == ErrorKind::LocalResource {
                    recorder.record(builtin::SOCKET_ERRORS, 1.0, tags);
                }
                (0, Some(u32::from(error.code)))
            }
        };
        let (status, code) = (
            status.to_string(),
            code.map(|code| code.to_string()).unwrap_or_default(),
        );
        let extra = [
            ("method", method),
            ("status", status.as_str()),
            ("expected_response", if expected { "true" } else { "false" }),
            ("error_code", code.as_str()),
        ];
        let tags = &recorder.tags(tags, &extra);
        recorder.record(builtin::HTTP_REQS, 1.0, tags);
        recorder.record(builtin::HTTP_REQ_FAILED, f64::from(u8::from(!expected)), tags);
        #[expect(clippy::cast_precision_loss, reason = "no exchange has 2^52 bytes")]
        let (sent, received) = (exchange.sent as f64, exchange.received as f64);
        recorder.record(builtin::DATA_SENT, sent, tags);
        recorder.record(builtin::DATA_RECEIVED, received, tags);
        self.durations(tags, exchange, intended);
        if exchange.retried {
            recorder.record(builtin::HTTP_CONN_RETRIES, 1.0, tags);
        }
    }

    fn durations(&self, tags: &TagSet, exchange: &Exchange, intended: Option<Instant>) {
        let (recorder, timings) = (&self.recorder, &exchange.timings);
        recorder.record(builtin::HTTP_REQ_BLOCKED, millis(timings.blocked), tags);
        recorder.record(builtin::HTTP_REQ_CONNECTING, millis(timings.connecting), tags);
        recorder.record(builtin::HTTP_REQ_TLS_HANDSHAKING, millis(timings.tls_handshaking), tags);
        // What was never written has no service time.
        if exchange.outcome.is_err() && exchange.sent == 0 {
            return;
        }
        recorder.record(builtin::HTTP_REQ_DURATION, millis(timings.duration()), tags);
        recorder.record(builtin::HTTP_REQ_SENDING, millis(timings.sending), tags);
        recorder.record(builtin::HTTP_REQ_WAITING, millis(timings.waiting), tags);
        recorder.record(builtin::HTTP_REQ_RECEIVING, millis(timings.receiving), tags);
        if let Some(intended) = intended {
            let whole = exchange.finished_at.saturating_duration_since(intended);
            recorder.record(builtin::HTTP_REQ_RESPONSE_TIME, millis(whole), tags);
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
