//! Rates as the fractions that people meant: `0.1`, `2 / 3` and `333.25` are exact, so that no arrival slips in at the end
//! because a binary fraction was a hair too large. Not a number tower.

/// The largest denominator of one rate: finer fractions are rounded to it, an error below 10⁻¹⁸.
const MAX_DENOMINATOR: u64 = 1_000_000_000;
/// The largest common denominator of several.
const MAX_COMMON: u64 = 1 << 40;
/// The largest numerator: with spans below 2⁶⁴ ns the products of `curve` stay below 2¹²⁸.
const MAX_NUMERATOR: u64 = 1 << 62;
/// The highest rate per unit.
const MAX_RATE: f64 = 1e18;

/// `(numerators, denominator)` of rates over one denominator, the smallest common one. When that is too large, the
/// rates are rounded to billionths (or coarser, for rates above 10⁹).
pub(super) fn common(rates: &[f64]) -> (Vec<u64>, u64) {
    let fractions: Vec<_> = rates.iter().map(|rate| fraction(*rate)).collect();
    let exact = fractions.iter().try_fold(1_u64, |common, &(_, q)| lcm(common, q));
    if let Some(common) = exact.filter(|common| *common <= MAX_COMMON)
        && let Some(numerators) = fractions
            .iter()
            .map(|&(p, q)| p.checked_mul(common / q).filter(|p| *p <= MAX_NUMERATOR))
            .collect()
    {
        return (numerators, common);
    }
    let highest = rates.iter().copied().fold(1.0, f64::max).min(MAX_RATE);
    let common = (MAX_NUMERATOR as f64 / highest)
        .min(MAX_DENOMINATOR as f64)
        .floor()
        .max(1.0);
    let rounded = |rate: &f64| ((rate.clamp(0.0, MAX_RATE) * common).round() as u64).min(MAX_NUMERATOR);
    (rates.iter().map(rounded).collect(), common as u64)
}

/// `(p, q)`: the first convergent of the rate's continued fraction that is the same float; (0, 1) for a rate that is not
/// positive (or not a number). A positive rate below a billionth counts as that, one above 10¹⁸ is held there.
pub(super) fn fraction(rate: f64) -> (u64, u64) {
    if rate.is_nan() || rate <= 0.0 {
        return (0, 1);
    }
    let rate = rate.clamp(1.0 / MAX_DENOMINATOR as f64, MAX_RATE);
    let (mut dividend, mut divisor) = exact(rate);
    let (mut before, mut best) = ((0_u128, 1_u128), (1_u128, 0_u128));
    while divisor != 0 {
        let term = dividend / divisor;
        let p = term.saturating_mul(best.0).saturating_add(before.0);
        let q = term.saturating_mul(best.1).saturating_add(before.1);
        if p > u128::from(MAX_NUMERATOR) || q > u128::from(MAX_DENOMINATOR) {
            break;
        }
        (before, best) = (best, (p, q));
        if p as f64 / q as f64 == rate {
            break;
        }
        (dividend, divisor) = (divisor, dividend % divisor);
    }
    match best {
        (0, _) | (_, 0) => (1, MAX_DENOMINATOR),
        (p, q) => (p as u64, q as u64),
    }
}

/// The float between 10⁻⁹ and 10¹⁸ as the fraction of two integers that it is (IEEE 754: 53 bits of mantissa).
fn exact(value: f64) -> (u128, u128) {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = value.to_bits();
    let mantissa = u128::from(bits & ((1 << MANTISSA_BITS) - 1) | 1 << MANTISSA_BITS);
    let exponent = (bits >> MANTISSA_BITS) as i64 - 1_075;
    if exponent >= 0 {
        (mantissa << exponent, 1)
    } else {
        (mantissa, 1 << -exponent)
    }
}

fn lcm(a: u64, b: u64) -> Option<u64> {
    let common = gcd(u128::from(a), u128::from(b));
    u64::try_from(u128::from(a) / common * u128::from(b)).ok()
}

/// The greatest common divisor, by Euclid; of 0 and 0 it is 1, so that it can be divided by.
pub(super) fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_the_fractions_that_people_meant() {
        // (rate, p, q)
        let table = [
            (50.0, 50, 1),
            (0.1, 1, 10),
            (2.0 / 3.0, 2, 3),
            (333.25, 1_333, 4),
            (1.000_001, 1_000_001, 1_000_000),
            (1e-9, 1, 1_000_000_000),
            (f64::MIN_POSITIVE, 1, 1_000_000_000),
            (9_007_199_254_740_993.0, 9_007_199_254_740_992, 1),
            (f64::INFINITY, 1_000_000_000_000_000_000, 1),
            (0.0, 0, 1),
        ];
        for (rate, p, q) in table {
            assert_eq!(fraction(rate), (p, q), "{rate}");
        }
    }

    #[test]
    fn several_rates_share_the_smallest_denominator() {
        assert_eq!(common(&[10.0, 1_000.0, 0.0]), (vec![10, 1_000, 0], 1));
        assert_eq!(common(&[0.1, 1.0 / 3.0]), (vec![3, 10], 30));
        // sqrt(2) and sqrt(3) have none in reach: billionths.
        let (p, q) = common(&[2.0_f64.sqrt(), 3.0_f64.sqrt()]);
        assert_eq!((p, q), (vec![1_414_213_562, 1_732_050_808], 1_000_000_000));
        // A rate beyond all bounds leaves room for no fraction.
        assert_eq!(common(&[0.3, f64::INFINITY]), (vec![1, 4_000_000_000_000_000_000], 4));
    }

    proptest! {
        #[test]
        fn fractions_are_as_close_as_floats_get(rate in 1e-6..1e7_f64) {
            let (p, q) = fraction(rate);
            let error = (p as f64 / q as f64 - rate).abs();
            prop_assert!(error <= f64::max(rate * f64::EPSILON, 1e-17), "{p}/{q} for {rate}");
        }

        #[test]
        fn common_fractions_are_close(rates in proptest::collection::vec(0.0..1e7_f64, 1..6)) {
            let (p, q) = common(&rates);
            for (p, rate) in p.iter().zip(&rates) {
                let error = (*p as f64 / q as f64 - rate).abs();
                prop_assert!(error <= f64::max(rate * 2.0 * f64::EPSILON, 1e-9), "{p}/{q} for {rate}");
            }
        }
    }
}
