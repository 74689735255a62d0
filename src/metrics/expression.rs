//! How thresholds are written: `p(95)<8s` on `http_req_duration{name:GET /}`. Whether they are kept is in `threshold`.

use std::time::Duration;

use super::aggregation::Aggregation;
use super::registry::{DeclareError, Definition, Kind, Registry, Unit, derived};
use super::selector::SelectorError;
use super::threshold::{NoData, Op, Threshold};

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
    #[error("`{aggregation}` in `{expression}` is no aggregation; a {} has {}{}", .kind.name(), Aggregation::choices(*.kind), meant(aggregation))]
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

/// `; did you mean `p(95)`?` for `p95` and the like.
fn meant(aggregation: &str) -> String {
    let digits = aggregation.strip_prefix('p').unwrap_or_default();
    match digits.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => format!("; did you mean `p({digits})`?"),
        _ => String::new(),
    }
}

impl Threshold {
    /// Reads a threshold: the key names the series, the expression the limit. A metric that polls or flows will make
    /// (by its ending, such as `saga_timeouts`) is declared by this.
    ///
    /// # Errors
    /// [`ThresholdError`] naming the part that is wrong and what would fit.
    pub fn parse(key: &str, expression: &str, registry: &Registry) -> Result<Self, ThresholdError> {
        let selector = registry.selector(key)?;
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
            kind: definition.kind,
            aggregation,
            op,
            limit: limit(right, expression, aggregation, &definition)?,
            unit: if aggregation.has_unit() {
                definition.unit
            } else {
                Unit::None
            },
            expression: expression.trim().to_owned(),
            abort_on_fail: false,
            delay_abort_eval: Duration::ZERO,
            on_no_data: NoData::Fail,
            window: None,
            since: None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn registry() -> Registry {
        let registry = Registry::new();
        registry
            .declare("order_value", Kind::Trend, Unit::parse("USD"))
            .unwrap();
        registry
    }

    #[test]
    fn reads_what_people_write() {
        // (key, expression, canonical expression)
        let table = [
            ("http_req_duration", "p(95)<600", "p(95)<600"),
            ("http_req_duration", " p( 99.9 ) <= 1.5s ", "p(99.9)<=1500"),
            ("http_req_duration{name:GET /}", "med < 250ms", "med<250"),
            ("http_req_duration", "avg<1m30s", "avg<90000"),
            ("http_req_duration", "max<500us", "max<0.5"),
            ("http_req_duration", "count>=100", "count>=100"),
            ("saga_duration", "p(95)<8s", "p(95)<8000"),
            ("saga_timeouts", "rate<0.10", "rate<0.1"),
            ("order_value", "min>=-1e3", "min>=-1000"),
            ("http_reqs", "rate>100", "rate>100"),
            ("http_reqs", "count===5", "count==5"),
            ("http_req_failed", "rate!=1", "rate!=1"),
            ("checks", "fails==0", "fails==0"),
            ("vus", "value>0", "value>0"),
        ];
        for (key, expression, canonical) in table {
            let threshold = Threshold::parse(key, expression, &registry());
            let threshold = threshold.unwrap_or_else(|e| panic!("{key}: {expression}: {e}"));
            assert_eq!(threshold.to_string(), canonical);
            assert_eq!(threshold.expression, expression.trim());
        }
    }

    #[test]
    fn says_what_is_wrong_and_what_would_fit() {
        let table = [
            (
                "http_req_duration",
                "p(95)",
                "is not `<aggregation> <operator> <limit>`",
            ),
            ("http_req_duration", "<5", "is not `<aggregation> <operator> <limit>`"),
            ("http_req_duration", "avg<", "is not `<aggregation> <operator> <limit>`"),
            (
                "http_req_duration",
                "avg=<5",
                "is not `<aggregation> <operator> <limit>`",
            ),
            (
                "http_req_duration",
                "p95<5",
                "`p95` in `p95<5` is no aggregation; a trend has count, avg, min, max, med, p(N); did you mean `p(95)`?",
            ),
            ("http_req_duration", "p(101)<5", "no aggregation"),
            ("http_req_duration", "avg<5 parsecs", "is not a number or a duration"),
            ("http_req_duration", "avg<NaN", "is not a number"),
            ("http_req_duration", "avg<inf", "is not a number"),
            // A number of samples is no time, and USD are none either.
            (
                "http_req_duration",
                "count<5s",
                "the limit `5s` in `count<5s` is not a number",
            ),
            ("order_value", "avg<5s", "is not a number"),
            (
                "http_reqs",
                "p(95)<5",
                "`http_reqs` is a counter, which has no `p(95)`; it has count, rate",
            ),
            ("vus", "rate<5", "it has value, min, max"),
            ("http_req_failed", "avg<1", "it has rate, count, passes, fails"),
            ("http_req_failed", "rate<5", "share between 0 and 1"),
            (
                "http_req_duratoin",
                "avg<5",
                "there is no metric `http_req_duratoin`; did you mean `http_req_duration`?",
            ),
            // The ending of a poll does not excuse a slip.
            ("htp_req_duration", "avg<5", "did you mean `http_req_duration`?"),
            ("order_valeu", "avg<5", "did you mean `order_value`?"),
            ("xyzzy", "avg<5", "declare one with `kt.metrics`"),
            ("saga-x_duration", "avg<5", "is not a metric name"),
            ("http_reqs{a}", "count<5", "is not `key:value`"),
        ];
        for (key, expression, part) in table {
            let message = Threshold::parse(key, expression, &registry()).unwrap_err().to_string();
            assert!(message.contains(part), "{key}: {expression}: {message}");
        }
    }

    #[test]
    fn a_derived_metric_is_declared_by_its_threshold() {
        let registry = registry();
        Threshold::parse("saga_timeouts", "rate<0.1", &registry).unwrap();
        let id = registry.find("saga_timeouts").unwrap();
        assert_eq!(registry.definition(id).kind, Kind::Rate);
        assert_eq!(registry.declare("saga_timeouts", Kind::Rate, Unit::None), Ok(id));
    }

    fn expressions() -> impl Strategy<Value = (&'static str, Aggregation, f64)> {
        use Aggregation as A;
        let fitting = prop_oneof![
            prop_oneof![Just(A::Count), Just(A::Rate)].prop_map(|a| ("http_reqs", a)),
            prop_oneof![Just(A::Value), Just(A::Min), Just(A::Max)].prop_map(|a| ("vus", a)),
            prop_oneof![Just(A::Count), Just(A::Passes), Just(A::Fails)].prop_map(|a| ("checks", a)),
            prop_oneof![Just(A::Avg), Just(A::Med), (0.0..=100.0).prop_map(A::Percentile)]
                .prop_map(|a| ("http_req_duration", a)),
        ];
        (fitting, prop::num::f64::NORMAL).prop_map(|((metric, aggregation), limit)| (metric, aggregation, limit))
    }

    proptest! {
        #[test]
        fn parse_reads_back_what_is_printed((metric, aggregation, limit) in expressions(), op in 0_usize..6) {
            let op = [Op::Lt, Op::Le, Op::Gt, Op::Ge, Op::Eq, Op::Ne][op];
            let text = format!("{aggregation}{op}{limit}");
            let threshold = Threshold::parse(metric, &text, &Registry::new()).unwrap();
            prop_assert_eq!((threshold.aggregation, threshold.op, threshold.limit), (aggregation, op, limit));
            let printed = threshold.to_string();
            let again = Threshold::parse(metric, &printed, &Registry::new()).unwrap();
            prop_assert_eq!(again.to_string(), printed);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[p()0-9avg<>=!. msµ]{0,10}") {
            let _ = Threshold::parse("http_req_duration", &text, &Registry::new());
        }
    }
}
