//! `kingtide.intervals/1`: what a run did in each second, one line of `intervals.jsonl` for each. Additive changes only.
//!
//! The values are those of that second alone, so that the run is their sum: [`Trend`]s are merged, never averaged. Who
//! builds them is `run`'s, and who takes them is a [`Sink`](super::Sink).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::failed::{FailedCount, FailedRequest};
use super::summary::{millis, whole_seconds};
use crate::metrics::{self, CheckTotal, Counts, Exemplar, Kind, NoData, Threshold, TraceId, Unit, buckets};

/// The value of [`Header::schema`].
pub const INTERVALS_SCHEMA: &str = "kingtide.intervals/1";

/// What is known before the first second; the first line of `intervals.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`INTERVALS_SCHEMA`].
    pub schema: String,
    /// What is run.
    pub run: RunHeader,
}

impl Header {
    /// Of a run that had no load, and so has no line of its own; `started_at`: of the run, RFC 3339 in UTC.
    #[must_use]
    pub fn without_load(script: &str, seed: u64, started_at: &str) -> Self {
        Self {
            schema: INTERVALS_SCHEMA.to_owned(),
            run: RunHeader {
                name: String::new(),
                script: script.to_owned(),
                seed,
                started_at: started_at.to_owned(),
                started_at_ms: 0,
                measured_from_ms: 0,
                planned_ms: 0,
                checkpoints_ms: None,
                scenarios: Vec::new(),
                thresholds: Vec::new(),
                phases: Vec::new(),
                tags: BTreeMap::new(),
                traces: None,
                buckets: Buckets::default(),
            },
        }
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// What the run is called: its folder, if it has one, and what outputs and traces call it. Older runs have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The script's path as it was given.
    pub script: String,
    /// The seed of the run.
    pub seed: u64,
    /// Start of the load, RFC 3339 in UTC.
    pub started_at: String,
    /// The same in milliseconds since 1970.
    pub started_at_ms: u64,
    /// Nothing is measured before this, from the start of the load: all scenarios warm up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub measured_from_ms: u64,
    /// When the last scenario is over by plan, without iterations in flight.
    #[serde(default)]
    pub planned_ms: u64,
    /// How long the plan's checkpoints are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints_ms: Option<u64>,
    /// In the order of their names.
    pub scenarios: Vec<ScenarioHeader>,
    /// In the plan's order.
    pub thresholds: Vec<ThresholdHeader>,
    /// The plan's phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseHeader>,
    /// Test-wide tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How requests are traced, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesHeader>,
    /// How the number of a bucket becomes a value.
    pub buckets: Buckets,
}

/// How requests are traced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracesHeader {
    /// Which share of the traces is kept, 0 to 1.
    pub sampling: f64,
    /// Where a trace is looked up: `{trace_id}` stands for its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the requests' `tracestate` calls the run.
    pub run: String,
}

impl TracesHeader {
    /// Where a trace is looked up, if the plan says so.
    #[must_use]
    pub fn link(&self, trace_id: TraceId) -> Option<String> {
        let url = self.url.as_ref()?;
        Some(url.replace("{trace_id}", &trace_id.to_string()))
    }
}

/// A scenario as it is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioHeader {
    /// Its name.
    pub name: String,
    /// The executor's name.
    pub executor: String,
    /// Whether it has a schedule of arrivals.
    #[serde(default)]
    pub open: bool,
    /// Its planned start, from the start of the load; that of one that starts after another is not known beforehand.
    pub start_ms: Option<u64>,
    /// From there to its planned end.
    pub duration_ms: u64,
    /// How long it warms up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warmup_ms: u64,
    /// Its stages or steps, one after the other from its start on; waves, which are moments, have no length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageHeader>,
}

/// A stage, a step or a wave of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageHeader {
    /// Its name, else its number from 0.
    pub name: String,
    /// How long it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// A threshold of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdHeader {
    /// The series.
    pub metric: String,
    /// The expression as it was written.
    pub expression: String,
    /// The kind of the metric.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What its limit is measured in, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The length of the slices that are judged; not there when it is the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// What no samples mean; not there when it has failed then.
    #[serde(default, skip_serializing_if = "is_fail")]
    pub on_no_data: NoData,
}

/// A phase of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseHeader {
    /// Its name.
    pub name: String,
    /// Its start, from the start of the load.
    pub start_ms: u64,
    /// Its end.
    pub end_ms: u64,
}

/// How the number of a bucket becomes a value: with `b = max(0, floor(index / doubling) - 1)`, the bucket holds the units
/// from `(index - b * doubling) * 2^b` on, and `2^b` of them. A value is its units divided by those of its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    /// Buckets for each doubling of the value.
    pub doubling: u32,
    /// Units for each millisecond, of series whose unit is `ms`.
    pub units_per_ms: f64,
    /// Units for each 1 of all others.
    pub units_per_one: f64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            doubling: buckets::DOUBLING,
            units_per_ms: buckets::units_per("ms"),
            units_per_one: buckets::units_per(""),
        }
    }
}

