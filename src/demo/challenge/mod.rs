//! The challenge system: players' events come over gRPC and are buffered, an HTTP API tells what players have achieved and
//! lets them claim rewards, and both share a database, so that only loading both at once tells the truth.
//!
//! `CHALLENGE_URL` serves:
//!
//! | Path | Answers |
//! |---|---|
//! | `POST /v1/token` `{userId, expiresIn?}` | 200 `access_token`, `expires_in` in seconds; 404 for a user that there is not |
//! | `GET /v1/challenges` | 200 `challenges: [{challengeId, goals: [{goalId, statCode, operator, target, progress, status, reward, claimedAt?}]}]`; 401; 503 |
//! | `GET /v1/challenges/{cid}` | 200, one of them; 401; 404; 503 |
//! | `POST /v1/challenges/{cid}/goals/{gid}/claim` | 200 `{status: "claimed", …}`; 400 not completed; 409 claimed already; 401; 404; 502 no reward, and not claimed; 503 |
//! | `GET /health` | 200 `{"status":"UP"}`, with its parts |
//! | `POST`, `GET`, `DELETE /__fault` | set a fault (201, 400 with the reason), list, clear all |
//! | `GET`, `DELETE /__stats` | exact service times in ms, and counts; start anew |
//! | `GET /__claims` | for each goal of a user how many claims won, and how many came too late |
//! | `GET /metrics` | OpenMetrics text |
//!
//! `CHALLENGE_GRPC`, host:port, serves `EventService/OnMessage` of `scripts/challenge/event.proto`, `grpc.health.v1.Health`
//! and server reflection (v1 and v1alpha), in plain text.
//!
//! Requests carry `Authorization: Bearer TOKEN`: a JWT with `sub` and `exp`, signed with HS256 and [`SECRET`]. Goals have
//! the status `not_started`, `in_progress`, `completed` or `claimed`.
//!
//! **An event** is taken under its user's lock, is put into a buffer, and is answered with success; the database is not
//! touched. Every second ([`ChallengeOptions::flush`]) the buffer is written, and only then the API sees it. While the
//! database is down, the buffer keeps what comes; when it is full, [`Overflow`] decides. What is wrong with an event is
//! said in `error` with `success = false`; nothing is guessed, see `event`.
//!
//! **A statistic** is a value for each user, and `statItemUpdated` brings its new value, unless [`StatMode::Increment`]
//! makes it one to be added. Each goal is about one statistic: its progress is the value, and it is completed, for good,
//! when the value has reached its target.
//!
//! **A claim** belongs to a user, a challenge and a goal, because ids of goals repeat in each challenge. The database
//! decides which of several claims wins; the winner then waits for the reward, and the others get 409 meanwhile.
//!
//! Everything random follows from [`ChallengeOptions::seed`] and the numbers of requests.

mod api;
mod buffer;
pub(in crate::demo) mod catalogue;
mod engine;
mod event;
mod grpc;
mod health;
mod locks;
mod message;
mod meters;
mod operation;
mod options;
mod pool;
mod rewards;
mod routes;
mod station;
mod store;
mod tally;
#[cfg(test)]
mod tests;
pub(in crate::demo) mod token;

use std::sync::Arc;

use engine::Challenge;
use operation::{Operation, PARTS};

use super::fault::{FaultError, FaultSpec, Menu};
use super::host::{DemoError, Serves, Site};

pub use options::{ChallengeOptions, Overflow, StatMode};
pub use token::SECRET;

/// What can go wrong with the challenge system.
pub(in crate::demo) const MENU: Menu = Menu {
    kinds: &[
        "latency",
        "errors",
        "reset",
        "stall",
        "cold_start",
        "down",
        "handler",
        "api_capacity",
        "event_capacity",
        "reward_delay",
        "reward_errors",
    ],
    operations: &Operation::NAMES,
    parts: &PARTS,
};

/// Reads a fault of the challenge system, as flags have it: `KIND=VALUE[@START][+DURATION]`.
///
/// # Errors
/// [`FaultError`] naming what is wrong.
pub fn fault(flag: &str) -> Result<FaultSpec, FaultError> {
    FaultSpec::from_flag(flag, &MENU)
}

/// Makes the challenge system and what it serves, `CHALLENGE_URL` and `CHALLENGE_GRPC`. Must be called inside a runtime.
///
/// # Errors
/// [`DemoError::Option`], and [`DemoError::Start`] when there is no place for its database.
pub(in crate::demo) fn sites(options: &ChallengeOptions) -> Result<Vec<Site>, DemoError> {
    if let Some((name, reason)) = options.problem() {
        return Err(DemoError::Option { name, reason });
    }
    let failed = |reason: String| DemoError::Start {
        system: "challenge system",
        reason,
    };
    let system = Challenge::start(options).map_err(failed)?;
    let events = grpc::server(&system).map_err(|error| failed(error.to_string()))?;
    let doors = Arc::clone(&system.doors);
    Ok(vec![
        Site {
            name: "CHALLENGE_URL".to_owned(),
            port: options.port,
            gateway: false,
            serves: Serves::Http(routes::routes().with_state(system)),
        },
        Site {
            name: "CHALLENGE_GRPC".to_owned(),
            port: options.grpc_port,
            gateway: false,
            serves: Serves::Grpc(Box::new(events), doors),
        },
    ])
}
