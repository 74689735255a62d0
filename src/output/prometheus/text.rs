//! Running totals as text: OpenMetrics 1.0, and Prometheus' older format for who does not ask for it. Both know classic
//! histograms only.
//!
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write as _;

use super::super::row::Run;
use super::super::totals::{Distribution, Sum, Total, Totals, spread};
use super::{Name, QUANTILES, TRACE_LABEL, base_unit, labels, with_common};
use crate::metrics::builtin::BUILTINS;

/// Upper bounds of buckets in seconds.
const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Those of all other units.
const OTHERS: [f64; 13] = [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    /// What a scraper that accepts this gets.
    pub(super) fn accepted(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Everything so far.
pub(super) fn page(totals: &Totals, run: &Run, format: Format) -> String {
    let tags = run.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut common = labels(tags);
    if !run.id.is_empty() {
        common.push(("run".to_owned(), run.id.clone()));
    }
    let mut page = Page {
        text: String::new(),
        format,
        common,
    };
    let mut series: Vec<(Name, &Total)> = totals.iter().map(|total| (Name::of(total), total)).collect();
    // A family's series must stand together.
    series.sort_by(|a, b| (&a.0.base, a.0.unit, &a.0.labels).cmp(&(&b.0.base, b.0.unit, &b.0.labels)));
    for family in series.chunk_by(|a, b| (&a.0.base, a.0.unit) == (&b.0.base, b.0.unit)) {
        page.family(family);
    }
    if format == Format::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

struct Page {
    text: String,
    format: Format,
    common: Vec<(String, String)>,
}

impl Page {
    fn family(&mut self, family: &[(Name, &Total)]) {
        let Some((name, total)) = family.first() else { return };
        let full = format!("{}{}", name.base, name.unit);
        let help = BUILTINS.iter().find(|builtin| builtin.name == total.metric);
        let help = help.map_or("", |builtin| builtin.help);
        match &total.value {
            Sum::Counter(_) => {
                self.head(&full, "counter", name.unit, help);
                self.each(family, |total| match &total.value {
                    Sum::Counter(value) => vec![("_total", String::new(), *value)],
                    _ => Vec::new(),
                });
            }
            Sum::Gauge(_) => {
                self.head(&full, "gauge", name.unit, help);
                self.each(family, |total| match &total.value {
                    Sum::Gauge(value) => vec![("", String::new(), value / base_unit(&total.unit).0)],
                    _ => Vec::new(),
                });
            }
            Sum::Rate { .. } => self.rate(&name.base, help, family),
            Sum::Trend(_) => {
                self.head(&full, "histogram", name.unit, help);
                self.each(family, histogram);
                let quantile = format!("{}_quantile{}", name.base, name.unit);
                self.head(&quantile, "gauge", name.unit, "Percentiles of the last second.");
                let named: Vec<(Name, &Total)> = family.iter().map(|(n, t)| (renamed(n, "_quantile"), *t)).collect();
                self.each(&named, quantiles);
            }
        }
    }

    /// A rate is two counters, as shares cannot be added up.
    fn rate(&mut self, base: &str, help: &str, family: &[(Name, &Total)]) {
        for (suffix, is_true) in [("_true", true), ("_samples", false)] {
            self.head(&format!("{base}{suffix}"), "counter", "", help);
            let named: Vec<(Name, &Total)> = family.iter().map(|(n, t)| (renamed(n, suffix), *t)).collect();
            self.each(&named, |total| match total.value {
                Sum::Rate { passes, total } => {
                    vec![("_total", String::new(), count(if is_true { passes } else { total }))]
                }
                _ => Vec::new(),
            });
        }
    }

    fn head(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        // In the older format a counter's suffix belongs to its name.
        let name = match (self.format, kind) {
            (Format::Prometheus, "counter") => format!("{name}_total"),
            _ => name.to_owned(),
        };
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        if self.format == Format::OpenMetrics && !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {}", unit.trim_start_matches('_'));
        }
        if !help.is_empty() {
            let _ = writeln!(self.text, "# HELP {name} {help}");
        }
    }

    fn each(&mut self, family: &[(Name, &Total)], samples: impl Fn(&Total) -> Vec<(&'static str, String, f64)>) {
        for (name, total) in family {
            for (suffix, label, value) in samples(total) {
                let _ = write!(self.text, "{}{}{suffix}", name.base, name.unit);
                let pairs =
                    with_common(&name.labels, &self.common).map(|(key, value)| format!("{key}=\"{}\"", escaped(value)));
                let pairs: Vec<String> = pairs.chain((!label.is_empty()).then(|| label.clone())).collect();
                if !pairs.is_empty() {
                    let _ = write!(self.text, "{{{}}}", pairs.join(","));
                }
                let _ = write!(self.text, " {value}");
                if self.format == Format::OpenMetrics && suffix == "_bucket" {
                    self.exemplar(total, &label);
                }
                self.text.push('\n');
            }
        }
    }
}

impl Page {
    /// The slowest request whose trace is kept, behind its bucket.
    fn exemplar(&mut self, total: &Total, label: &str) {
        let Sum::Trend(distribution) = &total.value else { return };
        let Some(exemplar) = distribution.unread else { return };
        let (per, _) = base_unit(&total.unit);
        let value = exemplar.value / per;
        let bound = bounds(total).iter().find(|bound| value <= **bound);
        if label != le(bound.copied()) {
            return;
        }
        let (seconds, millis) = (exemplar.at_ms / 1_000, exemplar.at_ms % 1_000);
        let id = exemplar.trace_id;
        let _ = write!(self.text, " # {{{TRACE_LABEL}=\"{id}\"}} {value} {seconds}.{millis:03}");
    }
}

/// The upper bounds of a distribution's buckets.
fn bounds(total: &Total) -> &'static [f64] {
    if total.unit == "ms" { &SECONDS } else { &OTHERS }
}

/// A bucket's label.
fn le(bound: Option<f64>) -> String {
    bound.map_or_else(|| "le=\"+Inf\"".to_owned(), |bound| format!("le=\"{bound:?}\""))
}

fn renamed(name: &Name, suffix: &str) -> Name {
    Name {
        base: format!("{}{suffix}", name.base),
        unit: if suffix == "_quantile" { name.unit } else { "" },
        labels: name.labels.clone(),
    }
}

fn histogram(total: &Total) -> Vec<(&'static str, String, f64)> {
    let Sum::Trend(distribution) = &total.value else {
        return Vec::new();
    };
    let Distribution { all, .. } = &**distribution;
    let (per, _) = base_unit(&total.unit);
    let bounds = bounds(total);
    let mut samples = Vec::with_capacity(bounds.len() + 3);
    let mut below = 0;
    let mut buckets = spread(all, &total.unit).peekable();
    for bound in bounds {
        while let Some((_, count)) = buckets.next_if(|(value, _)| value / per <= *bound) {
            below += count;
        }
        samples.push(("_bucket", le(Some(*bound)), count(below)));
    }
    samples.push(("_bucket", le(None), count(all.count())));
    samples.push(("_count", String::new(), count(all.count())));
    samples.push(("_sum", String::new(), all.sum() / per));
    samples
}

fn quantiles(total: &Total) -> Vec<(&'static str, String, f64)> {
    let Sum::Trend(distribution) = &total.value else {
        return Vec::new();
    };
    let Some(second) = &distribution.second else {
        return Vec::new();
    };
    let (per, _) = base_unit(&total.unit);
    let of = |(label, percent): (&str, f64)| {
        let value = if percent == 0.0 {
            second.min()
        } else {
            second.percentile(percent)
        };
        Some(("", format!("quantile=\"{label}\""), value? / per))
    };
    QUANTILES.into_iter().filter_map(of).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn count(n: u64) -> f64 {
    n as f64
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
