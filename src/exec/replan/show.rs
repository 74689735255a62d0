//! How values of a plan are shown where they are edited.

use std::time::Duration;

use crate::schedule::{Stage, Step, Wave};

use super::Change;

/// Longer lists are cut.
const LONGEST: usize = 5;

pub(super) fn removed(name: &str) -> Change {
    Change {
        what: format!("`{name}`: removed"),
        refused: Some("it goes on as before: a scenario cannot leave a run".to_owned()),
    }
}

pub(super) fn added(name: &str) -> Change {
    Change {
        what: format!("`{name}`: added"),
        refused: Some("a scenario cannot join a run that has begun".to_owned()),
    }
}

pub(super) fn duration(value: &Duration) -> String {
    format!("{value:?}")
}

/// Iterations for each time unit.
pub(super) fn rate(rate: f64, time_unit: Duration) -> String {
    if time_unit == Duration::from_secs(1) {
        format!("{rate}/s")
    } else {
        format!("{rate}/{time_unit:?}")
    }
}

pub(super) fn stages<T: std::fmt::Display>(stages: &[Stage<T>]) -> String {
    list(stages, |stage| {
        named(stage.name.as_ref(), format!("{} in {:?}", stage.target, stage.duration))
    })
}

pub(super) fn steps(steps: &[Step]) -> String {
    list(steps, |step| {
        named(step.name.as_ref(), format!("{} for {:?}", step.rate, step.duration))
    })
}

pub(super) fn waves(waves: &[Wave]) -> String {
    list(waves, |wave| {
        named(wave.name.as_ref(), format!("{} at {:?}", wave.count, wave.at))
    })
}

fn named(name: Option<&String>, what: String) -> String {
    match name {
        Some(name) => format!("`{name}`: {what}"),
        None => what,
    }
}

fn list<T>(values: &[T], one: impl Fn(&T) -> String) -> String {
    let mut shown: Vec<_> = values.iter().take(LONGEST).map(one).collect();
    if values.len() > LONGEST {
        shown.push(format!("… ({} in all)", values.len()));
    }
    format!("[{}]", shown.join(", "))
}
