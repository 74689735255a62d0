//! The samples of a request: one set for each exchange, redirects included. What a metric leaves out of its headline is
//! decided in `metrics`.

use std::rc::Rc;
use std::time::Duration;

use crate::metrics::{Recorder, TagSet, builtin};
use crate::net::{ErrorKind, Exchange};
use crate::plan::expect::{Expect, complaint};
use crate::script::{ApiError, Lifecycle, VuContext};

/// What the samples of one request have in common.
pub(super) struct Recording<'a> {
    vu: &'a Rc<VuContext>,
    recorder: &'a Recorder,
    tags: TagSet,
    expect: Expect,
}

impl<'a> Recording<'a> {
    pub(super) fn new(
        vu: &'a Rc<VuContext>,
        name: String,
        tags: &[(String, String)],
        expect: Expect,
    ) -> Result<Self, ApiError> {
        let recorder = vu.host.recorder()?;
        let base = vu.tags()?;
        let mut extra: Vec<(&str, &str)> = Vec::with_capacity(1 + tags.len());
        extra.push(("name", &name));
        extra.extend(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let tags = recorder.tags(&base, &extra);
        Ok(Self {
            vu,
            recorder,
            tags,
            expect,
        })
    }

    pub(super) fn expect(&self) -> &Expect {
        &self.expect
    }

    /// Records one exchange. `may_redirect`: a redirect here is followed, so that it is a step, not the answer.
    pub(super) fn hop(&self, exchange: &Exchange, may_redirect: bool) {
        super::trace::ended(self.vu, exchange);
        let (recorder, method) = (self.recorder, exchange.method.as_str());
        let expected;
        let tags = match &exchange.outcome {
            Ok(response) => {
                let step = may_redirect && is_redirect(response.status);
                expected = step || self.expect.holds(response.status);
                let status = StatusText::new(response.status);
                let mut extra = [
                    ("method", method),
                    ("status", status.as_str()),
                    ("expected_response", bool_text(expected)),
                    ("", ""),
                ];
                let code;
                let mut used = 3;
                if response.status >= 400 {
                    code = (1000 + u32::from(response.status)).to_string();
                    extra[3] = ("error_code", &code);
                    used = 4;
                }
                recorder.tags(&self.tags, &extra[..used])
            }
            Err(error) => {
                expected = false;
                if error.kind == ErrorKind::LocalResource {
                    recorder.record(builtin::SOCKET_ERRORS, 1.0, &self.tags);
                }
                let code = error.code.to_string();
                let extra = [
                    ("method", method),
                    ("status", "0"),
                    ("expected_response", "false"),
                    ("error_code", code.as_str()),
                ];
                recorder.tags(&self.tags, &extra)
            }
        };
        recorder.record(builtin::HTTP_REQS, 1.0, &tags);
        recorder.record(builtin::HTTP_REQ_FAILED, f64::from(u8::from(!expected)), &tags);
        record_bytes(recorder, exchange, &tags);
        self.durations(exchange, &tags);
        if !expected {
            self.tell(exchange);
        }
        if exchange.retried {
            recorder.record(builtin::HTTP_CONN_RETRIES, 1.0, &tags);
        }
    }

    /// Tells the first failure of each kind, so that nobody has to guess why; the others are only counted.
    fn tell(&self, exchange: &Exchange) {
        let (code, what) = complaint(exchange);
        let session = &self.vu.host.session;
        if session.is_first_failure(code) {
            let text = session.redact(&what);
            tracing::warn!(target: "kingtide::http", "{text} (error_code {code}; told once)");
        }
    }

    fn durations(&self, exchange: &Exchange, tags: &TagSet) {
        let (recorder, timings) = (self.recorder, &exchange.timings);
        recorder.record(builtin::HTTP_REQ_BLOCKED, millis(timings.blocked), tags);
        recorder.record(builtin::HTTP_REQ_CONNECTING, millis(timings.connecting), tags);
        recorder.record(builtin::HTTP_REQ_TLS_HANDSHAKING, millis(timings.tls_handshaking), tags);
        // A request that was never written has no service time; it is counted as failed, and would only make the fast end of
        // the distribution look better.
        if exchange.outcome.is_err() && exchange.sent == 0 {
            return;
        }
        recorder.record(builtin::HTTP_REQ_DURATION, millis(timings.duration()), tags);
        recorder.record(builtin::HTTP_REQ_SENDING, millis(timings.sending), tags);
        recorder.record(builtin::HTTP_REQ_WAITING, millis(timings.waiting), tags);
        recorder.record(builtin::HTTP_REQ_RECEIVING, millis(timings.receiving), tags);
        self.response_time(exchange, tags);
    }

    /// Intended start of the iteration to the end of its first request, in open scenarios.
    fn response_time(&self, exchange: &Exchange, tags: &TagSet) {
        let vu = self.vu;
        if vu.lifecycle.get() != Lifecycle::Iteration || vu.requested.replace(true) {
            return;
        }
        let plan = vu.plan();
        let open = vu
            .scenario
            .and_then(|index| plan.as_ref()?.scenarios.get(index))
            .is_some_and(|s| s.executor.is_open());
        if let (true, Some(iteration)) = (open, vu.iteration.get()) {
            let whole = exchange.finished_at.saturating_duration_since(iteration.scheduled_at);
            self.recorder
                .record(builtin::HTTP_REQ_RESPONSE_TIME, millis(whole), tags);
        }
    }
}

fn record_bytes(recorder: &Recorder, exchange: &Exchange, tags: &TagSet) {
    #[expect(clippy::cast_precision_loss, reason = "no exchange has 2^52 bytes")]
    let (sent, received) = (exchange.sent as f64, exchange.received as f64);
    recorder.record(builtin::DATA_SENT, sent, tags);
    recorder.record(builtin::DATA_RECEIVED, received, tags);
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A status as text, without an allocation.
struct StatusText([u8; 3]);

impl StatusText {
    fn new(status: u16) -> Self {
        let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or(0);
        Self([digit(status / 100), digit(status / 10), digit(status)])
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("0")
    }
}
