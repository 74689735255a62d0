//! A search while it goes on: probes are taken in, loads are decided on, and the next probe is named. Pure; what it says
//! follows from the probes alone, so that a search goes on from what was written down as if nothing had happened.

use super::strategy::{Cell, Range, Ruled, Strategy};
use crate::results::GeneratorVerdict;

/// What one probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grade {
    /// Everything was met, by a load that was offered as asked.
    pub held: bool,
    /// The numbers may be the generator's own.
    pub doubtful: bool,
}

impl Grade {
    /// By what was found; a generator that cannot be trusted counts for nothing with `allow_suspect`.
    #[must_use]
    pub fn new(held: bool, generator: GeneratorVerdict, allow_suspect: bool) -> Self {
        Self {
            held,
            doubtful: generator != GeneratorVerdict::Valid && !allow_suspect,
        }
    }
}

/// A search and what is known so far.
#[derive(Debug, Clone)]
pub struct Course {
    strategy: Strategy,
    confirm: u32,
    ruled: Vec<Ruled>,
    /// Each load that was probed, and what its probes have shown.
    probed: Vec<(Cell, Vec<Grade>)>,
    /// The load that has to be probed again at once.
    again: Option<Cell>,
}

impl Course {
    /// A search that knows nothing yet. What is not held is probed `confirm` times more before it is believed.
    #[must_use]
    pub fn new(strategy: Strategy, confirm: u32) -> Self {
        Self {
            strategy,
            confirm,
            ruled: Vec::new(),
            probed: Vec::new(),
            again: None,
        }
    }

    /// The load to probe next, and the how-manieth probe of it that will be; `None` when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<(Cell, u32)> {
        let again = self.again.clone();
        let cell = again.or_else(|| self.strategy.next(&self.ruled))?;
        let probed = self.probed.iter().find(|(known, _)| *known == cell);
        let before = probed.map_or(0, |(_, grades)| grades.len());
        Some((cell, u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)))
    }

    /// Takes in what the probe of [`Course::next`] has shown.
    pub fn take(&mut self, grade: Grade) {
        let Some((cell, _)) = self.next() else { return };
        let known = self.probed.iter().position(|(known, _)| *known == cell);
        let index = known.unwrap_or_else(|| {
            self.probed.push((cell.clone(), Vec::new()));
            self.probed.len() - 1
        });
        let grades = &mut self.probed[index].1;
        grades.push(grade);
        let ruling = rule(grades, self.confirm);
        // What is above the limit anyway need not be confirmed: a search goes on below it, and comes back at its end.
        let waits = matches!(self.strategy, Strategy::Search(_)) && grades.iter().all(|g| !g.held && !g.doubtful);
        self.again = None;
        match ruling {
            Some(held) => self.decide(cell, held, true),
            None if waits => self.decide(cell, false, false),
            None => self.again = Some(cell),
        }
    }

    fn decide(&mut self, cell: Cell, held: bool, sure: bool) {
        match self.ruled.iter_mut().find(|ruled| ruled.cell == cell) {
            Some(ruled) => (ruled.held, ruled.sure) = (held, sure),
            None => self.ruled.push(Ruled { cell, held, sure }),
        }
    }

    /// Every load that has been decided on, in order.
    #[must_use]
    pub fn ruled(&self) -> &[Ruled] {
        &self.ruled
    }

    /// What is searched.
    #[must_use]
    pub fn strategy(&self) -> &Strategy {
        &self.strategy
    }

    /// The highest load that is held: the last one of levels and of a grid.
    #[must_use]
    pub fn best(&self) -> Option<&Cell> {
        let mut held = self.ruled.iter().filter(|ruled| ruled.held).map(|ruled| &ruled.cell);
        match &self.strategy {
            Strategy::Search(_) => held.max_by(|a, b| first(a).total_cmp(&first(b))),
            _ => held.next_back(),
        }
    }

    /// The load that showed the limit: the lowest that is not held, of a grid the last one.
    #[must_use]
    pub fn broke(&self) -> Option<&Cell> {
        let mut broke = self.ruled.iter().filter(|ruled| !ruled.held).map(|ruled| &ruled.cell);
        match &self.strategy {
            Strategy::Search(_) => broke.min_by(|a, b| first(a).total_cmp(&first(b))),
            _ => broke.next_back(),
        }
    }

    /// The loads that are held and that no other held load exceeds or equals in every level.
    #[must_use]
    pub fn frontier(&self) -> Vec<&Cell> {
        let held: Vec<&Cell> = self.ruled.iter().filter(|r| r.held).map(|r| &r.cell).collect();
        let below = |a: &Cell, b: &Cell| a != b && a.iter().zip(b).all(|(a, b)| a.value <= b.value);
        let highest = held.iter().filter(|own| !held.iter().any(|other| below(own, other)));
        highest.copied().collect()
    }

    /// Of a search: its range, the highest level held and the lowest not held.
    #[must_use]
    pub fn bracket(&self) -> Option<(&Range, f64, f64)> {
        let Strategy::Search(range) = &self.strategy else {
            return None;
        };
        let (low, high) = range.bracket(&self.ruled);
        Some((range, low?, high?))
    }
}

fn first(cell: &Cell) -> f64 {
    cell.first().map_or(0.0, |level| level.value)
}

/// Whether a load is held, by all its probes; `None` when one more is needed.
///
/// | probes | ruling |
/// |---|---|
/// | one held, and the generator was well | held |
/// | two held, the generator doubtful in both | held, and marked by its probes |
/// | `confirm` + 1 not held | not held |
/// | not held, the generator doubtful in one of them | as before, and at least two are needed |
fn rule(probes: &[Grade], confirm: u32) -> Option<bool> {
    let (held, broke): (Vec<&Grade>, Vec<&Grade>) = probes.iter().partition(|grade| grade.held);
    if held.iter().any(|grade| !grade.doubtful) || held.len() >= 2 {
        return Some(true);
    }
    let in_doubt = probes.iter().any(|grade| grade.doubtful);
    let needed = 1 + if in_doubt { confirm.max(1) } else { confirm };
    (broke.len() >= needed as usize).then_some(false)
}

#[cfg(test)]
mod tests;
