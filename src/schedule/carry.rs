//! What one shape leaves to the next: the rest of the gap before the arrival that is due next. When that is due is `leg`'s.

use super::rational;

/// A part of a gap between two arrivals, `left` of which `unit` are a whole one; more than one where gaps are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carry {
    pub(super) left: u128,
    pub(super) unit: u128,
}

impl Carry {
    /// The same where a whole gap is `unit`, rounded down.
    pub(super) fn of(self, unit: u128) -> u128 {
        let common = rational::gcd(self.unit, unit);
        match self.left.checked_mul(unit / common) {
            Some(product) => product / (self.unit / common),
            // Units that have next to nothing in common: 53 bits of a gap are finer than a nanosecond of any plan.
            None => (self.left as f64 / self.unit as f64 * unit as f64) as u128,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_gap_are_the_same_in_other_units() {
        let wide = 1_u128 << 100;
        // (left, unit, other unit, the same)
        let table = [
            (0, 5, 7, 0),
            (1, 2, 2_000_000_000, 1_000_000_000),
            (2, 3, 9, 6),
            (1, 3, 2, 0),
            (7, 2, 4, 14),
            (wide / 4, wide, 3 * wide, 3 * wide / 4),
        ];
        for (left, unit, other, same) in table {
            assert_eq!(Carry { left, unit }.of(other), same, "{left} of {unit} in {other}");
        }
        // Too wide for exact arithmetic.
        let (unit, other) = ((1 << 105) - 1, (1 << 104) - 3);
        let half = Carry { left: unit / 2, unit }.of(other);
        assert!(half.abs_diff(other / 2) < 1 << 54, "{half}");
    }
}
