//! The platform's reward service, which is somebody else's: slow at times, failing at times, and asked again. It grants
//! each reward once, however often it is asked for it.
//!
//! A call takes 50 to 200 ms. One that fails is tried three times more, after 100, 200 and 400 ms; all tries together
//! have 5 s.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::catalogue::ClaimKey;
use super::meters::Meters;
use super::tally::Tally;
use crate::clock::{self, Instant};
use crate::demo::front::{Front, Ticket};

/// Purposes of dice throws, of which each try has its own.
mod purpose {
    pub(super) const TIME: u64 = 0x7265_7761_7264_0000;
    pub(super) const ERROR: u64 = 0x6772_616e_7400_0000;
}

const QUICKEST: Duration = Duration::from_millis(50);
const SLOWEST: Duration = Duration::from_millis(200);

/// All tries of one reward.
const LIMIT: Duration = Duration::from_secs(5);

const RETRIES: u32 = 3;

/// Before the first retry; each of the others waits twice as long as the one before.
const BACKOFF: Duration = Duration::from_millis(100);

/// Why there is no reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RewardError {
    #[error("the reward service failed 4 times")]
    Failed,
    #[error("the reward service took longer than 5 s")]
    TimedOut,
}

/// What was granted.
#[derive(Debug, Default)]
pub(super) struct Rewards {
    granted: Mutex<HashSet<ClaimKey>>,
}

impl Rewards {
    /// Grants a reward, with retries.
    pub(super) async fn grant(
        &self,
        key: ClaimKey,
        ticket: Ticket,
        front: &Front,
        meters: &Meters,
        tally: &Tally,
    ) -> Result<(), RewardError> {
        let deadline = clock::now() + LIMIT;
        for attempt in 0..=RETRIES {
            let began = clock::now();
            let answer = self.call(key, ticket, attempt, front, deadline).await;
            meters.grant(clock::now() - began, answer.is_err());
            tally.counts().rewards.calls += 1;
            match answer {
                Ok(is_new) => {
                    meters.rewards.inc_by(u64::from(is_new));
                    tally.counts().rewards.granted += u64::from(is_new);
                    return Ok(());
                }
                Err(RewardError::TimedOut) => {
                    tally.counts().rewards.timeouts += 1;
                    return Err(RewardError::TimedOut);
                }
                Err(RewardError::Failed) => tally.counts().rewards.errors += 1,
            }
            if attempt < RETRIES {
                front.pause(BACKOFF * 2_u32.pow(attempt)).await;
            }
        }
        Err(RewardError::Failed)
    }

    /// One try; whether the reward is a new one.
    async fn call(
        &self,
        key: ClaimKey,
        ticket: Ticket,
        attempt: u32,
        front: &Front,
        deadline: Instant,
    ) -> Result<bool, RewardError> {
        let attempt = u64::from(attempt);
        let effects = front.faults.on_challenge(front.now());
        let drawn = QUICKEST + (SLOWEST - QUICKEST).mul_f64(ticket.throw(purpose::TIME + attempt));
        let takes = effects.reward_delay.unwrap_or(drawn);
        let left = deadline.saturating_duration_since(clock::now());
        front.pause(takes.min(left)).await;
        if takes > left {
            return Err(RewardError::TimedOut);
        }
        let is_down = front.faults.down(front.now(), "rewards");
        if is_down || ticket.throw(purpose::ERROR + attempt) < effects.reward_errors {
            return Err(RewardError::Failed);
        }
        Ok(self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(key))
    }
}
