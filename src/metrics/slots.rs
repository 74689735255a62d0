//! The series of one core while samples go in, and which of them the samples of a tag set enter. Which series exist is
//! the catalog's.

use crate::clock;

use super::catalog::SeriesId;
use super::exemplar::Exemplar;
use super::registry::{Kind, MetricId};
use super::series::{Gauge, Series, SeriesData};
use super::trend::Scale;
use super::trend_recorder::{Entry, TrendRecorder};

/// The most that one sample adds to a counter, 2^53: up to there every whole number is one, and no run takes enough samples
/// for a sum that is none.
const MOST_COUNTED: f64 = 9_007_199_254_740_992.0;

/// Where the samples of a tag set go, by metric. Filled as metrics are first recorded.
#[derive(Default)]
pub(super) struct Routes {
    /// Whose routes they are, and of which state of its catalog; under another stamp they do not count.
    stamp: u64,
    by_metric: Vec<Option<Route>>,
    /// Which set of samples the tags have been written into, and their number there; see `tap`.
    pub(super) tapped: (u64, u32),
}

impl Routes {
    pub(super) fn get(&self, metric: MetricId, stamp: u64) -> Option<&Route> {
        if self.stamp != stamp {
            return None;
        }
        self.by_metric.get(metric.index() as usize)?.as_ref()
    }

    pub(super) fn insert(&mut self, metric: MetricId, stamp: u64, route: Route) -> &Route {
        if self.stamp != stamp {
            self.stamp = stamp;
            self.by_metric.clear();
        }
        let index = metric.index() as usize;
        if self.by_metric.len() <= index {
            self.by_metric.resize_with(index + 1, || None);
        }
        self.by_metric[index].insert(route)
    }
}

/// Where the samples of one metric with certain tags go.
pub(super) struct Route {
    pub(super) kind: Kind,
    pub(super) scale: Scale,
    pub(super) slots: Box<[usize]>,
}

impl Route {
    pub(super) fn record(&self, slots: &mut [Slot], value: f64) {
        match self.kind {
            Kind::Counter => {
                let value = (0.0..=MOST_COUNTED).contains(&value).then_some(value);
                self.each(slots, |slot| slot.add(value));
            }
            Kind::Gauge => {
                let gauge = value.is_finite().then(|| Gauge::new(value, clock::now()));
                self.each(slots, |slot| slot.set(gauge));
            }
            Kind::Rate => {
                let passed = (!value.is_nan()).then_some(value != 0.0);
                self.each(slots, |slot| slot.rate(passed));
            }
            Kind::Trend => {
                let entry = Entry::new(self.scale, value);
                self.each(slots, |slot| slot.trend(entry));
            }
        }
    }

    /// Says whose trace a sample has that was recorded.
    pub(super) fn trace(&self, slots: &mut [Slot], exemplar: Exemplar) {
        self.each(slots, |slot| {
            if let SlotData::Trend(trend) = &mut slot.data {
                trend.trace(exemplar);
            }
        });
    }

    /// What [`Route::record`] makes of a value, if it takes it.
    pub(super) fn taken(&self, value: f64) -> Option<f64> {
        match self.kind {
            Kind::Counter => (0.0..=MOST_COUNTED).contains(&value).then_some(value),
            Kind::Gauge => value.is_finite().then_some(value),
            Kind::Rate => (!value.is_nan()).then_some(f64::from(u8::from(value != 0.0))),
            Kind::Trend => Entry::new(self.scale, value).map(|_| value),
        }
    }

    fn each(&self, slots: &mut [Slot], mut record: impl FnMut(&mut Slot)) {
        for &index in &self.slots {
            record(&mut slots[index]);
        }
    }
}

/// One series on this core.
pub(super) struct Slot {
    pub(super) id: SeriesId,
    out_of_range: u64,
    data: SlotData,
}

