//! Which part of the load belongs to whom, as a pure function of numbers. No threads and no messages.

/// Part `index` of `of` equal parts: it owns every number that is `index` modulo `of`. Cores are stripes of a process.
/// Arrivals are dealt out in hands of several numbers, each of which has one owner in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stripe {
    /// Which part, from 0.
    pub index: u32,
    /// How many parts; at least 1.
    pub of: u32,
}

impl Stripe {
    /// The one stripe of load that is not split.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Whether this stripe owns arrival, VU or row `n`.
    #[must_use]
    pub fn owns(self, n: u64) -> bool {
        n % u64::from(self.of) == u64::from(self.index)
    }

    /// The first number of this stripe that is not below `from`, when numbers are dealt out in hands of `hand`.
    pub(super) fn dealt(self, from: u64, hand: u64) -> u64 {
        let of = u64::from(self.of);
        let turns = (u64::from(self.index) + of - (from / hand) % of) % of;
        if turns == 0 {
            return from;
        }
        (from / hand).saturating_add(turns).saturating_mul(hand)
    }

    /// How many of `0..total` this stripe owns.
    #[must_use]
    pub fn share(self, total: u64) -> u64 {
        let of = u64::from(self.of);
        total / of + u64::from(u64::from(self.index) < total % of)
    }

    /// The numbers below `total` that this stripe owns, in order.
    pub fn numbers(self, total: u64) -> impl Iterator<Item = u64> {
        (0..self.share(total)).map(move |turn| u64::from(self.index) + turn * u64::from(self.of))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_as_even_as_they_can_be() {
        // (total, of) -> shares by index
        let table: [(u64, u32, &[u64]); 6] = [
            (0, 1, &[0]),
            (7, 1, &[7]),
            (7, 2, &[4, 3]),
            (1, 3, &[1, 0, 0]),
            (9, 3, &[3, 3, 3]),
            (u64::MAX, 2, &[u64::MAX / 2 + 1, u64::MAX / 2]),
        ];
        for (total, of, expected) in table {
            let shares: Vec<_> = (0..of).map(|index| Stripe { index, of }.share(total)).collect();
            assert_eq!(shares, expected, "{total} over {of}");
        }
    }

    proptest! {
        #[test]
        fn every_arrival_is_dealt_to_exactly_one_stripe(from in 0_u64..5_000, hand in 1_u64..70, of in 1_u32..9) {
            let stripes: Vec<_> = (0..of).map(|index| Stripe { index, of }).collect();
            let owners = stripes.iter().filter(|stripe| stripe.dealt(from, hand) == from).count();
            prop_assert_eq!(owners, 1);
            for stripe in stripes {
                let next = stripe.dealt(from, hand);
                prop_assert!(next >= from && next <= from + hand * u64::from(of));
                prop_assert!((from..next).all(|number| stripe.dealt(number, hand) == next));
            }
        }

        #[test]
        fn every_number_has_exactly_one_owner_and_shares_count_them(total in 0_u64..500, of in 1_u32..20) {
            let stripes: Vec<_> = (0..of).map(|index| Stripe { index, of }).collect();
            for n in 0..total {
                prop_assert_eq!(stripes.iter().filter(|s| s.owns(n)).count(), 1);
            }
            for stripe in &stripes {
                let owned: Vec<_> = (0..total).filter(|&n| stripe.owns(n)).collect();
                prop_assert_eq!(stripe.numbers(total).collect::<Vec<_>>(), owned.clone());
                prop_assert_eq!(stripe.share(total), owned.len() as u64);
            }
            prop_assert_eq!(stripes.iter().map(|s| s.share(total)).sum::<u64>(), total);
        }
    }
}
