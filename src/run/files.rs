//! The limit of open files: raised as far as allowed, and told when it is too low, because a connection is a file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::Plan;

/// Files that are open whatever the load is: streams, timers, results.
const OWN: u64 = 64;

/// Raises the soft limit to the hard one; a sentence for people when the plan needs more all the same.
pub(super) fn prepare(plan: &Plan) -> Option<String> {
    raise();
    shortage(plan, allowed())
}

/// Raises the soft limit to the hard one, as far as the system lets it.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        // Refused is no harm: the limit that holds is told when it is reached.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// How many files this process may open; `None` without a limit.
pub(super) fn allowed() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// What is wrong with a limit, if the VUs that the plan is sure to make keep a connection each.
fn shortage(plan: &Plan, allowed: Option<u64>) -> Option<String> {
    let vus: u64 = plan.scenarios.iter().map(|scenario| scenario.executor.vus().0).sum();
    let needed = vus.saturating_add(OWN);
    let allowed = allowed.filter(|allowed| *allowed < needed)?;
    Some(format!(
        "{vus} virtual users keep a connection each, but this process may open {allowed} files only; \
         raise the limit before the run: ulimit -n {needed}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Executor, Scenario};
    use std::time::Duration;

    #[test]
    fn a_limit_that_is_too_low_is_named_with_its_cure() {
        let executor = Executor::ConstantVus {
            vus: 5_000,
            duration: Duration::from_secs(1),
        };
        let plan = Plan::of(vec![Scenario::of("a", executor)]);
        let table = [
            (Some(5_063), true),
            (Some(5_064), false),
            (Some(1_024), true),
            (None, false),
        ];
        for (allowed, told) in table {
            let text = shortage(&plan, allowed);
            assert_eq!(text.is_some(), told, "{allowed:?}");
            assert!(text.is_none_or(|text| text.ends_with("ulimit -n 5064")), "{allowed:?}");
        }
    }
}
