//! What all cores have gathered so far, and the answers drawn from it. Taking samples is in `recorder`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;

use super::admission::is_automatic;
use super::aggregation::Aggregation;
use super::catalog::{Catalog, SeriesId};
use super::checkpoints::{CheckpointTotal, Checkpoints};
use super::delta::{CheckKey, CheckTally, Counts, Delta};
use super::later::Later;
use super::recent::Recent;
use super::registry::{DeclareError, Definition, Kind, MetricId, Registry, Unit};
use super::seconds::{Second, SecondSeries, Seconds};
use super::selector::Selector;
use super::series::{Gauge, Series, SeriesData, per_second};
use super::summary::{MetricSummaries, MetricSummary, TrendSummary, tidy};
use super::threshold::Threshold;
use super::timeline::{ScenarioSpan, StageSpan, Timeline};
use super::trend::Trend;
use super::window::{Watched, Windows, Worst};

/// How often a check held and did not, in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTotal {
    /// The check.
    pub name: String,
    /// The group that it stands in; empty outside groups.
    pub group: String,
    /// How often it held.
    pub passes: u64,
    /// How often it did not.
    pub fails: u64,
}

/// The sum of deltas: of a whole run, or of any part of it.
#[derive(Debug, Clone)]
pub struct Totals {
    registry: Registry,
    catalog: Catalog,
    sum: Delta,
    /// What counters have of before and after the load: it is in no rate.
    outside: BTreeMap<SeriesId, f64>,
    elapsed: Duration,
    timeline: Timeline,
    windows: Windows,
    later: Vec<Later>,
    recent: Recent,
    checkpoints: Option<Checkpoints>,
    seconds: Option<Seconds>,
}

/// What belongs to one phase.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseTotal {
    /// Its name.
    pub name: String,
    /// From where to where, from the start of the load; it ends with the load at the latest.
    pub span: Range<Duration>,
    /// Its series, named as those of the whole run.
    pub metrics: MetricSummaries,
}

impl Totals {
    /// Nothing yet, of that many scenarios.
    #[must_use]
    pub fn new(registry: &Registry, catalog: &Catalog, scenarios: usize) -> Self {
        Self {
            registry: registry.clone(),
            catalog: catalog.clone(),
            sum: Delta {
                counts: vec![Counts::default(); scenarios],
                ..Delta::default()
            },
            outside: BTreeMap::new(),
            elapsed: Duration::ZERO,
            timeline: Timeline::default(),
            windows: Windows::default(),
            later: Vec::new(),
            recent: Recent::default(),
            checkpoints: None,
            seconds: None,
        }
    }

