//! Feeds the sinks: makes each second of the load, once every core has reported it, into an interval. What sinks do with it
//! is theirs; a run without sinks keeps no seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Instant};
use crate::exec;
use crate::failures::News;
use crate::metrics::{Aggregation, Counts, MetricId, Second, SeriesData, SeriesName, Tap, Threshold, Totals, builtin};
use crate::plan::{Executor, Plan, order};
use crate::results::{
    Buckets, Ending, EventSummary, GeneratorInterval, Header, INTERVALS_SCHEMA, Interval, IntervalEvent, OutputReport,
    Patience, PhaseHeader, RunHeader, ScenarioHeader, ScenarioInterval, Series, Sink, StageHeader, Summary,
    ThresholdHeader, ThresholdInterval, TracesHeader, Trend, Values, millis, timestamp,
};

use super::judge::Judge;
use super::{Observer, Test};

/// How long the end of a run waits for all sinks together; those that have not ended then have some moments for their counts.
const LONGEST_END: Duration = Duration::from_millis(4_500);
/// How long it waits without saying so.
const SILENCE: Duration = Duration::from_millis(500);

/// The shortest interval whose CPU time is told: cores are asked at moments of their own, which matter in a shorter one.
const SHORTEST: Duration = Duration::from_millis(100);

/// Who is fed, and how far it has come.
pub(super) struct Feed {
    sinks: Vec<Box<dyn Sink>>,
    tap: Option<Tap>,
    begun: Option<Begun>,
    /// The CPU time that each core has used so far.
    used: Vec<Duration>,
    /// How much of it all have used in each second that was not fed.
    cpu: BTreeMap<u64, Duration>,
    /// How many events have been told: of live control, and of reloads.
    told: (usize, usize),
    stages: Vec<Option<String>>,
}

/// The start of the load.
#[derive(Debug, Clone, Copy)]
struct Begun {
    origin: Instant,
    wall: SystemTime,
}

/// What an interval is made of, besides its second.
pub(super) struct Look<'a> {
    pub(super) test: &'a Test,
    pub(super) shared: &'a exec::Shared,
    pub(super) totals: &'a Totals,
    pub(super) judge: &'a Judge,
}

