//! Takes samples on one core, without locks: a sample costs one hash lookup and one addition for each of its series.
//! Folding the cores into one is in `totals`.

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::clock;

use super::admission::WARMUP;
use super::builtin;
use super::catalog::{AUTOMATIC_SERIES_CAP, Catalog, OTHER, SeriesId};
use super::delta::{CheckKey, CheckTally, Count, Counts, Delta};
use super::registry::{Kind, MetricId, Registry};
use super::series::{Gauge, Series, SeriesData};
use super::tags::{Interner, TagSet};
use super::trend::Scale;
use super::trend_recorder::TrendRecorder;

/// Above this many tag sets, those that nobody holds any more are forgotten at each take.
const TAG_SETS_KEPT: usize = 10_000;

/// One core's samples since the last take. Cheap to clone, bound to its thread.
#[derive(Clone)]
pub struct Recorder {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    registry: Registry,
    catalog: Catalog,
    interner: Interner,
    routes: FxHashMap<(MetricId, u64), Route>,
    /// [`Catalog::generation`] of all routes.
    generation: u64,
    slots: Vec<Slot>,
    slot_of: FxHashMap<SeriesId, usize>,
    checks: Checks,
    counts: Vec<Counts>,
    warmup: Vec<Counts>,
}

/// Where the samples of a metric with certain tags go.
struct Route {
    kind: Kind,
    scale: Scale,
    slots: Box<[usize]>,
}

/// One series on this core.
struct Slot {
    id: SeriesId,
    out_of_range: u64,
    data: SlotData,
}

enum SlotData {
    Counter { sum: f64, samples: u64 },
    Gauge(Option<Gauge>),
    Rate { passes: u64, total: u64 },
    Trend(TrendRecorder),
}

#[derive(Default)]
struct Checks {
    rows: Vec<(CheckKey, CheckTally)>,
    row_of: FxHashMap<CheckKey, usize>,
    /// By tag set, then name: the row, and the tags with `check` added.
    seen: FxHashMap<u64, FxHashMap<Box<str>, (usize, TagSet)>>,
}

impl Recorder {
    /// A recorder for the calling thread.
    #[must_use]
    pub fn new(registry: &Registry, catalog: &Catalog) -> Self {
        Self {
            inner: Rc::new(RefCell::new(Inner {
                registry: registry.clone(),
                catalog: catalog.clone(),
                interner: Interner::new(),
                routes: FxHashMap::default(),
                generation: catalog.generation(),
                slots: Vec::new(),
                slot_of: FxHashMap::default(),
                checks: Checks::default(),
                counts: Vec::new(),
                warmup: Vec::new(),
            })),
        }
    }

    /// The set of `base` with `extra` on top: later pairs win, and an empty value takes its key out.
    #[must_use]
    pub fn tags(&self, base: &TagSet, extra: &[(&str, &str)]) -> TagSet {
        self.inner.borrow_mut().interner.intern(base, extra)
    }

    /// The empty set.
    #[must_use]
    pub fn no_tags(&self) -> TagSet {
        self.inner.borrow().interner.empty()
    }

    /// Takes a sample: a counter adds `value`, a gauge becomes it, a rate counts whether it is not zero, a trend records
    /// it in the metric's unit. What a metric cannot take is counted as out of range: negative values (counters,
    /// trends), trends beyond 24 h or 1e12, and what is not a finite number.
    pub fn record(&self, metric: MetricId, value: f64, tags: &TagSet) {
        self.inner.borrow_mut().record(metric, value, tags);
    }

    /// Notes the result of a check under its name and the tag `group`, and as a sample of `checks` with the tag `check`.
    /// With the tag `warmup` it is such a sample only.
    pub fn check(&self, name: &str, passed: bool, tags: &TagSet) {
        let inner = &mut *self.inner.borrow_mut();
        let tags = if tags.get(WARMUP).is_some() {
            inner.interner.intern(tags, &[("check", name)])
        } else {
            inner.checks.note(name, passed, tags, &mut inner.interner)
        };
        inner.record(builtin::CHECKS, f64::from(u8::from(passed)), &tags);
    }

    /// Counts iterations of a scenario (its index in the plan). Also records the metrics `iterations` (completed and
    /// failed ones) and `dropped_iterations`, with `tags`: nobody else does.
    pub fn count(&self, scenario: usize, what: Count, n: u64, tags: &TagSet) {
        self.inner.borrow_mut().count(scenario, what, n, tags);
    }

    /// Everything since the last take, and starts afresh.
    #[must_use]
    pub fn take(&self) -> Delta {
        self.inner.borrow_mut().take()
    }

    /// How many tag sets are kept.
    #[cfg(test)]
    pub(super) fn tag_sets(&self) -> usize {
        self.inner.borrow().interner.len()
    }
}