    /// Takes everything, and leaves nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let empty = Self::new(&self.registry, &self.catalog, 0);
        std::mem::replace(self, empty)
    }

    /// Whether samples of this are kept once there are some: of a metric as a whole always, of a part of it when a threshold
    /// names the part, or a report shows it.
    #[must_use]
    pub fn keeps(&self, selector: &Selector) -> bool {
        let named = |metric| self.catalog.is_named(metric, &selector.tags);
        selector.tags.is_empty()
            || is_automatic(&selector.metric, &selector.tags)
            || self.registry.find(&selector.metric).is_some_and(named)
    }

    /// Says how long the parts of the load are, and keeps the history that thresholds with a window need; call it before
    /// the first merge.
    pub fn watch(&mut self, timeline: Timeline, thresholds: &[Threshold]) {
        self.timeline = timeline;
        self.watch_more(thresholds);
    }

    /// Keeps what these thresholds need besides, from now on; those of an edited script come while the load runs. Their
    /// series are in the catalog.
    pub fn watch_more(&mut self, thresholds: &[Threshold]) {
        for threshold in thresholds {
            let Some(metric) = self.registry.find(&threshold.selector.metric) else {
                continue;
            };
            let tags = &threshold.selector.tags;
            let is_counter = self.registry.definition(metric).kind == Kind::Counter;
            let Some(id) = self.catalog.find(metric, tags) else {
                continue;
            };
            let since = threshold.since.map(|since| since.as_secs());
            if let Some(window) = threshold.window {
                let watched = Watched {
                    id,
                    is_counter,
                    from: self.timeline.first_second(tags).max(since.unwrap_or(0)),
                    since: Duration::from_secs(since.unwrap_or(0)),
                };
                self.windows.add(threshold, window, watched);
            } else if let Some(since) = since {
                self.later.push(Later::new(since, id));
            }
        }
    }

    /// The stages have other lengths from now on, as if they had always had.
    pub fn restage(&mut self, stages: Vec<StageSpan>) {
        self.checkpoints.iter_mut().for_each(|c| c.restage(&stages));
        self.timeline.stages = stages;
    }

    /// The scenarios are there, as far as it is known by now; call it before seconds are closed.
    pub fn place(&mut self, scenarios: Vec<ScenarioSpan>) {
        self.timeline.scenarios = scenarios;
    }

    /// Sums up each `every` of a load that is planned to last for `planned`; call it after [`Totals::watch`].
    pub fn keep_checkpoints(&mut self, every: Duration, planned: Duration) {
        let (registry, catalog, timeline) = (&self.registry, &self.catalog, &self.timeline);
        let scenarios = self.sum.counts.len();
        self.checkpoints = Some(Checkpoints::new(registry, catalog, timeline, scenarios, every, planned));
    }

    /// The checkpoints that are complete, in their order. Together they are the load; what was gathered outside of it is
    /// in none.
    #[must_use]
    pub fn checkpoints(&self) -> &[CheckpointTotal] {
        self.checkpoints.as_ref().map_or(&[], Checkpoints::closed)
    }

    /// Adds what was gathered before or after the load: windows and rates of counters do not have it.
    pub fn merge(&mut self, delta: &Delta) {
        for (id, series) in &delta.series {
            if let SeriesData::Counter(sum) = series.data {
                *self.outside.entry(*id).or_default() += sum;
            }
        }
        self.seconds.iter_mut().for_each(|s| s.merge_outside(delta));
        self.sum.merge(delta);
    }

    /// Adds what a core has gathered in a second of the load, the first being 0.
    pub fn merge_second(&mut self, second: u64, delta: &Delta) {
        self.windows.merge(second, delta);
        self.recent.merge(second, delta, &self.catalog);
        for later in &mut self.later {
            later.merge(second, delta);
        }
        self.checkpoints.iter_mut().for_each(|c| c.merge(second, delta));
        self.seconds.iter_mut().for_each(|s| s.merge(second, delta));
        self.sum.merge(delta);
    }

    /// Keeps each second apart, besides, until it is taken; call it before the first merge.
    pub fn keep_seconds(&mut self) {
        self.seconds = Some(Seconds::default());
    }

    /// The next second, when every core has reported it: it is below `end`.
    pub fn next_second(&mut self, end: u64) -> Option<Second> {
        self.seconds.as_mut()?.next(end, &self.registry, &self.catalog)
    }

    /// The last second of which something has been gathered and not been taken.
    #[must_use]
    pub fn last_second(&self) -> Option<u64> {
        self.seconds.as_ref()?.last()
    }

    /// All that has been gathered and not been taken, as one second.
    pub fn rest_of_seconds(&mut self) -> Option<Second> {
        self.seconds.as_mut()?.rest(&self.registry, &self.catalog)
    }

    /// Adds a second that was taken from totals of another process: one of the load, or what was gathered outside of it. Its
    /// metrics are declared, its series are made.
    ///
    /// # Errors
    /// [`DeclareError`] for a metric that is another kind of metric here.
    pub fn restore(&mut self, second: Second, is_of_load: bool) -> Result<(), DeclareError> {
        let mut delta = Delta {
            counts: second.counts,
            warmup: second.warmup,
            ..Delta::default()
        };
        for check in second.checks {
            let key = CheckKey {
                group: check.group.into(),
                name: check.name.into(),
            };
            let tally = CheckTally {
                passes: check.passes,
                fails: check.fails,
            };
            delta.checks.insert(key, tally);
        }
        for SecondSeries { name, series } in second.series {
            let metric = self
                .registry
                .declare(&name.metric, series.data.kind(), name.unit.clone())?;
            delta.series.insert(self.catalog.enter(metric, &name.tags), series);
        }
        if is_of_load {
            self.merge_second(second.number, &delta);
        } else {
            self.merge(&delta);
        }
        Ok(())
    }

    /// Every core has handed over the seconds below `end`: windows and checkpoints that end there are complete.
    pub fn close(&mut self, end: u64) {
        self.windows.close(end, &self.timeline);
        self.checkpoints.iter_mut().for_each(|c| c.close(end));
    }

    /// The load has ended after `elapsed`, and every core has handed over everything.
    pub fn finish(&mut self, elapsed: Duration) {
        self.set_elapsed(elapsed);
        self.windows.finish(elapsed, &self.timeline);
        self.checkpoints.iter_mut().for_each(|c| c.finish(elapsed));
    }

    /// Sets the time in which all this was gathered; rates of counters are per second of it.
    pub fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// How much is kept: series, buckets of their distributions, checks, and seconds of history.
    #[cfg(test)]
    pub(super) fn retained(&self) -> [usize; 4] {
        let buckets = self.sum.series.values().map(|series| match &series.data {
            SeriesData::Trend(trend) => trend.buckets.len(),
            _ => 0,
        });
        let history = self.windows.seconds_kept();
        [self.sum.series.len(), buckets.sum(), self.sum.checks.len(), history]
    }

    /// How many seconds of history are kept for windows.
    #[cfg(test)]
    pub(super) fn seconds_kept(&self) -> usize {
        self.windows.seconds_kept()
    }

    /// The worst slice of a threshold with a window.
    pub(super) fn worst(&self, threshold: &Threshold) -> Option<Worst> {
        self.windows.worst(threshold)
    }

    /// Sets a gauge that is one number for the whole process, such as `vus`. Values that are not finite are ignored.
    pub fn set_gauge(&mut self, metric: MetricId, value: f64) {
        debug_assert_eq!(self.registry.definition(metric).kind, Kind::Gauge);
        if !value.is_finite() {
            return;
        }
        let series = Series {
            data: SeriesData::Gauge(Some(Gauge::new(value, clock::now()))),
            out_of_range: 0,
        };
        let id = self.catalog.root(metric);
        let delta = Delta {
            series: [(id, series)].into(),
            ..Delta::default()
        };
        self.merge_second(self.elapsed.as_secs(), &delta);
    }

    /// The iteration counts of a scenario (its index in the plan), without those of its warm-up.
    #[must_use]
    pub fn counts(&self, scenario: usize) -> Counts {
        self.sum.counts.get(scenario).copied().unwrap_or_default()
    }

    /// The iteration counts of a scenario's warm-up.
    #[must_use]
    pub fn warmup_counts(&self, scenario: usize) -> Counts {
        self.sum.warmup.get(scenario).copied().unwrap_or_default()
    }

    /// All checks, sorted by group and name.
    #[must_use]
    pub fn checks(&self) -> Vec<CheckTotal> {
        let rows = self.sum.checks.iter().map(|(key, tally)| CheckTotal {
            name: key.name.to_string(),
            group: key.group.to_string(),
            passes: tally.passes,
            fails: tally.fails,
        });
        rows.collect()
    }

    /// One number of a series; `None` without data, or when the aggregation does not fit.
    ///
    /// A counter as a whole (no tags) always has data: nothing counted is 0.
    #[must_use]
    pub fn value(&self, selector: &Selector, aggregation: Aggregation) -> Option<f64> {
        self.value_since(None, selector, aggregation)
    }

    /// The same, of what was gathered from a whole second of the load on, which somebody has to be watching for.
    pub(super) fn value_since(
        &self,
        since: Option<Duration>,
        selector: &Selector,
        aggregation: Aggregation,
    ) -> Option<f64> {
        let metric = self.registry.find(&selector.metric)?;
        let found = self.catalog.find(metric, &selector.tags);
        let (series, over) = match since {
            None => (
                found.and_then(|id| self.sum.series.get(&id)),
                self.timeline.over(&selector.tags, self.elapsed),
            ),
            Some(since) => {
                let later = self.later.iter().find(|later| later.is(since.as_secs(), found));
                let over = |until| self.timeline.over(&selector.tags, until);
                (
                    later.and_then(Later::series),
                    over(self.elapsed).saturating_sub(over(since)),
                )
            }
        };
        let Some(series) = series else {
            let is_counter = self.registry.definition(metric).kind == Kind::Counter;
            return if is_counter && selector.tags.is_empty() {
                SeriesData::Counter(0.0).answer(aggregation, over)
            } else {
                None
            };
        };
        match series.data {
            SeriesData::Counter(sum) if aggregation == Aggregation::Rate && since.is_none() => {
                per_second(sum - self.outside(found), over)
            }
            _ => series.data.answer(aggregation, over),
        }
    }

    /// What a counter has of before and after the load.
    fn outside(&self, id: Option<SeriesId>) -> f64 {
        id.and_then(|id| self.outside.get(&id)).copied().unwrap_or_default()
    }

    /// Keeps the last ten seconds of these series apart, besides.
    pub fn watch_recent(&mut self, selectors: &[Selector]) {
        for selector in selectors {
            if let Some(metric) = self.registry.find(&selector.metric) {
                self.recent.add(metric, &selector.tags);
            }
        }
    }

    /// One number of the last ten seconds of a series that is watched for that; `None` without data. Rates of counters
    /// are none.
    #[must_use]
    pub fn recent(&self, selector: &Selector, aggregation: Aggregation) -> Option<f64> {
        let metric = self.registry.find(&selector.metric)?;
        let series = self.recent.get(metric, &selector.tags)?;
        series.data.answer(aggregation, Duration::ZERO)
    }

    /// One number of a metric as a whole.
    #[must_use]
    pub fn root(&self, metric: MetricId, aggregation: Aggregation) -> Option<f64> {
        self.value(&Selector::root(&self.registry.definition(metric).name), aggregation)
    }

    /// The `metrics` object of the summary: every series with samples, those that thresholds name, the metrics that the
    /// script declared, and all built-in counters. What is kept for each phase is in [`Totals::phases`].
    #[must_use]
    pub fn summarise(&self) -> MetricSummaries {
        let mut summaries = MetricSummaries::new();
        let over = self.timeline.over(&[], self.elapsed);
        for (metric, definition) in self.registry.all() {
            let wanted = !definition.builtin || definition.kind == Kind::Counter;
            if wanted || self.catalog.is_named(metric, &[]) {
                summaries.insert(definition.name.to_string(), summary(&definition, None, (0.0, over)));
            }
        }
        for (id, metric, tags) in self.catalog.all() {
            let series = self.sum.series.get(&id);
            let is_named = self.catalog.is_named(metric, &tags);
            let is_phase = tags.iter().any(|(key, _)| key == "phase");
            if !is_named && (series.is_none() || is_phase) {
                continue;
            }
            let definition = self.registry.definition(metric);
            let over = self.timeline.over(&tags, self.elapsed);
            let selector = Selector {
                metric: definition.name.to_string(),
                tags: tags.into_vec(),
            };
            summaries.insert(
                selector.to_string(),
                summary(&definition, series, (self.outside(Some(id)), over)),
            );
        }
        summaries
    }

    /// The phases that have begun.
    #[must_use]
    pub fn phases(&self) -> Vec<PhaseTotal> {
        let begun = self
            .timeline
            .phases
            .iter()
            .filter(|(_, span)| span.start < self.elapsed);
        begun
            .map(|(name, span)| PhaseTotal {
                name: name.clone(),
                span: span.start..span.end.min(self.elapsed),
                metrics: self.of_phase(name),
            })
            .collect()
    }

    fn of_phase(&self, name: &str) -> MetricSummaries {
        let is_phase = |(key, value): &(String, String)| key == "phase" && value == name;
        let series = self.catalog.all().into_iter();
        let of_phase = series.filter(|(.., tags)| tags.iter().any(is_phase));
        of_phase
            .filter_map(|(id, metric, tags)| {
                let definition = self.registry.definition(metric);
                let over = self.timeline.over(&tags, self.elapsed);
                let summary = summary(
                    &definition,
                    Some(self.sum.series.get(&id)?),
                    (self.outside(Some(id)), over),
                );
                let mut tags = tags.into_vec();
                tags.retain(|tag| !is_phase(tag));
                let metric = definition.name.to_string();
                Some((Selector { metric, tags }.to_string(), summary))
            })
            .collect()
    }
}

