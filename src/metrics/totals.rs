//! What all cores have gathered so far, and the answers drawn from it. Taking samples is in `recorder`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;

use super::aggregation::Aggregation;
use super::catalog::Catalog;
use super::delta::{Counts, Delta};
use super::registry::{Definition, Kind, MetricId, Registry, Unit};
use super::selector::Selector;
use super::series::{Gauge, Series, SeriesData};
use super::summary::{MetricSummaries, MetricSummary, TrendSummary, tidy};
use super::trend::Trend;

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
    elapsed: Duration,
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
            elapsed: Duration::ZERO,
        }
    }

    /// Adds what a core has gathered.
    pub fn merge(&mut self, delta: &Delta) {
        self.sum.merge(delta);
    }

    /// Sets the time in which all this was gathered; rates of counters are per second of it.
    pub fn set_elapsed(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
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
        self.sum.merge(&Delta {
            series: [(id, series)].into(),
            ..Delta::default()
        });
    }

    /// The iteration counts of a scenario (its index in the plan).
    #[must_use]
    pub fn counts(&self, scenario: usize) -> Counts {
        self.sum.counts.get(scenario).copied().unwrap_or_default()
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
        let metric = self.registry.find(&selector.metric)?;
        let found = self.catalog.find(metric, &selector.tags);
        let Some(series) = found.and_then(|id| self.sum.series.get(&id)) else {
            let is_counter = self.registry.definition(metric).kind == Kind::Counter;
            return if is_counter && selector.tags.is_empty() {
                self.answer(&SeriesData::Counter(0.0), aggregation)
            } else {
                None
            };
        };
        self.answer(&series.data, aggregation)
    }

    /// One number of a metric as a whole.
    #[must_use]
    pub fn root(&self, metric: MetricId, aggregation: Aggregation) -> Option<f64> {
        self.value(&Selector::root(&self.registry.definition(metric).name), aggregation)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
    fn answer(&self, data: &SeriesData, aggregation: Aggregation) -> Option<f64> {
        use Aggregation as A;
        match (data, aggregation) {
            (SeriesData::Counter(sum), A::Count) => Some(*sum),
            (SeriesData::Counter(sum), A::Rate) => self.per_second(*sum),
            (SeriesData::Gauge(gauge), A::Value) => gauge.map(|g| g.value),
            (SeriesData::Gauge(gauge), A::Min) => gauge.map(|g| g.min),
            (SeriesData::Gauge(gauge), A::Max) => gauge.map(|g| g.max),
            (SeriesData::Rate { total: 0, .. }, _) => None,
            (SeriesData::Rate { passes, total }, A::Rate) => Some(*passes as f64 / *total as f64),
            (SeriesData::Rate { total, .. }, A::Count) => Some(*total as f64),
            (SeriesData::Rate { passes, .. }, A::Passes) => Some(*passes as f64),
            (SeriesData::Rate { passes, total }, A::Fails) => Some((total - passes) as f64),
            (SeriesData::Trend(trend), _) => of_trend(trend, aggregation),
            _ => None,
        }
    }

    fn per_second(&self, sum: f64) -> Option<f64> {
        (!self.elapsed.is_zero()).then(|| sum / self.elapsed.as_secs_f64())
    }

    /// The `metrics` object of the summary: every series with samples, those that thresholds name, the metrics that the
    /// script declared, and all built-in counters.
    #[must_use]
    pub fn summarise(&self) -> MetricSummaries {
        let mut summaries = MetricSummaries::new();
        for (metric, definition) in self.registry.all() {
            let wanted = !definition.builtin || definition.kind == Kind::Counter;
            if wanted || self.catalog.is_named(metric, &[]) {
                summaries.insert(definition.name.to_string(), self.summary(&definition, None));
            }
        }
        for (id, metric, tags) in self.catalog.all() {
            let series = self.sum.series.get(&id);
            if series.is_none() && !self.catalog.is_named(metric, &tags) {
                continue;
            }
            let definition = self.registry.definition(metric);
            let selector = Selector {
                metric: definition.name.to_string(),
                tags: tags.into_vec(),
            };
            summaries.insert(selector.to_string(), self.summary(&definition, series));
        }
        summaries
    }

    fn summary(&self, definition: &Definition, series: Option<&Series>) -> MetricSummary {
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
                    rate: tidy(self.per_second(count).unwrap_or(0.0)),
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
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn of_trend(trend: &Trend, aggregation: Aggregation) -> Option<f64> {
    match aggregation {
        _ if trend.count() == 0 => None,
        Aggregation::Count => Some(trend.count() as f64),
        Aggregation::Avg => trend.mean(),
        Aggregation::Min => trend.min(),
        Aggregation::Max => trend.max(),
        Aggregation::Med => trend.percentile(50.0),
        Aggregation::Percentile(percent) => trend.percentile(percent),
        Aggregation::Rate | Aggregation::Value | Aggregation::Passes | Aggregation::Fails => None,
    }
}
