//! Requests that failed, as a run keeps a few of each kind: plain data, with credentials left out and long texts cut. Who
//! picks and redacts them is `failures`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::interval::Interval;
use crate::metrics::TraceId;

/// A request that failed, and what came back. Credentials are replaced by `[redacted]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedRequest {
    /// Its kind: 0, 1, 2… in the order in which they were first met.
    pub kind: u32,
    /// When it had failed, from the start of the load; 0 before.
    pub at_ms: u64,
    /// The scenario; not there in `setup` and `teardown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// `setup`, `teardown` or `vu_init`; not there in iterations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<String>,
    /// The virtual user.
    pub vu: u64,
    /// The number of the iteration in its scenario.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u64>,
    /// What the request is called.
    pub name: String,
    /// The HTTP method, or `gRPC`.
    pub method: String,
    /// The whole URL, or the address of the server and the method's path.
    pub url: String,
    /// What failed in a few words: `status 500`, `NOT_FOUND`, `connection refused`, `check: has items`.
    pub what: String,
    /// The HTTP status, if one came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The name of the gRPC status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<String>,
    /// As `error_code` of a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// The check that failed, where all else was as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// What went wrong, for people; the message of a gRPC status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The id of its trace, where requests carry one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// What was sent; not there where it was gone when the failure was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<FailedMessage>,
    /// What came back; not there when nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<FailedMessage>,
    /// Where the time went.
    pub timings: FailedTimings,
}

/// One side of a [`FailedRequest`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedMessage {
    /// Names and values in their order; metadata of gRPC.
    pub headers: Vec<(String, String)>,
    /// The same of trailers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(String, String)>,
    /// The beginning of the body, if it is text; a message of gRPC as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many bytes the body had.
    pub body_bytes: u64,
    /// There is more of it than `body` shows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Where the time of a [`FailedRequest`] went, in milliseconds; phases that were not reached are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedTimings {
    /// Waiting for a free connection or stream.
    pub blocked: f64,
    /// Name resolution.
    pub dns: f64,
    /// TCP handshake.
    pub connecting: f64,
    /// TLS handshake.
    pub tls_handshaking: f64,
    /// First to last byte of the request.
    pub sending: f64,
    /// To the first byte of the response.
    pub waiting: f64,
    /// First to last byte of the response.
    pub receiving: f64,
}

/// How many requests of a kind have failed in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCount {
    /// As [`FailedRequest::kind`].
    pub kind: u32,
    /// Without those of a warm-up.
    pub count: u64,
}

/// A kind of failure in a summary: its first request, shortened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureSummary {
    /// What failed in a few words.
    pub what: String,
    /// What the requests are called.
    pub name: String,
    /// The HTTP method, or `gRPC`.
    pub method: String,
    /// The scenario; `setup` or `teardown` outside of any.
    pub scenario: String,
    /// How many there were, without those of a warm-up.
    pub count: u64,
    /// When the first had failed.
    pub first_at_ms: u64,
    /// Its URL.
    pub url: String,
    /// What was wrong with it: its error, else the beginning of what came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Characters of [`FailureSummary::detail`].
const MOST_DETAIL: usize = 200;

impl FailureSummary {
    /// The kind whose first request is `first`, without a count.
    #[must_use]
    pub fn of(first: &FailedRequest) -> Self {
        let body = first.response.as_ref().and_then(|response| response.body.as_deref());
        let detail = first.error.as_deref().or(body).map(shortened);
        let place = first.scenario.clone().or_else(|| first.lifecycle.clone());
        Self {
            what: first.what.clone(),
            name: first.name.clone(),
            method: first.method.clone(),
            scenario: place.unwrap_or_default(),
            count: 0,
            first_at_ms: first.at_ms,
            url: first.url.clone(),
            detail: detail.filter(|detail| !detail.is_empty()),
        }
    }
}

/// The kinds that some intervals tell of, the most frequent first.
pub(super) fn summaries(intervals: &[Interval]) -> Vec<FailureSummary> {
    let mut kinds = BTreeMap::<u32, FailureSummary>::new();
    for failed in intervals.iter().flat_map(|interval| &interval.failures) {
        kinds.entry(failed.kind).or_insert_with(|| FailureSummary::of(failed));
    }
    for failed in intervals.iter().flat_map(|interval| &interval.failed) {
        if let Some(kind) = kinds.get_mut(&failed.kind) {
            kind.count += failed.count;
        }
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    kinds
}

/// On one line, and not too long.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST_DETAIL) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
