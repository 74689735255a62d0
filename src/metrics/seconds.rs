//! What a load gathered in each second of it, until every core has reported that second. The sum of all is in `totals`; what
//! becomes of a second is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::{Catalog, SeriesId};
use super::delta::{Counts, Delta};
use super::registry::{Registry, Unit};
use super::series::{Series, SeriesData};
use super::totals::CheckTotal;

/// One second of a load, or what came after it.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// What they have of that from outside of the load: counters and rates, and all others that have nothing of the load.
    pub outside: Vec<SecondSeries>,
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
    /// What the next one has from outside of the load.
    outside: Delta,
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
        self.outside.merge(delta);
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
        let mut outside = std::mem::take(&mut self.outside).series;
        outside.retain(|id, part| {
            let is_a_sum = matches!(part.data, SeriesData::Counter(_) | SeriesData::Rate { .. });
            is_a_sum || delta.series.get(id) == Some(part)
        });
        let [series, outside] = [delta.series, outside].map(|series| self.named(series, registry, catalog));
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
            outside,
        }
    }

    fn named(
        &mut self,
        series: BTreeMap<SeriesId, Series>,
        registry: &Registry,
        catalog: &Catalog,
    ) -> Vec<SecondSeries> {
        let named = |(id, series)| SecondSeries {
            name: self.name(id, registry, catalog),
            series,
        };
        series.into_iter().map(named).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Kind, Recorder, Totals};

    #[test]
    fn what_setup_did_is_told_apart_from_the_load() {
        let registry = Registry::new();
        let declare = |name, kind| registry.declare(name, kind, Unit::None).unwrap();
        let (things, sizes) = (declare("things", Kind::Counter), declare("sizes", Kind::Trend));
        let depth = declare("depth", Kind::Gauge);
        let catalog = Catalog::new(&registry, &[]).unwrap();
        let recorder = Recorder::new(&registry, &catalog);
        let none = recorder.no_tags();
        let mut totals = Totals::new(&registry, &catalog, 1);
        totals.keep_seconds();
        for (metric, value) in [(things, 1_000.0), (sizes, 7.0), (depth, 5.0)] {
            recorder.record(metric, value, &none);
        }
        totals.merge(&recorder.take());
        for (metric, value) in [(things, 10.0), (sizes, 3.0)] {
            recorder.record(metric, value, &none);
        }
        totals.merge_second(0, &recorder.take());
        recorder.record(things, 4.0, &none);
        totals.merge_second(1, &recorder.take());

        let first = totals.next_second(2).unwrap();
        assert_eq!(
            first.get("things", &[]).unwrap().data,
            SeriesData::Counter(1_010.0),
            "all of it"
        );
        let outside: Vec<_> = first
            .outside
            .iter()
            .map(|part| (&*part.name.metric, &part.series))
            .collect();
        let thousand = Series {
            data: SeriesData::Counter(1_000.0),
            out_of_range: 0,
        };
        // A distribution that goes on in the load cannot be taken apart.
        assert_eq!(
            outside,
            [("things", &thousand), ("depth", first.get("depth", &[]).unwrap())]
        );
        assert_eq!(totals.next_second(2).unwrap().outside, []);
    }
}
