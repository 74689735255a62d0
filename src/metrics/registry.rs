//! Which metrics exist: names, kinds and units, agreed on by all cores. No values.

use std::sync::{Arc, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::builtin::{BUILTINS, Scope};
use super::selector::{Selector, SelectorError};
use super::veil::Veil;

/// What a metric does with its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Adds them up.
    Counter,
    /// Keeps the newest, the smallest and the largest.
    Gauge,
    /// Keeps the share of those that are not zero.
    Rate,
    /// Keeps their distribution.
    Trend,
}

impl Kind {
    /// The kind's name in reports and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
            Self::Trend => "trend",
        }
    }
}

/// What a metric's values are measured in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A bare number.
    None,
    /// Milliseconds.
    Ms,
    /// Bytes.
    Bytes,
    /// A unit of the script's own, such as `USD`; shown, never interpreted.
    Custom(Arc<str>),
}

impl Unit {
    /// Reads the `unit` that a script wrote: `ms` and `bytes` are known, an empty text is [`Unit::None`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "" => Self::None,
            "ms" => Self::Ms,
            "bytes" => Self::Bytes,
            other => Self::Custom(other.into()),
        }
    }

    /// The unit as it is printed; empty for a bare number.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::None => "",
            Self::Ms => "ms",
            Self::Bytes => "bytes",
            Self::Custom(name) => name,
        }
    }
}

/// A metric, valid for the [`Registry`] that gave it; built-in metrics have the same id in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId(u32);

impl MetricId {
    /// The metric that [`MetricId::index`] gave; how an id travels through Lua.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its number in its registry.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// What is known about a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name, unique in the run.
    pub name: Arc<str>,
    /// What it does with its samples.
    pub kind: Kind,
    /// What its values are measured in.
    pub unit: Unit,
    /// Which samples its headline leaves out.
    pub(super) scope: Scope,
    /// Whether it is one of [`BUILTINS`].
    pub builtin: bool,
}

/// Why a metric cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// Not a name that every output can carry.
    #[error("`{0}` is not a metric name: letters, digits and underscores, not beginning with a digit, at most 128")]
    BadName(String),
    /// One of kingtide's own.
    #[error("`{0}` is a built-in metric; choose another name")]
    BuiltIn(String),
    /// Declared before, differently.
    #[error("the metric `{name}` is {} already, and cannot be {} too", describe(*.old_kind, .old_unit), describe(*.new_kind, .new_unit))]
    Different {
        /// The metric.
        name: String,
        /// What it is.
        old_kind: Kind,
        /// What it is measured in.
        old_unit: Unit,
        /// What it should have become.
        new_kind: Kind,
        /// What it should have been measured in.
        new_unit: Unit,
    },
}

fn describe(kind: Kind, unit: &Unit) -> String {
    match unit {
        Unit::None => format!("a {}", kind.name()),
        unit => format!("a {} in {}", kind.name(), unit.name()),
    }
}

/// The metrics of a run, shared by all cores. Locks are taken when a metric is declared or seen for the first time.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<RwLock<Inner>>,
    veil: Veil,
}

#[derive(Debug)]
struct Inner {
    definitions: Vec<Definition>,
    by_name: FxHashMap<Arc<str>, MetricId>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// A registry that knows the built-in metrics.
    #[must_use]
    pub fn new() -> Self {
        Self::veiled(Veil::default())
    }

    /// The same, whose recorders take out of tags what `veil` says.
    #[must_use]
    pub fn veiled(veil: Veil) -> Self {
        let mut inner = Inner {
            definitions: Vec::new(),
            by_name: FxHashMap::default(),
        };
        for builtin in BUILTINS {
            inner.add(Definition {
                name: builtin.name.into(),
                kind: builtin.kind,
                unit: builtin.unit.clone(),
                scope: builtin.scope,
                builtin: true,
            });
        }
        Self {
            inner: Arc::new(RwLock::new(inner)),
            veil,
        }
    }

