//! The `metrics` object of `kingtide.summary/1`: names of series to their numbers. The rest of the summary is in `results`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::exemplar::Exemplar;
use super::trend::Trend;

/// Series by name, for example `http_req_duration{name:GET /}`.
pub type MetricSummaries = BTreeMap<String, MetricSummary>;

/// The numbers of one series. Numbers that need samples are left out when there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MetricSummary {
    /// A sum.
    Counter {
        /// What it is measured in, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// The sum.
        #[serde(serialize_with = "number")]
        count: f64,
        /// The sum for each second of the run.
        rate: f64,
        /// Samples refused, when there were any.
        #[serde(default, skip_serializing_if = "is_zero")]
        out_of_range: u64,
    },
    /// A value that goes up and down.
    Gauge {
        /// What it is measured in, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// The newest value.
        #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "maybe_number")]
        value: Option<f64>,
        /// The smallest value.
        #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "maybe_number")]
        min: Option<f64>,
        /// The largest value.
        #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "maybe_number")]
        max: Option<f64>,
        /// Samples refused, when there were any.
        #[serde(default, skip_serializing_if = "is_zero")]
        out_of_range: u64,
    },
    /// A share.
    Rate {
        /// `passes / total`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<f64>,
        /// Samples that were true.
        passes: u64,
        /// All samples.
        total: u64,
        /// Samples refused, when there were any.
        #[serde(default, skip_serializing_if = "is_zero")]
        out_of_range: u64,
    },
    /// A distribution.
    Trend {
        /// What it is measured in, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// How many samples there were.
        count: u64,
        /// The rest, when there were samples.
        #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
        values: Option<TrendSummary>,
        /// Samples refused, when there were any.
        #[serde(default, skip_serializing_if = "is_zero")]
        out_of_range: u64,
    },
}

/// The numbers of a distribution with samples, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrendSummary {
    /// Smallest, exact.
    pub min: f64,
    /// Mean.
    pub avg: f64,
    /// Median.
    pub med: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// Largest, exact.
    pub max: f64,
    /// The slowest whose trace is kept, if any is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemplar: Option<Exemplar>,
}

impl TrendSummary {
    pub(super) fn of(trend: &Trend) -> Option<Self> {
        Some(Self {
            min: tidy(trend.min()?),
            avg: tidy(trend.mean()?),
            med: tidy(trend.percentile(50.0)?),
            p90: tidy(trend.percentile(90.0)?),
            p95: tidy(trend.percentile(95.0)?),
            p99: tidy(trend.percentile(99.0)?),
            p999: tidy(trend.percentile(99.9)?),
            max: tidy(trend.max()?),
            exemplar: trend.exemplar(),
        })
    }
}

/// Rounds to 12 significant digits: more than any sample has, and few enough for every JSON reader to read them back.
pub(super) fn tidy(value: f64) -> f64 {
    if value.fract() == 0.0 {
        return value;
    }
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Whole numbers are written without a fraction: people count requests, not 2711.0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::trivially_copy_pass_by_ref,
    reason = "in range by the check; serde passes references"
)]
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

#[expect(clippy::ref_option, reason = "serde passes references")]
fn maybe_number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}
