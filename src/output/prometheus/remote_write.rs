//! `prometheus-rw=URL`: remote write 1.0, a body of running totals and one of native histograms each second. A series begins
//! with a zero at the start of its first second, so that increases are whole, and ends with a stale marker.

use std::collections::BTreeMap;

use http::{HeaderName, header};
use prost::Message as _;

use super::super::native::{Exponential, Limit};
use super::super::push::{Encoder, Parcel};
use super::super::row::Run;
use super::super::totals::{Distribution, Sum, Total, Totals};
use super::wire::{Exemplar, Histogram, Label, Sample, Span, TimeSeries, WriteRequest};
use super::{QUANTILES, TRACE_LABEL, base_unit, labels, plain, with_common};
use crate::results::{self, Header, Interval};

/// What the protocol asks for.
pub(in crate::output) const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "application/x-protobuf"),
    (header::CONTENT_ENCODING, "snappy"),
    (HeaderName::from_static("x-prometheus-remote-write-version"), "0.1.0"),
];

/// The value that ends a series (`StaleNaN` in Prometheus).
const STALE: u64 = 0x7ff0_0000_0000_0002;
/// What is nearer to zero is zero, as Prometheus' own client has it.
const ZERO: f64 = 2.938_735_877_055_719e-39;

/// Whose names series bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// Ours.
    #[default]
    Kingtide,
    /// Those of k6's remote write, for its dashboards.
    K6,
}

/// Totals on their way to a receiver.
pub(in crate::output) struct RemoteWrite {
    naming: Naming,
    common: Vec<(String, String)>,
    totals: Totals,
    /// The series that have been sent and have not ended, and whether they are native histograms.
    alive: BTreeMap<Vec<Label>, bool>,
    /// The receiver takes native histograms as far as is known.
    native: bool,
}

/// A second's samples.
#[derive(Default)]
struct Batch {
    plain: Vec<TimeSeries>,
    native: Vec<TimeSeries>,
}

impl RemoteWrite {
    pub(in crate::output) fn new(naming: Naming) -> Self {
        Self {
            naming,
            common: Vec::new(),
            totals: Totals::default(),
            alive: BTreeMap::new(),
            native: true,
        }
    }

    fn labels(&self, name: String, total: &Total, extra: Option<(&str, &str)>) -> Vec<Label> {
        let tags = total.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let own = labels(tags);
        let tags = with_common(&own, &self.common).cloned();
        let extra = extra.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let all = tags.chain(extra).chain([("__name__".to_owned(), name)]);
        let mut all: Vec<Label> = all.map(|(name, value)| Label { name, value }).collect();
        all.sort();
        all
    }

    /// One sample, with a zero before it when a growing series is new.
    fn sample(&self, labels: Vec<Label>, total: &Total, value: f64, grows: bool) -> TimeSeries {
        let mut samples = Vec::with_capacity(2);
        let at = self.totals.at_ms;
        if grows && total.is_new && total.since_ms < at {
            samples.push(Sample {
                value: 0.0,
                timestamp: time(total.since_ms),
            });
        }
        samples.push(Sample {
            value,
            timestamp: time(at),
        });
        TimeSeries {
            labels,
            samples,
            ..TimeSeries::default()
        }
    }

    fn ours(&self, total: &Total, batch: &mut Batch) {
        let base = format!("kingtide_{}", plain(&total.family()));
        let (per, unit) = base_unit(&total.unit);
        let mut add = |name: String, value: f64, grows: bool| {
            let labels = self.labels(name, total, None);
            batch.plain.push(self.sample(labels, total, value, grows));
        };
        match &total.value {
            Sum::Counter(value) => add(format!("{base}{unit}_total"), value / per, true),
            Sum::Gauge(value) => add(format!("{base}{unit}"), value / per, false),
            Sum::Rate { passes, total } => {
                add(format!("{base}_true_total"), count(*passes), true);
                add(format!("{base}_samples_total"), count(*total), true);
            }
            Sum::Trend(distribution) => {
                let Distribution { all, second, .. } = &**distribution;
                add(format!("{base}{unit}_count"), count(all.count()), true);
                add(format!("{base}{unit}_sum"), all.sum() / per, true);
                if let Some(second) = second {
                    for (label, percent) in QUANTILES {
                        let value = if percent == 0.0 {
                            second.min()
                        } else {
                            second.percentile(percent)
                        };
                        let name = format!("{base}_quantile{unit}");
                        let labels = self.labels(name, total, Some(("quantile", label)));
                        let value = value.unwrap_or_default() / per;
                        let mut series = self.sample(labels, total, value, false);
                        if percent >= 100.0 {
                            let slowest = distribution.newest().map(|exemplar| traced(exemplar, per));
                            series.exemplars.extend(slowest);
                        }
                        batch.plain.push(series);
                    }
                }
                batch
                    .native
                    .extend(self.histogram(format!("{base}{unit}"), total, distribution));
            }
        }
    }

