//! Applies an edited plan to the running one, as far as that has a meaning. What differs, and why some of it cannot be, is
//! `diff`'s; what follows for times is `terms`'s.
//!
//! All that is accepted takes effect at one instant on all cores, in each scenario's own time: from then on it holds as if
//! it had been there from the start. Where live control has set a rate or a number of VUs, the newest wins: an edit that
//! says something about it undoes what was set, others leave it alone.

mod diff;
mod show;
#[cfg(test)]
mod tests;

use crate::clock::Instant;
use crate::control::{Abilities, Amendment, Control, Setpoint};
use crate::plan::{Executor, Scenario};
use crate::schedule::Shape;

use self::diff::{Diff, Standing};
use super::shared::Shared;
use super::terms::Agenda;

/// What became of one difference between the running plan and an edited one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, and from what to what: "`sagas`: rate 10/s → 50/s".
    pub what: String,
    /// Why it is not applied; `None` when it is.
    pub refused: Option<String>,
}

/// What came of an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct Replanned {
    /// The scenarios in effect from now on, in the order of the run. Values of `env` are the edited plan's.
    pub scenarios: Vec<Scenario>,
    /// All differences.
    pub changes: Vec<Change>,
}

/// What an executor obeys. What is not listed is refused rather than accepted and ignored.
#[must_use]
pub fn abilities(executor: &Executor) -> Abilities {
    let (rate, max_vus) = match executor {
        Executor::SharedIterations { .. } | Executor::PerVuIterations { .. } | Executor::RampingVus { .. } => {
            (false, None)
        }
        // More are the plan's to say.
        Executor::ConstantVus { vus, .. } => (false, Some(*vus)),
        Executor::ExternallyControlled { max_vus, .. } => (false, Some(*max_vus)),
        Executor::Open { shape, .. } => (shape.has_one_rate(), None),
    };
    let no_rate = match executor {
        Executor::Open {
            shape: Shape::ConstantArrivalRate { .. },
            ..
        } if !rate => Some("with `arrival = \"burst\"`, which is due at the start of each time unit"),
        _ => None,
    };
    Abilities {
        pause: true,
        rate,
        no_rate,
        max_vus,
    }
}

/// Applies what can be applied of the edited scenarios, which are told apart by their names. Returns at once: it takes
/// effect a moment later ([`crate::control::LEAD`]).
#[must_use]
pub fn replan(control: &Control, shared: &Shared, edited: &[Scenario]) -> Replanned {
    let numbers: Vec<_> = (0..shared.scenarios())
        .map(|index| {
            let name = &shared.joint(index).newest().scenario.name;
            let edited = edited.iter().find(|scenario| scenario.name == *name);
            edited.map_or_else(Vec::new, |edited| {
                control.number_stages(index, &edited.executor.segments())
            })
        })
        .collect();
    let mut replanned = None;
    let asked = control.amend(|at, setpoints| {
        let standing = |index| standing(shared, index, at, setpoints.get(index));
        let mut amendments = Vec::new();
        replanned = Some(compare(shared, edited, standing, |index, diff| {
            amendments.push(amend(shared, index, diff, &numbers[index]));
        }));
        amendments
    });
    match (asked, replanned) {
        (Ok(()), Some(replanned)) => replanned,
        (asked, _) => {
            let reason = asked.err().map_or_else(String::new, |refused| refused.to_string());
            compare(shared, edited, |_| Standing::Nowhere(reason.clone()), |_, _| {})
        }
    }
}

/// Goes through all scenarios; those of which something was accepted are given to `accept`.
fn compare(
    shared: &Shared,
    edited: &[Scenario],
    standing: impl Fn(usize) -> Standing,
    mut accept: impl FnMut(usize, &Diff),
) -> Replanned {
    let running: Vec<_> = (0..shared.scenarios())
        .map(|index| shared.joint(index).newest())
        .collect();
    let mut changes = Vec::new();
    let mut scenarios = Vec::with_capacity(running.len());
    for (index, terms) in running.iter().enumerate() {
        let Some(edited) = edited.iter().find(|edited| edited.name == terms.scenario.name) else {
            changes.push(show::removed(&terms.scenario.name));
            scenarios.push(terms.scenario.clone());
            continue;
        };
        let diff = Diff::of(&terms.scenario, edited, standing(index));
        if diff.is_accepted() {
            accept(index, &diff);
        }
        changes.extend(diff.changes);
        scenarios.push(diff.next);
    }
    let is_known = |edited: &&Scenario| !running.iter().any(|terms| terms.scenario.name == edited.name);
    changes.extend(edited.iter().filter(is_known).map(|edited| show::added(&edited.name)));
    Replanned { scenarios, changes }
}

/// Makes the accepted version known.
fn amend(shared: &Shared, index: usize, diff: &Diff, numbers: &[u32]) -> Amendment {
    let (joint, executor) = (shared.joint(index), &diff.next.executor);
    if !executor.is_open() {
        // VUs are made before they are wanted. Open scenarios make theirs when they are, and raise their cap then.
        joint.raise_max_vus(executor.vus().1);
    }
    Amendment {
        scenario: index,
        terms: joint.amend(diff.next.clone(), numbers),
        rate: diff.rate,
        vus: diff.vus,
        abilities: abilities(executor),
    }
}

/// Where a scenario will stand at `at`, by what was set before.
fn standing(shared: &Shared, index: usize, at: Instant, setpoints: Option<&Vec<Setpoint>>) -> Standing {
    let joint = shared.joint(index);
    let setpoints = setpoints.cloned().unwrap_or_default();
    if joint.ended_at().is_some() {
        return Standing::Ended;
    }
    let Some(begin) = joint.begun() else {
        let start = shared.start(index, setpoints);
        return if start.is_some_and(|start| start <= at) {
            Standing::Running
        } else {
            Standing::Waiting
        };
    };
    let agenda = Agenda::new(setpoints, joint.terms(), begin);
    if agenda.is_over(at) || !joint.offering() || joint.exchange.is_over() {
        Standing::Draining
    } else {
        Standing::Running
    }
}
