//! Thresholds: `p(95)<8s` on `http_req_duration{name:GET /}`, read and judged. When they are judged, and what a failed
//! one does to the run, is the run's business.

use std::fmt;
use std::time::Duration;

use super::aggregation::Aggregation;
use super::registry::{DeclareError, Definition, Kind, Registry, Unit, derived};
use super::selector::{Selector, SelectorError};
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
    fn parse(text: &str) -> Option<Self> {
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// The expression as it was written.
    pub expression: String,
    /// The number.
    pub aggregation: Aggregation,
    /// The comparison.
    pub op: Op,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// Whether a failure ends the run at once.
    pub abort_on_fail: bool,
    /// How long after the start `abort_on_fail` begins to act.
    pub delay_abort_eval: Duration,
    /// What no samples mean.
    pub on_no_data: NoData,
}

/// Why a threshold is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThresholdError {
    /// The key is not a series.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// No such metric.
    #[error("there is no metric `{name}`{}", hint(.suggestion.as_deref()))]
    UnknownMetric {
        /// What was written.
        name: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// The metric's name can be no name.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// Not `<aggregation> <operator> <number>`.
    #[error(
        "`{0}` is not `<aggregation> <operator> <limit>`; write for example `p(95)<250ms`, `rate<0.01` or `count>100`"
    )]
    Malformed(String),
    /// Not an aggregation.
    #[error("`{aggregation}` in `{expression}` is no aggregation; a {} has {}", .kind.name(), Aggregation::choices(*.kind))]
    UnknownAggregation {
        /// What was written.
        aggregation: String,
        /// The whole expression.
        expression: String,
        /// The metric's kind.
        kind: Kind,
    },
    /// An aggregation of another kind of metric.
    #[error("`{metric}` is a {}, which has no `{aggregation}`; it has {}", .kind.name(), Aggregation::choices(*.kind))]
    Unfit {
        /// The metric.
        metric: String,
        /// The metric's kind.
        kind: Kind,
        /// What was written.
        aggregation: Aggregation,
    },
    /// The right side is not a number, or a duration where none can be.
    #[error("the limit `{limit}` in `{expression}` is not a number{}", if *.time { " or a duration such as 250ms" } else { "" })]
    Limit {
        /// What was written.
        limit: String,
        /// The whole expression.
        expression: String,
        /// Whether a duration would do.
        time: bool,
    },
    /// A share above 1 or below 0.
    #[error("the limit {limit} in `{expression}` can never be crossed: a rate is a share between 0 and 1, 5 % is 0.05")]
    Share {
        /// What was written.
        limit: f64,
        /// The whole expression.
        expression: String,
    },
}

fn hint(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; name a built-in metric, or declare one with `kt.metrics` when the script is loaded".to_owned(),
    }
}

/// What a threshold says at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Whether it holds; `None` without data.
    pub ok: Option<bool>,
    /// What was compared with the limit.
    pub observed: Option<f64>,
}

impl Threshold {
    /// Reads a threshold: the key names the series, the expression the limit. A metric that polls or flows will make
    /// (by its ending, such as `saga_timeouts`) is declared by this.
    ///
    /// # Errors
    /// [`ThresholdError`] naming the part that is wrong and what would fit.
    pub fn parse(key: &str, expression: &str, registry: &Registry) -> Result<Self, ThresholdError> {
        let selector = Selector::parse(key)?;
        let definition = find(&selector.metric, registry)?;
        let malformed = || ThresholdError::Malformed(expression.to_owned());
        let is_op = |c: char| matches!(c, '<' | '>' | '=' | '!');
        let at = expression.find(is_op).ok_or_else(malformed)?;
        let (left, rest) = expression.split_at(at);
        let right = rest.trim_start_matches(is_op);
        let op = Op::parse(&rest[..rest.len() - right.len()]).ok_or_else(malformed)?;
        let (left, right) = (left.trim(), right.trim());
        if left.is_empty() || right.is_empty() {
            return Err(malformed());
        }
        let aggregation = Aggregation::parse(left).ok_or_else(|| ThresholdError::UnknownAggregation {
            aggregation: left.to_owned(),
            expression: expression.to_owned(),
            kind: definition.kind,
        })?;
        if !aggregation.fits(definition.kind) {
            return Err(ThresholdError::Unfit {
                metric: selector.metric,
                kind: definition.kind,
                aggregation,
            });
        }
        Ok(Self {
            selector,
            aggregation,
            op,
            limit: limit(right, expression, aggregation, &definition)?,
            expression: expression.trim().to_owned(),
            abort_on_fail: false,
            delay_abort_eval: Duration::ZERO,
            on_no_data: NoData::Fail,
        })
    }

    /// Judges what was gathered so far.
    #[must_use]
    pub fn evaluate(&self, totals: &Totals) -> Verdict {
        let observed = totals.value(&self.selector, self.aggregation);
        Verdict {
            ok: observed.map(|observed| self.op.holds(observed, self.limit)),
            observed,
        }
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

fn find(name: &str, registry: &Registry) -> Result<Definition, ThresholdError> {
    if let Some(id) = registry.find(name) {
        return Ok(registry.definition(id));
    }
    let known = registry.all();
    let unknown = |suggestion: Option<&str>| ThresholdError::UnknownMetric {
        name: name.to_owned(),
        suggestion: suggestion.map(str::to_owned),
    };
    // `htp_req_duration` has a poll's ending, but is no poll.
    let slip = known
        .iter()
        .find(|(_, known)| known.builtin && strsim::damerau_levenshtein(name, &known.name) <= 2);
    if let Some((_, slip)) = slip {
        return Err(unknown(Some(&slip.name)));
    }
    if let Some((kind, unit)) = derived(name) {
        let id = registry.declare(name, kind, unit)?;
        return Ok(registry.definition(id));
    }
    let closest = known
        .iter()
        .map(|(_, known)| (strsim::jaro_winkler(name, &known.name), &*known.name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(unknown(closest.map(|(_, name)| name)))
}

fn limit(
    text: &str,
    expression: &str,
    aggregation: Aggregation,
    definition: &Definition,
) -> Result<f64, ThresholdError> {
    let time = definition.unit == Unit::Ms && aggregation.has_unit();
    let number = text.parse().ok().filter(|n: &f64| n.is_finite());
    let limit = number
        .or_else(|| time.then(|| milliseconds(text)).flatten())
        .ok_or_else(|| ThresholdError::Limit {
            limit: text.to_owned(),
            expression: expression.to_owned(),
            time,
        })?;
    if definition.kind == Kind::Rate && aggregation == Aggregation::Rate && !(0.0..=1.0).contains(&limit) {
        return Err(ThresholdError::Share {
            limit,
            expression: expression.to_owned(),
        });
    }
    Ok(limit)
}

/// Reads `8s`, `1m30s`, `250ms`. A small reader of its own: the plan's is a layer above.
fn milliseconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match rest[..end].trim_end() {
                "ns" => 1e-6,
                "us" | "µs" => 1e-3,
                "ms" => 1.0,
                "s" => 1e3,
                "m" | "min" => 60e3,
                "h" => 3_600e3,
                "d" => 86_400e3,
                _ => return None,
            };
        rest = &rest[end..];
    }
    Some(total)
}