    /// As k6 names them: one name for a metric, and its parts by labels.
    fn theirs(&self, total: &Total, batch: &mut Batch) {
        let Some(metric) = named_by_k6(total) else { return };
        let base = format!("k6_{}", plain(metric));
        let (per, unit) = base_unit(&total.unit);
        let mut add = |name: String, value: f64, grows: bool| {
            let labels = self.labels(name, total, None);
            batch.plain.push(self.sample(labels, total, value, grows));
        };
        match &total.value {
            Sum::Counter(value) => {
                add(format!("{base}_total"), *value, true);
            }
            Sum::Gauge(value) => add(format!("{base}{unit}"), value / per, false),
            Sum::Rate { passes, total } => {
                add(format!("{base}_rate"), count(*passes) / count(*total).max(1.0), false);
            }
            Sum::Trend(distribution) => {
                let all = &distribution.all;
                let stats = [
                    ("min", all.min()),
                    ("max", all.max()),
                    ("avg", all.mean()),
                    ("med", all.percentile(50.0)),
                    ("p90", all.percentile(90.0)),
                    ("p95", all.percentile(95.0)),
                    ("p99", all.percentile(99.0)),
                ];
                for (stat, value) in stats {
                    add(format!("{base}_{stat}"), value.unwrap_or_default() / per, false);
                }
                let histogram = self.histogram(format!("{base}{unit}"), total, distribution);
                batch.native.extend(histogram);
            }
        }
    }

    /// A native histogram. One that begins is told twice: Prometheus takes the exemplars of a series before its histograms,
    /// and those of a series that it does not know it leaves out.
    fn histogram(&self, name: String, total: &Total, distribution: &Distribution) -> Vec<TimeSeries> {
        let (per, _) = base_unit(&total.unit);
        let all = &distribution.all;
        let buckets = Exponential::of_trend(all, &total.unit, per, Limit::Filled);
        let at = self.totals.at_ms;
        let labels = self.labels(name, total, None);
        let mut told = Vec::with_capacity(2);
        if total.is_new && total.since_ms < at {
            let empty = Exponential {
                schema: buckets.schema,
                ..Exponential::default()
            };
            told.push(TimeSeries {
                labels: labels.clone(),
                histograms: vec![native(&empty, 0.0, total.since_ms)],
                ..TimeSeries::default()
            });
        }
        let exemplar = distribution.newest().map(|exemplar| traced(exemplar, per));
        told.push(TimeSeries {
            labels,
            exemplars: exemplar.into_iter().collect(),
            histograms: vec![native(&buckets, all.sum() / per, at)],
            ..TimeSeries::default()
        });
        told
    }

    /// Ends what was sent before and is not sent now.
    fn ends(&mut self, batch: &mut Batch) {
        let mut now = BTreeMap::new();
        for (series, is_native) in [(&batch.plain, false), (&batch.native, true)] {
            now.extend(series.iter().map(|series| (series.labels.clone(), is_native)));
        }
        let before = std::mem::replace(&mut self.alive, now);
        for (labels, is_native) in before {
            // One name may have both, as `x` and its `x_count` do not.
            if self.alive.contains_key(&labels) {
                continue;
            }
            let ended = stale(labels, is_native, self.totals.at_ms);
            if is_native {
                batch.native.push(ended)
            } else {
                batch.plain.push(ended)
            }
        }
    }

    fn parcels(&self, batch: Batch) -> Vec<Parcel> {
        let native = if self.native { batch.native } else { Vec::new() };
        let bodies = [batch.plain, native].into_iter().filter(|series| !series.is_empty());
        bodies.filter_map(parcel).collect()
    }
}

