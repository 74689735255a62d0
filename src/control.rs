//! Commands into a running test and the reasons why it ended. Who obeys them is `exec`'s and `run`'s business; which exit
//! code they become is the command line's.

mod status;
mod steering;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Instant;

use self::steering::Steering;

pub use self::status::{ScenarioStatus, State, Status};
pub use self::steering::{Abilities, Amendment, Command, Event, LEAD, Refused, Setpoint, Steerable};

/// Why a run ended early or did not pass; several may hold at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Ctrl-C or SIGTERM.
    Signal,
    /// `stop` through live control.
    LiveStop,
    /// `kt.run.abort(reason)`.
    ScriptAbort(String),
    /// `kt.run.fail(reason)`: the run goes on and is marked failed.
    MarkedFailed(String),
    /// A threshold with `abort_on_fail`.
    ThresholdAbort(String),
    /// `on_saturation = "abort"`.
    Saturation(String),
    /// `on_script_error = "abort"`.
    ScriptError(String),
    /// `on_exhausted = "abort"`.
    DataExhausted(String),
    /// kingtide itself failed.
    Internal(String),
}

/// The switches of one run, shared by everything that may end it.
#[derive(Debug, Default)]
pub struct Control {
    stop: CancellationToken,
    kill: CancellationToken,
    cut: CancellationToken,
    hurry: CancellationToken,
    closing: AtomicBool,
    finishing: AtomicBool,
    reasons: Mutex<Vec<Reason>>,
    steering: Mutex<Steering>,
    status: Mutex<Status>,
}

impl Control {
    /// Switches of a run that nothing has stopped yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when no new iteration may start; those in flight have until their graceful stop.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when iterations in flight are interrupted at once.
    #[must_use]
    pub fn kill_token(&self) -> &CancellationToken {
        &self.kill
    }

    /// Cancelled when `teardown` is cut short.
    #[must_use]
    pub fn cut_token(&self) -> &CancellationToken {
        &self.cut
    }

    /// The load is over, and `teardown` runs.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether `teardown` runs, so that stopping means cutting it short.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The run is over but for what its outputs have not passed on yet.
    pub fn finish(&self) {
        self.finishing.store(true, Ordering::Relaxed);
    }

    /// Whether the run waits for outputs only, so that stopping means [`Control::hurry`].
    #[must_use]
    pub fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed)
    }

    /// Outputs are not waited for any longer.
    pub fn hurry(&self) {
        self.hurry.cancel();
    }

    /// Cancelled when outputs are not waited for any longer.
    #[must_use]
    pub fn hurry_token(&self) -> &CancellationToken {
        &self.hurry
    }

    /// Remembers `reason` and stops gracefully. The first abort of a kind is kept, repeats are not.
    pub fn stop(&self, reason: Reason) {
        self.note(reason);
        self.stop.cancel();
    }

    /// Interrupts everything at once.
    pub fn kill(&self) {
        self.stop.cancel();
        self.kill.cancel();
    }

    /// Interrupts everything, `teardown` included.
    pub fn cut(&self) {
        self.kill();
        self.cut.cancel();
    }

    /// Remembers `reason` without stopping.
    pub fn note(&self, reason: Reason) {
        let mut reasons = self.lock();
        let repeated = reasons
            .iter()
            .any(|known| std::mem::discriminant(known) == std::mem::discriminant(&reason));
        if !repeated || !reasons.contains(&reason) && reasons.len() < 100 {
            reasons.push(reason);
        }
    }

    /// Everything that was noted, in order.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        self.lock().clone()
    }

    /// Says what can be steered in a load that begins at `origin`. Before that and after it commands are refused.
    pub fn steer(&self, origin: Instant, scenarios: Vec<Steerable>) {
        self.steering().begin(origin, scenarios);
    }

    /// The load is over: commands are refused from now on.
    pub fn release(&self) {
        self.steering().end();
    }

    /// A scenario (its index in the plan) begins nothing any more: what is set for it would be in vain.
    pub fn conclude(&self, scenario: usize) {
        self.steering().conclude(scenario);
    }

    /// The setpoints of a scenario (its index in the plan) in the order of their instants, the first being the plan's
    /// own. Executors read all of them, so that every core derives the same schedule. `None` before [`Control::steer`].
    #[must_use]
    pub fn setpoints(&self, scenario: usize) -> Option<watch::Receiver<Vec<Setpoint>>> {
        self.steering().setpoints(scenario)
    }

    /// Obeys a command, or says why not. What is accepted is an event of the run.
    ///
    /// # Errors
    /// [`Refused`]; the run goes on as before.
    pub fn obey(&self, command: &Command) -> Result<(), Refused> {
        if self.stop.is_cancelled() {
            return Err(Refused::Ending);
        }
        self.steering().obey(command)?;
        if *command == Command::Stop {
            self.stop(Reason::LiveStop);
        }
        Ok(())
    }

    /// Sets what an edited plan says, at one instant for all scenarios. `decide` is told that instant and, for each
    /// scenario, what was set before; what it amends has to be known to executors when it returns. It must not call back.
    ///
    /// # Errors
    /// [`Refused`] before the load and after it; nobody is asked then.
    pub fn amend(&self, decide: impl FnOnce(Instant, &[Vec<Setpoint>]) -> Vec<Amendment>) -> Result<(), Refused> {
        if self.stop.is_cancelled() {
            return Err(Refused::Ending);
        }
        self.steering().amend(decide)
    }

    /// The name of a scenario's stage (step, wave) by the number that iterations carry, which stays its own when the plan
    /// is edited. `None` where nobody steers.
    #[must_use]
    pub fn stage(&self, scenario: usize, number: u32) -> Option<String> {
        self.steering().stage(scenario, number).map(str::to_owned)
    }

    /// The numbers of a scenario's stages by their names, new ones where there are none yet.
    #[must_use]
    pub fn number_stages(&self, scenario: usize, names: &[String]) -> Vec<u32> {
        self.steering().number_stages(scenario, names)
    }

    /// Every accepted command, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.steering().events().to_vec()
    }

    /// Tells where the run stands; once a second, and when its state changes.
    pub fn publish(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Changes the state only.
    pub fn enter(&self, state: State) {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).state = state;
    }

    /// Where the run stands, with what was set through live control.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.steering().describe(&mut status);
        status
    }

    fn steering(&self) -> MutexGuard<'_, Steering> {
        self.steering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reason>> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_is_graceful_and_kill_is_both() {
        let control = Control::new();
        control.note(Reason::MarkedFailed("a".into()));
        assert!(!control.stop_token().is_cancelled());
        control.stop(Reason::Signal);
        control.stop(Reason::Signal);
        assert!(control.stop_token().is_cancelled() && !control.kill_token().is_cancelled());
        control.kill();
        assert!(control.kill_token().is_cancelled());
        assert_eq!(
            control.reasons(),
            vec![Reason::MarkedFailed("a".into()), Reason::Signal]
        );
    }
}
