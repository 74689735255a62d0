//! One scenario against its edited version: what differs, what of it can be applied where the scenario stands, and why the
//! rest cannot. docs/guide/live-edits.md has the table for users.

use std::fmt::Display;
use std::time::Duration;

use crate::plan::overrides::default_pre_allocated;
use crate::plan::{Executor, Scenario};
use crate::schedule::{Shape, Spacing, Trace};

use super::{Change, show};

/// Where a scenario stands when an edit would take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not begun.
    Waiting,
    /// It offers iterations, or is paused.
    Running,
    /// Its load is over.
    Draining,
    /// It is at its very end.
    Ended,
    /// Nothing can be edited now, for this reason.
    Nowhere(String),
}

/// What differs, and the version that holds from now on.
#[derive(Debug)]
pub(super) struct Diff {
    pub(super) next: Scenario,
    pub(super) changes: Vec<Change>,
    /// The rate is said anew.
    pub(super) rate: bool,
    /// The number of VUs is said anew.
    pub(super) vus: bool,
    standing: Standing,
}

const BEGUN: &str = "it has begun";
const ROWS: &str = "the row of an iteration follows from its number";
const HANDED_OUT: &str = "iterations were handed out at the start";
const MADE: &str = "virtual users that exist stay";

impl Diff {
    pub(super) fn of(running: &Scenario, edited: &Scenario, standing: Standing) -> Self {
        let mut diff = Self {
            next: running.clone(),
            changes: Vec::new(),
            rate: false,
            vus: false,
            standing,
        };
        diff.scenario(running, edited);
        if running.executor.name() == edited.executor.name() {
            diff.next.executor = diff.executor(&running.executor, &edited.executor);
        } else {
            let names = (running.executor.name(), edited.executor.name());
            diff.refuse("executor", names, "a scenario keeps its executor while it runs");
        }
        // Values of `env` are the code's.
        diff.next.env.clone_from(&edited.env);
        diff
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.changes.iter().any(|change| change.refused.is_none())
    }

    fn scenario(&mut self, running: &Scenario, edited: &Scenario) {
        let mut next = self.next.clone();
        let begun = self.begun(BEGUN);
        self.compare(
            "start_time",
            &mut next.start_time,
            &edited.start_time,
            show::duration,
            begun,
        );
        if running.start_after != edited.start_after {
            let other = |after: &Option<String>| after.as_ref().map_or("none".to_owned(), |name| format!("`{name}`"));
            let names = (other(&running.start_after), other(&edited.start_after));
            let settled = "who waits for whom is settled at the start of the run";
            self.refuse("start_after", names, begun.unwrap_or(settled));
        }
        self.compare(
            "graceful_stop",
            &mut next.graceful_stop,
            &edited.graceful_stop,
            show::duration,
            None,
        );
        if running.warmup != edited.warmup {
            let values = (show::duration(&running.warmup), show::duration(&edited.warmup));
            self.refuse("warmup", values, "what was measured by now cannot be measured anew");
        }
        if running.tags != edited.tags {
            let text = |scenario: &Scenario| {
                let tags: Vec<_> = scenario
                    .tags
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                format!("[{}]", tags.join(", "))
            };
            self.refuse(
                "tags",
                (text(running), text(edited)),
                "samples carry the ones from the start already",
            );
        }
        self.next = next;
    }

