//! What Prometheus is told, against what its formats ask for. A real Prometheus is in `tests/e2e`.

use prost::Message as _;

use serde_json::json;

use super::super::push::Encoder as _;
use super::super::row::{Run, samples};
use super::super::totals::Totals;
use super::remote_write::{Naming, RemoteWrite};
use super::text::{Format, page};
use super::wire::{TimeSeries, WriteRequest};
use crate::results::{Interval, Series};

fn page_of(format: Format) -> String {
    let mut totals = Totals::default();
    totals.add(&samples::interval(0));
    totals.add(&samples::interval(1));
    page(&totals, &Run::of(&samples::header()), format)
}

#[test]
fn a_page_has_totals_with_units_and_buckets() {
    let page = page_of(Format::OpenMetrics);
    let common = "env=\"stag ing\",run=\"20261120T100000Z-saga\"";
    let name = "name=\"GET \\\"a b\\\",=\\\\\"";
    for line in [
        "# TYPE kingtide_http_reqs counter".to_owned(),
        "# HELP kingtide_http_reqs HTTP requests sent, redirects and polls included.".to_owned(),
        format!("kingtide_http_reqs_total{{{common}}} 20"),
        format!("kingtide_http_reqs_by_status_total{{status=\"200\",{common}}} 20"),
        "# UNIT kingtide_data_sent_bytes bytes".to_owned(),
        format!("kingtide_data_sent_bytes_total{{{common}}} 2468"),
        "# TYPE kingtide_http_req_duration_seconds histogram".to_owned(),
        format!("kingtide_http_req_duration_seconds_bucket{{{common},le=\"0.0005\"}} 2"),
        format!("kingtide_http_req_duration_seconds_bucket{{{common},le=\"0.0025\"}} 18"),
        format!("kingtide_http_req_duration_seconds_bucket{{{common},le=\"+Inf\"}} 20"),
        format!("kingtide_http_req_duration_by_name_seconds_count{{{name},{common}}} 20"),
        format!("kingtide_http_req_duration_quantile_seconds{{{common},quantile=\"1\"}} 1"),
        format!("kingtide_http_req_failed_true_total{{{common}}} 2"),
        format!("kingtide_check_samples_total{{check=\"ok\",{common}}} 20"),
        format!("kingtide_scenario_iterations_dropped_total{{scenario=\"sagas\",{common}}} 2"),
        format!("kingtide_generator_cpu_ratio{{{common}}} 0.125"),
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"));
    let old = page_of(Format::Prometheus);
    assert!(
        old.contains("# TYPE kingtide_http_reqs_total counter\n") && !old.contains("# EOF"),
        "{old}"
    );
}

#[test]
fn each_family_is_told_once() {
    let page = page_of(Format::OpenMetrics);
    let mut types: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let all = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), all);
}

/// The run has tags of names that its series have too, and that we give.
fn tagged() -> crate::results::Header {
    let mut header = samples::header();
    let tags = [("name", "nightly"), ("run", "77"), ("quantile", "x"), ("status", "200")];
    header.run.tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    header
}

#[test]
fn no_series_has_a_label_twice_and_none_is_lost() {
    let mut totals = Totals::default();
    totals.add(&samples::interval(0));
    let plain = page_of(Format::Prometheus);
    let text = page(&totals, &Run::of(&tagged()), Format::Prometheus);
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(series(&text), series(&plain));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for label in ["name=", "run=", "tag_run=", "quantile=", "status="] {
            let at = |before: char| line.matches(&format!("{before}{label}")).count();
            assert!(at('{') + at(',') <= 1, "{label} in {line}");
        }
        assert!(
            line.contains("tag_run=\"77\"") && line.contains("run=\"20261120T100000Z-saga\""),
            "{line}"
        );
        let own = line.contains("_by_name");
        assert_eq!(line.contains("name=\"nightly\""), !own, "{line}");
    }

    for naming in [Naming::Kingtide, Naming::K6] {
        let mut plain = write(naming);
        let mut write = RemoteWrite::new(naming);
        write.begin(&tagged());
        let (series, plain) = (read(write.interval(&parted())), read(plain.interval(&parted())));
        assert_eq!(series.len(), plain.len());
        for series in &series {
            assert!(
                series.labels.windows(2).all(|pair| pair[0].name < pair[1].name),
                "sorted, and each once: {series:?}"
            );
        }
        let mut all: Vec<_> = series.iter().filter(|series| series.histograms.is_empty()).collect();
        let sent = all.len();
        all.dedup_by(|a, b| a.labels == b.labels);
        assert_eq!(all.len(), sent, "each series is its own");
    }
}

