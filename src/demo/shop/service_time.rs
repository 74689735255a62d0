//! How long the shop takes to answer: one log-normal per operation, drawn by request number. No clock, no waiting.
//!
//! Log-normal, because a service time is the product of many small influences, is never negative and has its tail on
//! the right; and because two quantiles determine it: μ = ln p50, σ = ln(p95 / p50) / z₉₅ with z₉₅ = 1.6449, the 95th
//! percentile of the standard normal. The quantiles are the centres of the bands that the first team measured
//! (orders p50 15–18 and p95 22–30 ms, stock 14–17 and 21–26, customers 16–18 and 22–32, an order's status about 1).

use std::time::Duration;

use rand_distr::{Distribution, LogNormal};

use super::operation::Operation;
use crate::demo::dice;

/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_627;

/// Median and 95th percentile in milliseconds.
fn profile(operation: Operation) -> (f64, f64) {
    match operation {
        Operation::CreateOrder => (16.5, 25.5),
        Operation::ReserveStock | Operation::ReplenishStock => (15.5, 23.5),
        Operation::CreateCustomer | Operation::CreateProduct => (17.0, 26.0),
        Operation::SimilarProducts => (6.0, 11.0),
        Operation::GetCustomer | Operation::GetProduct | Operation::GetOrder => (0.9, 1.5),
    }
}

/// The shop's service times under one seed.
#[derive(Debug)]
pub(super) struct ServiceTimes {
    seed: u64,
    profiles: [LogNormal<f64>; Operation::ALL.len()],
}

impl ServiceTimes {
    pub(super) fn new(seed: u64) -> Self {
        let profiles = Operation::ALL.map(|operation| {
            let (p50, p95) = profile(operation);
            LogNormal::new(p50.ln(), (p95 / p50).ln() / Z95).expect("the profiles are constants with p95 above p50")
        });
        Self { seed, profiles }
    }

    /// The service time of request `number` of an operation.
    pub(super) fn draw(&self, operation: Operation, number: u64) -> Duration {
        // Requests of different operations with one number must not be slow together, hence the purpose.
        let purpose = 0x0073_6572_7669_6365 ^ ((operation.index() as u64) << 56);
        let millis = self.profiles[operation.index()].sample(&mut dice::generator(self.seed, purpose, number));
        Duration::from_secs_f64(millis / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_millis(seed: u64, operation: Operation) -> Vec<f64> {
        let times = ServiceTimes::new(seed);
        let mut millis: Vec<f64> = (0..20_000)
            .map(|number| times.draw(operation, number).as_secs_f64() * 1e3)
            .collect();
        millis.sort_by(f64::total_cmp);
        millis
    }

    #[test]
    fn quantiles_lie_in_the_bands_that_the_first_team_measured() {
        // operation, p50 band, p95 band, all in ms
        let table = [
            (Operation::CreateOrder, 15.0..=18.0, 22.0..=30.0),
            (Operation::ReserveStock, 14.0..=17.0, 21.0..=26.0),
            (Operation::CreateCustomer, 16.0..=18.0, 22.0..=32.0),
            (Operation::GetOrder, 0.7..=1.1, 1.2..=1.8),
        ];
        for (operation, p50, p95) in table {
            for seed in [1, 2, 99] {
                let millis = sorted_millis(seed, operation);
                assert!(p50.contains(&millis[10_000]), "{operation:?} p50 {}", millis[10_000]);
                assert!(p95.contains(&millis[19_000]), "{operation:?} p95 {}", millis[19_000]);
            }
        }
    }

    #[test]
    fn every_profile_keeps_its_own_quantiles() {
        for operation in Operation::ALL {
            let (p50, p95) = profile(operation);
            let millis = sorted_millis(5, operation);
            // 20,000 draws estimate these quantiles to about one percent.
            assert!((millis[10_000] / p50 - 1.0).abs() < 0.03, "{operation:?}");
            assert!((millis[19_000] / p95 - 1.0).abs() < 0.03, "{operation:?}");
        }
    }

    #[test]
    fn a_seed_fixes_each_draw() {
        let (a, b, c) = (ServiceTimes::new(1), ServiceTimes::new(1), ServiceTimes::new(2));
        let draws = |times: &ServiceTimes| {
            (0..50)
                .map(|n| times.draw(Operation::CreateOrder, n))
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(&a), draws(&b));
        assert_ne!(draws(&a), draws(&c));
        assert_ne!(
            a.draw(Operation::ReserveStock, 3),
            a.draw(Operation::ReplenishStock, 3),
            "one number of two operations"
        );
    }
}
