//! What a report carries of its run, as compact JSON: series and checks are named once, rows are lists, buckets are steps.
//! The other end is `unpack` in `model.js`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::metrics::{Exemplar, TraceId, buckets};
use crate::report::traces::{self, Slow};
use crate::results::{Header, Interval, Run, Series, Values};

/// What the charts show; all else is in the summary.
const METRICS: &[&str] = &[
    "http_reqs",
    "http_req_duration",
    "http_req_response_time",
    "grpc_reqs",
    "grpc_req_duration",
    "grpc_req_response_time",
    "grpc_streams",
    "iteration_duration",
    "iteration_response_time",
    "data_sent",
    "data_received",
    "script_errors",
    "socket_errors",
];

/// Parts of metrics by which charts can be filtered or are layered.
const TAGS: &[&str] = &["name", "scenario", "status", "error_code"];

/// Buckets that a report may have, some five bytes each. Of longer or busier runs they are made coarser, which only the
/// charts see: the numbers are the summary's.
const MOST_BUCKETS: usize = 600_000;

/// The coarsest they become: 32 for each doubling, so that a value is at most 1.6 % away.
const COARSEST: u32 = 5;

/// Slow requests that the page lists.
pub(super) const MOST_TRACES: usize = 20;

/// The document's data, safe to stand within a `<script>`.
pub(super) fn of_run(run: &Run) -> String {
    let mut header = run.header.clone().unwrap_or_else(|| {
        let manifest = &run.manifest;
        Header::without_load(&manifest.script.path, manifest.seed, &manifest.started_at)
    });
    let shift = coarseness(&run.intervals);
    header.run.buckets.doubling = buckets::DOUBLING >> shift;
    let slowest = traces::of_seconds(&run.intervals, MOST_TRACES);
    let mut names = Names {
        slowest: slowest.iter().map(|slow| slow.exemplar.trace_id).collect(),
        ..Names::default()
    };
    let mut rows = String::new();
    // What comes after the load is not judged.
    let last = run.intervals.iter().rposition(|interval| !interval.after_load);
    for (at, interval) in run.intervals.iter().enumerate() {
        if at > 0 {
            rows.push_str(",\n");
        }
        // Writing to a text cannot fail.
        let _ = names.row(&mut rows, interval, shift, Some(at) == last);
    }
    let json = format!(
        "{{\"live\":false,\"ended\":{},\"header\":{},\"summary\":{},\"manifest\":{},\"scenarios\":{},\"checks\":{},\
         \"series\":[{}],\"intervals\":[\n{rows}\n]}}",
        run.ended,
        text(&header),
        text(&run.summary),
        text(&run.manifest),
        text(&names.scenarios),
        text(&names.checks),
        names.series.join(","),
    );
    // No text of a run can end the element that it stands in: `<` is only within strings.
    json.replace('<', "\\u003c")
}

/// JSON, or `null` for what cannot be written as such.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn is_shown(series: &Series) -> bool {
    let by_one =
        |tags: &BTreeMap<String, String>| tags.len() == 1 && tags.keys().all(|tag| TAGS.contains(&tag.as_str()));
    METRICS.contains(&series.metric.as_str()) && (series.tags.is_empty() || by_one(&series.tags))
}

/// By how many bits buckets are made coarser.
fn coarseness(intervals: &[Interval]) -> u32 {
    let trends = || {
        let series = intervals.iter().flat_map(|interval| &interval.series);
        series
            .filter(|series| is_shown(series))
            .filter_map(|series| match &series.values {
                Values::Trend(trend) => Some(&trend.buckets),
                _ => None,
            })
    };
    let many = |shift| -> usize { trends().map(|buckets| coarser(buckets, shift).count()).sum() };
    (0..COARSEST)
        .find(|shift| many(*shift) <= MOST_BUCKETS)
        .unwrap_or(COARSEST)
}

