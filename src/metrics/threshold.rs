//! Thresholds: a limit on one number of one series, and whether it is kept. How they are written is in `expression`;
//! when they are judged, and what a failed one does to the run, is the run's business.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::aggregation::Aggregation;
use super::registry::{Kind, Unit};
use super::selector::Selector;
use super::totals::Totals;

/// How an observed value is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Less than.
    Lt,
    /// At most.
    Le,
    /// Greater than.
    Gt,
    /// At least.
    Ge,
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
}

impl Op {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::Lt,
            "<=" => Self::Le,
            ">" => Self::Gt,
            ">=" => Self::Ge,
            "==" | "===" => Self::Eq,
            "!=" | "!==" => Self::Ne,
            _ => return None,
        })
    }

    /// Whether the comparison holds; never for what is not a number.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "whoever writes == gets ==")]
    pub fn holds(self, observed: f64, limit: f64) -> bool {
        match self {
            _ if observed.is_nan() || limit.is_nan() => false,
            Self::Lt => observed < limit,
            Self::Le => observed <= limit,
            Self::Gt => observed > limit,
            Self::Ge => observed >= limit,
            Self::Eq => observed == limit,
            Self::Ne => observed != limit,
        }
    }

    /// Whether `observed` is further from holding than `other`, or holds by less.
    pub(super) fn is_worse(self, observed: f64, other: f64, limit: f64) -> bool {
        let distance = |value: f64| (value - limit).abs();
        match self {
            Self::Lt | Self::Le => observed > other,
            Self::Gt | Self::Ge => observed < other,
            Self::Eq => distance(observed) > distance(other),
            Self::Ne => distance(observed) < distance(other),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Eq => "==",
            Self::Ne => "!=",
        })
    }
}

/// What a threshold means when its series has no samples at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// It has failed: what was not measured was not met.
    #[default]
    Fail,
    /// It has passed.
    Pass,
}

/// A limit on one number of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The series.
    pub selector: Selector,
    /// What its metric does with samples.
    pub kind: Kind,
    /// The expression as it was written.
    pub expression: String,
    /// The number.
    pub aggregation: Aggregation,
    /// The comparison.
    pub op: Op,
    /// The limit, in `unit`.
    pub limit: f64,
    /// What the number and the limit are measured in.
    pub unit: Unit,
    /// Whether a failure ends the run at once.
    pub abort_on_fail: bool,
    /// How long after the start `abort_on_fail` begins to act.
    pub delay_abort_eval: Duration,
    /// What no samples mean.
    pub on_no_data: NoData,
    /// Judges the worst slice of this length instead of the whole run; whole seconds, at most [`LONGEST_WINDOW`].
    pub window: Option<Duration>,
    /// Counts what was gathered from here on, from the start of the load: whole seconds. For what an edited script brings.
    pub since: Option<Duration>,
}

/// The longest window: a second's history of a series may take tens of kilobytes.
pub const LONGEST_WINDOW: Duration = Duration::from_hours(1);

/// What a threshold says at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Whether it holds; `None` without data.
    pub ok: Option<bool>,
    /// What was compared with the limit.
    pub observed: Option<f64>,
    /// With a window: where the worst slice begins, from the start of the load.
    pub window_at: Option<Duration>,
    /// How long that slice is: the last one may be longer than the window, one of a short part is shorter.
    pub window_length: Option<Duration>,
}

impl Threshold {
    /// Judges what was gathered so far; with a window, the worst of the slices that are complete.
    #[must_use]
    pub fn evaluate(&self, totals: &Totals) -> Verdict {
        let worst = self.window.and_then(|_| totals.worst(self));
        let observed = match self.window {
            None => totals.value_since(self.since, &self.selector, self.aggregation),
            Some(_) => worst.map(|worst| worst.observed),
        };
        Verdict {
            ok: observed.map(|observed| self.op.holds(observed, self.limit)),
            observed,
            window_at: worst.map(|worst| worst.at),
            window_length: worst.map(|worst| worst.length),
        }
    }

    /// Whether both compare the same number with the same limit, whatever a failure then means.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "limits as they were written")]
    pub fn judges_like(&self, other: &Self) -> bool {
        (&self.selector, self.aggregation, self.op, self.window)
            == (&other.selector, other.aggregation, other.op, other.window)
            && self.limit == other.limit
    }

    /// Whether it can still be met when it fails by now: what is counted only grows.
    #[must_use]
    pub fn may_come_true(&self) -> bool {
        let grows = matches!(self.aggregation, Aggregation::Count | Aggregation::Passes);
        grows && self.window.is_none() && matches!(self.op, Op::Gt | Op::Ge)
    }

    /// Whether a verdict at the end of a run is a pass; without data as `on_no_data` says.
    #[must_use]
    pub fn passes(&self, verdict: &Verdict) -> bool {
        verdict.ok.unwrap_or(self.on_no_data == NoData::Pass)
    }
}

impl fmt::Display for Threshold {
    /// The canonical expression, with the limit in the metric's unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.aggregation, self.op, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_with_what_is_infinite_or_no_number() {
        let table = [
            (Op::Lt, f64::INFINITY, 5.0, false),
            (Op::Gt, f64::INFINITY, 5.0, true),
            (Op::Lt, f64::NEG_INFINITY, 5.0, true),
            (Op::Lt, f64::NAN, 5.0, false),
            (Op::Gt, f64::NAN, 5.0, false),
            (Op::Ne, f64::NAN, 5.0, false),
            (Op::Le, 5.0, 5.0, true),
            (Op::Lt, 5.0, 5.0, false),
            (Op::Ge, 5.0, 5.0, true),
            (Op::Gt, 5.0, 5.0, false),
            (Op::Eq, 5.0, 5.0, true),
            (Op::Ne, 5.0, 5.0, false),
        ];
        for (op, observed, limit, holds) in table {
            assert_eq!(op.holds(observed, limit), holds, "{observed} {op} {limit}");
        }
    }
}
