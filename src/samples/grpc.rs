//! The samples of gRPC calls and streams.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

use super::{KEPT, millis, traced};
use crate::clock::Instant;
use crate::metrics::{Batch, Recorder, TagSet, builtin};
use crate::net::ErrorKind;
use crate::net::grpc::{Bound, Code, Reply};

/// The samples of gRPC calls on one core.
pub struct Grpc {
    recorder: Recorder,
    /// The tags of a call's samples.
    tags: RefCell<FxHashMap<Key, TagSet>>,
}

/// What the tags of a call's samples are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// [`TagSet::id`] of the call's tags.
    call: u64,
    code: Code,
    expected: bool,
    error_code: Option<u16>,
}

impl Grpc {
    /// Records into `recorder`.
    #[must_use]
    pub fn new(recorder: &Recorder) -> Self {
        Self {
            recorder: recorder.clone(),
            tags: RefCell::default(),
        }
    }

    /// Records one call.
    ///
    /// `tags` are those of the call, its name and method included. `is_stream`: it could have several messages. `expected`:
    /// whether it ended as it should. `intended`: when the iteration was meant to start, if the response time is to be
    /// recorded: in open scenarios, with the first call.
    pub fn call(&self, tags: &TagSet, reply: &Reply, is_stream: bool, expected: bool, intended: Option<Instant>) {
        if let Some(error) = &reply.error
            && error.kind == ErrorKind::LocalResource
        {
            self.recorder.record(builtin::SOCKET_ERRORS, 1.0, tags);
        }
        let key = Key {
            call: tags.id(),
            code: reply.status.code,
            expected,
            error_code: reply.error.as_ref().map(|error| error.code),
        };
        let mut known = self.tags.borrow_mut();
        if let Some(tags) = known.get(&key) {
            return record(&mut self.recorder.batch(tags), reply, is_stream, expected, intended);
        }
        let tags = self.full_tags(tags, key);
        record(&mut self.recorder.batch(&tags), reply, is_stream, expected, intended);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(key, tags);
    }

    #[cold]
    fn full_tags(&self, tags: &TagSet, key: Key) -> TagSet {
        let expected = key.expected.to_string();
        let code = key.error_code.map(|code| code.to_string());
        let mut extra = vec![("status", key.code.name()), ("expected_response", &expected)];
        extra.extend(code.as_deref().map(|code| ("error_code", code)));
        self.recorder.tags(tags, &extra)
    }
}

fn record(batch: &mut Batch<'_>, reply: &Reply, is_stream: bool, expected: bool, intended: Option<Instant>) {
    batch.record(
        if is_stream {
            builtin::GRPC_STREAMS
        } else {
            builtin::GRPC_REQS
        },
        1.0,
    );
    batch.record(builtin::GRPC_REQ_FAILED, f64::from(u8::from(!expected)));
    #[expect(clippy::cast_precision_loss, reason = "no call has 2^52 bytes or messages")]
    let [sent, received, messages_sent, messages_received] =
        [reply.sent, reply.received, reply.messages.0, reply.messages.1].map(|count| count as f64);
    batch.record(builtin::DATA_SENT, sent);
    batch.record(builtin::DATA_RECEIVED, received);
    batch.record(
        builtin::GRPC_REQ_BLOCKED,
        millis(reply.timings.blocked + reply.timings.dns),
    );
    match reply.blocked_by {
        Some(Bound::Cap) => batch.record(builtin::GRPC_REQS_WAITED_FOR_CAP, 1.0),
        Some(Bound::Streams(_)) => batch.record(builtin::GRPC_REQS_WAITED_FOR_STREAM, 1.0),
        Some(Bound::Connection) | None => {}
    }
    if is_stream {
        batch.record(builtin::GRPC_STREAMS_MSGS_SENT, messages_sent);
        batch.record(builtin::GRPC_STREAMS_MSGS_RECEIVED, messages_received);
    }
    let is_served = reply.timings.has_service();
    let since = |start| reply.finished_at.saturating_duration_since(start);
    let (metric, duration) = match is_stream {
        true => (builtin::GRPC_STREAM_DURATION, since(reply.started_at)),
        false => (builtin::GRPC_REQ_DURATION, reply.timings.duration()),
    };
    if is_served {
        batch.record(metric, millis(duration));
    }
    let whole = intended.filter(|_| has_response_time(reply)).map(since);
    if let Some(whole) = whole {
        batch.record(builtin::GRPC_REQ_RESPONSE_TIME, millis(whole));
    }
    if let Some(trace) = reply.trace
        && trace.is_sampled
        && is_served
    {
        let both = [(metric, Some(duration)), (builtin::GRPC_REQ_RESPONSE_TIME, whole)];
        traced(batch, trace, both);
    }
}

/// As of HTTP: whether somebody has waited for what became of the call.
#[must_use]
pub fn has_response_time(reply: &Reply) -> bool {
    reply.timings.has_service() || reply.error.as_ref().is_some_and(|error| error.kind.is_timeout())
}
