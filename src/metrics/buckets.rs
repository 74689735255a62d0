//! The buckets of distributions: how a value becomes the number of a bucket, and a number the values in it. Who counts what
//! falls into them is in `trend_recorder`.
//!
//! A value becomes whole *units*, of which a millisecond has 10,000 and anything else 1,000,000 for each 1. Below 2048
//! units a bucket is one unit wide, and twice as wide from each power of two on, as in an HDR histogram with 3
//! significant digits (Tene, <https://hdrhistogram.github.io/HdrHistogram/>): a bucket is at most 1/1024 of its value
//! wide, and its middle at most 0.05 % away.

use std::ops::Range;

use super::registry::Unit;
use super::trend::Scale;

/// How many buckets one doubling of the value has; below twice as many units each has its own.
pub const DOUBLING: u32 = 1024;

/// How many units there are for each 1 of a metric measured in `unit` (see [`Unit::name`]).
#[must_use]
pub fn units_per(unit: &str) -> f64 {
    Scale::of(&Unit::parse(unit)).per_value()
}

/// The number of the bucket that units fall into: units that differ only behind their leading 11 bits share one.
#[must_use]
pub fn index(units: u64) -> u32 {
    let behind = (units | 1).ilog2().saturating_sub(10);
    // At most 2047, and that 1024 times 53.
    #[expect(clippy::cast_possible_truncation, reason = "the leading 11 bits")]
    let leading = (units >> behind) as u32;
    (behind << 10) + leading
}

/// The lowest units of a bucket, and those of the next.
#[must_use]
pub fn bounds(index: u32) -> Range<u64> {
    let (leading, behind) = parts(index);
    let low = leading << behind;
    low..low.saturating_add(1 << behind)
}

/// The middle of a bucket, in units.
#[must_use]
pub fn middle(index: u32) -> u64 {
    let (leading, behind) = parts(index);
    (leading << behind) + ((1 << behind) >> 1)
}

/// What a bucket's units have in common, and how many bits they have behind that. Numbers beyond the last bucket, which
/// only a broken file has, are the last.
fn parts(index: u32) -> (u64, u32) {
    let behind = (index >> 10).saturating_sub(1).min(53);
    let leading = u64::from(index - (behind << 10)).min(2047);
    (leading, behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn buckets_are_those_of_an_hdr_histogram(units in 0..=1_000_000_000_000_000_000_u64, shift in 0..60) {
            let units = units >> shift;
            let mut histogram = Histogram::<u32>::new(3).unwrap();
            histogram.auto(true);
            histogram.record(units).unwrap();
            let index = index(units);
            prop_assert_eq!(middle(index), histogram.median_equivalent(units));
            prop_assert_eq!(bounds(index).start, histogram.lowest_equivalent(units));
            prop_assert_eq!(bounds(index).end - 1, histogram.highest_equivalent(units));
            prop_assert_eq!(super::index(middle(index)), index);
        }

        #[test]
        fn no_number_is_too_large(number in any::<u32>()) {
            prop_assert!(bounds(number).contains(&middle(number)));
        }
    }

    #[test]
    fn units_are_tenths_of_microseconds_or_millionths() {
        for (unit, per) in [("ms", 1e4), ("", 1e6), ("bytes", 1e6), ("USD", 1e6)] {
            assert_eq!(units_per(unit).to_bits(), f64::to_bits(per), "{unit}");
        }
    }
}
