//! Commands of live control, edits of the plan, and what they set. Executors obey setpoints; who takes commands from the network is `live`.
//!
//! A setpoint takes effect at one instant on all cores: [`LEAD`] after it was accepted, which is long enough for every
//! core to hear of it. Setpoints are never withdrawn, and their instants grow, so that the schedule of a scenario is a
//! pure function of their list.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant};

use super::status::Status;

/// How far ahead of its acceptance a setpoint takes effect.
pub const LEAD: Duration = Duration::from_millis(20);

/// More iterations in a time unit than any machine starts; a slip of the keyboard.
const MAX_RATE: f64 = 10_000_000.0;

/// More virtual users than any machine holds.
const MAX_VUS: u64 = 1_000_000;

/// What holds for a scenario from an instant on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setpoint {
    /// Its schedule stands still; what was due before is not dropped, and nothing is caught up on later.
    pub paused: bool,
    /// Iterations for each time unit of the scenario, instead of the plan's.
    pub rate: Option<f64>,
    /// Virtual users, instead of the plan's.
    pub vus: Option<u64>,
    /// Which version of the plan holds, as executors count them; 0 is the one that the run began with.
    pub terms: u32,
    /// From here on.
    pub since: Instant,
}

/// Which commands a scenario's executor obeys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Pause and resume.
    pub pause: bool,
    /// Another rate.
    pub rate: bool,
    /// What of the scenario forbids another rate, where that is not its executor as such.
    pub no_rate: Option<&'static str>,
    /// Another number of virtual users, up to this.
    pub max_vus: Option<u64>,
}

/// A scenario as live control sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steerable {
    /// Its name.
    pub name: String,
    /// Its executor's name.
    pub executor: String,
    /// What it obeys.
    pub abilities: Abilities,
    /// Its stages' names; the number of each is its index.
    pub stages: Vec<String>,
}

/// What an edited plan says about a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amendment {
    /// Its index in the plan.
    pub scenario: usize,
    /// The version of the plan that holds for it from now on.
    pub terms: u32,
    /// The rate is the plan's again, whatever live control has set: the newest wins.
    pub rate: bool,
    /// So is the number of virtual users.
    pub vus: bool,
    /// What it obeys from now on.
    pub abilities: Abilities,
}

/// What can be asked of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// All schedules stand still.
    Pause,
    /// They go on from where they stood.
    Resume,
    /// Iterations for each time unit of a scenario.
    Rate {
        /// The scenario.
        scenario: String,
        /// More than zero.
        rate: f64,
    },
    /// Virtual users of a scenario.
    Vus {
        /// The scenario.
        scenario: String,
        /// How many.
        vus: u64,
    },
    /// A graceful end.
    Stop,
}

/// Why a command is refused. The run goes on as before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Nothing to steer yet.
    #[error("the load has not begun yet")]
    NotBegun,
    /// Nothing to steer any more.
    #[error("the run is ending")]
    Ending,
    /// No such scenario.
    #[error("there is no scenario `{name}`; the run has {known}")]
    NoScenario {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The scenario does not do that.
    #[error("scenario `{scenario}`: {what} is not supported {because}")]
    Unsupported {
        /// The scenario.
        scenario: String,
        /// What of it is the reason: "by its executor (steps)".
        because: String,
        /// What was asked for.
        what: &'static str,
    },
    /// A value that cannot be.
    #[error("{0}")]
    Value(String),
    /// Nothing would change.
    #[error("the run is {0} already")]
    Already(&'static str),
    /// The scenario begins nothing any more.
    #[error("scenario `{0}`: its load is over")]
    Over(String),
    /// No scenario does.
    #[error("the load of every scenario is over, and what is in flight finishes")]
    AllOver,
}

/// A command that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it takes effect.
    pub at: Instant,
    /// `pause`, `resume`, `rate`, `vus` or `stop`.
    pub what: String,
    /// Whose; all when there is none.
    pub scenario: Option<String>,
    /// The new rate or number.
    pub value: Option<f64>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Before,
    During,
    After,
}

/// A scenario, and what was set for it.
type Steered = (Steerable, watch::Sender<Vec<Setpoint>>);

