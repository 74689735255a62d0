//! `otlp=URL`: OpenTelemetry's protocol over HTTP with protobuf bodies, one a second: running totals, distributions as
//! exponential histograms.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod wire;

use prost::Message as _;

use self::wire::{
    AnyValue, Buckets, CUMULATIVE, Data, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint,
    ExportMetricsServiceRequest, ExportMetricsServiceResponse, Gauge, KeyValue, Metric, NumberDataPoint, Resource,
    ResourceMetrics, Scope, ScopeMetrics,
};
use super::native::{Exponential, Limit};
use super::push::{Encoder, Parcel};
use super::row::{Run, renamed};
use super::totals::{Distribution, Sum, Total, Totals};
use crate::metrics::builtin::BUILTINS;
use crate::results::{self, Header, Interval};

/// Those of a family stand behind each other, a rate's two in turn.
const NEAR: usize = 2;

/// Totals on their way to a collector.
#[derive(Default)]
pub(super) struct Otlp {
    resource: Vec<KeyValue>,
    totals: Totals,
}

impl Encoder for Otlp {
    fn begin(&mut self, header: &Header) {
        let run = Run::of(header);
        let ours = [
            ("service.name", "kingtide"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", &run.id),
            ("kingtide.script", &run.script),
        ];
        // Keys of attributes are unique.
        let names = ours.map(|(key, _)| key);
        let tags = run.tags.iter().map(|(key, value)| pair(&renamed(key, &names), value));
        self.resource = ours.iter().map(|(key, value)| pair(key, value)).chain(tags).collect();
    }

    fn interval(&mut self, interval: &Interval) -> Vec<Parcel> {
        self.totals.add(interval);
        let mut metrics: Vec<Metric> = Vec::new();
        let mut points = 0;
        for total in self.totals.iter() {
            for metric in self.metrics(total) {
                points += 1;
                let known = metrics
                    .iter_mut()
                    .rev()
                    .take(NEAR)
                    .find(|known| known.name == metric.name);
                if !known.is_some_and(|known| joined(known, &metric)) {
                    metrics.push(metric);
                }
            }
        }
        let scope = Scope {
            name: "kingtide".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource {
                    attributes: self.resource.clone(),
                }),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics,
                }],
            }],
        };
        vec![Parcel {
            body: request.encode_to_vec().into(),
            records: points,
        }]
    }

    fn rejected(&self, body: &[u8]) -> Option<(u64, String)> {
        let partial = ExportMetricsServiceResponse::decode(body).ok()?.partial_success?;
        let rejected = u64::try_from(partial.rejected_data_points).ok().filter(|n| *n > 0)?;
        Some((rejected, partial.error_message))
    }
}

impl Otlp {
    /// One metric with one point, or two for a rate: shares cannot be added up.
    fn metrics(&self, total: &Total) -> Vec<Metric> {
        let help = BUILTINS.iter().find(|builtin| builtin.name == total.metric);
        let (per, unit) = base_unit(&total.unit);
        let metric = |suffix: &str, data| Metric {
            name: format!("kingtide.{}{suffix}", total.family()),
            description: help.map_or(String::new(), |builtin| builtin.help.to_owned()),
            unit: unit.to_owned(),
            data: Some(data),
        };
        match &total.value {
            Sum::Counter(value) => vec![metric("", self.sum(total, value / per))],
            Sum::Gauge(value) => {
                let point = NumberDataPoint {
                    start_time_unix_nano: 0,
                    ..self.point(total, value / per)
                };
                vec![metric(
                    "",
                    Data::Gauge(Gauge {
                        data_points: vec![point],
                    }),
                )]
            }
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
            Sum::Rate { passes, total: all } => vec![
                metric(".true", self.sum(total, *passes as f64)),
                metric(".samples", self.sum(total, *all as f64)),
            ],
            Sum::Trend(distribution) => {
                let data = Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: vec![self.histogram(total, distribution, per)],
                    aggregation_temporality: CUMULATIVE,
                });
                vec![metric("", data)]
            }
        }
    }

    fn sum(&self, total: &Total, value: f64) -> Data {
        Data::Sum(wire::Sum {
            data_points: vec![self.point(total, value)],
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        })
    }

    fn point(&self, total: &Total, value: f64) -> NumberDataPoint {
        NumberDataPoint {
            start_time_unix_nano: nanos(total.since_ms),
            time_unix_nano: nanos(self.totals.at_ms),
            as_double: Some(value),
            attributes: attributes(total),
        }
    }

    fn histogram(&self, total: &Total, distribution: &Distribution, per: f64) -> ExponentialHistogramDataPoint {
        let all = &distribution.all;
        let buckets = Exponential::of_trend(all, &total.unit, per, Limit::Range);
        let (first, counts) = buckets.dense();
        ExponentialHistogramDataPoint {
            attributes: attributes(total),
            start_time_unix_nano: nanos(total.since_ms),
            time_unix_nano: nanos(self.totals.at_ms),
            count: all.count(),
            sum: Some(all.sum() / per),
            scale: buckets.schema,
            zero_count: buckets.zeros,
            positive: Some(Buckets {
                // Theirs begin at what ours end at.
                offset: if counts.is_empty() { 0 } else { first - 1 },
                bucket_counts: counts,
            }),
            exemplars: distribution
                .newest()
                .map(|exemplar| traced(exemplar, per))
                .into_iter()
                .collect(),
            min: all.min().map(|min| min / per),
            max: all.max().map(|max| max / per),
        }
    }
}

