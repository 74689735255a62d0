//! What a load did in each of many equal spans of it: sums of the same deltas that add up to the totals, over all cores.
//! How it is shown while the load goes on is `cli`'s.
//!
//! | second `s` of the load | belongs to |
//! |---|---|
//! | in general | checkpoint `s / every` |
//! | after the plan's end, in a tail shorter than a span | the last one of the plan |
//! | when [`MOST_CHECKPOINTS`] are there | the last of them |
//!
//! A checkpoint is summed up as soon as every core has reported its last second; then only its numbers are kept.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::catalog::{Catalog, SeriesId};
use super::delta::{Counts, Delta};
use super::registry::Registry;
use super::selector::Selector;
use super::series::Series;
use super::summary::MetricSummaries;
use super::timeline::{StageSpan, Timeline};
use super::totals::summary;

/// More than these are not kept.
pub const MOST_CHECKPOINTS: u64 = 1_000;

/// What belongs to one span of the load.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointTotal {
    /// From where to where, from the start of the load.
    pub span: Range<Duration>,
    /// By scenario (its index in the plan); without iterations of warm-ups.
    pub counts: Vec<Counts>,
    /// The metrics as wholes and the series that thresholds name, as far as they have samples; rates are for each second
    /// of the span.
    pub metrics: MetricSummaries,
}

/// The checkpoints of a load: those that are complete, and what the others have so far.
#[derive(Debug, Clone)]
pub(super) struct Checkpoints {
    registry: Registry,
    catalog: Catalog,
    timeline: Timeline,
    scenarios: usize,
    /// Seconds of each.
    every: u64,
    /// The one in which the plan ends.
    last: u64,
    open: BTreeMap<u64, Delta>,
    closed: Vec<CheckpointTotal>,
    /// Which series are kept, of those that were met.
    kept: FxHashMap<SeriesId, bool>,
}

impl Checkpoints {
    /// Checkpoints each `every` (whole seconds, at least one) of a load that lasts for `planned`, its last iterations not
    /// included.
    pub(super) fn new(
        registry: &Registry,
        catalog: &Catalog,
        timeline: &Timeline,
        scenarios: usize,
        every: Duration,
        planned: Duration,
    ) -> Self {
        let every = every.as_secs().max(1);
        Self {
            registry: registry.clone(),
            catalog: catalog.clone(),
            timeline: timeline.clone(),
            scenarios,
            every,
            last: index_of_end(planned, every),
            open: BTreeMap::new(),
            closed: Vec::new(),
            kept: FxHashMap::default(),
        }
    }

    /// As of [`super::Totals::restage`].
    pub(super) fn restage(&mut self, stages: &[StageSpan]) {
        self.timeline.stages = stages.to_vec();
    }

    /// Those that are complete, in their order.
    pub(super) fn closed(&self) -> &[CheckpointTotal] {
        &self.closed
    }

    /// Adds what was gathered in a second of the load. What comes too late for its checkpoint counts in the next one.
    pub(super) fn merge(&mut self, second: u64, delta: &Delta) {
        let index = (second / self.every).max(self.next()).min(MOST_CHECKPOINTS - 1);
        self.learn(delta);
        let sum = self.open.entry(index).or_default();
        let is_kept = |id: &SeriesId| self.kept.get(id) == Some(&true);
        for (id, series) in delta.series.iter().filter(|(id, _)| is_kept(id)) {
            match sum.series.get_mut(id) {
                Some(mine) => mine.merge(series),
                None => {
                    sum.series.insert(*id, series.clone());
                }
            }
        }
        sum.merge_counts(delta);
    }

    /// Every core has reported the seconds below `end`.
    pub(super) fn close(&mut self, end: u64) {
        while self.due(self.next()) <= end {
            let until = self.start(self.next() + 1);
            self.sum_up(until);
        }
    }

    /// The load has ended: sums up what is left, the last seconds included.
    pub(super) fn finish(&mut self, elapsed: Duration) {
        let mut end = index_of_end(elapsed, self.every).min(MOST_CHECKPOINTS - 1);
        if self.next() <= self.last {
            end = end.min(self.last);
        }
        if self.next() > end && self.open.is_empty() {
            return;
        }
        let end = end.max(self.next());
        let mut tail = self.open.split_off(&end);
        while let Some((_, delta)) = tail.pop_first() {
            self.open.entry(end).or_default().merge(&delta);
        }
        while self.next() < end {
            let until = self.start(self.next() + 1);
            self.sum_up(until);
        }
        self.sum_up(elapsed);
    }

    /// The first that is not complete.
    fn next(&self) -> u64 {
        self.closed.len() as u64
    }

    fn start(&self, index: u64) -> Duration {
        Duration::from_secs(index.saturating_mul(self.every))
    }

    /// Which seconds must have been reported before a checkpoint can be complete.
    fn due(&self, index: u64) -> u64 {
        if index >= MOST_CHECKPOINTS - 1 {
            return u64::MAX;
        }
        // The last of the plan waits for the end of the load, but not for a load that goes on and on.
        let spans = if index == self.last { 2 } else { 1 };
        (index + spans).saturating_mul(self.every)
    }

    /// Looks up which series are kept when there is one that was not met before.
    fn learn(&mut self, delta: &Delta) {
        if delta.series.keys().all(|id| self.kept.contains_key(id)) {
            return;
        }
        for (id, metric, tags) in self.catalog.all() {
            let is_kept = tags.is_empty() || self.catalog.is_named(metric, &tags);
            self.kept.insert(id, is_kept);
        }
    }

    fn sum_up(&mut self, until: Duration) {
        let index = self.next();
        let span = self.start(index).min(until)..until;
        let mut sum = self.open.remove(&index).unwrap_or_default();
        sum.counts.resize(self.scenarios, Counts::default());
        let metrics = self.summarise(&sum.series, &span);
        self.closed.push(CheckpointTotal {
            span,
            counts: sum.counts,
            metrics,
        });
        // A series may have been named since.
        self.kept.clear();
    }

    fn summarise(&self, gathered: &BTreeMap<SeriesId, Series>, span: &Range<Duration>) -> MetricSummaries {
        let series = self.catalog.all().into_iter();
        series
            .filter_map(|(id, metric, tags)| {
                let definition = self.registry.definition(metric);
                let of_load = |until| self.timeline.over(&tags, until);
                let over = of_load(span.end).saturating_sub(of_load(span.start));
                let summary = summary(&definition, Some(gathered.get(&id)?), (0.0, over));
                let selector = Selector {
                    metric: definition.name.to_string(),
                    tags: tags.into_vec(),
                };
                Some((selector.to_string(), summary))
            })
            .collect()
    }
}

/// The checkpoint in which a load of that length ends; one that ends with a checkpoint is not in the next.
fn index_of_end(length: Duration, every: u64) -> u64 {
    let spans = length.as_nanos().div_ceil(u128::from(every) * 1_000_000_000);
    u64::try_from(spans).unwrap_or(u64::MAX).saturating_sub(1)
}
