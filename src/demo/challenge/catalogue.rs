//! What there is to achieve: challenges, their goals, and what each goal wants. The same on every machine; what users
//! have achieved is in `store`.

use serde_json::{Value, json};

/// The statistics that goals are about; goal number i is about number i modulo 3.
pub(in crate::demo) const STATS: [&str; 3] = ["enemy_kills", "login_count", "games_played"];

/// A goal's place: challenge and goal, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GoalKey {
    pub challenge: u16,
    pub goal: u16,
}

/// A user and a goal: what is claimed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClaimKey {
    pub user: u32,
    pub goal: GoalKey,
}

impl ClaimKey {
    /// Its ids, as in paths.
    pub(super) fn json(self) -> Value {
        json!({
            "userId": user_id(self.user),
            "challengeId": challenge_id(self.goal.challenge),
            "goalId": goal_id(self.goal.goal),
        })
    }
}

/// `user-000017`.
pub(in crate::demo) fn user_id(number: u32) -> String {
    format!("user-{number:06}")
}

/// The number of a user id, in exactly the form of [`user_id`].
pub(super) fn user_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix("user-")?;
    (digits.len() == 6).then(|| decimal(digits)).flatten()
}

pub(super) fn challenge_id(number: u16) -> String {
    format!("challenge-{number}")
}

pub(super) fn goal_id(number: u16) -> String {
    format!("goal-{number}")
}

/// Digits and nothing else.
fn decimal(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

/// What a goal wants: a statistic of at least `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Goal {
    /// Its place in [`STATS`].
    pub stat: u8,
    pub target: i64,
    /// Coins.
    pub reward: u32,
}

impl Goal {
    pub(super) fn stat_code(&self) -> &'static str {
        STATS[usize::from(self.stat)]
    }
}

/// All challenges and their goals.
#[derive(Debug, Clone, Copy)]
pub(in crate::demo) struct Catalogue {
    challenges: u16,
    goals: u16,
}

impl Catalogue {
    pub(in crate::demo) fn new(challenges: u16, goals: u16) -> Self {
        Self { challenges, goals }
    }

    /// Targets are 10 to 109, each of which comes once in a hundred goals.
    pub(super) fn goal(self, key: GoalKey) -> Goal {
        let number = i64::from(key.challenge) * i64::from(self.goals) + i64::from(key.goal);
        let target = 10 + number % 100;
        Goal {
            stat: (key.goal % STATS.len() as u16) as u8,
            target,
            reward: u32::try_from(target * 10).unwrap_or(u32::MAX),
        }
    }

    /// The challenge of an id.
    pub(super) fn challenge(self, id: &str) -> Option<u16> {
        number(id, "challenge-").filter(|number| *number < self.challenges)
    }

    /// The goal of two ids.
    pub(super) fn find(self, challenge: &str, goal: &str) -> Option<GoalKey> {
        Some(GoalKey {
            challenge: self.challenge(challenge)?,
            goal: number(goal, "goal-").filter(|number| *number < self.goals)?,
        })
    }

    pub(super) fn challenges(self) -> std::ops::Range<u16> {
        0..self.challenges
    }

    pub(super) fn goals(self, challenge: u16) -> impl Iterator<Item = (GoalKey, Goal)> {
        (0..self.goals).map(move |goal| {
            let key = GoalKey { challenge, goal };
            (key, self.goal(key))
        })
    }

    /// Each challenge with its goals, as in the data file.
    pub(in crate::demo) fn rows(self) -> impl Iterator<Item = Value> {
        self.challenges().map(move |challenge| {
            let goals: Vec<Value> = self
                .goals(challenge)
                .map(|(key, goal)| {
                    json!({
                        "goalId": goal_id(key.goal),
                        "statCode": goal.stat_code(),
                        "operator": ">=",
                        "target": goal.target,
                        "reward": { "type": "coins", "quantity": goal.reward },
                    })
                })
                .collect();
            json!({ "challengeId": challenge_id(challenge), "goals": goals })
        })
    }
}

/// A number without leading zeros: one goal has one id.
fn number(id: &str, prefix: &str) -> Option<u16> {
    let digits = id.strip_prefix(prefix)?;
    let plain = digits == "0" || !digits.starts_with('0');
    let number = plain.then(|| decimal(digits)).flatten()?;
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_their_numbers_and_nothing_else_does() {
        let catalogue = Catalogue::new(10, 50);
        // challenge, goal, found
        let table = [
            ("challenge-0", "goal-0", Some((0, 0))),
            ("challenge-9", "goal-49", Some((9, 49))),
            ("challenge-10", "goal-0", None),
            ("challenge-0", "goal-50", None),
            ("challenge-00", "goal-0", None),
            ("challenge-0", "goal-+1", None),
            ("challenge-", "goal-1", None),
            ("goal-1", "challenge-1", None),
        ];
        for (challenge, goal, found) in table {
            let key = catalogue.find(challenge, goal).map(|key| (key.challenge, key.goal));
            assert_eq!(key, found, "{challenge} {goal}");
        }
        for (id, number) in [
            ("user-000000", Some(0)),
            ("user-009999", Some(9_999)),
            ("user-1", None),
            ("user-+00001", None),
            ("player-000001", None),
        ] {
            assert_eq!(user_number(id), number, "{id}");
        }
        assert_eq!(user_number(&user_id(41)), Some(41));
    }

    #[test]
    fn goals_cover_all_targets_and_statistics() {
        let catalogue = Catalogue::new(10, 50);
        let goals: Vec<Goal> = catalogue
            .challenges()
            .flat_map(|challenge| catalogue.goals(challenge).map(|(_, goal)| goal))
            .collect();
        assert_eq!(goals.len(), 500);
        for target in 10..=109 {
            assert_eq!(goals.iter().filter(|goal| goal.target == target).count(), 5);
        }
        let third = GoalKey { challenge: 1, goal: 2 };
        let goal = catalogue.goal(third);
        assert_eq!((goal.stat_code(), goal.target, goal.reward), ("games_played", 62, 620));
    }
}
