//! What the screen shows: the newest seconds, and what has added up since the start. How it looks is next door.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::News;
use crate::control::Status;
use crate::results::{GeneratorInterval, Header, Interval, Series, ThresholdInterval, Trend, Values};

/// Seconds on the time axes.
pub(super) const SECONDS: usize = 120;

/// Seconds in the histogram.
pub(super) const RECENT: usize = 10;

/// Notes that are kept.
const NOTES: usize = 200;

/// Which requests are shown, HTTP first.
const DURATIONS: [&str; 2] = ["http_req_duration", "grpc_req_duration"];

/// A second on the time axes; percentiles are of the requests of that second, in ms.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) second: f64,
    pub(super) offered: f64,
    pub(super) achieved: f64,
    /// The 50th, 95th and 99th.
    pub(super) percentiles: Option<[f64; 3]>,
}

/// A scenario in the last second, and what it has lost since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Scenario {
    pub(super) offered: f64,
    pub(super) achieved: f64,
    pub(super) vus: u64,
    pub(super) queued: u64,
    pub(super) stage: Option<String>,
    pub(super) failed: u64,
    pub(super) dropped: u64,
}

/// Everything on the screen.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) header: Option<Arc<Header>>,
    pub(super) stage: &'static str,
    pub(super) paused: bool,
    pub(super) elapsed: u64,
    pub(super) end: u64,
    pub(super) points: VecDeque<Point>,
    pub(super) scenarios: BTreeMap<String, Scenario>,
    /// The durations of each of the newest seconds.
    pub(super) durations: VecDeque<Trend>,
    /// Requests and the failed of them, since the start.
    pub(super) requests: (u64, u64),
    /// Passes and fails since the start.
    pub(super) checks: BTreeMap<String, (u64, u64)>,
    pub(super) thresholds: Vec<ThresholdInterval>,
    pub(super) generator: GeneratorInterval,
    /// By code: how many since the start, and in which second the last was.
    pub(super) errors: BTreeMap<String, (u64, u64)>,
    pub(super) notes: VecDeque<String>,
}

impl State {
    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Begin(header) => self.header = Some(header),
            News::Second(interval) => self.second(&interval),
            News::Stage(stage) => self.stage = stage,
            News::Note(note) => {
                self.notes.push_back(note);
                if self.notes.len() > NOTES {
                    self.notes.pop_front();
                }
            }
        }
    }

    /// Where the run stands at the moment; true when that is new.
    pub(super) fn look(&mut self, status: &Status) -> bool {
        let ends = status.scenarios.iter().map(|scenario| scenario.planned_end_ms / 1_000);
        let now = (status.paused, status.elapsed_ms / 1_000, ends.max().unwrap_or(self.end));
        let before = (self.paused, self.elapsed, self.end);
        (self.paused, self.elapsed, self.end) = now;
        now != before
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes.into()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
    fn second(&mut self, interval: &Interval) {
        let seconds = interval.duration_ms.max(1) as f64 / 1e3;
        let mut point = Point {
            second: interval.second as f64,
            ..Point::default()
        };
        for (name, news) in &interval.scenarios {
            let scenario = self.scenarios.entry(name.clone()).or_default();
            let mut counts = news.iterations;
            if let Some(warmup) = &news.warmup {
                counts.merge(warmup);
            }
            scenario.offered = counts.offered as f64 / seconds;
            scenario.achieved = counts.started as f64 / seconds;
            (scenario.vus, scenario.queued) = (news.vus, news.queued);
            scenario.stage.clone_from(&news.stage);
            scenario.failed += counts.failed;
            scenario.dropped += counts.dropped;
            point.offered += scenario.offered;
            point.achieved += scenario.achieved;
        }
        self.series(interval, &mut point);
        for check in &interval.checks {
            let total = self.checks.entry(check.name.clone()).or_default();
            *total = (total.0 + check.passes, total.1 + check.fails);
        }
        if !interval.after_load {
            self.points.push_back(point);
            self.generator = interval.generator.clone();
        }
        if self.points.len() > SECONDS {
            self.points.pop_front();
        }
        if !interval.thresholds.is_empty() {
            self.thresholds.clone_from(&interval.thresholds);
        }
        for event in &interval.events {
            self.take(News::Note(format!("{:>5} s  {}", event.at_ms / 1_000, event.text)));
        }
    }

    fn series(&mut self, interval: &Interval, point: &mut Point) {
        let is_whole = |series: &&Series| series.tags.is_empty();
        let of = |metric: &str| {
            interval
                .series
                .iter()
                .filter(is_whole)
                .find(|series| series.metric == metric)
        };
        let trend = DURATIONS.iter().find_map(|metric| match &of(metric)?.values {
            Values::Trend(trend) => Some(trend),
            _ => None,
        });
        if let Some(trend) = trend {
            let ranks = [50.0, 95.0, 99.0].map(|rank| trend.percentile(rank).unwrap_or_default());
            point.percentiles = Some(ranks);
            self.durations.push_back(trend.clone());
            if self.durations.len() > RECENT {
                self.durations.pop_front();
            }
        }
        for series in &interval.series {
            match (series.metric.as_str(), &series.values) {
                ("http_req_failed" | "grpc_req_failed", Values::Rate { passes, total }) if series.tags.is_empty() => {
                    self.requests = (self.requests.0 + total, self.requests.1 + passes);
                }
                ("http_reqs" | "grpc_reqs", Values::Counter { value }) => {
                    if let Some(error) = error_of(series) {
                        let known = self.errors.entry(error).or_default();
                        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                        let count = *value as u64;
                        *known = (known.0 + count, interval.second);
                    }
                }
                _ => {}
            }
        }
    }

    /// All durations of the newest seconds.
    pub(super) fn recent(&self) -> Option<Trend> {
        let mut all = self.durations.iter().cloned();
        let first = all.next()?;
        Some(all.fold(first, |mut sum, next| {
            sum.merge(&next);
            sum
        }))
    }
}

/// What went wrong in the requests of a series, if anything: a code of the network, of HTTP from 400 on, or of gRPC.
fn error_of(series: &Series) -> Option<String> {
    let mut tags = series.tags.iter();
    let (Some((name, value)), None) = (tags.next(), tags.next()) else {
        return None;
    };
    match name.as_str() {
        "error_code" if !value.is_empty() => Some(value.clone()),
        "status" if series.metric == "grpc_reqs" && value != "OK" => Some(value.clone()),
        "status" if value.parse().is_ok_and(|status: u16| status >= 400) => Some(format!("status {value}")),
        _ => None,
    }
}
