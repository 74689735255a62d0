//! Takes samples on one core, without locks: a tag set knows the series of each metric, so that a sample costs an addition
//! for each of them. Folding the cores into one is in `totals`.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::builtin;
use super::catalog::{Catalog, SeriesId};
use super::check_tallies::CheckTallies;
use super::delta::{Count, Counts, Delta};
use super::exemplar::{Exemplar, TraceId};
use super::registry::{MetricId, Registry};
use super::slots::{Route, Routes, Slot};
use super::tags::{Interner, TagSet};
use super::tap::{Outlet, Tap};
use super::trend::Scale;

/// Above this many tag sets, those that nobody holds any more are forgotten at each take.
const TAG_SETS_KEPT: usize = 10_000;

thread_local! {
    // Unique in the thread, because tag sets of one recorder may come to another one. Fresh tag sets have 0.
    static LAST_STAMP: Cell<u64> = const { Cell::new(0) };
}

/// One core's samples since the last take. Cheap to clone, bound to its thread.
#[derive(Clone)]
pub struct Recorder {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    registry: Registry,
    catalog: Catalog,
    interner: Interner,
    /// [`Catalog::generation`] of all routes.
    generation: u64,
    /// Marks the routes that are this recorder's and of this generation.
    stamp: u64,
    slots: Vec<Slot>,
    slot_of: FxHashMap<SeriesId, usize>,
    checks: CheckTallies,
    counts: Vec<Counts>,
    warmup: Vec<Counts>,
    outlet: Option<Box<Outlet>>,
}

impl Recorder {
    /// A recorder for the calling thread.
    #[must_use]
    pub fn new(registry: &Registry, catalog: &Catalog) -> Self {
        Self {
            inner: Rc::new(RefCell::new(Inner {
                registry: registry.clone(),
                catalog: catalog.clone(),
                interner: Interner::new(registry.veil()),
                generation: catalog.generation(),
                stamp: next_stamp(),
                slots: Vec::new(),
                slot_of: FxHashMap::default(),
                checks: CheckTallies::default(),
                counts: Vec::new(),
                warmup: Vec::new(),
                outlet: None,
            })),
        }
    }

    /// Passes each sample on to `tap` from now on, as well.
    pub fn tap(&self, tap: &Tap) {
        let inner = &mut *self.inner.borrow_mut();
        inner.outlet = Some(Box::new(Outlet::new(tap, &inner.registry)));
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
    /// trends), trends beyond 24 h or 1e12, counters beyond 2^53, and what is not a finite number.
    pub fn record(&self, metric: MetricId, value: f64, tags: &TagSet) {
        self.batch(tags).record(metric, value);
    }

    /// To take several samples with the same tags. The recorder is nobody else's until the batch is dropped.
    #[must_use]
    pub fn batch<'a>(&'a self, tags: &'a TagSet) -> Batch<'a> {
        let mut inner = self.inner.borrow_mut();
        if let Some(outlet) = &mut inner.outlet {
            outlet.look_at_clock();
        }
        Batch {
            inner,
            routes: tags.routes(),
            tags,
        }
    }

    /// Notes the result of a check under its name and the tag `group`, and as a sample of `checks` with the tag `check`.
    /// With the tag `warmup` it is such a sample only.
    pub fn check(&self, name: &str, passed: bool, tags: &TagSet) {
        let inner = &mut *self.inner.borrow_mut();
        let tags = if tags.is_warmup() {
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

/// Samples with the same tags; made by [`Recorder::batch`].
pub struct Batch<'a> {
    inner: RefMut<'a, Inner>,
    routes: RefMut<'a, Routes>,
    tags: &'a TagSet,
}

impl Batch<'_> {
    /// Takes a sample, as [`Recorder::record`] does.
    pub fn record(&mut self, metric: MetricId, value: f64) {
        self.inner.route(&mut self.routes, metric, value, self.tags);
    }

    /// Says that the sample of a trend that was just recorded is of a request whose trace is kept: the slowest of them in each
    /// series and second is remembered. `at_ms`: when it had its answer, in milliseconds since 1970.
    pub fn trace(&mut self, metric: MetricId, value: f64, trace_id: TraceId, at_ms: u64) {
        let exemplar = Exemplar { value, trace_id, at_ms };
        let inner = &mut *self.inner;
        if let Some(route) = self.routes.get(metric, inner.stamp)
            && Scale::units(route.scale, value).is_some()
        {
            route.trace(&mut inner.slots, exemplar);
        }
    }
}

impl Inner {
    fn record(&mut self, metric: MetricId, value: f64, tags: &TagSet) {
        if let Some(outlet) = &mut self.outlet {
            outlet.look_at_clock();
        }
        self.route(&mut tags.routes(), metric, value, tags);
    }

    fn route(&mut self, routes: &mut Routes, metric: MetricId, value: f64, tags: &TagSet) {
        match routes.get(metric, self.stamp) {
            Some(route) => route.record(&mut self.slots, value),
            None => self.find(routes, metric, tags).record(&mut self.slots, value),
        }
        if self.outlet.is_some() {
            self.pass_on(routes, metric, value, tags);
        }
    }

    /// Gives the tap a sample that its metric has taken.
    #[inline(never)]
    fn pass_on(&mut self, routes: &mut Routes, metric: MetricId, value: f64, tags: &TagSet) {
        let taken = routes.get(metric, self.stamp).and_then(|route| route.taken(value));
        if let (Some(outlet), Some(value)) = (&mut self.outlet, taken) {
            outlet.note(routes, (metric, value), tags, next_stamp);
        }
    }

    /// Finds out where the samples of a metric go that these tags have not met.
    #[cold]
    fn find<'a>(&mut self, routes: &'a mut Routes, metric: MetricId, tags: &TagSet) -> &'a Route {
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
        let route = Route {
            kind: definition.kind,
            scale,
            slots,
        };
        routes.insert(metric, self.stamp, route)
    }

    fn count(&mut self, scenario: usize, what: Count, n: u64, tags: &TagSet) {
        let counts = if tags.is_warmup() {
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
        if let Some(outlet) = &mut self.outlet {
            outlet.hand_over();
        }
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
            self.stamp = next_stamp();
        }
        if self.interner.len() > TAG_SETS_KEPT {
            self.checks.forget();
            self.interner.sweep();
        }
        delta
    }
}

fn next_stamp() -> u64 {
    LAST_STAMP.with(|last| {
        last.set(last.get() + 1);
        last.get()
    })
}
