//! Which series exist: the metrics, the sub-metrics that thresholds name, and those that are always kept. No values.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::admission::{Admission, automatic};
use super::registry::{Definition, MetricId, Registry};
use super::selector::Selector;
use super::tags::TagSet;

/// How many automatic series one metric may have; further ones share the series of [`OTHER`].
pub const AUTOMATIC_SERIES_CAP: usize = 1_000;

/// The tag value under which what exceeds a cap is gathered.
pub const OTHER: &str = "(other)";

/// A series, the same on all cores that share a [`Catalog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

impl SeriesId {
    /// Its place among all series.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a catalog cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// A sub-metric of nothing.
    #[error("there is no metric `{0}` to keep a sub-metric of")]
    UnknownMetric(String),
}

/// Tags sorted by key.
type Tags = Box<[(String, String)]>;

/// The series of a run, shared by all cores. Its lock is taken only when a core meets a metric with new tags.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cap: usize,
    state: Mutex<State>,
    /// Grows when sub-metrics are added: what was routed before lacks them.
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The sub-metrics that were asked for.
    named: FxHashMap<MetricId, Vec<Tags>>,
    ids: FxHashMap<MetricId, FxHashMap<Tags, SeriesId>>,
    /// By id.
    series: Vec<(MetricId, Tags)>,
    /// How many automatic series each metric has.
    automatic: FxHashMap<MetricId, usize>,
    /// How many automatic series were refused to it.
    refused: FxHashMap<MetricId, u64>,
}

impl Catalog {
    /// A catalog of the metrics and of the given sub-metrics.
    ///
    /// # Errors
    /// [`CatalogError`] when a selector's metric is not in the registry.
    pub fn new(registry: &Registry, selectors: &[Selector]) -> Result<Self, CatalogError> {
        Self::with_cap(registry, selectors, AUTOMATIC_SERIES_CAP)
    }

    /// The same with another cap on automatic series.
    ///
    /// # Errors
    /// As [`Catalog::new`].
    pub fn with_cap(registry: &Registry, selectors: &[Selector], cap: usize) -> Result<Self, CatalogError> {
        let catalog = Self {
            inner: Arc::new(Inner {
                cap,
                state: Mutex::default(),
                generation: AtomicU64::new(0),
            }),
        };
        catalog.add(registry, selectors)?;
        Ok(catalog)
    }

