//! The slowest requests whose traces are kept: of a summary, one for each name; of a run's seconds, the slowest of all. How
//! they are shown is the reports'.

use std::collections::BTreeMap;

use crate::metrics::{Exemplar, MetricSummary, Selector};
use crate::results::{Interval, Series, Summary, Values};

/// How long requests take that are told apart by their names.
const METRICS: [&str; 2] = ["http_req_duration", "grpc_req_duration"];

/// A request that was slow.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slow {
    /// The name of the request.
    pub(super) name: String,
    /// What it took, in milliseconds, and which trace is its.
    pub(super) exemplar: Exemplar,
}

/// The slowest of each name, the slowest first.
pub(super) fn by_name(summary: &Summary) -> Vec<Slow> {
    let slow = |(key, metric): (&String, &MetricSummary)| {
        let MetricSummary::Trend { values, .. } = metric else {
            return None;
        };
        let exemplar = values.as_ref()?.exemplar?;
        let selector = Selector::parse(key).ok()?;
        let is_known = METRICS.contains(&selector.metric.as_str());
        match selector.tags.as_slice() {
            [(tag, name)] if is_known && tag == "name" => Some(Slow {
                name: name.clone(),
                exemplar,
            }),
            _ => None,
        }
    };
    sorted(summary.metrics.iter().filter_map(slow))
}

/// The slowest of each second and name, the slowest first: at most `most`.
pub(super) fn of_seconds(intervals: &[Interval], most: usize) -> Vec<Slow> {
    let series = intervals.iter().flat_map(|interval| &interval.series);
    let mut slow = sorted(series.filter_map(named));
    slow.truncate(most);
    slow
}

/// What a series by name tells of its second.
pub(super) fn named(series: &Series) -> Option<Slow> {
    let Values::Trend(trend) = &series.values else {
        return None;
    };
    let exemplar = trend.exemplar?;
    let name = series.tags.get("name").filter(|_| series.tags.len() == 1)?;
    METRICS.contains(&series.metric.as_str()).then(|| Slow {
        name: name.clone(),
        exemplar,
    })
}

/// The slowest first; a trace that several requests share once, by the slowest of them.
fn sorted(all: impl Iterator<Item = Slow>) -> Vec<Slow> {
    let mut by_trace = BTreeMap::new();
    for slow in all {
        let known = by_trace.entry(slow.exemplar.trace_id).or_insert_with(|| slow.clone());
        if known.exemplar.slower(slow.exemplar) != known.exemplar {
            *known = slow;
        }
    }
    let mut all: Vec<_> = by_trace.into_values().collect();
    let value = |slow: &Slow| slow.exemplar.value;
    all.sort_by(|a, b| value(b).total_cmp(&value(a)).then_with(|| a.name.cmp(&b.name)));
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// A second with a series for each name: what its slowest request took, and the first digits of its trace.
    pub(crate) fn second(number: u64, slow: &[(&str, f64, &str)]) -> Interval {
        let series = slow.iter().map(|(name, value, id)| {
            json!({ "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": { "name": name }, "count": 1,
                "sum": value, "min": value, "max": value, "buckets": [[4947, 1]],
                "exemplar": { "value": value, "trace_id": format!("{id:0<32}"), "at_ms": 1_795_168_800_000_u64 + number * 1_000 } })
        });
        let series: Vec<_> = series.collect();
        serde_json::from_value(json!({ "second": number, "at_ms": 0, "duration_ms": 1_000, "series": series })).unwrap()
    }

    #[test]
    fn the_slowest_come_first_and_each_trace_once() {
        let seconds = [
            second(0, &[("a", 5.0, "1"), ("b", 7.0, "2")]),
            // One trace of two requests.
            second(1, &[("a", 9.0, "2"), ("b", 1.0, "3")]),
        ];
        let all: Vec<_> = of_seconds(&seconds, 2)
            .into_iter()
            .map(|slow| (slow.name, slow.exemplar.value))
            .collect();
        assert_eq!(all, [("a".to_owned(), 9.0), ("a".to_owned(), 5.0)]);
    }
}