/// What is set, and how it came to be.
#[derive(Debug, Default)]
pub(super) struct Steering {
    stage: Stage,
    scenarios: Vec<Steered>,
    /// Those that begin nothing any more.
    over: BTreeSet<usize>,
    events: Vec<Event>,
    paused: bool,
}

impl Steering {
    pub(super) fn begin(&mut self, origin: Instant, scenarios: Vec<Steerable>) {
        let plain = Setpoint {
            paused: false,
            rate: None,
            vus: None,
            terms: 0,
            since: origin,
        };
        self.stage = Stage::During;
        self.scenarios = scenarios
            .into_iter()
            .map(|scenario| (scenario, watch::Sender::new(vec![plain])))
            .collect();
    }

    pub(super) fn end(&mut self) {
        self.stage = Stage::After;
    }

    /// A scenario begins nothing any more.
    pub(super) fn conclude(&mut self, scenario: usize) {
        self.over.insert(scenario);
    }

    pub(super) fn setpoints(&self, scenario: usize) -> Option<watch::Receiver<Vec<Setpoint>>> {
        self.scenarios.get(scenario).map(|(_, sender)| sender.subscribe())
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// The name of a scenario's stage by its number.
    pub(super) fn stage(&self, scenario: usize, number: u32) -> Option<&str> {
        let (scenario, _) = self.scenarios.get(scenario)?;
        let name = scenario.stages.get(usize::try_from(number).ok()?)?;
        Some(name)
    }

    /// The numbers of stages by their names. One that is known keeps its number; others get new ones.
    pub(super) fn number_stages(&mut self, scenario: usize, names: &[String]) -> Vec<u32> {
        let Some((scenario, _)) = self.scenarios.get_mut(scenario) else {
            return Vec::new();
        };
        let known = &mut scenario.stages;
        let mut number = |(index, name): (usize, &String)| {
            if known.get(index) == Some(name) {
                return index;
            }
            known.iter().position(|known| known == name).unwrap_or_else(|| {
                known.push(name.clone());
                known.len() - 1
            })
        };
        let numbers = names.iter().enumerate().map(&mut number);
        numbers.filter_map(|number| u32::try_from(number).ok()).collect()
    }

    pub(super) fn amend(
        &mut self,
        decide: impl FnOnce(Instant, &[Vec<Setpoint>]) -> Vec<Amendment>,
    ) -> Result<(), Refused> {
        match self.stage {
            Stage::Before => return Err(Refused::NotBegun),
            Stage::After => return Err(Refused::Ending),
            Stage::During => {}
        }
        let at = self.next_instant();
        let setpoints: Vec<_> = self
            .scenarios
            .iter()
            .map(|(_, sender)| sender.borrow().clone())
            .collect();
        for amendment in decide(at, &setpoints) {
            let Some((scenario, sender)) = self.scenarios.get_mut(amendment.scenario) else {
                continue;
            };
            scenario.abilities = amendment.abilities;
            set(sender, at, |setpoint| {
                setpoint.terms = amendment.terms;
                setpoint.rate = setpoint.rate.filter(|_| !amendment.rate);
                setpoint.vus = setpoint.vus.filter(|_| !amendment.vus);
            });
        }
        Ok(())
    }

    pub(super) fn obey(&mut self, command: &Command) -> Result<(), Refused> {
        match (&self.stage, command) {
            (Stage::After, _) => return Err(Refused::Ending),
            // A run may be stopped before its load has begun.
            (Stage::Before, Command::Stop) | (Stage::During, _) => {}
            (Stage::Before, _) => return Err(Refused::NotBegun),
        }
        match command {
            Command::Pause => self.pause(true),
            Command::Resume => self.pause(false),
            Command::Rate { scenario, rate } => self.rate(scenario, *rate),
            Command::Vus { scenario, vus } => self.vus(scenario, *vus),
            Command::Stop => {
                self.note(clock::now(), "stop", None, None);
                Ok(())
            }
        }
    }

    fn pause(&mut self, paused: bool) -> Result<(), Refused> {
        if let Some((unable, _)) = self.scenarios.iter().find(|(scenario, _)| !scenario.abilities.pause) {
            return Err(unable.cannot("pausing", None));
        }
        if self.paused == paused {
            return Err(Refused::Already(if paused { "paused" } else { "running" }));
        }
        if paused && self.over.len() == self.scenarios.len() {
            return Err(Refused::AllOver);
        }
        self.paused = paused;
        let at = self.next_instant();
        for (_, sender) in &self.scenarios {
            set(sender, at, |setpoint| setpoint.paused = paused);
        }
        self.note(at, if paused { "pause" } else { "resume" }, None, None);
        Ok(())
    }

    fn rate(&mut self, name: &str, rate: f64) -> Result<(), Refused> {
        let (index, (scenario, sender)) = self.find(name)?;
        if !rate.is_finite() || rate <= 0.0 || rate > MAX_RATE {
            return Err(Refused::Value(format!(
                "a rate is a number above zero and at most {MAX_RATE}, not {rate}; to stand still, pause"
            )));
        }
        if !scenario.abilities.rate {
            return Err(scenario.cannot("another rate", scenario.abilities.no_rate));
        }
        self.goes_on(index, name)?;
        let at = self.next_instant();
        set(sender, at, |setpoint| setpoint.rate = Some(rate));
        self.note(at, "rate", Some(name), Some(rate));
        Ok(())
    }

    fn vus(&mut self, name: &str, vus: u64) -> Result<(), Refused> {
        let (index, (scenario, sender)) = self.find(name)?;
        if vus > MAX_VUS {
            return Err(Refused::Value(format!(
                "one machine holds at most {MAX_VUS} virtual users, not {vus}"
            )));
        }
        let Some(max) = scenario.abilities.max_vus else {
            return Err(scenario.cannot("another number of virtual users", None));
        };
        self.goes_on(index, name)?;
        if vus > max {
            return Err(Refused::Value(format!(
                "scenario `{name}` has at most {max} virtual users, not {vus}"
            )));
        }
        let at = self.next_instant();
        set(sender, at, |setpoint| setpoint.vus = Some(vus));
        #[expect(clippy::cast_precision_loss, reason = "at most a million")]
        self.note(at, "vus", Some(name), Some(vus as f64));
        Ok(())
    }

    fn goes_on(&self, scenario: usize, name: &str) -> Result<(), Refused> {
        if self.over.contains(&scenario) {
            return Err(Refused::Over(name.to_owned()));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<(usize, &Steered), Refused> {
        let mut scenarios = self.scenarios.iter().enumerate();
        let found = scenarios.find(|(_, (scenario, _))| scenario.name == name);
        found.ok_or_else(|| {
            let known: Vec<_> = self.scenarios.iter().map(|(s, _)| format!("`{}`", s.name)).collect();
            Refused::NoScenario {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
    }

    /// Later than every setpoint before it, however fast commands come.
    fn next_instant(&self) -> Instant {
        let last = self
            .scenarios
            .iter()
            .filter_map(|(_, sender)| Some(sender.borrow().last()?.since));
        let soon = clock::now() + LEAD;
        last.max().map_or(soon, |last| soon.max(last + Duration::from_nanos(1)))
    }

    fn note(&mut self, at: Instant, what: &str, scenario: Option<&str>, value: Option<f64>) {
        self.events.push(Event {
            at,
            what: what.to_owned(),
            scenario: scenario.map(str::to_owned),
            value,
        });
    }

    pub(super) fn describe(&self, status: &mut Status) {
        status.paused = self.paused;
        for (scenario, (_, sender)) in status.scenarios.iter_mut().zip(&self.scenarios) {
            if let Some(newest) = sender.borrow().last() {
                scenario.set_rate = newest.rate;
                scenario.set_vus = newest.vus;
            }
        }
    }
}

fn set(sender: &watch::Sender<Vec<Setpoint>>, since: Instant, change: impl FnOnce(&mut Setpoint)) {
    sender.send_modify(|setpoints| {
        if let Some(newest) = setpoints.last() {
            let mut next = Setpoint { since, ..*newest };
            change(&mut next);
            setpoints.push(next);
        }
    });
}

impl Steerable {
    fn cannot(&self, what: &'static str, because: Option<&str>) -> Refused {
        let by_nature = || format!("by its executor ({})", self.executor);
        Refused::Unsupported {
            scenario: self.name.clone(),
            because: because.map_or_else(by_nature, str::to_owned),
            what,
        }
    }
}