    fn executor(&mut self, running: &Executor, edited: &Executor) -> Executor {
        let mut next = running.clone();
        match (&mut next, edited) {
            (
                Executor::ConstantVus { vus, duration },
                Executor::ConstantVus {
                    vus: new,
                    duration: lasting,
                },
            ) => {
                self.vus |= self.compare("vus", vus, new, u64::to_string, None);
                self.compare("duration", duration, lasting, show::duration, None);
            }
            (
                Executor::ExternallyControlled { vus, max_vus, duration },
                Executor::ExternallyControlled {
                    vus: new,
                    max_vus: cap,
                    duration: lasting,
                },
            ) => {
                self.vus |= self.compare("vus", vus, new, u64::to_string, None);
                let lower = (cap < max_vus).then_some(MADE);
                self.compare("max_vus", max_vus, cap, u64::to_string, lower);
                self.compare("duration", duration, lasting, show::duration, None);
            }
            (
                Executor::RampingVus {
                    start_vus,
                    stages,
                    graceful_ramp_down,
                },
                Executor::RampingVus {
                    start_vus: start,
                    stages: new,
                    graceful_ramp_down: grace,
                },
            ) => {
                self.compare("start_vus", start_vus, start, u64::to_string, None);
                self.compare("stages", stages, new, |stages| show::stages(stages), None);
                self.compare("graceful_ramp_down", graceful_ramp_down, grace, show::duration, None);
            }
            (next, edited) if next.is_open() => self.open(next, edited),
            (next, edited) => self.counted(next, edited),
        }
        next
    }

    fn counted(&mut self, next: &mut Executor, edited: &Executor) {
        match (next, edited) {
            (
                Executor::SharedIterations {
                    vus,
                    iterations,
                    max_duration,
                },
                Executor::SharedIterations {
                    vus: new,
                    iterations: more,
                    max_duration: lasting,
                },
            )
            | (
                Executor::PerVuIterations {
                    vus,
                    iterations,
                    max_duration,
                },
                Executor::PerVuIterations {
                    vus: new,
                    iterations: more,
                    max_duration: lasting,
                },
            ) => {
                self.compare("vus", vus, new, u64::to_string, Some(HANDED_OUT));
                self.compare("iterations", iterations, more, u64::to_string, Some(HANDED_OUT));
                self.compare("max_duration", max_duration, lasting, show::duration, None);
            }
            // Told apart by their names before.
            _ => {}
        }
    }

    fn open(&mut self, next: &mut Executor, edited: &Executor) {
        let (
            Executor::Open {
                shape,
                pre_allocated_vus,
                max_vus,
                on_saturation,
            },
            Executor::Open {
                shape: new,
                pre_allocated_vus: made,
                max_vus: cap,
                on_saturation: policy,
            },
        ) = (next, edited)
        else {
            return;
        };
        let follows = |shape: &Shape, made: u64, cap| made == default_pre_allocated(shape, cap);
        let unsaid = follows(shape, *pre_allocated_vus, *max_vus) && follows(new, *made, *cap);
        if !unsaid {
            let late = "they were made before the start";
            self.compare("pre_allocated_vus", pre_allocated_vus, made, u64::to_string, Some(late));
        }
        self.shape(shape, new);
        let lower = (cap < max_vus).then_some(MADE);
        self.compare("max_vus", max_vus, cap, u64::to_string, lower);
        self.compare(
            "on_saturation",
            on_saturation,
            policy,
            |policy| policy.name().to_owned(),
            None,
        );
        if unsaid {
            // What nobody said follows from the rest, and is of no meaning by now.
            *pre_allocated_vus = default_pre_allocated(shape, *max_vus);
        }
    }

    fn shape(&mut self, shape: &mut Shape, edited: &Shape) {
        match (shape, edited) {
            (
                Shape::ConstantArrivalRate {
                    rate,
                    time_unit,
                    duration,
                    arrival,
                },
                Shape::ConstantArrivalRate {
                    rate: new,
                    time_unit: unit,
                    duration: lasting,
                    arrival: spread,
                },
            ) => {
                self.rate |= self.rate("rate", (rate, *time_unit), (*new, *unit));
                self.compare("duration", duration, lasting, show::duration, None);
                self.spread((time_unit, arrival), (unit, spread));
            }
            (
                Shape::RampingArrivalRate {
                    start_rate,
                    time_unit,
                    stages,
                    arrival,
                },
                Shape::RampingArrivalRate {
                    start_rate: start,
                    time_unit: unit,
                    stages: new,
                    arrival: spread,
                },
            ) => {
                self.rate("start_rate", (start_rate, *time_unit), (*start, *unit));
                self.compare("stages", stages, new, |stages| show::stages(stages), None);
                self.spread((time_unit, arrival), (unit, spread));
            }
            (
                Shape::Steps {
                    time_unit,
                    steps,
                    arrival,
                },
                Shape::Steps {
                    time_unit: unit,
                    steps: new,
                    arrival: spread,
                },
            ) => {
                self.compare("steps", steps, new, |steps| show::steps(steps), None);
                self.spread((time_unit, arrival), (unit, spread));
            }
            (shape, edited) => self.starts(shape, edited),
        }
    }