impl Encoder for RemoteWrite {
    fn begin(&mut self, header: &Header) {
        let run = Run::of(header);
        self.common = labels(run.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let (job, id) = match self.naming {
            Naming::Kingtide => ("kingtide", "run"),
            Naming::K6 => ("k6", "testid"),
        };
        self.common.retain(|(name, _)| name != id);
        self.common.push(("job".to_owned(), job.to_owned()));
        self.common.push((id.to_owned(), run.id));
    }

    fn interval(&mut self, interval: &Interval) -> Vec<Parcel> {
        self.totals.add(interval);
        let mut batch = Batch::default();
        for total in self.totals.iter() {
            match self.naming {
                Naming::Kingtide => self.ours(total, &mut batch),
                Naming::K6 => self.theirs(total, &mut batch),
            }
        }
        self.ends(&mut batch);
        self.parcels(batch)
    }

    fn end(&mut self) -> Vec<Parcel> {
        self.totals.at_ms += 1;
        let mut batch = Batch::default();
        self.ends(&mut batch);
        self.parcels(batch)
    }

    fn refused(&mut self, problem: &str) {
        if problem.contains("native histograms are disabled") {
            self.native = false;
        }
    }
}

/// The name that k6 has for a metric, of the parts that it has of it: what its dashboards add up counts nothing twice, and
/// what they take the mean of has no whole among its parts.
fn named_by_k6(total: &Total) -> Option<&str> {
    let metric = total.metric.as_str();
    let parts: &[&str] = match metric {
        // What k6 has no name for.
        _ if ["scenario_", "threshold_", "generator_"]
            .iter()
            .any(|ours| metric.starts_with(ours)) =>
        {
            return None;
        }
        // Each check has a series of its own.
        "checks" => return None,
        "check" => return Some("checks"),
        "http_reqs" => &["expected_response", "status"],
        "grpc_reqs" => &["status"],
        "http_req_duration" | "grpc_req_duration" => &["name"],
        _ => &[],
    };
    let keys = total.tags.iter().map(|(key, _)| key.as_str());
    keys.eq(parts.iter().copied()).then_some(metric)
}

/// Whose trace a value is of, as tools for traces expect to find it.
fn traced(exemplar: results::Exemplar, per: f64) -> Exemplar {
    Exemplar {
        labels: vec![Label {
            name: TRACE_LABEL.to_owned(),
            value: exemplar.trace_id.to_string(),
        }],
        value: exemplar.value / per,
        timestamp: time(exemplar.at_ms),
    }
}

fn stale(labels: Vec<Label>, is_native: bool, at_ms: u64) -> TimeSeries {
    let (value, timestamp) = (f64::from_bits(STALE), time(at_ms));
    let mut ended = TimeSeries {
        labels,
        ..TimeSeries::default()
    };
    if is_native {
        ended.histograms.push(Histogram {
            count: Some(0),
            sum: value,
            zero_count: Some(0),
            timestamp,
            ..Histogram::default()
        });
    } else {
        ended.samples.push(Sample { value, timestamp });
    }
    ended
}

#[expect(clippy::cast_possible_wrap, reason = "counts stay far below 2^52")]
fn native(buckets: &Exponential, sum: f64, at_ms: u64) -> Histogram {
    let mut spans = Vec::new();
    let mut deltas = Vec::new();
    let (mut before, mut all) = (0, buckets.zeros);
    for (offset, counts) in buckets.runs() {
        spans.push(Span {
            offset,
            length: u32::try_from(counts.len()).unwrap_or(u32::MAX),
        });
        for count in counts {
            all += count;
            deltas.push(count as i64 - before);
            before = count as i64;
        }
    }
    Histogram {
        count: Some(all),
        sum,
        schema: buckets.schema,
        zero_threshold: ZERO,
        zero_count: Some(buckets.zeros),
        positive_spans: spans,
        positive_deltas: deltas,
        timestamp: time(at_ms),
    }
}

fn parcel(mut timeseries: Vec<TimeSeries>) -> Option<Parcel> {
    timeseries.sort_by(|a, b| a.labels.cmp(&b.labels));
    let records: usize = timeseries
        .iter()
        .map(|series| series.samples.len() + series.histograms.len())
        .sum();
    let body = WriteRequest { timeseries }.encode_to_vec();
    // Fails only for more than 4 GB.
    let body = snap::raw::Encoder::new().compress_vec(&body).ok()?;
    Some(Parcel {
        body: body.into(),
        records: records as u64,
    })
}

fn time(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn count(n: u64) -> f64 {
    n as f64
}