fn read(parcels: Vec<super::super::push::Parcel>) -> Vec<TimeSeries> {
    let series = parcels.into_iter().flat_map(|parcel| {
        let body = snap::raw::Decoder::new().decompress_vec(&parcel.body).unwrap();
        let request = WriteRequest::decode(body.as_slice()).unwrap();
        let records: usize = request
            .timeseries
            .iter()
            .map(|s| s.samples.len() + s.histograms.len())
            .sum();
        assert_eq!(records as u64, parcel.records);
        request.timeseries
    });
    series.collect()
}

fn name(series: &TimeSeries) -> &str {
    &series
        .labels
        .iter()
        .find(|label| label.name == "__name__")
        .unwrap()
        .value
}

fn find<'a>(series: &'a [TimeSeries], wanted: &str, native: bool) -> &'a TimeSeries {
    let is_wanted = |series: &&TimeSeries| name(series) == wanted && series.samples.is_empty() == native;
    series.iter().find(is_wanted).unwrap_or_else(|| panic!("{wanted}"))
}

fn write(naming: Naming) -> RemoteWrite {
    let mut write = RemoteWrite::new(naming);
    write.begin(&samples::header());
    write
}

#[test]
fn a_series_begins_with_zero_grows_and_ends() {
    let mut write = write(Naming::Kingtide);
    let first = read(write.interval(&samples::interval(0)));
    for series in &first {
        assert!(
            series.labels.windows(2).all(|pair| pair[0].name < pair[1].name),
            "sorted: {series:?}"
        );
    }
    let start = 1_795_168_800_000;
    let values = |series: &TimeSeries| -> Vec<(i64, f64)> {
        series
            .samples
            .iter()
            .map(|sample| (sample.timestamp - start, sample.value))
            .collect()
    };
    assert_eq!(
        values(find(&first, "kingtide_http_reqs_total", false)),
        [(0, 0.0), (1_000, 10.0)]
    );
    let second = read(write.interval(&samples::interval(1)));
    assert_eq!(
        values(find(&second, "kingtide_http_reqs_total", false)),
        [(2_000, 20.0)]
    );
    // A second without requests ends its percentiles, and nothing else.
    let mut idle = samples::interval(2);
    idle.series.clear();
    let third = read(write.interval(&idle));
    let quantile = find(&third, "kingtide_http_req_duration_quantile_seconds", false);
    assert!(quantile.samples[0].value.is_nan());
    assert_eq!(values(find(&third, "kingtide_http_reqs_total", false)), [(3_000, 20.0)]);
    let last = read(write.end());
    assert!(last.iter().all(|series| {
        series
            .samples
            .iter()
            .all(|s| s.value.to_bits() == 0x7ff0_0000_0000_0002)
    }));
    assert_eq!(
        last.iter()
            .filter(|series| name(series) == "kingtide_http_req_duration_seconds")
            .count(),
        1
    );
    assert!(write.end().is_empty(), "all have ended");
}

#[test]
fn native_histograms_hold_all_samples() {
    let mut write = write(Naming::Kingtide);
    let series = read(write.interval(&samples::interval(0)));
    let of_it = series
        .iter()
        .filter(|series| name(series) == "kingtide_http_req_duration_seconds");
    let histograms: Vec<_> = of_it.flat_map(|series| &series.histograms).collect();
    assert_eq!((histograms.len(), histograms[0].count), (2, Some(0)));
    let histogram = histograms[1];
    assert_eq!(
        (histogram.count, histogram.zero_count, histogram.schema),
        (Some(10), Some(1), 5)
    );
    assert!((histogram.sum - 1.012).abs() < 1e-9);
    // 1.5 ms and 1 s: the counts are 8 and 1.
    assert_eq!(histogram.positive_deltas, [8, -7]);
    let indices: Vec<i32> = histogram.positive_spans.iter().map(|span| span.offset).collect();
    assert_eq!(indices[0], (0.0015_f64.log2() * 32.0).ceil() as i32);
    write.refused("answered 500: native histograms are disabled");
    let series = read(write.interval(&samples::interval(1)));
    assert!(series.iter().all(|series| series.histograms.is_empty()));
}

/// A second whose slowest request of all has a trace.
fn traced(second: u64) -> crate::results::Interval {
    let mut interval = samples::interval(second);
    for series in &mut interval.series {
        if let crate::results::Values::Trend(trend) = &mut series.values {
            trend.exemplar = crate::metrics::TraceId::new(0xabc).map(|trace_id| crate::metrics::Exemplar {
                value: 1_000.0,
                trace_id,
                at_ms: 1_795_168_800_250 + second * 1_000,
            });
        }
    }
    interval
}