    /// Adds sub-metrics during a run. Each core keeps them from its next [`super::Recorder::take`] on.
    ///
    /// # Errors
    /// As [`Catalog::new`]; then none was added.
    pub fn add(&self, registry: &Registry, selectors: &[Selector]) -> Result<(), CatalogError> {
        let wanted: Vec<(MetricId, Tags)> = selectors
            .iter()
            .map(|selector| {
                let metric = registry.find(&selector.metric);
                let metric = metric.ok_or_else(|| CatalogError::UnknownMetric(selector.metric.clone()))?;
                Ok((metric, sorted(&selector.tags)))
            })
            .collect::<Result<_, _>>()?;
        self.lock(|state| {
            for (metric, tags) in wanted {
                state.id(metric, &tags);
                let known = state.named.entry(metric).or_default();
                if !tags.is_empty() && !known.contains(&tags) {
                    known.push(tags);
                }
            }
        });
        self.inner.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Changes when sub-metrics are added.
    pub(super) fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// The series that a sample of `metric` with these tags belongs to, new ones included.
    pub(super) fn route(&self, metric: MetricId, definition: &Definition, tags: &TagSet) -> Vec<SeriesId> {
        let admission = Admission::new(definition.scope, tags);
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut route = Vec::new();
        if admission.headline {
            route.push(state.id(metric, &[]));
        }
        let belongs = |wanted: &Tags| wanted.iter().all(|(key, value)| tags.get(key) == Some(value));
        let named = state.named.get(&metric).into_iter().flatten();
        let named: Vec<Tags> = named
            .filter(|wanted| belongs(wanted) && admission.admits(wanted))
            .cloned()
            .collect();
        route.extend(named.iter().map(|wanted| state.id(metric, wanted)));
        for wanted in automatic(&definition.name, tags) {
            if admission.admits(&wanted) {
                let id = state.automatic_id(metric, wanted, self.inner.cap);
                if !route.contains(&id) {
                    route.push(id);
                }
            }
        }
        route
    }

    /// The id of a metric as a whole, made if need be.
    pub(super) fn root(&self, metric: MetricId) -> SeriesId {
        self.lock(|state| state.id(metric, &[]))
    }

    /// The id of a series, if it exists.
    pub(super) fn find(&self, metric: MetricId, tags: &[(String, String)]) -> Option<SeriesId> {
        self.lock(|state| state.ids.get(&metric)?.get(&*sorted(tags)).copied())
    }

    /// The id of a series, made if need be.
    pub(super) fn enter(&self, metric: MetricId, tags: &[(String, String)]) -> SeriesId {
        self.lock(|state| state.id(metric, &sorted(tags)))
    }

    /// All series that exist now.
    pub(super) fn all(&self) -> Vec<(SeriesId, MetricId, Tags)> {
        self.since(0)
    }

    /// All series that exist now but the first `known`.
    pub(super) fn since(&self, known: usize) -> Vec<(SeriesId, MetricId, Tags)> {
        self.lock(|state| {
            let ids = (0..).map(SeriesId);
            ids.zip(&state.series)
                .skip(known)
                .map(|(id, (metric, tags))| (id, *metric, tags.clone()))
                .collect()
        })
    }

    /// The sub-metrics that were asked for.
    pub(super) fn is_named(&self, metric: MetricId, tags: &[(String, String)]) -> bool {
        self.lock(|state| {
            let named = state.named.get(&metric);
            named.is_some_and(|named| tags.is_empty() || named.iter().any(|wanted| **wanted == *tags))
        })
    }

    /// How many automatic series each metric was refused because of the cap; their samples are in the series `(other)`.
    #[must_use]
    pub fn refused(&self) -> Vec<(MetricId, u64)> {
        let mut refused: Vec<_> = self.lock(|state| state.refused.iter().map(|(&id, &n)| (id, n)).collect());
        refused.sort_unstable();
        refused
    }

    fn lock<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.inner.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn id(&mut self, metric: MetricId, tags: &[(String, String)]) -> SeriesId {
        let ids = self.ids.entry(metric).or_default();
        if let Some(&id) = ids.get(tags) {
            return id;
        }
        let id = SeriesId(u32::try_from(self.series.len()).expect("series are capped far below four thousand million"));
        ids.insert(tags.into(), id);
        self.series.push((metric, tags.into()));
        id
    }

    fn automatic_id(&mut self, metric: MetricId, tags: Tags, cap: usize) -> SeriesId {
        if let Some(&id) = self.ids.get(&metric).and_then(|ids| ids.get(&tags)) {
            return id;
        }
        let automatic = self.automatic.entry(metric).or_default();
        if *automatic < cap {
            *automatic += 1;
            return self.id(metric, &tags);
        }
        *self.refused.entry(metric).or_default() += 1;
        // What the plan names is few; what the last tag names may be endless.
        let mut tags = tags;
        if let Some((_, value)) = tags.last_mut() {
            OTHER.clone_into(value);
        }
        self.id(metric, &tags)
    }
}

fn sorted(tags: &[(String, String)]) -> Tags {
    let mut tags = tags.to_vec();
    tags.sort();
    tags.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::registry::{Kind, Unit};
    use crate::metrics::tags::Interner;
    use crate::metrics::veil::Veil;

    fn set(tags: &[(&str, &str)]) -> TagSet {
        let mut interner = Interner::new(&Veil::default());
        let empty = interner.empty();
        interner.intern(&empty, tags)
    }

    fn names(registry: &Registry, catalog: &Catalog, route: &[SeriesId]) -> Vec<String> {
        let all = catalog.all();
        let name = |id: &SeriesId| {
            let (_, metric, tags) = &all[id.0 as usize];
            let metric = registry.definition(*metric).name.to_string();
            let tags = tags.to_vec();
            Selector { metric, tags }.to_string()
        };
        let mut names: Vec<_> = route.iter().map(name).collect();
        names.sort();
        names
    }

    fn route(registry: &Registry, catalog: &Catalog, metric: &str, tags: &[(&str, &str)]) -> Vec<String> {
        let id = registry.find(metric).unwrap();
        let route = catalog.route(id, &registry.definition(id), &set(tags));
        names(registry, catalog, &route)
    }

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts.iter().map(|text| Selector::parse(text).unwrap()).collect()
    }

    type Tags = &'static [(&'static str, &'static str)];

