//! The arrivals of shapes that follow one another: each holds from a time of the schedule's own on, as if it had been there
//! from the start, until the next one does. When that is on the clock, and who says so, is `steered`'s.
//!
//! Numbers continue from leg to leg. Of a gap that has begun in one leg the rest is waited for in the next, at its rate:
//! nothing comes twice, nothing is caught up on. Where a leg begins among the arrivals of its shape follows from areas and
//! by bisection, never by walking them; only random gaps are drawn one by one, once.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use super::bunch::Bunched;
use super::carry::Carry;
use super::curve::Curve;
use super::even::Even;
use super::numbered::{Cut, Numbered, Range};
use super::poisson::{Pending, Poisson};
use super::shape::{Form, Shape, Spacing};
use super::{Arrival, Edition, Stripe};

/// How far apart the first and the last arrival of a hand are that is dealt to one stripe: some steps of the timer grid, so
/// that arrivals that could share a wake-up have one owner. Two stripes then wake hardly more often than one does: dealt out
/// one by one, each would wake for its half of every step (10,000/s on two: 1.3 times the CPU time of one).
const HAND: Duration = Duration::from_micros(3_200);
/// The most arrivals of a hand, which one stripe has to begin while the others idle: with more, those at its end are late
/// although there is time for all (60,000/s of 25 µs each on two: 0.7 ms late in the middle with 96 of them, 0.35 with 32).
const LARGEST_HAND: u64 = 32;

/// A shape that holds from `since` on, in the schedule's own time, half-open.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) since: Duration,
    pub(super) edition: Arc<Edition>,
    /// Instead of the shape's, where it has one.
    pub(super) rate: Option<f64>,
}

impl PartialEq for Leg {
    fn eq(&self, other: &Self) -> bool {
        self.since == other.since && self.is_as(other)
    }
}

impl Leg {
    /// Whether it is the same schedule as `other`, whenever each begins.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.edition, &other.edition) || self.edition == other.edition;
        same && self.rate == other.rate
    }

    /// When it ends unless another follows: not before it began.
    pub(super) fn end(&self) -> Duration {
        self.edition.shape.duration().max(self.since)
    }

    /// Its arrivals before `until`, given what is left of a gap that has begun.
    fn track(&self, until: Option<Duration>, carry: Option<Carry>) -> Track {
        let rated = self.rate.and_then(|rate| self.edition.shape.at_rate(rate));
        let shape: &Shape = rated.as_ref().unwrap_or(&self.edition.shape);
        let hand = hand(shape);
        let path = Self::path(shape, (self.since, until), carry);
        Track { path, hand }
    }

    fn path(shape: &Shape, range: Range, carry: Option<Carry>) -> Path {
        match shape.form() {
            Form::Waves(waves) => Path::Numbered(Box::new(Cut::new(waves, range))),
            Form::Replay(replay) => Path::Numbered(Box::new(Cut::new(replay, range))),
            Form::Rate {
                time_unit,
                segments,
                spacing,
            } => {
                let curve = Curve::new(time_unit, segments);
                match spacing {
                    Spacing::Constant => Path::Numbered(Box::new(Even::new(curve, range, carry))),
                    Spacing::Poisson => Path::Random(Poisson::new(curve, range)),
                    Spacing::Burst => Path::Numbered(Box::new(Cut::new(Bunched { curve, time_unit }, range))),
                }
            }
        }
    }
}

/// How many consecutive arrivals of a shape one stripe has before the next one has its turn: more than one where they come
/// close to each other.
pub(super) fn hand(shape: &Shape) -> u64 {
    // What is due at once is spread as evenly as it can be.
    let rate = if shape.at_once().is_some() {
        None
    } else {
        shape.peak_rate()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that a rate gives; casting saturates"
    )]
    let hand = rate.map_or(1, |rate| (rate * HAND.as_secs_f64()) as u64);
    hand.clamp(1, LARGEST_HAND)
}

/// The arrivals of one leg, and how they are dealt out.
struct Track {
    path: Path,
    hand: u64,
}

enum Path {
    Numbered(Box<dyn Numbered>),
    Random(Poisson),
}

/// Where a walk stands. Copied with each arrival that is taken, so that what comes after it can be made anew.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    leg: usize,
    /// The number of the leg's first arrival.
    first: u64,
    /// What is left of the gap before it.
    carry: Option<Carry>,
    /// Where random gaps come from.
    gaps: Pcg64Mcg,
    /// In a random leg: the arrival that was drawn last.
    pending: Option<Pending>,
}

/// Walks the arrivals of one stripe, in the schedule's own time.
pub(super) struct Walk {
    legs: Vec<Leg>,
    stripe: Stripe,
    cursor: Cursor,
    track: Option<Track>,
    /// The stripe's next arrival has no smaller number than this.
    from: u64,
}

impl Walk {
    pub(super) fn new(legs: Vec<Leg>, seed: u64, stripe: Stripe) -> Self {
        let cursor = Cursor {
            leg: 0,
            first: 0,
            carry: None,
            gaps: Pcg64Mcg::seed_from_u64(seed),
            pending: None,
        };
        Self {
            legs,
            stripe,
            cursor,
            track: None,
            from: 0,
        }
    }

    pub(super) fn legs(&self) -> &[Leg] {
        &self.legs
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.cursor.clone()
    }

    /// Goes on from `cursor` with the stripe's first arrival that is not before number `from`, by other legs from some later
    /// time on.
    pub(super) fn resume(&mut self, legs: Vec<Leg>, cursor: Cursor, from: u64) {
        self.legs = legs;
        self.cursor = cursor;
        self.track = None;
        self.from = from;
    }

    /// Moves on to the next leg, whose first arrival is number `first`; false when there is none.
    fn turn(&mut self, first: u64, carry: Option<Carry>) -> bool {
        let more = self.cursor.leg + 1 < self.legs.len();
        if more {
            self.cursor.leg += 1;
            self.cursor.first = first;
            self.cursor.carry = carry;
            self.cursor.pending = None;
            self.track = None;
            // Others may have been dealt the arrivals before it in other hands.
            self.from = first;
        }
        more
    }
}

impl Iterator for Walk {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let leg = self.legs.get(self.cursor.leg)?;
            let until = self.legs.get(self.cursor.leg + 1).map(|next| next.since);
            let cursor = &mut self.cursor;
            let track = self.track.get_or_insert_with(|| leg.track(until, cursor.carry));
            let number = self.stripe.dealt(self.from, track.hand);
            let found = match &track.path {
                Path::Numbered(numbered) => {
                    let total = numbered.total();
                    let index = number.saturating_sub(cursor.first);
                    let found = (index < total).then(|| numbered.at(index));
                    found.ok_or_else(|| (cursor.first.saturating_add(total), numbered.rest()))
                }
                Path::Random(poisson) => {
                    let fresh = (cursor.first, cursor.carry);
                    let mut pending = cursor
                        .pending
                        .unwrap_or_else(|| Pending::first(fresh, &mut cursor.gaps));
                    let found = poisson.seek(number, &mut pending, &mut cursor.gaps);
                    cursor.pending = Some(pending);
                    found.ok_or_else(|| (pending.number, Some(poisson.rest(&pending))))
                }
            };
            match found {
                Ok((at, segment)) => {
                    let segment = leg.edition.segment(segment);
                    self.from = number.saturating_add(1);
                    return Some(Arrival { number, at, segment });
                }
                Err((first, carry)) if self.turn(first, carry) => {}
                Err(_) => return None,
            }
        }
    }
}
