//! What a threshold asks of a metric: `count`, `rate`, `p(95)` and the like. Comparing it with a limit is in `threshold`.

use std::fmt;

use super::registry::Kind;

/// One number drawn from a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// Sum of a counter, number of samples of a rate or a trend.
    Count,
    /// A counter's sum for each second, or the share of a rate.
    Rate,
    /// The newest value of a gauge.
    Value,
    /// Mean of a trend.
    Avg,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Median of a trend.
    Med,
    /// A percentile of a trend, 0 to 100.
    Percentile(f64),
    /// Samples of a rate that were true.
    Passes,
    /// Samples of a rate that were false.
    Fails,
}

impl Aggregation {
    /// Reads `p(95)`, `avg` and so on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "count" => Self::Count,
            "rate" => Self::Rate,
            "value" => Self::Value,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "med" => Self::Med,
            "passes" => Self::Passes,
            "fails" => Self::Fails,
            other => {
                let number = other
                    .strip_prefix('p')?
                    .trim_start()
                    .strip_prefix('(')?
                    .strip_suffix(')')?;
                let percent: f64 = number.trim().parse().ok()?;
                if !(0.0..=100.0).contains(&percent) {
                    return None;
                }
                Self::Percentile(percent)
            }
        })
    }

    /// Whether a metric of that kind can answer.
    #[must_use]
    pub fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::Counter => matches!(self, Self::Count | Self::Rate),
            Kind::Gauge => matches!(self, Self::Value | Self::Min | Self::Max),
            Kind::Rate => matches!(self, Self::Rate | Self::Count | Self::Passes | Self::Fails),
            Kind::Trend => {
                matches!(
                    self,
                    Self::Count | Self::Avg | Self::Min | Self::Max | Self::Med | Self::Percentile(_)
                )
            }
        }
    }

    /// Whether the answer is in the metric's unit, and not a number of samples.
    #[must_use]
    pub fn has_unit(self) -> bool {
        matches!(
            self,
            Self::Value | Self::Avg | Self::Min | Self::Max | Self::Med | Self::Percentile(_)
        )
    }

    /// What fits a kind, as an error message lists it.
    #[must_use]
    pub fn choices(kind: Kind) -> &'static str {
        match kind {
            Kind::Counter => "count, rate",
            Kind::Gauge => "value, min, max",
            Kind::Rate => "rate, count, passes, fails",
            Kind::Trend => "count, avg, min, max, med, p(N)",
        }
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Rate => "rate",
            Self::Value => "value",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Med => "med",
            Self::Passes => "passes",
            Self::Fails => "fails",
            Self::Percentile(percent) => return write!(f, "p({percent})"),
        })
    }
}