const TRACE: &str = "00000000000000000000000000000abc";

#[test]
fn the_slowest_trace_of_a_second_stands_beside_its_distribution() {
    let mut write = write(Naming::Kingtide);
    let series = read(write.interval(&traced(0)));
    let with: Vec<_> = series.iter().filter(|series| !series.exemplars.is_empty()).collect();
    // Of the whole and of the part: the native histogram, and the largest of the percentiles.
    assert_eq!(with.len(), 4, "{with:?}");
    for series in with {
        let exemplar = &series.exemplars[0];
        assert_eq!((exemplar.value, exemplar.timestamp), (1.0, 1_795_168_800_250));
        assert_eq!(
            (exemplar.labels[0].name.as_str(), exemplar.labels[0].value.as_str()),
            ("trace_id", TRACE)
        );
        let quantile = series.labels.iter().find(|label| label.name == "quantile");
        assert!(!series.histograms.is_empty() || quantile.is_some_and(|quantile| quantile.value == "1"));
    }
    let series = read(write.interval(&samples::interval(1)));
    assert!(
        series.iter().all(|series| series.exemplars.is_empty()),
        "each is told once"
    );
}

#[test]
fn a_page_has_the_slowest_trace_since_the_last_one() {
    let mut totals = Totals::default();
    totals.add(&traced(0));
    totals.add(&samples::interval(1));
    let run = Run::of(&samples::header());
    let text = page(&totals, &run, Format::OpenMetrics);
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let expected = format!("le=\"1.0\"}} 20 # {{trace_id=\"{TRACE}\"}} 1 1795168800.250");
    assert!(lines.iter().all(|line| line.ends_with(&expected)), "{lines:?}");
    assert!(
        !page(&totals, &run, Format::Prometheus).contains(TRACE),
        "the older format has no place for it"
    );
    totals.read();
    assert!(!page(&totals, &run, Format::OpenMetrics).contains(TRACE));
}

/// A second in which one of ten requests failed, and in which all belong to a phase.
fn parted() -> Interval {
    let mut interval = samples::interval(0);
    for (tags, many) in [
        (json!({ "expected_response": "true", "status": "200" }), 9),
        (json!({ "expected_response": "false", "status": "500" }), 1),
        (json!({ "phase": "noon" }), 10),
    ] {
        let rows = json!([
            { "metric": "http_reqs", "type": "counter", "tags": tags, "value": many },
            { "metric": "http_req_failed", "type": "rate", "tags": tags, "passes": many, "total": 10 },
            { "metric": "iterations", "type": "counter", "tags": tags, "value": many },
        ]);
        let rows: Vec<Series> = serde_json::from_value(rows).unwrap();
        interval.series.extend(rows);
    }
    interval
}

#[test]
fn names_of_k6_count_nothing_twice() {
    let series = read(write(Naming::K6).interval(&parted()));
    let named = |wanted: &'static str| series.iter().filter(move |series| name(series) == wanted);
    let value = |name: &str, series: &TimeSeries| {
        let label = series.labels.iter().find(|label| label.name == name);
        label.map(|label| label.value.clone()).unwrap_or_default()
    };
    let seen = named("k6_http_reqs_total").map(|series| {
        let newest = series.samples.last().map_or(-1.0, |sample| sample.value);
        (value("expected_response", series), value("status", series), newest)
    });
    let seen: Vec<_> = seen.collect();
    let expected = [("false", "500", 1.0), ("true", "200", 9.0)];
    assert_eq!(
        seen,
        expected.map(|(is, status, n)| (is.to_owned(), status.to_owned(), n))
    );
    // Of times there are those of each name, and of all else the whole.
    for (metric, by_name) in [
        ("k6_http_req_duration_p99", true),
        ("k6_http_req_failed_rate", false),
        ("k6_data_sent_total", false),
        ("k6_checks_rate", false),
        ("k6_vus", false),
    ] {
        let names: Vec<_> = named(metric).map(|series| value("name", series).is_empty()).collect();
        assert_eq!(names, [!by_name], "{metric}");
    }
    assert_eq!(named("k6_iterations_total").count(), 0, "there was no whole");
    assert_eq!(
        named("k6_http_req_duration_seconds").count(),
        2,
        "its beginning and its second"
    );
    for series in &series {
        assert!(name(series).starts_with("k6_") && !value("testid", series).is_empty());
    }
}
