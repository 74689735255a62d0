//! What a system itself knows about its service times: exact to the microsecond, so that a load generator can be
//! checked against it. Approximate, mergeable histograms are elsewhere (`front`, and kingtide's own metrics).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Values below this many microseconds are counted in one slot each; the few above are kept one by one.
const SLOTS: usize = 1 << 18;

#[derive(Debug, Default)]
struct Exact {
    count: u64,
    sum_us: u64,
    /// Allocated with the first value: an operation that nobody calls costs nothing.
    slots: Vec<u32>,
    above: Vec<u32>,
    by_status: BTreeMap<u16, u64>,
}

impl Exact {
    fn record(&mut self, status: u16, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
        }
        match self.slots.get_mut(micros as usize) {
            Some(slot) => *slot += 1,
            None => self.above.push(micros),
        }
        self.count += 1;
        self.sum_us += u64::from(micros);
        *self.by_status.entry(status).or_default() += 1;
    }

    /// Nearest rank: the smallest value such that at least the share `q` of all values is not larger.
    fn quantile_us(&self, above_sorted: &[u32], q: f64) -> u64 {
        let rank = ((q * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (micros, count) in self.slots.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return micros as u64;
            }
        }
        let index = usize::try_from(rank - seen - 1).unwrap_or(usize::MAX);
        above_sorted.get(index).copied().map_or(0, u64::from)
    }

    fn report(&self) -> Value {
        let mut above = self.above.clone();
        above.sort_unstable();
        let millis = |q| self.quantile_us(&above, q) as f64 / 1e3;
        json!({
            "count": self.count,
            "mean": self.sum_us as f64 / self.count.max(1) as f64 / 1e3,
            "p50": millis(0.50),
            "p90": millis(0.90),
            "p95": millis(0.95),
            "p99": millis(0.99),
            "p99.9": millis(0.999),
            "max": millis(1.0),
            "byStatus": self.by_status.iter().map(|(status, n)| (status.to_string(), *n)).collect::<BTreeMap<_, _>>(),
        })
    }
}

/// Exact service times of all operations, in milliseconds when reported.
#[derive(Debug)]
pub(super) struct Stats {
    operations: Vec<(&'static str, Mutex<Exact>)>,
}

impl Stats {
    /// For operations of these names, which are addressed by their position.
    pub(super) fn new(names: &[&'static str]) -> Self {
        Self {
            operations: names.iter().map(|name| (*name, Mutex::default())).collect(),
        }
    }

    pub(super) fn record(&self, operation: usize, status: u16, time: Duration) {
        lock(&self.operations[operation].1).record(status, time);
    }

    /// Forgets everything, for a measurement after a warm-up.
    pub(super) fn reset(&self) {
        for (_, exact) in &self.operations {
            *lock(exact) = Exact::default();
        }
    }

    /// One object per operation that was called, under its name.
    pub(super) fn report(&self) -> Value {
        self.operations
            .iter()
            .filter_map(|(name, exact)| {
                let exact = lock(exact);
                (exact.count > 0).then(|| ((*name).to_owned(), exact.report()))
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

fn lock(exact: &Mutex<Exact>) -> MutexGuard<'_, Exact> {
    exact.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reports_nearest_ranks_in_milliseconds() {
        let stats = Stats::new(&["GET /api/orders/{id}", "POST /api/orders"]);
        for millis in 1..=100 {
            stats.record(0, 200, Duration::from_millis(millis));
        }
        stats.record(1, 400, Duration::from_millis(3_000));
        let report = stats.report();
        let order = &report["GET /api/orders/{id}"];
        // value, by hand: rank = ceil(q * 100)
        for (key, millis) in [
            ("p50", 50.0),
            ("p90", 90.0),
            ("p95", 95.0),
            ("p99", 99.0),
            ("p99.9", 100.0),
        ] {
            assert_eq!(order[key], json!(millis), "{key}");
        }
        assert_eq!(order["count"], json!(100));
        assert_eq!(order["mean"], json!(50.5));
        assert_eq!(order["byStatus"], json!({ "200": 100 }));
        assert_eq!(report["POST /api/orders"]["max"], json!(3_000.0), "beyond the slots");
        assert_eq!(report.as_object().unwrap().len(), 2, "only what was called");
        stats.reset();
        assert_eq!(stats.report(), json!({}));
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_list(
            mut micros in prop::collection::vec(0_u32..400_000, 1..200), q in 0.001_f64..=1.0
        ) {
            let mut exact = Exact::default();
            for value in &micros {
                exact.record(200, Duration::from_micros(u64::from(*value)));
            }
            micros.sort_unstable();
            let rank = (q * micros.len() as f64).ceil() as usize;
            let mut above = exact.above.clone();
            above.sort_unstable();
            prop_assert_eq!(exact.quantile_us(&above, q), u64::from(micros[rank - 1]));
        }
    }
}
