//! A shape as one version of a script has it. Which one holds when is `course`'s.

use super::Shape;

/// A shape, and what its segments are numbered in a run in which they may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Edition {
    /// The shape.
    pub shape: Shape,
    /// For each of its segments the number that arrivals carry; those beyond keep their own.
    pub segments: Vec<u32>,
}

impl Edition {
    /// A shape whose segments keep their numbers.
    #[must_use]
    pub fn plain(shape: Shape) -> Self {
        Self {
            shape,
            segments: Vec::new(),
        }
    }

    pub(super) fn segment(&self, segment: u32) -> u32 {
        let known = usize::try_from(segment).ok().and_then(|index| self.segments.get(index));
        known.copied().unwrap_or(segment)
    }
}
