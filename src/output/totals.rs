//! What seconds add up to since the start: receivers that want running totals are told these. How they are named and
//! written is the encoders' affair.

use std::collections::BTreeMap;

use super::row::{Row, Value, end_ms, family, rows};
use crate::metrics::{Trend, buckets};
use crate::results::{Exemplar, Interval};

/// Metric, whether it is a part, and tags.
type Key = (String, bool, Vec<(String, String)>);

/// All series of a run.
#[derive(Debug, Default)]
pub(super) struct Totals {
    series: BTreeMap<Key, Total>,
    /// The time of the newest second; each is later than the one before.
    pub(super) at_ms: u64,
}

/// A series and what it has come to.
#[derive(Debug, Clone)]
pub(super) struct Total {
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) is_part: bool,
    /// The start of the first second that had it.
    pub(super) since_ms: u64,
    /// The newest second is the first that had it.
    pub(super) is_new: bool,
    pub(super) value: Sum,
}

/// What a series has come to.
#[derive(Debug, Clone)]
pub(super) enum Sum {
    Counter(f64),
    Gauge(f64),
    Rate { passes: u64, total: u64 },
    Trend(Box<Distribution>),
}

/// A distribution so far, and that of the newest second.
#[derive(Debug, Clone)]
pub(super) struct Distribution {
    pub(super) all: Trend,
    pub(super) second: Option<Trend>,
    /// What there was in the second before.
    pub(super) had_second: bool,
    /// The slowest request whose trace is kept, since somebody has last read it.
    pub(super) unread: Option<Exemplar>,
}

impl Distribution {
    /// The slowest request of the newest second whose trace is kept.
    pub(super) fn newest(&self) -> Option<Exemplar> {
        self.second.as_ref()?.exemplar()
    }
}

impl Total {
    pub(super) fn family(&self) -> String {
        family(
            &self.metric,
            self.is_part,
            self.tags.iter().map(|(key, _)| key.as_str()),
        )
    }
}

impl Totals {
    /// Adds a second.
    pub(super) fn add(&mut self, interval: &Interval) {
        self.at_ms = end_ms(interval).max(self.at_ms + 1);
        for total in self.series.values_mut() {
            total.is_new = false;
            if let Sum::Trend(distribution) = &mut total.value {
                distribution.had_second = distribution.second.take().is_some();
            }
        }
        for row in rows(interval) {
            let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let tags: Vec<_> = row.tags.iter().map(own).collect();
            let key = (row.metric.to_owned(), row.is_part, tags);
            if let Some(total) = self.series.get_mut(&key) {
                total.value.add(&row.value);
                continue;
            }
            let tags = key.2.clone();
            self.series.insert(key, first(&row, tags, interval.at_ms));
        }
    }

    /// The slowest requests have been told.
    pub(super) fn read(&mut self) {
        for total in self.series.values_mut() {
            if let Sum::Trend(distribution) = &mut total.value {
                distribution.unread = None;
            }
        }
    }

    /// All series, those of a family behind each other.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Total> {
        self.series.values()
    }
}

fn first(row: &Row<'_>, tags: Vec<(String, String)>, since_ms: u64) -> Total {
    Total {
        metric: row.metric.to_owned(),
        unit: row.unit.to_owned(),
        tags,
        is_part: row.is_part,
        since_ms,
        is_new: true,
        value: match &row.value {
            Value::Counter(value) => Sum::Counter(*value),
            Value::Gauge(value) => Sum::Gauge(*value),
            Value::Rate { passes, total } => Sum::Rate {
                passes: *passes,
                total: *total,
            },
            Value::Trend(trend) => {
                let trend = trend.to_metrics();
                Sum::Trend(Box::new(Distribution {
                    all: trend.clone(),
                    unread: trend.exemplar(),
                    second: Some(trend),
                    had_second: false,
                }))
            }
        },
    }
}

impl Sum {
    fn add(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Counter(sum), Value::Counter(value)) => *sum += value,
            (Self::Gauge(newest), Value::Gauge(value)) => *newest = *value,
            (
                Self::Rate { passes, total },
                Value::Rate {
                    passes: more,
                    total: of,
                },
            ) => {
                *passes += more;
                *total += of;
            }
            (Self::Trend(distribution), Value::Trend(trend)) => {
                let trend = trend.to_metrics();
                distribution.all.merge(&trend);
                let slowest = [distribution.unread, trend.exemplar()].into_iter().flatten();
                distribution.unread = slowest.reduce(Exemplar::slower);
                distribution.second = Some(trend);
            }
            // The registry lets a metric be of one kind only.
            _ => {}
        }
    }
}

/// Middles of the buckets of a distribution in its unit, and their counts.
#[expect(clippy::cast_precision_loss, reason = "middles have 11 significant bits")]
pub(super) fn spread<'a>(trend: &'a Trend, unit: &str) -> impl Iterator<Item = (f64, u64)> + 'a {
    let per = buckets::units_per(unit);
    trend
        .buckets()
        .map(move |(index, count)| (buckets::middle(index) as f64 / per, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::row::samples::interval;

    #[test]
    fn seconds_add_up_and_the_newest_is_at_hand() {
        let mut totals = Totals::default();
        totals.add(&interval(0));
        let first = totals.at_ms;
        assert!(totals.iter().all(|total| total.is_new));
        totals.add(&interval(1));
        // A last part of a second that ends when the one before did is still later.
        let mut late = interval(1);
        late.series.clear();
        totals.add(&late);
        assert_eq!(totals.at_ms, first + 1_001);
        assert!(
            totals
                .iter()
                .all(|total| !total.is_new && total.since_ms + 1_000 == first)
        );
        let find = |family: &str| totals.iter().find(|total| total.family() == family).unwrap();
        assert!(matches!(find("http_reqs").value, Sum::Counter(20.0)));
        assert!(matches!(
            find("http_req_failed").value,
            Sum::Rate { passes: 2, total: 20 }
        ));
        assert!(matches!(find("vus").value, Sum::Gauge(3.0)));
        let Sum::Trend(trend) = &find("http_req_duration_by_name").value else {
            panic!()
        };
        assert_eq!(
            (trend.all.count(), trend.second.is_some(), trend.had_second),
            (20, false, true)
        );
        let spread: Vec<_> = spread(&trend.all, "ms").collect();
        assert_eq!(spread.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 16, 2]);
        assert!(
            (spread[1].0 - 1.5).abs() < 0.002 && (spread[2].0 - 1000.0).abs() < 1.0,
            "{spread:?}"
        );
    }
}