/// Whose trace a value is of. Which span of it is not kept.
fn traced(exemplar: results::Exemplar, per: f64) -> Exemplar {
    Exemplar {
        time_unix_nano: nanos(exemplar.at_ms),
        as_double: Some(exemplar.value / per),
        trace_id: exemplar.trace_id.bytes().to_vec(),
    }
}

/// Adds the points of a metric to those of another of the same name; false when they are of different kinds.
fn joined(to: &mut Metric, from: &Metric) -> bool {
    match (&mut to.data, &from.data) {
        (Some(Data::Gauge(to)), Some(Data::Gauge(from))) => to.data_points.extend(from.data_points.iter().cloned()),
        (Some(Data::Sum(to)), Some(Data::Sum(from))) => to.data_points.extend(from.data_points.iter().cloned()),
        (Some(Data::ExponentialHistogram(to)), Some(Data::ExponentialHistogram(from))) => {
            to.data_points.extend(from.data_points.iter().cloned());
        }
        _ => return false,
    }
    true
}

/// What a value in `unit` is divided by, and the unit then, as UCUM writes it.
fn base_unit(unit: &str) -> (f64, &str) {
    match unit {
        "ms" => (1e3, "s"),
        "bytes" => (1.0, "By"),
        "percent" => (1e2, "1"),
        "" => (1.0, "1"),
        other => (1.0, other),
    }
}

fn attributes(total: &Total) -> Vec<KeyValue> {
    total.tags.iter().map(|(key, value)| pair(key, value)).collect()
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            string_value: Some(value.to_owned()),
        }),
    }
}