impl Feed {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            tap: sinks.iter().find_map(|sink| sink.tap()),
            sinks,
            begun: None,
            used: Vec::new(),
            cpu: BTreeMap::new(),
            told: (0, 0),
            stages: Vec::new(),
        }
    }

    /// Whether anybody is fed.
    pub(super) fn is_wanted(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// The load begins at `origin`.
    pub(super) fn begin(&mut self, test: &Test, origin: Instant, threads: u32) {
        if !self.is_wanted() {
            return;
        }
        let wall = clock::wall() + origin.saturating_duration_since(clock::now());
        self.begun = Some(Begun { origin, wall });
        self.used = vec![Duration::ZERO; threads as usize];
        self.stages = vec![None; test.plan.scenarios.len()];
        let header = Arc::new(header(test, wall));
        for sink in &mut self.sinks {
            sink.begin(&header);
        }
    }

    /// Core `core` has used `cpu` since the start of the load, by the end of that second.
    pub(super) fn core_cpu(&mut self, core: u32, second: u64, cpu: Duration) {
        if let Some(used) = self.used.get_mut(core as usize) {
            *self.cpu.entry(second).or_default() += cpu.saturating_sub(*used);
            *used = cpu;
        }
    }

    /// A second of the load is complete; the load was `elapsed` long, or longer.
    pub(super) fn second(&mut self, second: Second, elapsed: Duration, look: &Look<'_>) {
        let Some(begun) = self.begun else { return };
        let start = Duration::from_secs(second.number);
        let duration = elapsed.saturating_sub(start).min(Duration::from_secs(1));
        let events = self.events(start, begun.origin, look);
        let generator = self.generator(&second, duration);
        let scenarios = self.scenarios(&second, look);
        let failed = look.test.session.failed.take();
        let thresholds = look.judge.running();
        let stand = |threshold: &Threshold| ThresholdInterval::new(threshold, &threshold.evaluate(look.totals));
        self.give(Interval {
            second: second.number,
            at_ms: epoch_ms(begun.wall + start),
            duration_ms: millis(duration).max(1),
            after_load: false,
            scenarios,
            series: second.series.into_iter().filter_map(series).collect(),
            outside: second.outside.into_iter().filter_map(series).collect(),
            checks: second.checks,
            thresholds: thresholds.map(stand).collect(),
            generator,
            events,
            failures: failed.requests,
            failed: failed.counts,
            failure_kinds_left_out: failed.left_out,
        });
    }

    /// What was gathered between the end of the load, after `elapsed`, and now.
    pub(super) fn after_load(&mut self, rest: Second, elapsed: Duration, failed: News) {
        let Some(begun) = self.begun else { return };
        let length = clock::now().saturating_duration_since(begun.origin + elapsed);
        self.give(Interval {
            second: rest.number,
            at_ms: epoch_ms(begun.wall + elapsed),
            duration_ms: millis(length).max(1),
            after_load: true,
            series: rest.series.into_iter().filter_map(series).collect(),
            checks: rest.checks,
            failures: failed.requests,
            failed: failed.counts,
            failure_kinds_left_out: failed.left_out,
            ..Interval::default()
        });
    }

    /// Where each sample goes as well, if a sink wants them.
    pub(super) fn tap(&self) -> Option<&Tap> {
        self.tap.as_ref()
    }

    /// The run is over. Sinks have some seconds for what is left, or until `hurry` is cancelled.
    pub(super) async fn end(
        self,
        summary: &Summary,
        hurry: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Vec<OutputReport> {
        let patience = Patience::default();
        let endings = self.sinks.into_iter().map(|sink| sink.end(summary, &patience));
        wait_for(endings.collect(), &patience, hurry, observer).await
    }

    fn give(&mut self, interval: Interval) {
        let interval = Arc::new(interval);
        for sink in &mut self.sinks {
            sink.interval(&interval);
        }
    }

    fn events(&mut self, start: Duration, origin: Instant, look: &Look<'_>) -> Vec<IntervalEvent> {
        let mut events: Vec<_> = look.judge.events_since(&look.test.session, &mut self.told);
        events.sort_by_key(|event| event.at_ms);
        let mut events: Vec<_> = events.into_iter().map(told).collect();
        let scenarios = look.test.plan.scenarios.iter().zip(&mut self.stages).enumerate();
        for (index, (scenario, stage)) in scenarios {
            let control = &look.test.session.control;
            let now = look.shared.stage(index, control, origin + start);
            if now != *stage
                && let Some(name) = &now
            {
                events.push(IntervalEvent {
                    at_ms: millis(start),
                    kind: "stage".to_owned(),
                    text: format!("{}: {name}", scenario.name),
                });
            }
            *stage = now;
        }
        events
    }

    fn scenarios(&self, second: &Second, look: &Look<'_>) -> BTreeMap<String, ScenarioInterval> {
        let of = |counts: &[Counts], index: usize| counts.get(index).copied().unwrap_or_default();
        let scenarios = look.test.plan.scenarios.iter().enumerate();
        let interval = |(index, scenario): (usize, &crate::plan::Scenario)| {
            let progress = look.shared.progress(index);
            let warmup = Some(of(&second.warmup, index)).filter(|counts| *counts != Counts::default());
            let interval = ScenarioInterval {
                iterations: of(&second.counts, index),
                warmup,
                vus: progress.active,
                queued: progress.backlog,
                stage: self.stages.get(index).cloned().flatten(),
            };
            (scenario.name.clone(), interval)
        };
        scenarios.map(interval).collect()
    }

    fn generator(&mut self, second: &Second, duration: Duration) -> GeneratorInterval {
        let later = self.cpu.split_off(&(second.number + 1));
        let used: Duration = std::mem::replace(&mut self.cpu, later).into_values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a handful of threads")]
        let all = self.used.len() as f64 * duration.as_secs_f64();
        let percent = (all > 0.0 && duration >= SHORTEST).then(|| 100.0 * used.as_secs_f64() / all);
        let ask = |metric, aggregation| second.get(name_of(metric), &[])?.data.ask(aggregation);
        GeneratorInterval {
            cpu_percent: percent.map(|percent| rounded(percent.min(100.0))),
            dispatch_lag_p99_ms: ask(builtin::DISPATCH_LAG, Aggregation::Percentile(99.0)),
            loop_lag_p99_ms: ask(builtin::LOOP_LAG, Aggregation::Percentile(99.0)),
            gc_pause_max_ms: ask(builtin::GC_PAUSE, Aggregation::Max),
        }
    }
}

/// Waits for `endings` until they have been waited for long enough, and tells `observer` meanwhile what for.
async fn wait_for(
    endings: Vec<Ending>,
    patience: &Patience,
    hurry: &CancellationToken,
    observer: &mut dyn Observer,
) -> Vec<OutputReport> {
    let mut all = join_all(endings);
    let deadline = clock::now() + LONGEST_END;
    let mut tell = clock::now() + SILENCE;
    // Looked at each time, not only waited for: the signal may come while the observer is told.
    while !hurry.is_cancelled() && clock::now() < deadline {
        tokio::select! {
            biased;
            reports = &mut all => return reports.into_iter().flatten().collect(),
            () = hurry.cancelled() => {}
            () = clock::sleep_until(deadline) => {}
            () = clock::sleep_until(tell) => {
                observer.waits(&patience.waiting());
                tell += Duration::from_secs(1);
            }
        }
    }
    patience.end();
    all.await.into_iter().flatten().collect()
}

fn name_of(metric: MetricId) -> &'static str {
    builtin::BUILTINS[metric.index() as usize].name
}

fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn epoch_ms(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

fn stages(executor: &Executor) -> Vec<StageHeader> {
    let stages = executor.segments().into_iter().zip(executor.segment_lengths());
    let stage = |(name, length): (String, Option<Duration>)| StageHeader {
        name,
        duration_ms: length.map(millis),
    };
    stages.map(stage).collect()
}

fn header(test: &Test, wall: SystemTime) -> Header {
    let plan: &Plan = &test.plan;
    let scenario = |scenario: &crate::plan::Scenario| ScenarioHeader {
        name: scenario.name.clone(),
        executor: scenario.executor.name().to_owned(),
        open: scenario.executor.is_open(),
        start_ms: scenario.start_after.is_none().then(|| millis(scenario.start_time)),
        duration_ms: millis(scenario.executor.duration()),
        warmup_ms: millis(scenario.warmup),
        stages: stages(&scenario.executor),
    };
    let threshold = |threshold: &Threshold| ThresholdHeader {
        metric: threshold.selector.to_string(),
        expression: threshold.expression.clone(),
        kind: Some(threshold.kind),
        unit: Some(threshold.unit.name().to_owned()).filter(|unit| !unit.is_empty()),
        window_ms: threshold.window.map(millis),
        on_no_data: threshold.on_no_data,
    };
    let phase = |phase: &crate::plan::Phase| PhaseHeader {
        name: phase.name.clone(),
        start_ms: millis(phase.start),
        end_ms: millis(phase.end),
    };
    Header {
        schema: INTERVALS_SCHEMA.to_owned(),
        run: RunHeader {
            name: test.session.connections.run().to_owned(),
            script: test.session.script.display().to_string(),
            seed: test.session.seed,
            started_at: timestamp(wall),
            started_at_ms: epoch_ms(wall),
            measured_from_ms: millis(plan.measured_from()),
            planned_ms: millis(order::latest_end(&plan.scenarios)),
            checkpoints_ms: plan.checkpoints.map(millis),
            scenarios: plan.scenarios.iter().map(scenario).collect(),
            thresholds: plan.thresholds.iter().map(threshold).collect(),
            phases: plan.phases.iter().map(phase).collect(),
            tags: plan.tags.clone(),
            traces: traces(test),
            buckets: Buckets::default(),
        },
    }
}

/// How requests are traced, as those say who look at traces.
pub(super) fn traces(test: &Test) -> Option<TracesHeader> {
    let traces = test.plan.traces.as_ref()?;
    Some(TracesHeader {
        sampling: traces.sampling,
        url: traces.url.clone(),
        run: test.session.connections.run().to_owned(),
    })
}

/// An event in a few words.
fn told(event: EventSummary) -> IntervalEvent {
    let value = event.value.map(|value| value.to_string());
    let parts = [event.scenario, Some(event.what.clone()), value, event.detail];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    IntervalEvent {
        at_ms: event.at_ms,
        kind: event.what,
        text: parts.join(" "),
    }
}

/// A series with news; a gauge or a distribution without a value has none.
fn series(second: crate::metrics::SecondSeries) -> Option<Series> {
    let SeriesName { metric, unit, tags } = &*second.name;
    let values = match &second.series.data {
        SeriesData::Counter(value) => Values::Counter { value: *value },
        SeriesData::Rate { passes, total } => Values::Rate {
            passes: *passes,
            total: *total,
        },
        SeriesData::Gauge(gauge) => {
            let gauge = (*gauge)?;
            Values::Gauge {
                value: gauge.value,
                min: gauge.min,
                max: gauge.max,
            }
        }
        SeriesData::Trend(trend) => Values::Trend(Trend::of(unit, trend)?),
    };
    Some(Series {
        metric: metric.to_string(),
        unit: Some(unit.name().to_owned()).filter(|unit| !unit.is_empty()),
        tags: tags.iter().cloned().collect(),
        values,
        out_of_range: second.series.out_of_range,
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;
    use crate::metrics::CheckpointTotal;
    use crate::run::{Reload, Stage, Tick};

    /// Does something each time it hears what the end of a run waits for.
    struct Told<F>(F);

    impl<F: FnMut(&[String])> Observer for Told<F> {
        fn stage(&mut self, _: Stage) {}
        fn tick(&mut self, _: &Tick<'_>) {}
        fn reload(&mut self, _: &Reload) {}
        fn waits(&mut self, outputs: &[String]) {
            (self.0)(outputs);
        }
        fn checkpoint(&mut self, _: usize, _: &CheckpointTotal, _: &Plan) {}
    }

    /// Waits for an output that never ends, and gives how long that took.
    async fn wait(hurry: &CancellationToken, told: impl FnMut(&[String])) -> Duration {
        let begun = clock::now();
        let patience = Patience::default();
        let (_never, done) = oneshot::channel::<()>();
        let of_sink = patience.clone();
        let ending: Ending = Box::pin(async move {
            let ended = of_sink.wait("away", done).await;
            assert!(ended.is_err());
            vec![OutputReport::default()]
        });
        let reports = wait_for(vec![ending], &patience, hurry, &mut Told(told)).await;
        assert_eq!(reports.len(), 1);
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn outputs_that_are_away_have_five_seconds_and_are_named() {
        let mut told = Vec::new();
        let took = wait(&CancellationToken::new(), |outputs| told.push(outputs.to_vec())).await;
        assert_eq!(told, [["away"]; 4]);
        assert!(took > LONGEST_END && took < Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_that_comes_while_the_wait_is_told_ends_it_too() {
        let hurry = CancellationToken::new();
        let took = wait(&hurry, |_| hurry.cancel()).await;
        assert!(took >= SILENCE && took < Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_over_the_end_of_the_wait_does_not_lengthen_it() {
        // The machine was asleep, or the terminal took no text.
        let stall = |_: &[String]| {
            let _ = tokio::time::advance(LONGEST_END).now_or_never();
        };
        let took = wait(&CancellationToken::new(), stall).await;
        assert!(took < 2 * LONGEST_END, "{took:?}");
    }
}