/// One second of a run. The last one may be shorter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its number; the first is 0, and has also what happened before the load: `setup`, and the making of virtual users.
    pub second: u64,
    /// Its start, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it was.
    pub duration_ms: u64,
    /// It is what `teardown` did when the load was over, and no part of the load.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_load: bool,
    /// By name.
    #[serde(default)]
    pub scenarios: BTreeMap<String, ScenarioInterval>,
    /// Those with news.
    #[serde(default)]
    pub series: Vec<Series>,
    /// What of `series` is from before the load, which is in no rate: counters and rates, and all others that have nothing of
    /// the load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<Series>,
    /// Checks that were made in this second.
    #[serde(default)]
    pub checks: Vec<CheckTotal>,
    /// How each threshold stands: over all that was measured so far, not over this second.
    #[serde(default)]
    pub thresholds: Vec<ThresholdInterval>,
    /// The generator's own health in this second.
    #[serde(default)]
    pub generator: GeneratorInterval,
    /// What happened, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<IntervalEvent>,
    /// Requests that failed: the first few of each kind in the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedRequest>,
    /// How many requests of each kind have failed, of those that did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedCount>,
    /// Kinds of failures that were met for the first time, and that there was no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failure_kinds_left_out: u64,
}

/// What a scenario did in one second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioInterval {
    /// The six counts, without those of the warm-up. Iterations in flight are missing among the ended.
    pub iterations: Counts,
    /// The six counts of the warm-up, in its seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Counts>,
    /// Virtual users that ran an iteration when it was looked at.
    pub vus: u64,
    /// Iterations that were due and waited for a virtual user then.
    pub queued: u64,
    /// The name of its stage, step or wave, else its number from 0; not there outside of stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// How a threshold stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdInterval {
    /// The series.
    pub metric: String,
    /// The expression as it was written.
    pub expression: String,
    /// Whether it holds; `null` without data.
    pub ok: Option<bool>,
    /// What is compared with the limit.
    pub observed: Option<f64>,
    /// The limit, in the unit of `observed`.
    pub limit: f64,
    /// The length of the slices that are judged, as `30s`; not there when it is the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Where the worst of these slices begins, from the start of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_at_ms: Option<u64>,
}

impl ThresholdInterval {
    /// How a threshold stands by its verdict.
    #[must_use]
    pub fn new(threshold: &Threshold, verdict: &metrics::Verdict) -> Self {
        Self {
            metric: threshold.selector.to_string(),
            expression: threshold.expression.clone(),
            ok: verdict.ok,
            observed: verdict.observed,
            limit: threshold.limit,
            window: threshold.window.map(whole_seconds),
            window_at_ms: verdict.window_at.map(millis),
        }
    }
}

/// The generator's own health in one second; `null` is what was not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratorInterval {
    /// CPU time of the core threads, 100 being all of them busy all the time.
    pub cpu_percent: Option<f64>,
    /// The generator's own part of the start lag.
    pub dispatch_lag_p99_ms: Option<f64>,
    /// How late the timer grid fired.
    pub loop_lag_p99_ms: Option<f64>,
    /// The longest step of collecting the garbage of scripts.
    pub gc_pause_max_ms: Option<f64>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalEvent {
    /// When, from the start of the load.
    pub at_ms: u64,
    /// `stage`, or what [`EventSummary::what`](super::EventSummary::what) may be.
    pub kind: String,
    /// In a few words.
    pub text: String,
}

/// What a metric, or a part of it, has gathered in one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ReadSeries")]
pub struct Series {
    /// The metric.
    pub metric: String,
    /// What it is measured in, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Which part of the metric; none is the metric as a whole.
    pub tags: BTreeMap<String, String>,
    /// Its values.
    #[serde(flatten)]
    pub values: Values,
    /// Samples refused, when there were any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub out_of_range: u64,
}

/// Values by the kind of their metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Values {
    /// A sum.
    Counter {
        /// What was added.
        value: f64,
    },
    /// A value that goes up and down.
    Gauge {
        /// The newest.
        value: f64,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// A share.
    Rate {
        /// Samples that were true.
        passes: u64,
        /// All samples.
        total: u64,
    },
    /// A distribution.
    Trend(Trend),
}

/// As it is in the file. All fields side by side, as a kind that is read first would make a copy of each bucket.
#[derive(Deserialize)]
struct ReadSeries {
    metric: String,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    r#type: ReadKind,
    value: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    passes: Option<u64>,
    total: Option<u64>,
    count: Option<u64>,
    sum: Option<f64>,
    buckets: Option<Vec<(u32, u64)>>,
    exemplar: Option<Exemplar>,
    #[serde(default)]
    out_of_range: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ReadKind {
    Counter,
    Gauge,
    Rate,
    Trend,
}

impl Series {
    /// Whether both are the same part of the same metric.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.metric == other.metric && self.tags == other.tags
    }

