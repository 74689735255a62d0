//! Samples, from the core that takes them to the verdict on them: metric registry, per-core recorder, deltas, totals,
//! thresholds. No Lua and no network; what a run leaves on disk is in `results`, how it is shown in `report`.
//!
//! ```text
//! Registry ─┐            record()                 take(), once a second          merge()
//! Catalog  ─┴─► Recorder ────────► series of this core ────────────► Delta ────────────► Totals ─► Threshold, summary
//! ```
//!
//! A *series* is a metric, or a metric with a [`Selector`]'s tags (a sub-metric). Its id is the same on every core, so
//! that merging is adding up equal ids. Nobody keeps samples: a trend is a histogram. Who wants each of
//! them has a [`Tap`].

mod admission;
mod aggregation;
pub mod buckets;
pub mod builtin;
mod catalog;
mod check_tallies;
mod checkpoints;
mod delta;
mod exemplar;
mod expression;
mod later;
#[cfg(test)]
mod laws;
mod memo;
#[cfg(test)]
mod memory;
mod recent;
mod recorder;
mod registry;
mod seconds;
mod selector;
mod series;
mod slots;
mod summary;
mod tags;
mod tap;
mod threshold;
mod timeline;
mod totals;
mod trend;
mod trend_recorder;
mod veil;
mod window;

pub use admission::{WARMUP, own_tag};
pub use aggregation::Aggregation;
pub use catalog::{AUTOMATIC_SERIES_CAP, Catalog, CatalogError, OTHER, SeriesId};
pub use checkpoints::{CheckpointTotal, MOST_CHECKPOINTS};
pub use delta::{CheckKey, CheckTally, Count, Counts, Delta};
pub use exemplar::{Exemplar, NoTraceId, TraceId};
pub use expression::ThresholdError;
pub use recorder::{Batch, Recorder};
pub use registry::{DeclareError, Definition, Kind, MetricId, Registry, Unit, derived};
pub use seconds::{Second, SecondSeries, SeriesName};
pub use selector::{Selector, SelectorError};
pub use series::{Gauge, Series, SeriesData};
pub use summary::{MetricSummaries, MetricSummary, TrendSummary};
pub use tags::TagSet;
pub use tap::{Sample, Samples, Tap, Tapped};
pub use threshold::{LONGEST_WINDOW, NoData, Op, Threshold, Verdict};
pub use timeline::{ScenarioSpan, StageSpan, Timeline};
pub use totals::{CheckTotal, PhaseTotal, Totals};
pub use trend::Trend;
pub use veil::Veil;