/// Buckets of which 2 to the power of `shift` are one each.
fn coarser(buckets: &[(u32, u64)], shift: u32) -> impl Iterator<Item = (u32, u64)> {
    let bits = buckets::DOUBLING.ilog2() - shift;
    let number = move |index: u32| {
        if shift == 0 {
            return index;
        }
        let units = buckets::bounds(index).start;
        let behind = (units | 1).ilog2().saturating_sub(bits);
        #[expect(clippy::cast_possible_truncation, reason = "the leading bits")]
        let leading = (units >> behind) as u32;
        (behind << bits) + leading
    };
    let mut rest = buckets
        .iter()
        .map(move |&(index, count)| (number(index), count))
        .peekable();
    std::iter::from_fn(move || {
        let (index, mut count) = rest.next()?;
        while let Some((_, more)) = rest.next_if(|(next, _)| *next == index) {
            count += more;
        }
        Some((index, count))
    })
}

/// What has a number in this document.
#[derive(Default)]
struct Names {
    numbers: BTreeMap<String, usize>,
    /// As JSON.
    series: Vec<String>,
    checks: Vec<(String, String)>,
    scenarios: Vec<String>,
    /// The traces of the slowest requests.
    slowest: BTreeSet<TraceId>,
}

impl Names {
    fn row(&mut self, out: &mut String, interval: &Interval, shift: u32, is_last: bool) -> fmt::Result {
        write!(
            out,
            "{{\"second\":{},\"at_ms\":{},\"duration_ms\":{},\"generator\":{}",
            interval.second,
            interval.at_ms,
            interval.duration_ms,
            text(&interval.generator)
        )?;
        if interval.after_load {
            out.push_str(",\"after_load\":true");
        }
        if !interval.events.is_empty() {
            write!(out, ",\"events\":{}", text(&interval.events))?;
        }
        if !interval.failures.is_empty() {
            write!(out, ",\"failures\":{}", text(&interval.failures))?;
        }
        if !interval.failed.is_empty() {
            write!(out, ",\"failed\":{}", text(&interval.failed))?;
        }
        if interval.failure_kinds_left_out > 0 {
            write!(out, ",\"failure_kinds_left_out\":{}", interval.failure_kinds_left_out)?;
        }
        if is_last {
            // They stand for all that was measured so far, and nobody asks how they stood before.
            write!(out, ",\"thresholds\":{}", text(&interval.thresholds))?;
        }
        self.scenarios(out, interval);
        self.checks(out, interval);
        let is_counter = |series: &&Series| matches!(series.values, Values::Counter { .. });
        self.list(out, "outside", interval.outside.iter().filter(is_counter), shift)?;
        self.list(out, "series", interval.series.iter(), shift)?;
        out.push('}');
        Ok(())
    }

