//! What an edited plan changes in a run, and what it cannot change any more: a pure comparison of two plans. What changes in
//! a scenario is `exec`'s.

use std::time::Duration;

use crate::exec::Change;
use crate::metrics::Threshold;
use crate::plan::Plan;

/// A change, with the reason for which it does not apply, if it does not.
pub(super) fn with_reason(change: &Change) -> String {
    match &change.refused {
        Some(why) => format!("{}: {why}", change.what),
        None => change.what.clone(),
    }
}

pub(super) fn applied(what: impl Into<String>) -> Change {
    Change {
        what: what.into(),
        refused: None,
    }
}

pub(super) fn refused(what: impl Into<String>, why: impl Into<String>) -> Change {
    Change {
        what: what.into(),
        refused: Some(why.into()),
    }
}

/// What an edited plan comes to.
#[derive(Debug)]
pub(super) struct Edited {
    /// The plan in effect, with what could not change as it was; its scenarios and thresholds are still to be compared.
    pub(super) plan: Plan,
    pub(super) changes: Vec<Change>,
}

/// Compares all but scenarios and thresholds.
///
/// # Errors
/// A scenario that runs is missing, and its virtual users would have no journey: then nothing of the edit applies.
pub(super) fn merge(now: &Plan, mut edited: Plan) -> Result<Edited, String> {
    let mut changes = Vec::new();
    let is_kept = |name: &str| edited.scenarios.iter().any(|scenario| scenario.name == name);
    if let Some(gone) = now.scenarios.iter().find(|scenario| !is_kept(&scenario.name)) {
        return Err(format!(
            "error: the edited script has no scenario `{}`, which runs: a scenario can be neither removed nor renamed while \
             the load lasts",
            gone.name
        ));
    }
    if now.tags != edited.tags {
        changes.push(refused("tags", TAGS));
        edited.tags.clone_from(&now.tags);
    }
    if now.phases != edited.phases {
        changes.push(refused("phases", "what was measured belongs to them already"));
        edited.phases.clone_from(&now.phases);
    }
    if now.checkpoints != edited.checkpoints {
        changes.push(refused("checkpoints", "their spans have begun already"));
        edited.checkpoints = now.checkpoints;
    }
    if now.setup_timeout != edited.setup_timeout {
        changes.push(refused("setup_timeout", "setup has run already"));
        edited.setup_timeout = now.setup_timeout;
    }
    let parts = [
        ("teardown_timeout", now.teardown_timeout != edited.teardown_timeout),
        ("on_script_error", now.on_script_error != edited.on_script_error),
        ("limits", now.limits != edited.limits),
        ("invariants", now.invariants != edited.invariants),
        ("http.base_url", now.http.base_url != edited.http.base_url),
        ("traces", now.traces != edited.traces),
        ("http.headers", now.http.config.headers != edited.http.config.headers),
    ];
    let differ = parts.into_iter().filter(|(_, differs)| *differs);
    changes.extend(differ.map(|(what, _)| applied(what)));
    let mut rest = edited.http.config.clone();
    rest.headers.clone_from(&now.http.config.headers);
    rest.trace_sampling = now.http.config.trace_sampling;
    if now.http.config != rest {
        let keeps = edited.http.config.connects_like(&now.http.config);
        changes.push(applied(if keeps {
            "http options"
        } else {
            "http options; connections are made anew"
        }));
    }
    Ok(Edited { plan: edited, changes })
}

const TAGS: &str = "what was measured carries them already";

/// Takes out the thresholds of scenarios that do not run, because nobody selected them or they are new: nothing would ever be
/// measured of them.
pub(super) fn without_others(thresholds: &mut Vec<Threshold>, running: &[&str]) -> Vec<Change> {
    let mut changes = Vec::new();
    thresholds.retain(|threshold| {
        let of = threshold.selector.tags.iter().find(|(tag, _)| tag == "scenario");
        let runs = of.is_none_or(|(_, scenario)| running.contains(&scenario.as_str()));
        if !runs {
            let what = format!("threshold {}: {}", threshold.selector, threshold.expression);
            changes.push(refused(what, "its scenario does not run"));
        }
        runs
    });
    changes
}

/// Takes out new thresholds of stages that are over: what was measured before an edit does not count for what it brings.
/// `is_past` is told the stage, and the scenario where the threshold names one.
pub(super) fn without_past(
    now: &[Threshold],
    edited: &mut Vec<Threshold>,
    is_past: impl Fn(&str, Option<&str>) -> bool,
) -> Vec<Change> {
    let mut changes = Vec::new();
    edited.retain(|threshold| {
        let tags = &threshold.selector.tags;
        let tag = |name: &str| {
            tags.iter()
                .find(|(tag, _)| tag == name)
                .map(|(_, value)| value.as_str())
        };
        let is_new = !now.iter().any(|before| before.judges_like(threshold));
        let gone = tag("stage").filter(|stage| is_new && is_past(stage, tag("scenario")));
        if let Some(stage) = gone {
            let what = format!("threshold {}: {}", threshold.selector, threshold.expression);
            let why = format!("stage `{stage}` is over, and what was before an edit does not count");
            changes.push(refused(what, why));
        }
        gone.is_none()
    });
    changes
}

/// Makes thresholds that judge the same as before go on counting, and the others count from `since` on. Gives the latter.
pub(super) fn thresholds(now: &[Threshold], edited: &mut [Threshold], since: Duration) -> Vec<Threshold> {
    let mut fresh = Vec::new();
    for threshold in edited {
        match now.iter().find(|before| before.judges_like(threshold)) {
            Some(before) => threshold.since = before.since,
            None => {
                threshold.since = Some(since);
                fresh.push(threshold.clone());
            }
        }
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;

    fn threshold(text: &str) -> Threshold {
        let registry = Registry::new();
        Threshold::parse("http_req_duration", text, &registry).unwrap()
    }

    #[test]
    fn thresholds_that_are_as_they_were_go_on_counting() {
        let s = Duration::from_secs;
        let brought = Threshold {
            since: Some(s(4)),
            ..threshold("p(95)<9")
        };
        let now = [threshold("p(95)<5"), brought.clone()];
        let mut edited = [threshold("p(95)<5"), threshold("p(95)<9"), threshold("p(99)<9")];
        let fresh = thresholds(&now, &mut edited, s(8));
        let sinces = edited.each_ref().map(|threshold| threshold.since);
        assert_eq!(sinces, [None, Some(s(4)), Some(s(8))]);
        assert_eq!(fresh, [edited[2].clone()]);
    }

    #[test]
    fn new_thresholds_of_stages_that_are_over_are_refused() {
        let registry = Registry::new();
        let of = |series: &str| Threshold::parse(series, "p(95)<5", &registry).unwrap();
        let now = [of("http_req_duration{stage:up}")];
        let mut edited = vec![
            of("http_req_duration{stage:up}"),
            of("http_req_duration{stage:up,scenario:a}"),
            of("http_req_duration{stage:down}"),
            of("http_req_duration"),
        ];
        let changes = without_past(&now, &mut edited, |stage, _| stage == "up");
        let left: Vec<_> = edited.iter().map(|threshold| threshold.selector.tags.len()).collect();
        assert_eq!(left, [1, 1, 0], "what judged before goes on");
        let told: Vec<_> = changes.iter().map(with_reason).collect();
        assert!(told.len() == 1 && told[0].contains("stage `up` is over"), "{told:?}");
    }
}