    /// (metric, tags of the sample, the series that it enters)
    const ROUTES: &[(&str, Tags, &[&str])] = &[
        ("http_req_duration", &[], &[""]),
        ("http_req_duration", &[("name", "a")], &["", "{name:a}"]),
        (
            "http_req_duration",
            &[("name", "a"), ("scenario", "s"), ("status", "200")],
            &["", "{name:a,status:200}", "{name:a}", "{scenario:s}"],
        ),
        // A poll dilutes neither the headline nor its scenario; its endpoint and named sub-metrics have it.
        (
            "http_req_duration",
            &[("name", "a"), ("scenario", "s"), ("poll", "true")],
            &["{name:a}", "{poll:true}"],
        ),
        // What setup does is only where somebody asks for it.
        (
            "http_req_duration",
            &[("name", "a"), ("scenario", "s"), ("lifecycle", "setup")],
            &["{lifecycle:setup}"],
        ),
        ("http_req_duration", &[("name", "a"), ("lifecycle", "teardown")], &[]),
        // Rates leave out setup, but not polls; counters leave out nothing.
        ("http_req_failed", &[("name", "a"), ("poll", "true")], &["", "{name:a}"]),
        ("http_req_failed", &[("name", "a"), ("lifecycle", "setup")], &[]),
        (
            "http_reqs",
            &[("name", "a"), ("lifecycle", "setup"), ("poll", "true")],
            &[""],
        ),
        // What kinds of answers there were is always kept.
        (
            "http_reqs",
            &[("name", "a"), ("status", "503"), ("error_code", "1503")],
            &["", "{error_code:1503}", "{status:503}"],
        ),
        // Stages and phases part the headline: a poll is in neither, whoever asks.
        (
            "http_req_duration",
            &[("scenario", "s"), ("stage", "steady"), ("phase", "noon")],
            &[
                "",
                "{phase:noon,scenario:s}",
                "{phase:noon}",
                "{scenario:s,stage:steady}",
                "{scenario:s}",
                "{stage:steady}",
            ],
        ),
        (
            "http_req_duration",
            &[("scenario", "s"), ("stage", "steady"), ("poll", "true")],
            &["{poll:true}"],
        ),
        (
            "iteration_start_lag",
            &[("scenario", "s"), ("stage", "steady")],
            &["", "{scenario:s}"],
        ),
        // What warms up is only where somebody asks for it, counters and a script's own metrics included.
        (
            "http_req_duration",
            &[
                ("name", "a"),
                ("scenario", "s"),
                ("stage", "steady"),
                ("warmup", "true"),
            ],
            &[],
        ),
        ("http_reqs", &[("name", "a"), ("warmup", "true")], &["{warmup:true}"]),
        ("mine", &[("warmup", "true")], &[]),
        // A script's own metrics are its own affair.
        ("mine", &[("lifecycle", "setup")], &["", "{lifecycle:setup}"]),
    ];

    #[test]
    fn which_series_a_sample_enters() {
        let registry = Registry::new();
        registry.declare("mine", Kind::Trend, Unit::None).unwrap();
        let named = selectors(&[
            "http_req_duration{name:a}", // also an automatic one: entered once
            "http_req_duration{status:200,name:a}",
            "http_req_duration{lifecycle:setup}",
            "http_req_duration{poll:true}",
            "http_req_duration{stage:steady}",
            "http_req_failed{name:a}",
            "http_reqs{warmup:true}",
            "mine{lifecycle:setup}",
        ]);
        let catalog = Catalog::new(&registry, &named).unwrap();
        for (metric, tags, expected) in ROUTES {
            let expected: Vec<_> = expected.iter().map(|tags| format!("{metric}{tags}")).collect();
            assert_eq!(route(&registry, &catalog, metric, tags), expected, "{metric} {tags:?}");
        }
    }

    #[test]
    fn beyond_the_cap_samples_are_gathered_and_counted() {
        let registry = Registry::new();
        let named = selectors(&["http_req_duration{name:wanted}"]);
        let catalog = Catalog::with_cap(&registry, &named, 2).unwrap();
        let own = |name| route(&registry, &catalog, "http_req_duration", &[("name", name)]).remove(1);
        assert_eq!(own("a"), "http_req_duration{name:a}");
        assert_eq!(own("b"), "http_req_duration{name:b}");
        assert_eq!(own("c"), "http_req_duration{name:(other)}");
        assert_eq!(own("d"), "http_req_duration{name:(other)}");
        // What exists goes on, and what a threshold names is never refused.
        assert_eq!(own("a"), "http_req_duration{name:a}");
        assert_eq!(own("wanted"), "http_req_duration{name:wanted}");
        let metric = registry.find("http_req_duration").unwrap();
        assert_eq!(catalog.refused(), [(metric, 2)]);
    }

    #[test]
    fn sub_metrics_that_are_added_are_entered_from_then_on() {
        let registry = Registry::new();
        let catalog = Catalog::new(&registry, &[]).unwrap();
        let tags = [("name", "a"), ("method", "GET")];
        let entered = || route(&registry, &catalog, "http_reqs", &tags);
        assert_eq!(entered(), ["http_reqs"]);
        let generation = catalog.generation();
        catalog.add(&registry, &selectors(&["http_reqs{method:GET}"])).unwrap();
        assert_ne!(catalog.generation(), generation);
        assert_eq!(entered(), ["http_reqs", "http_reqs{method:GET}"]);
        let unknown = selectors(&["http_reqs{name:a}", "nothing"]);
        assert!(catalog.add(&registry, &unknown).is_err());
        assert_eq!(entered(), ["http_reqs", "http_reqs{method:GET}"], "all or none");
    }

    #[test]
    fn all_cores_see_the_same_ids_and_nobody_keeps_a_part_of_nothing() {
        let registry = Registry::new();
        let catalog = Catalog::new(&registry, &[]).unwrap();
        let (a, b) = (catalog.clone(), catalog);
        let (checks, reqs) = (registry.find("checks").unwrap(), registry.find("http_reqs").unwrap());
        assert_eq!(a.root(checks), b.root(checks));
        assert_ne!(a.root(checks), b.root(reqs));
        assert_eq!(a.find(reqs, &[]), Some(b.root(reqs)));
        let unknown = Catalog::new(&registry, &selectors(&["nothing{a:b}"]));
        assert_eq!(unknown.unwrap_err(), CatalogError::UnknownMetric("nothing".to_owned()));
    }
}
