//! What a load gathered in each second of it, until every core has reported that second. The sum of all is in `totals`; what
//! becomes of a second is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::{Catalog, SeriesId};
use super::delta::{Counts, Delta};
use super::registry::{Registry, Unit};
use super::series::Series;
use super::totals::CheckTotal;

/// One second of a load, or what came after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Second {
    /// Its number; the first is 0.
    pub number: u64,
    /// By scenario (its index in the plan); without iterations of warm-ups.
    pub counts: Vec<Counts>,
    /// Those of warm-ups.
    pub warmup: Vec<Counts>,
    /// The checks that were made, sorted by group and name.
    pub checks: Vec<CheckTotal>,
    /// The series that have gathered something.
    pub series: Vec<SecondSeries>,
}

/// A series of a [`Second`].
#[derive(Debug, Clone, PartialEq)]
pub struct SecondSeries {
    /// Which.
    pub name: Arc<SeriesName>,
    /// What it has gathered.
    pub series: Series,
}

/// A metric, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesName {
    /// The metric.
    pub metric: Arc<str>,
    /// What it is measured in.
    pub unit: Unit,
    /// Sorted by key; none is the metric as a whole.
    pub tags: Vec<(String, String)>,
}

/// The seconds that are not complete.
#[derive(Debug, Clone, Default)]
pub(super) struct Seconds {
    open: BTreeMap<u64, Delta>,
    /// Those below this one were given away.
    next: u64,
    /// By id.
    names: Vec<Arc<SeriesName>>,
}

impl Seconds {
    /// Adds what was gathered in a second of the load; what comes too late for it counts in the next one.
    pub(super) fn merge(&mut self, second: u64, delta: &Delta) {
        self.open.entry(second.max(self.next)).or_default().merge(delta);
    }

    /// Adds what was gathered outside of the load, to what is given away next.
    pub(super) fn merge_outside(&mut self, delta: &Delta) {
        self.merge(self.next, delta);
    }

    /// Gives the next second away when it is below `end`.
    pub(super) fn next(&mut self, end: u64, registry: &Registry, catalog: &Catalog) -> Option<Second> {
        if self.next >= end {
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some(self.give(number, registry, catalog))
    }

    /// Gives away all that is left, as one second; `None` when nothing is.
    pub(super) fn rest(&mut self, registry: &Registry, catalog: &Catalog) -> Option<Second> {
        let mut open = std::mem::take(&mut self.open).into_values();
        let mut rest = open.next()?;
        open.for_each(|delta| rest.merge(&delta));
        if rest.is_empty() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(number, rest);
        Some(self.give(number, registry, catalog))
    }

    /// The last second of which something is known.
    pub(super) fn last(&self) -> Option<u64> {
        self.open.keys().next_back().copied()
    }

    fn give(&mut self, number: u64, registry: &Registry, catalog: &Catalog) -> Second {
        let delta = self.open.remove(&number).unwrap_or_default();
        let mut series = Vec::with_capacity(delta.series.len());
        for (id, gathered) in delta.series {
            let name = self.name(id, registry, catalog);
            series.push(SecondSeries { name, series: gathered });
        }
        let checks = delta.checks.iter().map(|(key, tally)| CheckTotal {
            name: key.name.to_string(),
            group: key.group.to_string(),
            passes: tally.passes,
            fails: tally.fails,
        });
        Second {
            number,
            checks: checks.collect(),
            counts: delta.counts,
            warmup: delta.warmup,
            series,
        }
    }

    fn name(&mut self, id: SeriesId, registry: &Registry, catalog: &Catalog) -> Arc<SeriesName> {
        if id.index() >= self.names.len() {
            for (_, metric, tags) in catalog.since(self.names.len()) {
                let definition = registry.definition(metric);
                self.names.push(Arc::new(SeriesName {
                    metric: definition.name,
                    unit: definition.unit,
                    tags: tags.into_vec(),
                }));
            }
        }
        Arc::clone(&self.names[id.index()])
    }
}

impl Second {
    /// A series of it.
    #[must_use]
    pub fn get(&self, metric: &str, tags: &[(String, String)]) -> Option<&Series> {
        let is_it = |series: &&SecondSeries| *series.name.metric == *metric && series.name.tags == tags;
        self.series.iter().find(is_it).map(|found| &found.series)
    }
}
