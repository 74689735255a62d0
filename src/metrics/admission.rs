//! Which series a sample may enter, by its metric and its own tags, and which series are always kept. Their ids are the
//! catalog's.
//!
//! | the sample carries | stays out of | is in a sub-metric |
//! |---|---|---|
//! | `warmup` (an iteration of a warm-up) | every headline | only when its selector names `warmup` |
//! | `lifecycle` (`setup`, `vu_init`, `teardown`) | headlines of durations and shares | only when its selector names `lifecycle` |
//! | `poll` | headlines of durations of requests | in all but parts of a headline |
//!
//! A *headline* is a metric as a whole, and its parts by scenario, stage, phase and revision.

use super::builtin::Scope;
use super::tags::TagSet;

/// The tag of samples that only warm the system up.
pub const WARMUP: &str = "warmup";

/// Why a script or a command line cannot give samples a tag of that name: those by which the engine tells where samples belong
/// are its own, and one more of them would move samples, or take them out of the numbers.
#[must_use]
pub fn own_tag(key: &str) -> Option<String> {
    let says = match key {
        "scenario" => "it says which scenario samples are of",
        "stage" => "it says which stage of a scenario samples are of",
        "phase" => "it says which phase of the plan samples are of",
        "revision" => "it says which revision of an edited script samples are of",
        "lifecycle" => "it keeps what `setup` and `teardown` do out of the numbers",
        "poll" => "it keeps polls out of the durations of requests",
        WARMUP => "it keeps warm-ups out of the numbers",
        _ => return None,
    };
    Some(format!(
        "tag `{key}` is the engine's own: {says}; give yours another name"
    ))
}

/// Tags that part a headline.
const PARTS: [&str; 4] = ["scenario", "stage", "phase", "revision"];

/// Metrics and the tags (sorted) for whose values a series is always kept, when a sample carries them all.
const AUTOMATIC: [(&str, &[&str]); 46] = [
    ("http_req_duration", &["name"]),
    ("http_req_duration", &["scenario"]),
    ("http_req_failed", &["name"]),
    ("http_req_failed", &["scenario"]),
    ("grpc_req_duration", &["name"]),
    ("grpc_req_duration", &["scenario"]),
    ("grpc_req_failed", &["name"]),
    ("grpc_req_failed", &["scenario"]),
    // What kinds of answers there were.
    ("http_reqs", &["status"]),
    ("http_reqs", &["expected_response", "status"]),
    ("http_reqs", &["error_code"]),
    ("grpc_reqs", &["status"]),
    ("http_req_response_time", &["scenario"]),
    ("grpc_req_response_time", &["scenario"]),
    ("iteration_response_time", &["scenario"]),
    ("iteration_start_lag", &["scenario"]),
    // What the table of stages shows.
    ("http_req_duration", &["scenario", "stage"]),
    ("http_req_failed", &["scenario", "stage"]),
    ("grpc_req_duration", &["scenario", "stage"]),
    ("grpc_req_failed", &["scenario", "stage"]),
    ("iteration_response_time", &["scenario", "stage"]),
    // What the table of revisions shows.
    ("iterations", &["revision"]),
    ("iteration_duration", &["revision"]),
    ("http_reqs", &["revision"]),
    ("http_req_failed", &["revision"]),
    ("http_req_duration", &["revision"]),
    ("grpc_reqs", &["revision"]),
    ("grpc_req_failed", &["revision"]),
    ("grpc_req_duration", &["revision"]),
    ("script_errors", &["revision"]),
    // What the table of phases shows.
    ("iterations", &["phase"]),
    ("dropped_iterations", &["phase"]),
    ("iteration_duration", &["phase"]),
    ("iteration_response_time", &["phase"]),
    ("http_reqs", &["phase"]),
    ("http_req_failed", &["phase"]),
    ("http_req_duration", &["phase"]),
    ("grpc_reqs", &["phase"]),
    ("grpc_req_failed", &["phase"]),
    ("grpc_req_duration", &["phase"]),
    ("iterations", &["phase", "scenario"]),
    ("iteration_response_time", &["phase", "scenario"]),
    ("http_req_failed", &["phase", "scenario"]),
    ("http_req_duration", &["phase", "scenario"]),
    ("grpc_req_failed", &["phase", "scenario"]),
    ("grpc_req_duration", &["phase", "scenario"]),
];

/// The tags of each series that a sample of a metric is always kept in.
pub(super) fn automatic(metric: &str, tags: &TagSet) -> impl Iterator<Item = Box<[(String, String)]>> {
    let of_metric = AUTOMATIC.iter().filter(move |(name, _)| *name == metric);
    of_metric.filter_map(|(_, keys)| {
        let pairs = keys
            .iter()
            .map(|key| Some(((*key).to_owned(), tags.get(key)?.to_owned())));
        pairs.collect()
    })
}

/// Whether a series with these tags (sorted) is always kept.
pub(super) fn is_automatic(metric: &str, tags: &[(String, String)]) -> bool {
    let same_keys = |keys: &[&str]| keys.iter().eq(tags.iter().map(|(key, _)| key));
    AUTOMATIC.iter().any(|(name, keys)| *name == metric && same_keys(keys))
}

/// What a sample may enter.
pub(super) struct Admission {
    /// The metric as a whole.
    pub(super) headline: bool,
    /// Only series whose selector names this tag.
    only: Option<&'static str>,
}

impl Admission {
    pub(super) fn new(scope: Scope, tags: &TagSet) -> Self {
        let has = |key: &str| tags.get(key).is_some();
        let only = if has(WARMUP) {
            Some(WARMUP)
        } else if scope != Scope::All && has("lifecycle") {
            Some("lifecycle")
        } else {
            None
        };
        let poll = scope == Scope::JourneysNoPoll && has("poll");
        Self {
            headline: only.is_none() && !poll,
            only,
        }
    }

    /// Whether it may enter the sub-metric with these tags, all of which it carries.
    pub(super) fn admits(&self, series: &[(String, String)]) -> bool {
        let is_part = series.iter().all(|(key, _)| PARTS.contains(&key.as_str()));
        let names = |tag: &str| series.iter().any(|(key, _)| key == tag);
        match self.only {
            Some(tag) => names(tag),
            None => self.headline || !is_part,
        }
    }
}
