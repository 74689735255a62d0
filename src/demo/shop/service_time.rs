//! How long each of the shop's operations takes. The quantiles are the centres of the bands that the first team measured
//! (orders p50 15–18 and p95 22–30 ms, stock 14–17 and 21–26, customers 16–18 and 22–32, an order's status about 1). How
//! they are drawn is in [`crate::demo::service_time`].

use super::operation::Operation;
use crate::demo::service_time::ServiceTimes;

/// The shop's service times under one seed.
pub(super) fn service_times(seed: u64) -> ServiceTimes {
    ServiceTimes::new(seed, &Operation::ALL.map(profile))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted_millis(seed: u64, operation: Operation) -> Vec<f64> {
        let times = service_times(seed);
        let mut millis: Vec<f64> = (0..20_000)
            .map(|number| times.draw(operation.index(), number).as_secs_f64() * 1e3)
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
}
