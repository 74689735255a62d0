//! What an event says: which statistic of which user changes how. Events are refused rather than guessed at.
//!
//! | event | payload | means |
//! |---|---|---|
//! | `userLoggedIn` | anything, such as `platform` | one more login: `login_count` + 1 |
//! | `statItemUpdated` | `statCode`, one of the three; `value`, a whole number from 0 to 1,000,000,000 in decimal digits | the statistic's new value, or what is added to it ([`StatMode`]) |
//!
//! The payload is `map<string, string>`: numbers arrive as text, and text that is no number is an error of the sender's. A
//! `userId` in the payload must be that of the event.

use super::catalogue::{STATS, user_number};
use super::message::Event;
use super::options::StatMode;

/// Change of a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Set(i64),
    Add(i64),
}

/// What is buffered of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Update {
    pub user: u32,
    pub stat: u8,
    pub change: Change,
    pub kind: Kind,
}

/// The types of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    LoggedIn,
    StatUpdated,
    /// None that is known.
    Other,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::LoggedIn, Self::StatUpdated, Self::Other];

    pub(super) fn of(event: &Event) -> Self {
        match event.event_name.as_str() {
            "userLoggedIn" => Self::LoggedIn,
            "statItemUpdated" => Self::StatUpdated,
            _ => Self::Other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LoggedIn => "userLoggedIn",
            Self::StatUpdated => "statItemUpdated",
            Self::Other => "other",
        }
    }
}

/// The statistic that logins count.
const LOGINS: u8 = 1;

const MOST: i64 = 1_000_000_000;

/// # Errors
/// The first thing that is wrong with the event, naming the field.
pub(super) fn read(event: &Event, users: u32, mode: StatMode) -> Result<Update, String> {
    let kind = Kind::of(event);
    let user = user_number(&event.user_id).filter(|number| *number < users);
    let user = user.ok_or_else(|| format!("user_id: there is no user `{}`", event.user_id))?;
    if let Some(other) = event.payload.get("userId").filter(|other| **other != event.user_id) {
        return Err(format!(
            "payload.userId: `{other}` is not the user of the event, `{}`",
            event.user_id
        ));
    }
    let (stat, change) = match kind {
        Kind::LoggedIn => (LOGINS, Change::Add(1)),
        Kind::StatUpdated => {
            let value = value(event)?;
            let change = match mode {
                StatMode::Absolute => Change::Set(value),
                StatMode::Increment => Change::Add(value),
            };
            (stat(event)?, change)
        }
        Kind::Other => {
            return Err(format!(
                "event_name: `{}` is not userLoggedIn or statItemUpdated",
                event.event_name
            ));
        }
    };
    Ok(Update {
        user,
        stat,
        change,
        kind,
    })
}

fn stat(event: &Event) -> Result<u8, String> {
    let known = STATS.join(", ");
    let code = event.payload.get("statCode").ok_or_else(|| {
        let hint = if event.payload.contains_key("stat_code") {
            "; it is written statCode, not stat_code"
        } else {
            ""
        };
        format!("payload.statCode: is missing; one of {known}{hint}")
    })?;
    (0..)
        .zip(STATS)
        .find_map(|(number, stat)| (stat == code).then_some(number))
        .ok_or_else(|| format!("payload.statCode: `{code}` is not one of {known}"))
}

fn value(event: &Event) -> Result<i64, String> {
    let text = event.payload.get("value").ok_or("payload.value: is missing")?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.then(|| text.parse::<i64>().ok()).flatten();
    value
        .filter(|value| *value <= MOST)
        .ok_or_else(|| format!("payload.value: `{text}` is not a whole number from 0 to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, user: &str, payload: &[(&str, &str)]) -> Event {
        Event {
            event_name: name.to_owned(),
            namespace: "demo".to_owned(),
            user_id: user.to_owned(),
            payload: payload
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn events_change_one_statistic() {
        // name, payload, mode, statistic, change
        let kills = [("statCode", "enemy_kills"), ("value", "42")];
        let table: [(_, &[(&str, &str)], _, _, _); 5] = [
            (
                "userLoggedIn",
                &[("platform", "PC")],
                StatMode::Absolute,
                1,
                Change::Add(1),
            ),
            ("userLoggedIn", &[], StatMode::Increment, 1, Change::Add(1)),
            ("statItemUpdated", &kills, StatMode::Absolute, 0, Change::Set(42)),
            ("statItemUpdated", &kills, StatMode::Increment, 0, Change::Add(42)),
            (
                "statItemUpdated",
                &[("statCode", "games_played"), ("value", "0"), ("userId", "user-000007")],
                StatMode::Absolute,
                2,
                Change::Set(0),
            ),
        ];
        for (name, payload, mode, stat, change) in table {
            let update = read(&event(name, "user-000007", payload), 10, mode).unwrap();
            assert_eq!((update.user, update.stat, update.change), (7, stat, change), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let code = ("statCode", "enemy_kills");
        // name, user, payload, what is said
        let table: [(_, _, &[(&str, &str)], _); 12] = [
            ("", "user-000001", &[], "event_name: `` is not"),
            ("UserLoggedIn", "user-000001", &[], "event_name: `UserLoggedIn`"),
            ("userLoggedIn", "user-000010", &[], "no user `user-000010`"),
            ("userLoggedIn", "user-1", &[], "no user `user-1`"),
            ("userLoggedIn", "", &[], "no user ``"),
            (
                "userLoggedIn",
                "user-000001",
                &[("userId", "user-000002")],
                "payload.userId",
            ),
            (
                "statItemUpdated",
                "user-000001",
                &[("value", "1")],
                "payload.statCode: is missing",
            ),
            (
                "statItemUpdated",
                "user-000001",
                &[("value", "1"), ("stat_code", "enemy_kills")],
                "not stat_code",
            ),
            (
                "statItemUpdated",
                "user-000001",
                &[("value", "1"), ("statCode", "kills")],
                "`kills`",
            ),
            ("statItemUpdated", "user-000001", &[code], "payload.value: is missing"),
            (
                "statItemUpdated",
                "user-000001",
                &[code, ("value", "4.5")],
                "`4.5` is not a whole",
            ),
            ("statItemUpdated", "user-000001", &[code, ("value", "-1")], "`-1`"),
        ];
        for (name, user, payload, part) in table {
            let said = read(&event(name, user, payload), 10, StatMode::Absolute).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }
}