enum SlotData {
    Counter { sum: f64, samples: u64 },
    Gauge(Option<Gauge>),
    Rate { passes: u64, total: u64 },
    Trend(TrendRecorder),
}

impl Slot {
    pub(super) fn new(id: SeriesId, kind: Kind, scale: Scale) -> Self {
        Self {
            id,
            out_of_range: 0,
            data: match kind {
                Kind::Counter => SlotData::Counter { sum: 0.0, samples: 0 },
                Kind::Gauge => SlotData::Gauge(None),
                Kind::Rate => SlotData::Rate { passes: 0, total: 0 },
                Kind::Trend => SlotData::Trend(TrendRecorder::new(scale)),
            },
        }
    }

    fn add(&mut self, value: Option<f64>) {
        match (&mut self.data, value) {
            (SlotData::Counter { sum, samples }, Some(value)) => {
                *sum += value;
                *samples += 1;
            }
            _ => self.out_of_range += 1,
        }
    }

    fn set(&mut self, value: Option<Gauge>) {
        match (&mut self.data, value) {
            (SlotData::Gauge(Some(gauge)), Some(value)) => gauge.merge(&value),
            (SlotData::Gauge(gauge), Some(value)) => *gauge = Some(value),
            _ => self.out_of_range += 1,
        }
    }

    fn rate(&mut self, passed: Option<bool>) {
        match (&mut self.data, passed) {
            (SlotData::Rate { passes, total }, Some(passed)) => {
                *passes += u64::from(passed);
                *total += 1;
            }
            _ => self.out_of_range += 1,
        }
    }

    fn trend(&mut self, entry: Option<Entry>) {
        match (&mut self.data, entry) {
            (SlotData::Trend(trend), Some(entry)) => trend.record(entry),
            _ => self.out_of_range += 1,
        }
    }

    /// What was gathered, if anything was.
    pub(super) fn take(&mut self) -> Option<Series> {
        let out_of_range = std::mem::take(&mut self.out_of_range);
        let (data, is_empty) = match &mut self.data {
            SlotData::Counter { sum, samples } => {
                let is_empty = std::mem::take(samples) == 0;
                (SeriesData::Counter(std::mem::take(sum)), is_empty)
            }
            SlotData::Gauge(gauge) => {
                let gauge = gauge.take();
                (SeriesData::Gauge(gauge), gauge.is_none())
            }
            SlotData::Rate { passes, total } => {
                let (passes, total) = (std::mem::take(passes), std::mem::take(total));
                (SeriesData::Rate { passes, total }, total == 0)
            }
            SlotData::Trend(recorder) => {
                let trend = recorder.take();
                let is_empty = trend.count() == 0;
                (SeriesData::Trend(trend), is_empty)
            }
        };
        (!is_empty || out_of_range > 0).then_some(Series { data, out_of_range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Unit;

    #[test]
    fn a_counter_takes_what_adds_up() {
        let registry = crate::metrics::Registry::new();
        let catalog = crate::metrics::Catalog::new(&registry, &[]).unwrap();
        let bytes = registry.declare("bytes", Kind::Counter, Unit::Bytes).unwrap();
        let scale = Scale::of(&Unit::Bytes);
        let mut slots = [Slot::new(catalog.root(bytes), Kind::Counter, scale)];
        let route = Route {
            kind: Kind::Counter,
            scale,
            slots: Box::new([0]),
        };
        let refused = [1.7e308, 1.7e308, 1e16, f64::INFINITY, f64::NAN, -1.0];
        for value in refused.into_iter().chain([0.0, 2.5, MOST_COUNTED]) {
            assert_eq!(
                route.taken(value).is_some(),
                !refused.contains(&value) && !value.is_nan()
            );
            route.record(&mut slots, value);
        }
        let [slot] = &mut slots;
        let gathered = Series {
            data: SeriesData::Counter(MOST_COUNTED + 2.0),
            out_of_range: 6,
        };
        assert_eq!(slot.take(), Some(gathered));
    }
}
