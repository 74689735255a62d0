//! Which load comes next, given what has been found so far: levels in their order, a grid row by row, or doubling and then
//! bisecting. Pure; it assumes that what holds a load holds every lower one.

use crate::plan::probe::Level;
use crate::results::Axis;

/// What a probe loads the system with.
pub type Cell = Vec<Level>;

/// Which loads are looked at, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// The first levels of all names together, then the second ones, to the first that is not held.
    Levels(Vec<Axis>),
    /// Every level of each name with every one of the others: rows of the first-named, the last-named outermost. What is
    /// not held ends its row.
    Grid(Vec<Axis>),
    /// Doubled from the low end to the first that is not held, then bisected.
    Search(Range),
}

/// Where to search for the highest load that is held.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// Whose level it is.
    pub name: String,
    /// The first that is probed.
    pub low: f64,
    /// The highest that is probed.
    pub high: f64,
    /// How wide the bracket may be at the end, as a share of its low end.
    pub tolerance: f64,
    /// Whether only whole numbers can be.
    pub whole: bool,
}

/// A load that has been decided on.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruled {
    /// The load.
    pub cell: Cell,
    /// Whether the system holds it.
    pub held: bool,
    /// Whether that is for good: a search confirms what broke only where the limit turns out to be.
    pub sure: bool,
}

impl Strategy {
    /// The next load to look at after those that were decided on, in their order; `None` when there is none.
    #[must_use]
    pub fn next(&self, ruled: &[Ruled]) -> Option<Cell> {
        match self {
            Self::Levels(axes) => {
                let broke = ruled.iter().any(|ruled| !ruled.held);
                let is_level = !broke && axes.iter().all(|axis| ruled.len() < axis.values.len());
                is_level.then(|| axes.iter().map(|axis| at(axis, ruled.len())).collect())
            }
            Self::Grid(axes) => next_of_grid(axes, ruled),
            Self::Search(range) => range.next(ruled).map(|value| vec![level(&range.name, value)]),
        }
    }

    /// The most loads that there can be to look at; `None` when that depends on the system.
    #[must_use]
    pub fn most(&self) -> Option<usize> {
        match self {
            Self::Levels(axes) => axes.first().map(|axis| axis.values.len()),
            Self::Grid(axes) => Some(axes.iter().map(|axis| axis.values.len()).product()),
            Self::Search(_) => None,
        }
    }

    /// The names whose levels are searched, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Levels(axes) | Self::Grid(axes) => axes.iter().map(|axis| axis.name.clone()).collect(),
            Self::Search(range) => vec![range.name.clone()],
        }
    }
}

fn level(name: &str, value: f64) -> Level {
    Level {
        name: name.to_owned(),
        value,
    }
}

fn at(axis: &Axis, index: usize) -> Level {
    level(&axis.name, axis.values[index])
}

/// Walks the rows as far as they have been decided on. A row whose first load was not held says that all rows that are
/// higher in every other name cannot be held either: they are passed over.
fn next_of_grid(axes: &[Axis], ruled: &[Ruled]) -> Option<Cell> {
    let (inner, outer) = axes.split_first()?;
    let mut ruled = ruled.iter();
    let mut hopeless: Vec<Vec<usize>> = Vec::new();
    for row in rows(outer) {
        let is_above = |low: &Vec<usize>| low.iter().zip(&row).all(|(low, own)| low <= own);
        if hopeless.iter().any(is_above) {
            continue;
        }
        for index in 0..inner.values.len() {
            let Some(known) = ruled.next() else {
                let others = outer.iter().zip(&row).map(|(axis, index)| at(axis, *index));
                return Some(std::iter::once(at(inner, index)).chain(others).collect());
            };
            if !known.held {
                if index == 0 {
                    hopeless.push(row.clone());
                }
                break;
            }
        }
    }
    None
}

/// All choices of one index for each axis, the last axis changing slowest.
fn rows(axes: &[Axis]) -> Vec<Vec<usize>> {
    axes.iter().fold(vec![Vec::new()], |rows, axis| {
        let indices = 0..axis.values.len();
        let extend = |index: usize| rows.iter().map(move |row| row.iter().copied().chain([index]).collect());
        indices.flat_map(extend).collect()
    })
}

impl Range {
    /// The highest level that was held and the lowest that was not.
    #[must_use]
    pub fn bracket(&self, ruled: &[Ruled]) -> (Option<f64>, Option<f64>) {
        let values = |held: bool| {
            let those = ruled.iter().filter(move |ruled| ruled.held == held);
            those.filter_map(|ruled| ruled.cell.first().map(|level| level.value))
        };
        (values(true).reduce(f64::max), values(false).reduce(f64::min))
    }

    fn next(&self, ruled: &[Ruled]) -> Option<f64> {
        let (held, broke) = self.bracket(ruled);
        match (held, broke) {
            (None, None) => Some(self.low),
            (None, Some(broke)) => confirmation(ruled, broke),
            (Some(held), None) => (held < self.high).then(|| (2.0 * held).min(self.high)),
            (Some(held), Some(broke)) => self.between(held, broke).or_else(|| confirmation(ruled, broke)),
        }
    }

    /// A level near the middle; `None` when the bracket is narrow enough. Levels are round numbers, which cost up to a
    /// quarter of the way: a step leaves at most 5/8 of the bracket.
    fn between(&self, low: f64, high: f64) -> Option<f64> {
        let width = high - low;
        let is_narrow = width <= self.tolerance * low || (self.whole && width <= 1.0);
        if is_narrow {
            return None;
        }
        let middle = low + width / 2.0;
        let middle = if self.whole && width < 8.0 {
            middle.floor()
        } else {
            round(middle, (width / 4.0).log10().floor())
        };
        (low < middle && middle < high).then_some(middle)
    }
}

/// The lowest level that broke, if it may have been by chance.
fn confirmation(ruled: &[Ruled], broke: f64) -> Option<f64> {
    let mut unsure = ruled.iter().filter(|ruled| !ruled.held && !ruled.sure);
    unsure
        .any(|ruled| ruled.cell.iter().all(|level| level.value <= broke))
        .then_some(broke)
}

/// To the nearest multiple of a power of ten, as exact as a double is.
fn round(value: f64, power: f64) -> f64 {
    if power >= 0.0 {
        let grain = 10_f64.powf(power);
        (value / grain).round() * grain
    } else {
        let grains = 10_f64.powf(-power);
        (value * grains).round() / grains
    }
}
