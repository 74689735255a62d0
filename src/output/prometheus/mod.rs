//! How series are named for Prometheus, by its own conventions: base units, `_total` on what only grows. How they travel is
//! in `scrape` and `remote_write`.

pub(super) mod remote_write;
pub(super) mod scrape;
mod text;
mod wire;

#[cfg(test)]
mod tests;

use super::row::renamed;
use super::totals::Total;

/// A series as Prometheus names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// `kingtide_http_req_duration_by_name`: without unit and suffix.
    pub(super) base: String,
    /// `_seconds`, `_bytes`, `_ratio` or nothing.
    pub(super) unit: &'static str,
    /// Sorted by name, none of them empty or reserved.
    pub(super) labels: Vec<(String, String)>,
}

/// What Prometheus or its formats give a meaning to, and what we add.
const RESERVED: &[&str] = &["__name__", "instance", "job", "le", "quantile", "run"];

/// A name as both metrics and labels may have it.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = text.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        name.insert(0, '_');
    }
    name
}

/// Tags as labels; those without a value are no labels.
pub(super) fn labels<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = tags
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (renamed(&plain(key), RESERVED), value.to_owned()))
        .collect();
    labels.sort();
    labels.dedup_by(|a, b| a.0 == b.0);
    labels
}

/// The labels of a series and those of all. A name that both have is the series' own: a label that stands twice makes Prometheus
/// refuse the whole page.
pub(super) fn with_common<'a>(
    own: &'a [(String, String)],
    common: &'a [(String, String)],
) -> impl Iterator<Item = &'a (String, String)> {
    let is_free = |(name, _): &&(String, String)| own.iter().all(|(own, _)| own != name);
    own.iter().chain(common.iter().filter(is_free))
}

/// What a value in `unit` is divided by to be in the base unit, and the base unit's suffix.
pub(super) fn base_unit(unit: &str) -> (f64, &'static str) {
    match unit {
        "ms" => (1e3, "_seconds"),
        "bytes" => (1.0, "_bytes"),
        "percent" => (1e2, "_ratio"),
        _ => (1.0, ""),
    }
}

impl Name {
    pub(super) fn of(total: &Total) -> Self {
        Self {
            base: format!("kingtide_{}", plain(&total.family())),
            unit: base_unit(&total.unit).1,
            labels: labels(total.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
        }
    }
}

/// The label of an exemplar that names its trace.
pub(super) const TRACE_LABEL: &str = "trace_id";

/// The percentiles that are told of each second, as labels; the first and last are exact.
pub(super) const QUANTILES: [(&str, f64); 7] = [
    ("0", 0.0),
    ("0.5", 50.0),
    ("0.9", 90.0),
    ("0.95", 95.0),
    ("0.99", 99.0),
    ("0.999", 99.9),
    ("1", 100.0),
];
