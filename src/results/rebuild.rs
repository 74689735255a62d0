//! The summary of a run that was killed, made of its intervals: the same totals, and the same numbers drawn from them. What
//! only the end of a run tells (invariants, script errors, which samples a core had not handed over) is not in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::metrics::{
    Catalog, Counts, Gauge, NoData, Registry, Second, SecondSeries, Selector, SeriesData, SeriesName, StageSpan,
    Timeline, Totals, Unit,
};

use super::exit::ExitCode;
use super::failed;
use super::health::{Conditions, judge_generator};
use super::interval::{Header, Interval, RunHeader, ScenarioHeader, Series, ThresholdHeader, Values};
use super::summary::{
    CheckpointSummary, EventSummary, Reason, RunInfo, SUMMARY_SCHEMA, ScenarioSummary, Summary, ThresholdSummary,
    millis, whole_seconds,
};

/// What the intervals of a run that did not end add up to.
pub(super) fn summary(header: &Header, intervals: &[Interval]) -> Summary {
    let run = &header.run;
    let load = intervals.iter().filter(|interval| !interval.after_load);
    let duration = load.map(|interval| interval.duration_ms).sum::<u64>();
    let duration = Duration::from_millis(duration);
    let totals = totals(run, intervals, duration);
    let thresholds: Vec<_> = run.thresholds.iter().map(|t| threshold(t, intervals)).collect();
    let exit = ExitCode::Signal;
    let mut reasons = vec![Reason {
        exit_code: exit.number(),
        message: format!(
            "the run has left no summary: it was killed, goes on, or could not write one; these are the {} s that it had \
             written down",
            duration.as_secs()
        ),
    }];
    let failed = thresholds.iter().filter(|threshold| !threshold.ok);
    reasons.extend(failed.map(|threshold| Reason {
        exit_code: ExitCode::Thresholds.number(),
        message: format!("{}: {} was not met", threshold.metric, threshold.expression),
    }));
    let names: Vec<_> = run.scenarios.iter().map(|s| s.name.as_str()).collect();
    let checkpoints = totals.checkpoints().iter();
    Summary {
        schema: SUMMARY_SCHEMA.to_owned(),
        verdict: exit.verdict(),
        exit_code: exit.number(),
        run: RunInfo {
            script: run.script.clone(),
            seed: run.seed,
            started_at: run.started_at.clone(),
            cut_short: true,
            duration_ms: millis(duration),
            tags: run.tags.clone(),
            traces: run.traces.clone(),
            reasons,
            events: events(intervals),
            revisions: Vec::new(),
        },
        scenarios: scenarios(run, &totals),
        metrics: totals.summarise(),
        phases: totals.phases().into_iter().map(Into::into).collect(),
        checkpoints: checkpoints.map(|c| CheckpointSummary::new(c, &names)).collect(),
        checks: totals.checks(),
        thresholds,
        invariants: Vec::new(),
        generator: generator(run, intervals, duration, &totals),
        errors: Vec::new(),
        failures: failed::summaries(intervals),
        failure_kinds_left_out: intervals.iter().map(|interval| interval.failure_kinds_left_out).sum(),
        warnings: missing(intervals).into_iter().collect(),
        outputs: Vec::new(),
    }
}