    /// Shapes without a rate.
    fn starts(&mut self, shape: &mut Shape, edited: &Shape) {
        match (shape, edited) {
            (Shape::Waves { waves }, Shape::Waves { waves: new }) => {
                self.compare("waves", waves, new, |waves| show::waves(waves), None);
            }
            (Shape::Burst { count }, Shape::Burst { count: new }) => {
                let begun = self.begun(BEGUN);
                self.compare("count", count, new, u64::to_string, begun);
            }
            (
                Shape::Replay { trace, speed },
                Shape::Replay {
                    trace: new,
                    speed: fast,
                },
            ) => {
                let begun = self.begun(ROWS);
                let file = |trace: &Trace| format!("`{}` ({})", trace.file, trace.times.len());
                self.compare("trace", trace, new, file, begun);
                self.compare("speed", speed, fast, f64::to_string, begun);
            }
            // Told apart by their names before.
            _ => {}
        }
    }

    fn rate(&mut self, key: &str, (rate, unit): (&mut f64, Duration), (edited, edited_unit): (f64, Duration)) -> bool {
        if *rate == edited {
            return false;
        }
        let accepted = self.note(key, (show::rate(*rate, unit), show::rate(edited, edited_unit)), None);
        if accepted {
            *rate = edited;
        }
        accepted
    }

    /// What all rates have: their unit, and how arrivals are spread. Either changes what a rate of live control means.
    fn spread(&mut self, running: (&mut Duration, &mut Spacing), edited: (&Duration, &Spacing)) {
        self.rate |= self.compare("time_unit", running.0, edited.0, show::duration, None);
        self.rate |= self.compare(
            "arrival",
            running.1,
            edited.1,
            |spacing| spacing.name().to_owned(),
            None,
        );
    }

    /// Takes the edited value over unless it is refused. Returns whether it was another one and was taken.
    fn compare<T: PartialEq + Clone>(
        &mut self,
        key: &str,
        running: &mut T,
        edited: &T,
        show: impl Fn(&T) -> String,
        refused: Option<&str>,
    ) -> bool {
        if running == edited {
            return false;
        }
        let accepted = self.note(key, (show(running), show(edited)), refused);
        if accepted {
            running.clone_from(edited);
        }
        accepted
    }

    /// `reason`, unless the scenario has yet to begin.
    fn begun(&self, reason: &'static str) -> Option<&'static str> {
        (self.standing != Standing::Waiting).then_some(reason)
    }

    fn refuse(&mut self, key: &str, values: (impl Display, impl Display), reason: &str) {
        self.note(key, values, Some(reason));
    }

    /// Notes one difference; returns whether it is accepted.
    fn note(&mut self, key: &str, (from, to): (impl Display, impl Display), refused: Option<&str>) -> bool {
        let refused = match &self.standing {
            Standing::Nowhere(reason) => Some(reason.clone()),
            Standing::Ended => Some("it has ended".to_owned()),
            Standing::Draining if key != "graceful_stop" => {
                Some("its load is over, and what is in flight finishes".to_owned())
            }
            Standing::Draining | Standing::Running | Standing::Waiting => refused.map(str::to_owned),
        };
        let accepted = refused.is_none();
        self.changes.push(Change {
            what: format!("`{}`: {key} {from} → {to}", self.next.name),
            refused,
        });
        accepted
    }
}