impl Inner {
    fn record(&mut self, metric: MetricId, value: f64, tags: &TagSet) {
        let key = (metric, tags.id());
        if let Some(route) = self.routes.get(&key) {
            return route.record(&mut self.slots, value);
        }
        let route = self.route(metric, tags);
        route.record(&mut self.slots, value);
        self.routes.insert(key, route);
    }

    fn route(&mut self, metric: MetricId, tags: &TagSet) -> Route {
        let definition = self.registry.definition(metric);
        let scale = Scale::of(&definition.unit);
        let ids = self.catalog.route(metric, &definition, tags);
        let slots = ids
            .into_iter()
            .map(|id| {
                *self.slot_of.entry(id).or_insert_with(|| {
                    self.slots.push(Slot::new(id, definition.kind, scale));
                    self.slots.len() - 1
                })
            })
            .collect();
        Route {
            kind: definition.kind,
            scale,
            slots,
        }
    }

    fn count(&mut self, scenario: usize, what: Count, n: u64, tags: &TagSet) {
        let counts = if tags.get(WARMUP).is_some() {
            &mut self.warmup
        } else {
            &mut self.counts
        };
        if counts.len() <= scenario {
            counts.resize(scenario + 1, Counts::default());
        }
        counts[scenario].add(what, n);
        let metric = match what {
            Count::Completed | Count::Failed => builtin::ITERATIONS,
            Count::Dropped => builtin::DROPPED_ITERATIONS,
            Count::Offered | Count::Started | Count::Interrupted => return,
        };
        #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^52 iterations at once")]
        self.record(metric, n as f64, tags);
    }

    fn take(&mut self) -> Delta {
        let series = self.slots.iter_mut().filter_map(|slot| Some((slot.id, slot.take()?)));
        let delta = Delta {
            series: series.collect(),
            checks: self.checks.take(),
            counts: std::mem::take(&mut self.counts),
            warmup: std::mem::take(&mut self.warmup),
        };
        let generation = self.catalog.generation();
        if generation != self.generation {
            self.generation = generation;
            self.routes.clear();
        }
        if self.interner.len() > TAG_SETS_KEPT {
            self.routes.clear();
            self.checks.seen.clear();
            self.interner.sweep();
        }
        delta
    }
}

impl Route {
    fn record(&self, slots: &mut [Slot], value: f64) {
        match self.kind {
            Kind::Counter => {
                let value = (value.is_finite() && value >= 0.0).then_some(value);
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
                let units = self.scale.units(value);
                self.each(slots, |slot| slot.trend(value, units));
            }
        }
    }

    fn each(&self, slots: &mut [Slot], mut record: impl FnMut(&mut Slot)) {
        for &index in &self.slots {
            record(&mut slots[index]);
        }
    }
}

impl Slot {
    fn new(id: SeriesId, kind: Kind, scale: Scale) -> Self {
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

    fn trend(&mut self, value: f64, units: Option<u64>) {
        match (&mut self.data, units) {
            (SlotData::Trend(trend), Some(units)) => trend.record(value, units),
            _ => self.out_of_range += 1,
        }
    }

    /// What was gathered, if anything was.
    fn take(&mut self) -> Option<Series> {
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

impl Checks {
    /// Counts the result and returns the tags of its sample.
    fn note(&mut self, name: &str, passed: bool, tags: &TagSet, interner: &mut Interner) -> TagSet {
        let known = self.seen.get(&tags.id()).and_then(|names| names.get(name));
        let (row, with_name) = match known {
            Some((row, with_name)) => (*row, with_name.clone()),
            None => {
                let row = self.row(name, tags.get("group").unwrap_or(""));
                let with_name = interner.intern(tags, &[("check", &*self.rows[row].0.name)]);
                let names = self.seen.entry(tags.id()).or_default();
                names.insert(name.into(), (row, with_name.clone()));
                (row, with_name)
            }
        };
        let tally = &mut self.rows[row].1;
        if passed {
            tally.passes += 1;
        } else {
            tally.fails += 1;
        }
        with_name
    }

    /// The row of a check; names beyond the cap (made of ids, surely) share one.
    fn row(&mut self, name: &str, group: &str) -> usize {
        let mut key = CheckKey {
            group: group.into(),
            name: name.into(),
        };
        if self.rows.len() >= AUTOMATIC_SERIES_CAP && !self.row_of.contains_key(&key) {
            key = CheckKey {
                group: "".into(),
                name: OTHER.into(),
            };
        }
        *self.row_of.entry(key.clone()).or_insert_with(|| {
            self.rows.push((key, CheckTally::default()));
            self.rows.len() - 1
        })
    }

    fn take(&mut self) -> std::collections::BTreeMap<CheckKey, CheckTally> {
        self.rows
            .iter_mut()
            .filter(|(_, tally)| *tally != CheckTally::default())
            .map(|(key, tally)| (key.clone(), std::mem::take(tally)))
            .collect()
    }
}