    /// Declares a metric; declaring the same one again gives the same id.
    ///
    /// # Errors
    /// [`DeclareError`] for a name that outputs cannot carry, and for one that means something else already.
    pub fn declare(&self, name: &str, kind: Kind, unit: Unit) -> Result<MetricId, DeclareError> {
        if !is_name(name) {
            return Err(DeclareError::BadName(name.to_owned()));
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let Some(&id) = inner.by_name.get(name) else {
            return Ok(inner.add(Definition {
                name: name.into(),
                kind,
                unit,
                scope: Scope::All,
                builtin: false,
            }));
        };
        let known = &inner.definitions[id.index() as usize];
        if known.kind == kind && known.unit == unit {
            return Ok(id);
        }
        Err(DeclareError::Different {
            name: name.to_owned(),
            old_kind: known.kind,
            old_unit: known.unit.clone(),
            new_kind: kind,
            new_unit: unit,
        })
    }

    /// As [`Registry::declare`], for what a script measures itself.
    ///
    /// # Errors
    /// As [`Registry::declare`], and for a built-in metric.
    pub fn declare_own(&self, name: &str, kind: Kind, unit: Unit) -> Result<MetricId, DeclareError> {
        match self.find(name) {
            Some(id) if self.definition(id).builtin => Err(DeclareError::BuiltIn(name.to_owned())),
            _ => self.declare(name, kind, unit),
        }
    }

    /// A registry of its own that knows the same metrics.
    #[must_use]
    pub fn fork(&self) -> Self {
        let inner = self.read(|inner| Inner {
            definitions: inner.definitions.clone(),
            by_name: inner.by_name.clone(),
        });
        Self {
            inner: Arc::new(RwLock::new(inner)),
            veil: self.veil.clone(),
        }
    }

    /// Reads a selector of what recorders have recorded, whose tags may not be what the script gave them.
    ///
    /// # Errors
    /// As [`Selector::parse`].
    pub fn selector(&self, text: &str) -> Result<Selector, SelectorError> {
        let mut selector = Selector::parse(text)?;
        self.veil.selector(&mut selector);
        Ok(selector)
    }

    pub(super) fn veil(&self) -> &Veil {
        &self.veil
    }

    /// Declares what a fork of this has declared.
    ///
    /// # Errors
    /// As [`Registry::declare`], when the same name was declared here meanwhile.
    pub fn adopt(&self, fork: &Self) -> Result<(), DeclareError> {
        let declared = fork.all().into_iter().filter(|(_, definition)| !definition.builtin);
        for (_, definition) in declared {
            self.declare(&definition.name, definition.kind, definition.unit)?;
        }
        Ok(())
    }

    /// The metric of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<MetricId> {
        self.read(|inner| inner.by_name.get(name).copied())
    }

    /// What is known about a metric.
    ///
    /// # Panics
    /// When the id is from another registry.
    #[must_use]
    pub fn definition(&self, id: MetricId) -> Definition {
        self.read(|inner| inner.definitions[id.index() as usize].clone())
    }

