//! Poisson arrivals against the statistics that they have to show, at fixed seeds.

use super::*;

/// `count` expected arrivals of a constant rate in one unit of time, as gaps over their mean.
fn gaps(seed: u64) -> Vec<f64> {
    let shape = spaced(constant(100.0, SECOND, 100 * SECOND), Spacing::Poisson);
    let at: Vec<f64> = shape
        .arrivals(seed, Stripe::WHOLE)
        .map(|arrival| arrival.at.as_secs_f64() * 100.0)
        .collect();
    std::iter::once(at[0])
        .chain(at.windows(2).map(|pair| pair[1] - pair[0]))
        .collect()
}

/// The p-value of the Kolmogorov–Smirnov test of `samples` against the distribution `cdf` (Press et al., Numerical
/// Recipes, 3rd ed., 14.3.3: the asymptotic series with Stephens' correction for finite n).
fn kolmogorov_smirnov(mut samples: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let distance = samples.iter().enumerate().fold(0.0_f64, |distance, (k, sample)| {
        let (below, expected) = (k as f64 / n, cdf(*sample));
        distance.max(expected - below).max(below + 1.0 / n - expected)
    });
    let lambda = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * distance;
    let series = (1..=100).map(|j| {
        let j = f64::from(j);
        let sign = if j % 2.0 == 1.0 { 2.0 } else { -2.0 };
        sign * (-2.0 * j * j * lambda * lambda).exp()
    });
    series.sum::<f64>().clamp(0.0, 1.0)
}

#[test]
fn the_test_itself_tells_distributions_apart() {
    let even: Vec<f64> = (0..1_000).map(|k| (f64::from(k) + 0.5) / 1_000.0).collect();
    assert!(kolmogorov_smirnov(even.clone(), |x| x) > 0.99, "uniform is uniform");
    assert!(
        kolmogorov_smirnov(even, |x| 1.0 - (-x).exp()) < 1e-6,
        "and not exponential"
    );
    // λ = 1.3581 is the 5 % point of the distribution.
    let n: f64 = 10_000.0;
    let shift = 1.3581 / (n.sqrt() + 0.12 + 0.11 / n.sqrt()) - 0.5 / n;
    let shifted = (0..10_000).map(|k| (f64::from(k) + 0.5) / n).collect();
    let p = kolmogorov_smirnov(shifted, |x| (x + shift).min(1.0));
    assert!((p - 0.05).abs() < 0.001, "{p}");
}

#[test]
fn gaps_are_exponential() {
    for seed in 1..=5 {
        let gaps = gaps(seed);
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let variation = variance.sqrt() / mean;
        // Four standard errors of 10,000 gaps: 1/√n for the mean and for the coefficient of variation alike.
        assert!((mean - 1.0).abs() < 0.04, "seed {seed}: mean {mean}");
        assert!(
            (variation - 1.0).abs() < 0.04,
            "seed {seed}: coefficient of variation {variation}"
        );
        let p = kolmogorov_smirnov(gaps, |gap| 1.0 - (-gap).exp());
        assert!(p > 0.01, "seed {seed}: p = {p}");
    }
}

#[test]
fn gaps_are_independent() {
    // Neighbours are uncorrelated: four standard errors are 4/√n.
    for seed in 1..=5 {
        let gaps = gaps(seed);
        let n = gaps.len() as f64;
        let product = |pair: &[f64]| (pair[0] - 1.0) * (pair[1] - 1.0);
        let correlation = gaps.windows(2).map(product).sum::<f64>() / n;
        assert!(correlation.abs() < 0.04, "seed {seed}: {correlation}");
    }
}

#[test]
fn arrivals_on_a_ramp_are_as_dense_as_the_rate() {
    // 0 → 200/s in 100 s: given their number, arrivals are distributed as (t / 100)².
    for seed in 1..=5 {
        let shape = spaced(ramping(0.0, &[(100, 200.0)]), Spacing::Poisson);
        let at: Vec<f64> = shape
            .arrivals(seed, Stripe::WHOLE)
            .map(|a| a.at.as_secs_f64() / 100.0)
            .collect();
        assert!(
            (at.len() as f64 - 10_000.0).abs() < 400.0,
            "four standard deviations: {}",
            at.len()
        );
        let p = kolmogorov_smirnov(at, |t| t * t);
        assert!(p > 0.01, "seed {seed}: p = {p}");
    }
}

#[test]
fn the_seed_decides() {
    let shape = spaced(constant(100.0, SECOND, SECOND), Spacing::Poisson);
    let times = |seed| shape.arrivals(seed, Stripe::WHOLE).collect::<Vec<_>>();
    assert_eq!(times(7), times(7));
    assert_ne!(times(7), times(8));
    assert!(shape.is_random());
    assert_eq!(shape.planned(), 100, "on average");
}

#[test]
fn a_day_of_random_arrivals_keeps_its_rate() {
    let shape = spaced(constant(100.0, SECOND, DAY), Spacing::Poisson);
    let count = shape.arrivals(3, Stripe::WHOLE).count() as f64;
    let expected = 8_640_000.0_f64;
    assert!((count - expected).abs() < 4.0 * expected.sqrt(), "{count}");
}
