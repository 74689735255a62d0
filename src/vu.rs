//! The line between executors and scripts: what an executor hands over and what it gets back. No scheduling, no Lua.

use std::time::Duration;

use crate::clock::Instant;

/// One run of a journey: which scenario, which number, and both of its starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iteration {
    /// Index of the scenario in [`crate::plan::Plan::scenarios`].
    pub scenario: usize,
    /// 0-based, unique within the scenario across all stripes.
    pub number: u64,
    /// What its samples belong to.
    pub part: Part,
    /// When its scenario began.
    pub begun_at: Instant,
    /// When the schedule wanted it to start; in closed scenarios equal to `started_at`.
    pub scheduled_at: Instant,
    /// When the virtual user really got it.
    pub started_at: Instant,
}

/// What an iteration's samples belong to, decided once: by its scheduled time, and by the script that runs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Part {
    /// Index of the stage, step or wave; 0 in scenarios that have none.
    pub segment: u32,
    /// Index of the plan's phase.
    pub phase: Option<usize>,
    /// It only warms the system up.
    pub warmup: bool,
    /// The revision of the script, from 1; 0 in runs whose script is not watched.
    pub revision: u32,
}

/// A virtual user that may begin its next iteration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    /// The revision of the script that it will run, as in [`Part::revision`].
    pub revision: u32,
    /// How long it took to become ready.
    pub took: Duration,
}

/// How an iteration ended, as the virtual user sees it. Interruption is the executor's to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The journey returned.
    Completed,
    /// The journey raised, called `kt.fail`, or could not be run at all.
    Failed,
    /// The journey's data ran out (`on_exhausted = "stop"`): this VU takes no further iteration. The iteration counts
    /// as interrupted.
    Retired,
}

/// A virtual user: runs one iteration at a time.
///
/// Dropping the future of [`Vu::run`] interrupts the iteration; the executor then discards the VU.
#[expect(
    async_fn_in_trait,
    reason = "VUs are pinned to their core's LocalSet; no Send bound is wanted"
)]
pub trait Vu {
    /// How long its own initialisation took when it was made: it waits for the system, not for the generator.
    fn init_took(&self) -> Duration {
        Duration::ZERO
    }

    /// Brings the user up to date before its next iteration. Does not wait where nothing has changed.
    async fn ready(&mut self) -> Ready {
        Ready::default()
    }

    /// Runs one iteration to its end.
    async fn run(&mut self, iteration: &Iteration) -> Outcome;
}

/// Makes virtual users on one core.
#[expect(
    async_fn_in_trait,
    reason = "VUs are pinned to their core's LocalSet; no Send bound is wanted"
)]
pub trait VuFactory {
    /// The kind of virtual user it makes.
    type Vu: Vu + 'static;

    /// Creates the VU `vu_id` (unique in the run) for a scenario. Infallible: a VU that cannot start fails its iterations.
    async fn create(&self, scenario: usize, vu_id: u64) -> Self::Vu;
}
