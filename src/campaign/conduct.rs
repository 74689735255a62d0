//! A search carried out: probe by probe, each told to a witness before the next begins. Who runs a probe is a parameter, so
//! that all of this is tested without load.

use super::course::{Course, Grade};
use super::strategy::{Cell, Strategy};
use crate::report;
use crate::results::{Asked, Best, Bracket, Broke, BrokeKind, CAPACITY_SCHEMA, Capacity, ExitCode, Levels, Probe};

/// Why a search ends before it is finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Stopped by a signal.
    #[error("stopped by a signal")]
    Stopped,
    /// A probe could not be carried out, or its outcome not be kept.
    #[error("{message}")]
    Failed {
        /// The exit code.
        code: ExitCode,
        /// What happened.
        message: String,
    },
}

/// Runs one probe.
#[expect(
    async_fn_in_trait,
    reason = "a probe is a run, which is bound to its LocalSet; no Send bound is wanted"
)]
pub trait Prober {
    /// Loads the system with `cell`. The probe's number is told for files that it leaves.
    ///
    /// # Errors
    /// [`Halt`] when there is no outcome.
    async fn probe(&mut self, cell: &Cell, number: u32, attempt: u32) -> Result<Probe, Halt>;
}

/// Told what goes on, and keeps it.
pub trait Witness {
    /// A probe begins.
    fn begins(&mut self, search: &Search, cell: &Cell, attempt: u32);
    /// A probe has ended and is in the document. The next one begins when this returns.
    ///
    /// # Errors
    /// [`Halt`] when it could not be kept: what is not written down would be lost.
    fn ends(&mut self, search: &Search, probe: &Probe) -> Result<(), Halt>;
}

/// A search: what is to be found, and what has been.
#[derive(Debug, Clone)]
pub struct Search {
    course: Course,
    document: Capacity,
}

/// What was written down is of another search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("probe {number} does not belong to this search")]
pub struct Unfit {
    /// The first probe that does not fit.
    pub number: u32,
}

impl Search {
    /// A search that knows nothing yet.
    #[must_use]
    pub fn new(strategy: Strategy, asked: Asked, script: String, seed: u64, started_at: String) -> Self {
        let mut search = Self {
            course: Course::new(strategy, asked.confirm),
            document: Capacity {
                schema: CAPACITY_SCHEMA.to_owned(),
                verdict: String::new(),
                finished: false,
                exit_code: None,
                script,
                seed,
                started_at,
                asked,
                best: None,
                frontier: Vec::new(),
                broke: None,
                bracket: None,
                probes: Vec::new(),
            },
        };
        search.conclude();
        search
    }

    /// Goes on from what was written down.
    ///
    /// # Errors
    /// [`Unfit`] when its probes are not those that this search would have made.
    pub fn resume(strategy: Strategy, document: Capacity) -> Result<Self, Unfit> {
        let Capacity {
            asked,
            script,
            seed,
            started_at,
            probes,
            ..
        } = document;
        let mut search = Self::new(strategy, asked, script, seed, started_at);
        for probe in probes {
            let number = probe.number;
            search.take(probe).map_err(|_| Unfit { number })?;
        }
        Ok(search)
    }

    /// What has been found.
    #[must_use]
    pub fn document(&self) -> &Capacity {
        &self.document
    }

    /// What comes next, and what has been decided.
    #[must_use]
    pub fn course(&self) -> &Course {
        &self.course
    }

    /// Takes in the probe of the load that [`Course::next`] names.
    fn take(&mut self, probe: Probe) -> Result<(), Unfit> {
        let number = self.next_number();
        let expected = self.course.next();
        let fits = expected.is_some_and(|(cell, attempt)| {
            probe.attempt == attempt && probe.number == number && probe.levels == levels_of(&cell)
        });
        if !fits {
            return Err(Unfit { number });
        }
        let allow_suspect = self.document.asked.allow_suspect;
        let grade = Grade::new(probe.held, probe.generator.verdict, allow_suspect);
        self.course.take(grade);
        self.document.probes.push(probe);
        self.conclude();
        Ok(())
    }

    fn next_number(&self) -> u32 {
        u32::try_from(self.document.probes.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// What follows from the probes so far.
    fn conclude(&mut self) {
        let probes = &self.document.probes;
        let of = |cell: &Cell, held: bool| {
            let levels = levels_of(cell);
            let mut those = probes.iter().rev();
            those.find(|probe| probe.levels == levels && probe.held == held)
        };
        let best = self.course.best().and_then(|cell| of(cell, true)).map(|probe| Best {
            levels: probe.levels.clone(),
            probe: probe.number,
            offered_per_s: probe.offered_per_s(),
            achieved_per_s: probe.achieved_per_s(),
            warnings: probe.warnings.clone(),
        });
        let broke = self.course.broke().and_then(|cell| of(cell, false)).map(|probe| Broke {
            levels: probe.levels.clone(),
            probe: probe.number,
            reasons: probe.reasons.clone(),
        });
        let is_grid = matches!(self.course.strategy(), Strategy::Grid(_));
        let frontier = if is_grid { self.course.frontier() } else { Vec::new() };
        let bracket = self.course.bracket().map(|(range, low, high)| Bracket {
            name: range.name.clone(),
            low,
            high,
            width_percent: 100.0 * (high - low) / low,
        });
        let document = &mut self.document;
        document.frontier = frontier.into_iter().map(levels_of).collect();
        document.bracket = bracket;
        document.best = best;
        document.broke = broke;
        document.finished = self.course.next().is_none();
        document.exit_code = document.finished.then(|| exit_code(document).number());
        document.verdict = report::capacity::sentence(document);
    }
}

/// A load by its names.
fn levels_of(cell: &Cell) -> Levels {
    cell.iter().map(|level| (level.name.clone(), level.value)).collect()
}

/// Passed when some load was held. Otherwise thresholds and a load that could not be offered count before what the script
/// did, and that before the generator.
fn exit_code(document: &Capacity) -> ExitCode {
    let Some(broke) = document.broke.as_ref().filter(|_| document.best.is_none()) else {
        return ExitCode::Passed;
    };
    match broke.reasons.iter().map(|reason| reason.kind).min() {
        Some(BrokeKind::Generator) => ExitCode::Untrusted,
        Some(BrokeKind::Script) => ExitCode::ScriptError,
        _ => ExitCode::Thresholds,
    }
}

/// Carries a search out to its end.
///
/// # Errors
/// [`Halt`] when it ends before; what was found until then is in the search.
pub async fn conduct(search: &mut Search, prober: &mut impl Prober, witness: &mut impl Witness) -> Result<(), Halt> {
    while let Some((cell, attempt)) = search.course.next() {
        witness.begins(search, &cell, attempt);
        let probe = prober.probe(&cell, search.next_number(), attempt).await?;
        search.take(probe.clone()).map_err(|error| Halt::Failed {
            code: ExitCode::Internal,
            message: error.to_string(),
        })?;
        witness.ends(search, &probe)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