    /// What is left without `part`, which is in it; `None` when nothing is. Only sums can be taken apart.
    #[must_use]
    pub fn without(&self, part: &Self) -> Option<Self> {
        let values = match (&self.values, &part.values) {
            (Values::Counter { value }, Values::Counter { value: less }) => Values::Counter { value: value - less },
            (
                Values::Rate { passes, total },
                Values::Rate {
                    passes: fewer,
                    total: less,
                },
            ) => Values::Rate {
                passes: passes.saturating_sub(*fewer),
                total: total.saturating_sub(*less),
            },
            (whole, _) => whole.clone(),
        };
        (self != part).then(|| Self {
            values,
            out_of_range: self.out_of_range.saturating_sub(part.out_of_range),
            ..self.clone()
        })
    }
}

impl TryFrom<ReadSeries> for Series {
    type Error = String;

    fn try_from(read: ReadSeries) -> Result<Self, String> {
        fn some<T>(value: Option<T>, field: &str) -> Result<T, String> {
            value.ok_or_else(|| format!("missing field `{field}`"))
        }
        let values = match read.r#type {
            ReadKind::Counter => Values::Counter {
                value: some(read.value, "value")?,
            },
            ReadKind::Gauge => Values::Gauge {
                value: some(read.value, "value")?,
                min: some(read.min, "min")?,
                max: some(read.max, "max")?,
            },
            ReadKind::Rate => Values::Rate {
                passes: some(read.passes, "passes")?,
                total: some(read.total, "total")?,
            },
            ReadKind::Trend => Values::Trend(Trend {
                unit: Unit::parse(read.unit.as_deref().unwrap_or_default()),
                count: some(read.count, "count")?,
                sum: some(read.sum, "sum")?,
                min: some(read.min, "min")?,
                max: some(read.max, "max")?,
                buckets: some(read.buckets, "buckets")?,
                exemplar: read.exemplar,
            }),
        };
        Ok(Self {
            metric: read.metric,
            unit: read.unit,
            tags: read.tags,
            values,
            out_of_range: read.out_of_range,
        })
    }
}

/// A distribution that can be merged: exact count, sum, smallest and largest; quantiles within 0.1 %.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// What it is measured in, which decides how wide buckets are.
    #[serde(skip)]
    unit: Unit,
    /// How many samples there are.
    pub count: u64,
    /// All of them together.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Numbers of buckets in ascending order, and how many samples fell into each; see [`Trend::bounds`].
    pub buckets: Vec<(u32, u64)>,
    /// The slowest request whose trace is kept, where requests carry traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemplar: Option<Exemplar>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_fail(on_no_data: &NoData) -> bool {
    *on_no_data == NoData::Fail
}

impl Trend {
    /// What was gathered of a metric that is measured in `unit`; `None` without samples.
    #[must_use]
    pub fn of(unit: &Unit, trend: &metrics::Trend) -> Option<Self> {
        Some(Self {
            unit: unit.clone(),
            count: trend.count(),
            sum: trend.sum(),
            min: trend.min()?,
            max: trend.max()?,
            buckets: trend.buckets().collect(),
            exemplar: trend.exemplar(),
        })
    }

    /// The same, ready to be asked and to be added up exactly.
    #[must_use]
    pub fn to_metrics(&self) -> metrics::Trend {
        metrics::Trend::from_parts(&self.unit, self.count, self.sum, (self.min, self.max), &self.buckets)
            .with_exemplar(self.exemplar)
    }

    /// Adds another second, or another part, of the same metric.
    pub fn merge(&mut self, other: &Self) {
        let mut sum = self.to_metrics();
        sum.merge(&other.to_metrics());
        if let Some(sum) = Self::of(&self.unit, &sum) {
            *self = sum;
        }
    }

    /// The smallest value that at least `percent` (0 to 100) of the samples do not exceed (nearest rank).
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        self.to_metrics().percentile(percent)
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.to_metrics().mean()
    }

    /// From which value to which a bucket goes, the second being the first of the next bucket.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bounds have 11 significant bits")]
    pub fn bounds(&self, index: u32) -> (f64, f64) {
        let per = buckets::units_per(self.unit.name());
        let units = buckets::bounds(index);
        (units.start as f64 / per, units.end as f64 / per)
    }

    /// The buckets that are not empty, as values: from, to, samples.
    pub fn spread(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        self.buckets.iter().map(|&(index, count)| {
            let (low, high) = self.bounds(index);
            (low, high, count)
        })
    }
}