    /// Those of them that are shown; what is not `series` is not there when it is empty.
    fn list<'a>(
        &mut self,
        out: &mut String,
        name: &str,
        all: impl Iterator<Item = &'a Series>,
        shift: u32,
    ) -> fmt::Result {
        let mut shown = all.filter(|series| is_shown(series)).peekable();
        if name != "series" && shown.peek().is_none() {
            return Ok(());
        }
        write!(out, ",\"{name}\":[")?;
        let mut comma = "";
        for series in shown {
            out.push_str(comma);
            comma = ",";
            let number = self.series(series);
            values(out, number, &series.values, shift, self.exemplar(series))?;
        }
        out.push(']');
        Ok(())
    }

    /// The trace that a series tells of: that of a metric as a whole for the marks in the charts, and the slowest of all by their
    /// names.
    fn exemplar(&self, series: &Series) -> Option<Exemplar> {
        let Values::Trend(trend) = &series.values else {
            return None;
        };
        let is_slow = |slow: Slow| self.slowest.contains(&slow.exemplar.trace_id);
        let is_told = series.tags.is_empty() || traces::named(series).is_some_and(is_slow);
        trend.exemplar.filter(|_| is_told)
    }

    fn scenarios(&mut self, out: &mut String, interval: &Interval) {
        let rows: Vec<_> = interval
            .scenarios
            .iter()
            .map(|(name, row)| {
                let known = self.scenarios.iter().position(|known| known == name);
                let number = known.unwrap_or_else(|| {
                    self.scenarios.push(name.clone());
                    self.scenarios.len() - 1
                });
                let n = row.iterations;
                let counts = [n.offered, n.started, n.completed, n.dropped, n.interrupted, n.failed];
                (number, counts, row.vus, row.queued)
            })
            .collect();
        out.push_str(",\"scenarios\":");
        out.push_str(&text(&rows));
    }

    fn checks(&mut self, out: &mut String, interval: &Interval) {
        let rows: Vec<_> = interval
            .checks
            .iter()
            .map(|check| {
                let name = (check.group.clone(), check.name.clone());
                let known = self.checks.iter().position(|known| *known == name);
                let number = known.unwrap_or_else(|| {
                    self.checks.push(name);
                    self.checks.len() - 1
                });
                (number, check.passes, check.fails)
            })
            .collect();
        out.push_str(",\"checks\":");
        out.push_str(&text(&rows));
    }

    fn series(&mut self, series: &Series) -> usize {
        let kind = match series.values {
            Values::Counter { .. } => "counter",
            Values::Gauge { .. } => "gauge",
            Values::Rate { .. } => "rate",
            Values::Trend(_) => "trend",
        };
        let name =
            serde_json::json!({ "metric": series.metric, "type": kind, "unit": series.unit, "tags": series.tags });
        let name = name.to_string();
        if let Some(known) = self.numbers.get(&name) {
            return *known;
        }
        let number = self.series.len();
        self.series.push(name.clone());
        self.numbers.insert(name, number);
        number
    }
}

/// `[number, …]` as `unpack` reads it.
fn values(out: &mut String, number: usize, values: &Values, shift: u32, exemplar: Option<Exemplar>) -> fmt::Result {
    match values {
        Values::Counter { value } => write!(out, "[{number},{}]", text(value)),
        Values::Gauge { value, min, max } => write!(out, "[{number},{},{},{}]", text(value), text(min), text(max)),
        Values::Rate { passes, total } => write!(out, "[{number},{passes},{total}]"),
        Values::Trend(trend) => {
            let (sum, min, max) = (text(&trend.sum), text(&trend.min), text(&trend.max));
            write!(out, "[{number},{},{sum},{min},{max},[", trend.count)?;
            let (mut before, mut comma) = (0, "");
            for (index, count) in coarser(&trend.buckets, shift) {
                write!(out, "{comma}{},{count}", index - before)?;
                (before, comma) = (index, ",");
            }
            out.push(']');
            if let Some(exemplar) = exemplar {
                let value = text(&exemplar.value);
                write!(out, ",[{value},\"{}\",{}]", exemplar.trace_id, exemplar.at_ms)?;
            }
            out.push(']');
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarser_buckets_hold_the_same_samples_in_their_order_and_stay_near() {
        let fine: Vec<(u32, u64)> = (0..40 * buckets::DOUBLING).step_by(7).map(|index| (index, 2)).collect();
        for shift in 0..=COARSEST {
            let doubling = u64::from(buckets::DOUBLING >> shift);
            let coarse: Vec<_> = coarser(&fine, shift).collect();
            let samples: u64 = coarse.iter().map(|(_, count)| count).sum();
            assert_eq!(samples, 2 * fine.len() as u64);
            assert!(coarse.is_sorted_by(|a, b| a.0 < b.0), "{shift}");
            // The page's formula for the last one, whose value is known.
            let index = u64::from(coarse.last().unwrap().0);
            let behind = (index / doubling).saturating_sub(1);
            let low = (index - behind * doubling) << behind;
            let exact = buckets::bounds(fine.last().unwrap().0).start;
            assert!(low <= exact && exact < low + (1 << behind), "{shift}: {low} {exact}");
        }
    }
}
