//! Randomness that depends on numbers alone: the same seed, purpose and count give the same draw, in whatever order
//! requests arrive. No generator state is shared, so there is nothing to lock.

use rand_pcg::Pcg64Mcg;

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draw number `n` for a purpose, uniform in [0, 1).
pub(super) fn unit(seed: u64, purpose: u64, n: u64) -> f64 {
    // 53 bits are what a double holds exactly.
    (hash(seed, purpose, n) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A generator for draw number `n` of a purpose, for distributions that consume several words.
pub(super) fn generator(seed: u64, purpose: u64, n: u64) -> Pcg64Mcg {
    let high = hash(seed, purpose, n);
    Pcg64Mcg::new((u128::from(high) << 64) | u128::from(mix(high)))
}

fn hash(seed: u64, purpose: u64, n: u64) -> u64 {
    mix(seed ^ mix(purpose ^ mix(n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_and_repeatable() {
        let draws: Vec<f64> = (0..20_000).map(|n| unit(7, 3, n)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        // The standard error of the mean of 20,000 uniform draws is 0.002.
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let below = draws.iter().filter(|draw| **draw < 0.1).count();
        assert!((1_850..2_150).contains(&below), "{below}");
        assert_eq!(draws[17], unit(7, 3, 17));
    }

    #[test]
    fn seed_purpose_and_number_all_matter() {
        let base = unit(1, 1, 1);
        for other in [unit(2, 1, 1), unit(1, 2, 1), unit(1, 1, 2)] {
            assert_ne!(base, other);
        }
    }
}