/// Everything that the intervals have, added up as it was when they were made.
pub(super) fn totals(run: &RunHeader, intervals: &[Interval], duration: Duration) -> Totals {
    let registry = Registry::new();
    let start = clock::now();
    let seconds: Vec<_> = intervals.iter().map(|interval| second(run, interval, start)).collect();
    let parts = seconds.iter().flat_map(|second| [&second.outside, &second.series]);
    for SecondSeries { name, series } in parts.flatten() {
        if registry.find(&name.metric).is_none() {
            // One that cannot be declared is in no file that we wrote.
            let _ = registry.declare(&name.metric, series.data.kind(), name.unit.clone());
        }
    }
    let named = run.thresholds.iter().filter_map(|t| Selector::parse(&t.metric).ok());
    let named: Vec<_> = named
        .filter(|selector| registry.find(&selector.metric).is_some())
        .collect();
    let catalog = Catalog::new(&registry, &named).unwrap_or_else(|error| unreachable!("all are known: {error}"));
    let mut totals = Totals::new(&registry, &catalog, run.scenarios.len());
    let span = |start, end| -> Range<Duration> { Duration::from_millis(start)..Duration::from_millis(end) };
    let phases = run.phases.iter();
    let timeline = Timeline {
        measured_from: Duration::from_millis(run.measured_from_ms),
        phases: phases
            .map(|phase| (phase.name.clone(), span(phase.start_ms, phase.end_ms)))
            .collect(),
        stages: run.scenarios.iter().flat_map(stages).collect(),
        ..Timeline::default()
    };
    totals.watch(timeline, &[]);
    if let Some(every) = run.checkpoints_ms {
        let planned = Duration::from_millis(run.planned_ms);
        totals.keep_checkpoints(Duration::from_millis(every), planned);
    }
    for (mut second, interval) in seconds.into_iter().zip(intervals) {
        let outside = Second {
            number: second.number,
            series: std::mem::take(&mut second.outside),
            ..Second::default()
        };
        // Nor one that changes its kind.
        let _ = totals.restore(outside, false);
        let _ = totals.restore(second, !interval.after_load);
    }
    totals.finish(duration);
    totals
}

fn stages(scenario: &ScenarioHeader) -> impl Iterator<Item = StageSpan> {
    let stages = scenario.stages.iter();
    let stages = stages.map(|stage| (stage.name.clone(), stage.duration_ms.map(Duration::from_millis)));
    let start = scenario.start_ms.map(Duration::from_millis);
    StageSpan::of(&scenario.name, start, Duration::from_millis(scenario.warmup_ms), stages)
}

fn second(run: &RunHeader, interval: &Interval, start: Instant) -> Second {
    let of = |name: &str| interval.scenarios.get(name);
    let counts = run.scenarios.iter().map(|s| of(&s.name).map(|s| s.iterations));
    let warmup = run.scenarios.iter().map(|s| of(&s.name).and_then(|s| s.warmup));
    // The newest value of a gauge is that of the latest second.
    let at = start + Duration::from_secs(interval.second);
    let of_load = |series| {
        let outside = interval.outside.iter().find(|part| part.is_same(series));
        outside.map_or_else(
            || Some(restored(series, at)),
            |part| Some(restored(&series.without(part)?, at)),
        )
    };
    Second {
        number: interval.second,
        counts: counts.map(Option::unwrap_or_default).collect::<Vec<Counts>>(),
        warmup: warmup.map(Option::unwrap_or_default).collect(),
        checks: interval.checks.clone(),
        series: interval.series.iter().filter_map(of_load).collect(),
        outside: interval.outside.iter().map(|part| restored(part, at)).collect(),
    }
}

