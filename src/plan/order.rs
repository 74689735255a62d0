//! Scenarios that begin after one another: which orders make sense, and when they begin at the latest. Who waits for whom
//! while they run is `exec`'s.

use std::time::Duration;

use super::Scenario;

/// Why scenarios cannot begin in the order that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// `start_after` names nothing.
    #[error("scenarios.{scenario}: `start_after` names `{other}`, and there is no such scenario; there is {known}")]
    Unknown {
        /// Who waits.
        scenario: String,
        /// For whom.
        other: String,
        /// Those that there are.
        known: String,
    },
    /// Each waits for the other.
    #[error("scenarios.{scenario}: `start_after` goes in a circle: {circle}")]
    Circle {
        /// One of them.
        scenario: String,
        /// All of them.
        circle: String,
    },
}

impl OrderError {
    /// The scenario whose `start_after` is wrong.
    #[must_use]
    pub fn scenario(&self) -> &str {
        match self {
            Self::Unknown { scenario, .. } | Self::Circle { scenario, .. } => scenario,
        }
    }
}

/// Refuses unknown names and circles.
///
/// # Errors
/// [`OrderError`] with the first scenario that can never begin.
pub fn check(scenarios: &[Scenario]) -> Result<(), OrderError> {
    for scenario in scenarios {
        let mut path = vec![scenario.name.as_str()];
        let mut current = scenario;
        while let Some(other) = &current.start_after {
            let Some(next) = scenarios.iter().find(|s| s.name == *other) else {
                let known: Vec<_> = scenarios.iter().map(|s| format!("`{}`", s.name)).collect();
                return Err(OrderError::Unknown {
                    scenario: current.name.clone(),
                    other: other.clone(),
                    known: known.join(", "),
                });
            };
            let again = path.contains(&other.as_str());
            path.push(other);
            if again {
                return Err(OrderError::Circle {
                    scenario: scenario.name.clone(),
                    circle: path.join(" → "),
                });
            }
            current = next;
        }
    }
    Ok(())
}

/// When scenario `index` begins at the latest, from the start of the run: those before it need all of their graceful
/// stops. The order has been checked.
#[must_use]
pub fn latest_start(scenarios: &[Scenario], index: usize) -> Duration {
    let scenario = &scenarios[index];
    let before = scenario
        .start_after
        .as_ref()
        .and_then(|other| scenarios.iter().position(|s| s.name == *other))
        .map_or(Duration::ZERO, |other| {
            latest_start(scenarios, other)
                .saturating_add(scenarios[other].executor.duration())
                .saturating_add(scenarios[other].graceful_stop)
        });
    before.saturating_add(scenario.start_time)
}

/// When the schedules of all scenarios are over at the latest, from the start of the run; graceful stops are not included.
#[must_use]
pub fn latest_end(scenarios: &[Scenario]) -> Duration {
    let ends = scenarios
        .iter()
        .enumerate()
        .map(|(index, scenario)| latest_start(scenarios, index).saturating_add(scenario.executor.duration()));
    ends.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::Executor;

    fn scenario(name: &str, after: Option<&str>) -> Scenario {
        Scenario {
            name: name.to_owned(),
            executor: Executor::ConstantVus {
                vus: 1,
                duration: Duration::from_secs(60),
            },
            start_time: Duration::from_secs(5),
            start_after: after.map(str::to_owned),
            warmup: Duration::ZERO,
            graceful_stop: Duration::from_secs(30),
            tags: BTreeMap::new(),
            env: BTreeMap::new(),
        }
    }

    #[test]
    fn orders_are_checked() {
        let told = |scenarios: &[Scenario]| check(scenarios).map_err(|error| error.to_string());
        let chain = [scenario("a", Some("b")), scenario("b", Some("c")), scenario("c", None)];
        assert_eq!(told(&chain), Ok(()));
        let starts = [0, 1, 2].map(|index| latest_start(&chain, index).as_secs());
        assert_eq!(starts, [5 + 90 + 5 + 90 + 5, 5 + 90 + 5, 5]);
        assert_eq!(latest_end(&chain).as_secs(), starts[0] + 60);
        let unknown = told(&[scenario("a", Some("x"))]).unwrap_err();
        assert!(
            unknown.contains("names `x`") && unknown.contains("there is `a`"),
            "{unknown}"
        );
        let own = told(&[scenario("a", Some("a"))]).unwrap_err();
        assert!(own.ends_with("a → a"), "{own}");
        let circle = [
            scenario("a", Some("b")),
            scenario("b", Some("c")),
            scenario("c", Some("b")),
        ];
        let circle = told(&circle).unwrap_err();
        assert!(circle.ends_with("a → b → c → b"), "{circle}");
    }
}
