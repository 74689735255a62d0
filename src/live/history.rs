//! What has happened since the start, for pages that open late: within bounds, however long the run. How intervals are
//! merged is theirs to say; who is sent them is next door.
//!
//! The newest half hour is kept second by second. What is older is merged into steps of 2, 4, 8… seconds, so that there
//! are at most [`MAX_POINTS`] in all, and their texts at most [`MAX_BYTES`]; where intervals are so large that half an hour
//! of them is more than that, the newest part becomes shorter, down to a minute.

use std::collections::VecDeque;

use bytes::Bytes;

/// As many points as a page draws without effort.
const MAX_POINTS: usize = 3_600;

/// As much text as a page loads in a moment.
const MAX_BYTES: usize = 32 << 20;

/// Seconds that are kept one by one.
const NEWEST: usize = 1_800;

/// The fewest that stay so, whatever their size.
const FEWEST: usize = 60;

/// The longest step: an hour.
const LONGEST: u64 = 4_096;

/// Makes one interval of two that follow each other, as JSON; nothing when one of them is none.
pub(super) type Merge = fn(&[u8], &[u8]) -> Option<Bytes>;

/// An interval as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    /// Its first second.
    pub(super) first: u64,
    /// The second after its last.
    pub(super) end: u64,
    /// JSON on one line.
    pub(super) text: Bytes,
}

/// All points so far.
#[derive(Debug)]
pub(super) struct History {
    old: Row,
    new: Row,
    /// Seconds that an old point covers.
    step: u64,
    /// How many new ones there may be.
    keep: usize,
    max_points: usize,
    max_bytes: usize,
    merge: Merge,
}

#[derive(Debug, Default)]
struct Row {
    points: VecDeque<Point>,
    bytes: usize,
}

impl Row {
    fn push(&mut self, point: Point) {
        self.bytes += point.text.len();
        self.points.push_back(point);
    }

    fn shift(&mut self) -> Option<Point> {
        let point = self.points.pop_front()?;
        self.bytes -= point.text.len();
        Some(point)
    }

    /// The points that end after `second`, in order.
    fn after(&self, second: u64) -> impl Iterator<Item = &Point> {
        let from = self.points.partition_point(|point| point.end <= second);
        self.points.range(from..)
    }
}

impl History {
    pub(super) fn new(merge: Merge) -> Self {
        Self::within(merge, MAX_POINTS, NEWEST, MAX_BYTES)
    }

    fn within(merge: Merge, max_points: usize, keep: usize, max_bytes: usize) -> Self {
        Self {
            old: Row::default(),
            new: Row::default(),
            step: 1,
            keep,
            max_points,
            max_bytes,
            merge,
        }
    }

    /// The newest; its second comes after all others.
    pub(super) fn push(&mut self, point: Point) {
        self.new.push(point);
        self.age();
        while self.is_over() {
            if self.old.points.len() >= self.new.points.len() || self.keep <= FEWEST {
                if self.step >= LONGEST {
                    return;
                }
                self.step *= 2;
                let old = std::mem::take(&mut self.old);
                for point in old.points {
                    self.file(point);
                }
            } else {
                self.keep = (self.keep / 2).max(FEWEST);
                self.age();
            }
        }
    }

    /// The points that end after `second`, in order. One that has begun before it was merged from what a slow reader has
    /// seen in part.
    pub(super) fn after(&self, second: u64) -> impl Iterator<Item = &Point> {
        self.old.after(second).chain(self.new.after(second))
    }

    fn is_over(&self) -> bool {
        self.old.points.len() + self.new.points.len() > self.max_points
            || self.old.bytes + self.new.bytes > self.max_bytes
    }

    fn age(&mut self) {
        while self.new.points.len() > self.keep
            && let Some(point) = self.new.shift()
        {
            self.file(point);
        }
    }

    /// Puts a point behind the old ones, or into the last of them when both are of one step.
    fn file(&mut self, point: Point) {
        let last = self.old.points.back_mut();
        if let Some(last) = last.filter(|last| last.first / self.step == point.first / self.step)
            && let Some(text) = (self.merge)(&last.text, &point.text)
        {
            self.old.bytes = self.old.bytes - last.text.len() + text.len();
            last.end = point.end;
            last.text = text;
            return;
        }
        self.old.push(point);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts are sums here.
    fn add(a: &[u8], b: &[u8]) -> Option<Bytes> {
        Some((number(a) + number(b)).to_string().into())
    }

    fn number(text: &[u8]) -> u64 {
        std::str::from_utf8(text).unwrap().trim_start().parse().unwrap()
    }

    fn second(first: u64) -> Point {
        Point {
            first,
            end: first + 1,
            text: first.to_string().into(),
        }
    }

    fn spans(history: &History) -> Vec<(u64, u64)> {
        history.after(0).map(|point| (point.first, point.end)).collect()
    }

    #[test]
    fn the_newest_stay_seconds_and_the_old_become_longer() {
        let mut history = History::within(add, 8, 4, usize::MAX);
        (0..8).for_each(|first| history.push(second(first)));
        let seconds: Vec<_> = (0..8).map(|first| (first, first + 1)).collect();
        assert_eq!(spans(&history), seconds, "all of it while there is room");
        history.push(second(8));
        assert_eq!(
            spans(&history),
            [(0, 2), (2, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9)]
        );
        (9..18).for_each(|first| history.push(second(first)));
        assert_eq!(
            spans(&history),
            [
                (0, 4),
                (4, 8),
                (8, 12),
                (12, 14),
                (14, 15),
                (15, 16),
                (16, 17),
                (17, 18)
            ]
        );
    }

    #[test]
    fn a_reader_gets_what_it_has_not_seen() {
        let mut history = History::within(add, 8, 4, usize::MAX);
        (0..18).for_each(|first| history.push(second(first)));
        let after = |seen| history.after(seen).map(|point| point.first).collect::<Vec<_>>();
        assert_eq!(after(16), [16, 17]);
        assert_eq!(after(18), [0_u64; 0]);
        assert_eq!(
            after(9),
            [8, 12, 14, 15, 16, 17],
            "of which it has seen a part of the first"
        );
    }

    #[test]
    fn eight_hours_stay_within_the_bounds() {
        let mut history = History::new(add);
        for first in 0..8 * 3_600 {
            history.push(second(first));
            assert!(history.old.points.len() + history.new.points.len() <= MAX_POINTS);
        }
        assert_eq!(history.new.points.len(), NEWEST);
        assert_eq!(history.step, 16);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_twice(seconds in 1_u64..400, points in 6_usize..40, size in 1_usize..200) {
            // Each text is as large as `size`; the bytes are the narrower bound then.
            let mut history = History::within(add, points, points / 2, 70 * 40);
            for first in 0..seconds {
                let text = format!("{first:>size$}");
                history.push(Point { first, end: first + 1, text: text.into() });
            }
            let all: Vec<_> = history.after(0).cloned().collect();
            prop_assert_eq!(all.first().map(|point| point.first), Some(0));
            prop_assert_eq!(all.last().map(|point| point.end), Some(seconds));
            prop_assert!(all.windows(2).all(|pair| pair[0].end == pair[1].first));
            let sum: u64 = all.iter().map(|point| number(&point.text)).sum();
            prop_assert_eq!(sum, seconds * (seconds - 1) / 2);
            let bytes: usize = all.iter().map(|point| point.text.len()).sum();
            prop_assert_eq!(history.old.bytes + history.new.bytes, bytes);
            prop_assert!(all.len() <= points.max(2 * FEWEST));
        }
    }
}