fn restored(series: &Series, at: Instant) -> SecondSeries {
    let data = match &series.values {
        Values::Counter { value } => SeriesData::Counter(*value),
        Values::Gauge { value, min, max } => SeriesData::Gauge(Some(Gauge {
            value: *value,
            min: *min,
            max: *max,
            at,
        })),
        Values::Rate { passes, total } => SeriesData::Rate {
            passes: *passes,
            total: *total,
        },
        Values::Trend(trend) => SeriesData::Trend(trend.to_metrics()),
    };
    let tags = series.tags.iter();
    SecondSeries {
        name: SeriesName {
            metric: series.metric.as_str().into(),
            unit: Unit::parse(series.unit.as_deref().unwrap_or_default()),
            tags: tags.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
        .into(),
        series: crate::metrics::Series {
            data,
            out_of_range: series.out_of_range,
        },
    }
}

fn scenarios(run: &RunHeader, totals: &Totals) -> BTreeMap<String, ScenarioSummary> {
    let scenarios = run.scenarios.iter().enumerate();
    let summary = |(index, scenario): (usize, &super::interval::ScenarioHeader)| {
        let summary = ScenarioSummary {
            executor: scenario.executor.clone(),
            iterations: totals.counts(index),
            warmup: (scenario.warmup_ms > 0).then(|| totals.warmup_counts(index)),
        };
        (scenario.name.clone(), summary)
    };
    scenarios.map(summary).collect()
}

/// How a threshold stood when it was last looked at; one that was never has no data. Files that do not say which of them have
/// a window tell the first of those that are written alike.
fn threshold(threshold: &ThresholdHeader, intervals: &[Interval]) -> ThresholdSummary {
    let latest = intervals.iter().rev().flat_map(|interval| &interval.thresholds);
    let mut alike = latest.filter(|stand| stand.metric == threshold.metric && stand.expression == threshold.expression);
    let window = threshold.window_ms.map(Duration::from_millis).map(whole_seconds);
    let exact = alike.clone().find(|stand| stand.window == window);
    let stand = exact.or_else(|| alike.next());
    let ok = stand.and_then(|stand| stand.ok);
    ThresholdSummary {
        metric: threshold.metric.clone(),
        expression: threshold.expression.clone(),
        ok: ok.unwrap_or(threshold.on_no_data == NoData::Pass),
        observed: stand.and_then(|stand| stand.observed),
        aborted: false,
        kind: threshold.kind,
        unit: threshold.unit.clone(),
        window,
        window_at_ms: stand.and_then(|stand| stand.window_at_ms),
        window_length_ms: None,
        since_ms: None,
    }
}

fn events(intervals: &[Interval]) -> Vec<EventSummary> {
    let events = intervals.iter().flat_map(|interval| &interval.events);
    // Stages are the plan's doing, and in no summary.
    let events = events.filter(|event| event.kind != "stage");
    let event = |event: &super::interval::IntervalEvent| EventSummary {
        at_ms: event.at_ms,
        what: event.kind.clone(),
        scenario: None,
        value: None,
        detail: Some(event.text.clone()),
    };
    events.map(event).collect()
}

fn generator(run: &RunHeader, intervals: &[Interval], duration: Duration, totals: &Totals) -> super::Generator {
    let open: Vec<_> = run.scenarios.iter().map(|scenario| scenario.open).collect();
    let used = intervals.iter().filter_map(|interval| {
        let millis = u32::try_from(interval.duration_ms).ok()?;
        let share = interval.generator.cpu_percent?.clamp(0.0, 1e4) / 100.0;
        Some(Duration::from_secs_f64(share * f64::from(millis) / 1e3))
    });
    let conditions = Conditions {
        open: &open,
        cpu: &[used.sum()],
        waited: &[],
        stolen: None,
        duration,
        unmade: 0,
        files: None,
    };
    judge_generator(&conditions, totals)
}

/// Seconds that could not be written.
fn missing(intervals: &[Interval]) -> Option<String> {
    let known = intervals.iter().filter(|interval| !interval.after_load);
    let (count, last) = known.fold((0_u64, None), |(count, _), interval| (count + 1, Some(interval.second)));
    let lost = last.map_or(0, |last| last + 1).saturating_sub(count);
    (lost > 0).then(|| format!("{lost} seconds of the run could not be written down and are missing here"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metrics::CheckTotal;

    /// What is written alike is told apart by its window, in whatever order an edit has left it.
    #[test]
    fn thresholds_stand_as_they_stood_in_the_last_second() {
        let header = |more: serde_json::Value| -> ThresholdHeader {
            let mut header = json!({ "metric": "things", "expression": "rate>30" });
            header
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            serde_json::from_value(header).unwrap()
        };
        let stand = |observed: f64, window: Option<&str>| {
            json!({ "metric": "things", "expression": "rate>30", "ok": observed > 30.0, "observed": observed, "limit": 30.0,
                "window": window, "window_at_ms": window.map(|_| 3_000) })
        };
        let interval = |stands: &[serde_json::Value]| Interval {
            thresholds: stands
                .iter()
                .map(|stand| serde_json::from_value(stand.clone()).unwrap())
                .collect(),
            ..Interval::default()
        };
        let intervals = [
            interval(&[stand(100.0, None), stand(100.0, Some("2s"))]),
            interval(&[stand(1.0, Some("2s")), stand(43.0, None)]),
        ];
        let of = |more, intervals: &[Interval]| {
            let summary = threshold(&header(more), intervals);
            (summary.ok, summary.observed, summary.window_at_ms)
        };
        assert_eq!(of(json!({}), &intervals), (true, Some(43.0), None));
        assert_eq!(
            of(json!({ "window_ms": 2_000 }), &intervals),
            (false, Some(1.0), Some(3_000))
        );
        assert_eq!(of(json!({}), &[]), (false, None, None));
        assert_eq!(of(json!({ "on_no_data": "pass" }), &[]), (true, None, None));
        let older = [interval(&[stand(1.0, None)])];
        assert_eq!(of(json!({ "window_ms": 2_000 }), &older), (false, Some(1.0), None));
    }

    /// What `setup` and `teardown` did is in the sums, and in no rate and no checkpoint.
    #[test]
    fn only_the_load_is_in_rates_and_checkpoints() {
        let things = |value: f64| json!({ "metric": "things", "type": "counter", "tags": {}, "value": value });
        let depth = json!({ "metric": "depth", "type": "gauge", "tags": {}, "value": 5.0, "min": 1.0, "max": 5.0 });
        let made = json!({ "metric": "made", "type": "rate", "tags": {}, "passes": 3, "total": 5 });
        let before = json!({ "metric": "made", "type": "rate", "tags": {}, "passes": 1, "total": 2 });
        let first = |outside| json!({ "second": 0, "at_ms": 0, "duration_ms": 1_000, "series": [things(1_010.0), depth, made], "outside": outside });
        let rest = [
            json!({ "second": 1, "at_ms": 1_000, "duration_ms": 1_000, "series": [things(10.0)] }),
            json!({ "second": 2, "at_ms": 2_000, "duration_ms": 9, "after_load": true, "series": [things(500.0)] }),
        ];
        let mut header = super::super::tests::header();
        (header.run.checkpoints_ms, header.run.planned_ms) = (Some(1_000), 2_000);
        let told = |outside: serde_json::Value| {
            let intervals =
                [&first(outside), &rest[0], &rest[1]].map(|line| serde_json::from_value(line.clone()).unwrap());
            let told = serde_json::to_value(summary(&header, &intervals)).unwrap();
            let of_first = told["checkpoints"][0]["metrics"].clone();
            (told["metrics"].clone(), of_first)
        };
        let (metrics, of_first) = told(json!([things(1_000.0), depth, before]));
        assert_eq!(
            metrics["things"],
            json!({ "type": "counter", "count": 1_520, "rate": 10.0 })
        );
        assert_eq!(metrics["depth"]["max"], 5);
        assert_eq!(
            (&metrics["made"]["passes"], &metrics["made"]["total"]),
            (&json!(3), &json!(5))
        );
        assert_eq!(
            of_first["things"],
            json!({ "type": "counter", "count": 10, "rate": 10.0 })
        );
        assert_eq!(of_first.get("depth"), None);
        assert_eq!(
            (&of_first["made"]["passes"], &of_first["made"]["total"]),
            (&json!(2), &json!(3))
        );
        // Files that do not tell it are read as they are.
        assert_eq!(told(json!([])).1["things"]["count"], 1_010);
    }

    #[test]
    fn checks_are_added_up() {
        let check = |passes, fails| CheckTotal {
            name: "ok".to_owned(),
            group: String::new(),
            passes,
            fails,
        };
        let interval = |second, passes, fails| Interval {
            second,
            duration_ms: 1_000,
            checks: vec![check(passes, fails)],
            ..Interval::default()
        };
        let summary = summary(&super::super::tests::header(), &[interval(0, 3, 0), interval(2, 4, 1)]);
        assert_eq!(summary.checks, [check(7, 1)]);
        assert_eq!(summary.run.duration_ms, 2_000);
        assert_eq!(
            summary.warnings,
            ["1 seconds of the run could not be written down and are missing here"]
        );
        assert_eq!(
            (summary.verdict, summary.exit_code),
            (super::super::Verdict::Aborted, 105)
        );
    }
}