/// The numbers of a series. `load`: what a counter has of outside of the load, and how long that was.
pub(super) fn summary(definition: &Definition, series: Option<&Series>, load: (f64, Duration)) -> MetricSummary {
    let (outside, over) = load;
    let unit = (definition.unit != Unit::None).then(|| definition.unit.name().to_owned());
    let out_of_range = series.map_or(0, |series| series.out_of_range);
    let data = series.map(|series| &series.data);
    match definition.kind {
        Kind::Counter => {
            let count = match data {
                Some(SeriesData::Counter(sum)) => *sum,
                _ => 0.0,
            };
            MetricSummary::Counter {
                unit,
                count: tidy(count),
                rate: tidy(per_second(count - outside, over).unwrap_or(0.0)),
                out_of_range,
            }
        }
        Kind::Gauge => {
            let gauge = match data {
                Some(SeriesData::Gauge(gauge)) => *gauge,
                _ => None,
            };
            MetricSummary::Gauge {
                unit,
                value: gauge.map(|g| tidy(g.value)),
                min: gauge.map(|g| tidy(g.min)),
                max: gauge.map(|g| tidy(g.max)),
                out_of_range,
            }
        }
        Kind::Rate => {
            let (passes, total) = match data {
                Some(SeriesData::Rate { passes, total }) => (*passes, *total),
                _ => (0, 0),
            };
            #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
            let rate = (total > 0).then(|| tidy(passes as f64 / total as f64));
            MetricSummary::Rate {
                rate,
                passes,
                total,
                out_of_range,
            }
        }
        Kind::Trend => {
            let trend = match data {
                Some(SeriesData::Trend(trend)) => Some(trend),
                _ => None,
            };
            MetricSummary::Trend {
                unit,
                count: trend.map_or(0, Trend::count),
                values: trend.and_then(TrendSummary::of),
                out_of_range,
            }
        }
    }
}