    /// All metrics, the built-in ones first, then in the order of their declaration.
    #[must_use]
    pub fn all(&self) -> Vec<(MetricId, Definition)> {
        self.read(|inner| {
            (0..)
                .map(MetricId::new)
                .zip(inner.definitions.iter().cloned())
                .collect()
        })
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn add(&mut self, definition: Definition) -> MetricId {
        let id =
            MetricId::new(u32::try_from(self.definitions.len()).expect("fewer than four thousand million metrics"));
        self.by_name.insert(Arc::clone(&definition.name), id);
        self.definitions.push(definition);
        id
    }
}

fn is_name(name: &str) -> bool {
    // Prometheus is the strictest reader: https://prometheus.io/docs/concepts/data_model/
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.len() <= 128 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Kind and unit of a metric that polls and flows make from their own name, by its ending: `saga_timeouts` is a rate.
///
/// Thresholds may name such a metric before any poll or flow has run.
#[must_use]
pub fn derived(name: &str) -> Option<(Kind, Unit)> {
    const ENDINGS: [(&str, Kind, Unit); 12] = [
        ("_duration", Kind::Trend, Unit::Ms),
        ("_resolution", Kind::Trend, Unit::Ms),
        ("_attempts", Kind::Trend, Unit::None),
        ("_timeouts", Kind::Rate, Unit::None),
        ("_failures", Kind::Rate, Unit::None),
        ("_started", Kind::Counter, Unit::None),
        ("_completed", Kind::Counter, Unit::None),
        ("_not_completed", Kind::Counter, Unit::None),
        ("_timed_out", Kind::Counter, Unit::None),
        ("_duplicate", Kind::Counter, Unit::None),
        ("_out_of_order", Kind::Counter, Unit::None),
        ("_in_flight", Kind::Gauge, Unit::None),
    ];
    ENDINGS
        .into_iter()
        .find(|(ending, ..)| name.strip_suffix(ending).is_some_and(|stem| !stem.is_empty()))
        .map(|(_, kind, unit)| (kind, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::builtin;

    #[test]
    fn built_in_ids_are_the_positions_in_the_slice() {
        let registry = Registry::new();
        for (index, builtin) in (0..).zip(BUILTINS) {
            assert_eq!(
                registry.find(builtin.name),
                Some(MetricId::new(index)),
                "{}",
                builtin.name
            );
        }
        // The first, the last, and one between, against their constants.
        assert_eq!(registry.find("http_reqs"), Some(builtin::HTTP_REQS));
        assert_eq!(registry.find("checks"), Some(builtin::CHECKS));
        assert_eq!(registry.find("interrupted_scripts"), Some(builtin::INTERRUPTED_SCRIPTS));
    }

    #[test]
    fn the_same_metric_again_is_the_same_id_and_another_kind_or_unit_is_refused() {
        let registry = Registry::new();
        let usd = || Unit::parse("USD");
        let id = registry.declare("order_value", Kind::Trend, usd()).unwrap();
        // (kind, unit, what comes back)
        let table = [
            (Kind::Trend, usd(), Ok(id)),
            (
                Kind::Counter,
                usd(),
                Err("the metric `order_value` is a trend in USD already, and cannot be a counter in USD too"),
            ),
            (
                Kind::Trend,
                Unit::None,
                Err("the metric `order_value` is a trend in USD already, and cannot be a trend too"),
            ),
        ];
        for (kind, unit, expected) in table {
            let got = registry.clone().declare("order_value", kind, unit);
            assert_eq!(got.map_err(|e| e.to_string()), expected.map_err(str::to_owned));
        }
        assert!(registry.declare("http_reqs", Kind::Rate, Unit::None).is_err());
    }

    #[test]
    fn names_are_what_every_output_can_carry() {
        let registry = Registry::new();
        let long = "a".repeat(129);
        for name in ["", "7up", "order-value", "a{b}", "größe", "a b", &long] {
            let got = registry.declare(name, Kind::Counter, Unit::None);
            assert_eq!(got, Err(DeclareError::BadName(name.to_owned())));
        }
        for name in ["a", "_a", "A9_", &long[1..]] {
            assert!(registry.declare(name, Kind::Counter, Unit::None).is_ok(), "{name}");
        }
    }

    #[test]
    fn endings_of_polls_and_flows_have_kinds() {
        let table = [
            ("saga_duration", Some(Kind::Trend)),
            ("saga_timeouts", Some(Kind::Rate)),
            ("saga_in_flight", Some(Kind::Gauge)),
            ("saga_timed_out", Some(Kind::Counter)),
            ("_duration", None), // of nothing
            ("saga", None),
        ];
        for (name, kind) in table {
            assert_eq!(derived(name).map(|(kind, _)| kind), kind, "{name}");
        }
    }
}