fn nanos(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1 as real;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::{
        AggregationTemporality, Metric, exemplar, metric::Data, number_data_point,
    };

    use super::*;
    use crate::output::row::samples;

    /// A second, read by `OpenTelemetry`'s own messages.
    fn sent(otlp: &mut Otlp, second: u64) -> real::ExportMetricsServiceRequest {
        let parcel = otlp.interval(&samples::interval(second)).remove(0);
        let request = real::ExportMetricsServiceRequest::decode(parcel.body.clone()).unwrap();
        // They know each field that was written, and nothing has another type.
        assert_eq!(request.encode_to_vec(), parcel.body);
        let points = metrics(&request).map(|metric| match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => gauge.data_points.len(),
            Data::Sum(sum) => sum.data_points.len(),
            Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
            other => panic!("{other:?}"),
        });
        assert!(points.sum::<usize>() as u64 >= parcel.records);
        request
    }

    fn metrics(request: &real::ExportMetricsServiceRequest) -> impl Iterator<Item = &Metric> {
        let scopes = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
        scopes.flat_map(|s| &s.metrics)
    }

    fn find<'a>(request: &'a real::ExportMetricsServiceRequest, name: &str) -> &'a Metric {
        let mut all = metrics(request);
        all.find(|metric| metric.name == name)
            .unwrap_or_else(|| panic!("{name}"))
    }

    #[test]
    fn totals_grow_and_histograms_hold_all_samples() {
        let mut otlp = Otlp::default();
        let mut header = samples::header();
        header.run.tags.insert("service.name".to_owned(), "mine".to_owned());
        otlp.begin(&header);
        sent(&mut otlp, 0);
        let second = sent(&mut otlp, 1);
        let Some(Data::Sum(sum)) = &find(&second, "kingtide.http_reqs").data else {
            panic!()
        };
        let point = &sum.data_points[0];
        assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(20.0)));
        assert_eq!(point.time_unix_nano - point.start_time_unix_nano, 2_000_000_000);
        let duration = find(&second, "kingtide.http_req_duration");
        assert_eq!(duration.unit, "s");
        let Some(Data::ExponentialHistogram(histogram)) = &duration.data else {
            panic!()
        };
        let point = &histogram.data_points[0];
        let buckets = point.positive.as_ref().unwrap();
        assert_eq!((point.count, point.zero_count, point.max), (20, 2, Some(1.0)));
        assert_eq!(buckets.bucket_counts.iter().sum::<u64>(), 18);
        assert!(buckets.bucket_counts.len() <= 160);
        // The last bucket ends at its bound or above the largest value, and begins below it.
        let base = 2_f64.powf(2_f64.powi(-point.scale));
        let last = buckets.offset + buckets.bucket_counts.len() as i32 - 1;
        assert!(base.powi(last) < 1.0005 && base.powi(last + 1) >= 0.9995, "{last}");
        let is_there = |name| find(&second, name).data.is_some();
        assert!(is_there("kingtide.check.samples") && is_there("kingtide.vus"));
        let resource = second.resource_metrics[0].resource.as_ref().unwrap();
        let theirs = resource.attributes.iter().any(|pair| pair.key == "tag_service.name");
        assert!(theirs, "a tag of a name that we give");
        let service = resource.attributes.iter().find(|pair| pair.key == "service.name");
        let value = service.and_then(|pair| pair.value.clone()?.value);
        assert_eq!(value, Some(Value::StringValue("kingtide".to_owned())));
    }

    #[test]
    fn the_slowest_trace_of_a_second_is_an_exemplar_of_its_point() {
        let mut otlp = Otlp::default();
        otlp.begin(&samples::header());
        let mut interval = samples::interval(0);
        let Some(crate::results::Values::Trend(trend)) = interval.series.first_mut().map(|series| &mut series.values)
        else {
            panic!()
        };
        trend.exemplar = crate::metrics::TraceId::new(0xabc).map(|trace_id| results::Exemplar {
            value: 1_000.0,
            trace_id,
            at_ms: 5,
        });
        let parcel = otlp.interval(&interval).remove(0);
        let request = real::ExportMetricsServiceRequest::decode(parcel.body).unwrap();
        let points = metrics(&request).filter_map(|metric| match &metric.data {
            Some(Data::ExponentialHistogram(histogram)) => Some(&histogram.data_points),
            _ => None,
        });
        let all: Vec<_> = points.flatten().flat_map(|point| &point.exemplars).collect();
        assert_eq!(all.len(), 1);
        let value = all[0].value;
        assert_eq!(
            (all[0].time_unix_nano, value),
            (5_000_000, Some(exemplar::Value::AsDouble(1.0)))
        );
        assert_eq!(all[0].trace_id, 0xabc_u128.to_be_bytes());
    }

    #[test]
    fn what_is_rejected_in_part_is_read() {
        let body = real::ExportMetricsServiceResponse {
            partial_success: Some(real::ExportMetricsPartialSuccess {
                rejected_data_points: 3,
                error_message: "no".to_owned(),
            }),
        };
        let otlp = Otlp::default();
        assert_eq!(otlp.rejected(&body.encode_to_vec()), Some((3, "no".to_owned())));
        assert_eq!(otlp.rejected(b""), None);
        assert_eq!(otlp.rejected(b"{}"), None);
    }
}
