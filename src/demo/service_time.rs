//! How long a system takes to answer: one log-normal per operation, drawn by request number. No clock, no waiting.
//!
//! Log-normal, because a service time is the product of many small influences, is never negative and has its tail on
//! the right; and because two quantiles determine it: μ = ln p50, σ = ln(p95 / p50) / z₉₅ with z₉₅ = 1.6449, the 95th
//! percentile of the standard normal.

use std::time::Duration;

use rand_distr::{Distribution, LogNormal};

use super::dice;

/// The 95th percentile of the standard normal distribution.
const Z95: f64 = 1.644_853_627;

/// A system's service times under one seed.
#[derive(Debug)]
pub(super) struct ServiceTimes {
    seed: u64,
    profiles: Vec<LogNormal<f64>>,
}

impl ServiceTimes {
    /// From the median and the 95th percentile of each operation, in milliseconds, which are constants with p95 above p50.
    pub(super) fn new(seed: u64, profiles: &[(f64, f64)]) -> Self {
        let log_normal = |(p50, p95): &(f64, f64)| {
            LogNormal::new(p50.ln(), (p95 / p50).ln() / Z95).expect("the profiles are constants with p95 above p50")
        };
        Self {
            seed,
            profiles: profiles.iter().map(log_normal).collect(),
        }
    }

    /// The service time of request `number` of the operation at that position.
    pub(super) fn draw(&self, operation: usize, number: u64) -> Duration {
        // Requests of different operations with one number must not be slow together, hence the purpose.
        let purpose = 0x0073_6572_7669_6365 ^ ((operation as u64) << 56);
        let millis = self.profiles[operation].sample(&mut dice::generator(self.seed, purpose, number));
        Duration::from_secs_f64(millis / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_keeps_its_own_quantiles() {
        let profiles = [(16.5, 25.5), (0.9, 1.5), (6.0, 11.0)];
        let times = ServiceTimes::new(5, &profiles);
        for (operation, (p50, p95)) in profiles.into_iter().enumerate() {
            let mut millis: Vec<f64> = (0..20_000)
                .map(|number| times.draw(operation, number).as_secs_f64() * 1e3)
                .collect();
            millis.sort_by(f64::total_cmp);
            // 20,000 draws estimate these quantiles to about one percent.
            assert!((millis[10_000] / p50 - 1.0).abs() < 0.03, "{operation}");
            assert!((millis[19_000] / p95 - 1.0).abs() < 0.03, "{operation}");
        }
    }

    #[test]
    fn a_seed_fixes_each_draw() {
        let times = |seed| ServiceTimes::new(seed, &[(10.0, 20.0), (10.0, 20.0)]);
        let draws = |times: &ServiceTimes| (0..50).map(|n| times.draw(0, n)).collect::<Vec<_>>();
        assert_eq!(draws(&times(1)), draws(&times(1)));
        assert_ne!(draws(&times(1)), draws(&times(2)));
        assert_ne!(times(1).draw(0, 3), times(1).draw(1, 3), "one number of two operations");
    }
}
