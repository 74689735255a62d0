//! What the HTTP API does: tokens, what a user has achieved, claims. How its paths are called is in `routes`, what the
//! database does in `store`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::catalogue::{Catalogue, ClaimKey, challenge_id, goal_id, user_id, user_number};
use super::engine::Challenge;
use super::operation::Operation;
use super::pool::StoreError;
use super::store::{self, Begun, Profile};
use super::tally::ClaimEnd;
use super::token::{Refused, bearer};
use crate::clock;
use crate::demo::front::{Hurdle, Operation as _, Ticket};
use crate::demo::listener::Connection;
use crate::demo::reply::Reply;

/// A request that has a user: how it began, and the user's luck.
struct Entered {
    user: u32,
    ticket: Ticket,
}

impl Challenge {
    /// Issues a token to whoever asks.
    pub(super) async fn issue(&self, connection: &Connection, body: &[u8]) -> Response {
        let began = clock::now();
        let admit = |ticket: Ticket| Ok(self.service(Operation::Token, ticket));
        let reply = match self.front.enter(Operation::Token, admit).await {
            Ok(_) => self.token(body),
            Err(hurdle) => return self.hurdle(connection, Operation::Token, began, hurdle).await,
        };
        self.answer(Operation::Token, began, reply).await
    }

    fn token(&self, body: &[u8]) -> Reply {
        let wrong = |text: String| Reply::error(StatusCode::BAD_REQUEST, text);
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(error) => return wrong(format!("the body is not JSON: {error}")),
        };
        let Some(id) = body["userId"].as_str() else {
            return wrong("userId: must be a text".to_owned());
        };
        let Some(user) = user_number(id).filter(|user| *user < self.options.users) else {
            return Reply::not_found("user", id);
        };
        let longest = self.options.token_lifetime.as_secs_f64();
        let lifetime = match &body["expiresIn"] {
            Value::Null => longest,
            asked => match asked.as_f64().filter(|seconds| *seconds > 0.0) {
                Some(seconds) => seconds.min(longest),
                None => return wrong("expiresIn: must be a number of seconds above 0".to_owned()),
            },
        };
        // Milliseconds, so that a token lives as long as it says.
        let millis = |seconds: f64| (seconds * 1e3).floor() / 1e3;
        let (iat, exp) = (millis(self.wall()), millis(self.wall() + lifetime));
        self.tally.counts().tokens.issued += 1;
        Reply::ok(json!({
            "access_token": self.mint.sign(user, json!(iat), json!(exp)),
            "token_type": "Bearer",
            "expires_in": lifetime,
            "user_id": user_id(user),
        }))
    }

    /// All challenges of the user, or one.
    pub(super) async fn progress(
        &self,
        connection: &Connection,
        headers: &HeaderMap,
        challenge: Option<&str>,
    ) -> Response {
        let began = clock::now();
        let operation = if challenge.is_some() {
            Operation::Get
        } else {
            Operation::List
        };
        let user = match self.enter(operation, headers).await {
            Ok(entered) => entered.user,
            Err(hurdle) => return self.hurdle(connection, operation, began, hurdle).await,
        };
        let catalogue = self.catalogue;
        let one = match challenge {
            None => None,
            Some(id) => match catalogue.challenge(id) {
                None => return self.answer(operation, began, Reply::not_found("challenge", id)).await,
                some => some,
            },
        };
        // The text is as large as the catalogue, and is made where it keeps nobody waiting.
        let asked = self.query("get_progress", move |connection| {
            let profile = store::profile(connection, user)?;
            Ok(match one {
                None => all(catalogue, &profile),
                Some(challenge) => {
                    let mut text = String::new();
                    write_challenge(&mut text, catalogue, challenge, &profile);
                    text
                }
            })
        });
        match asked.await {
            Ok(text) => {
                self.end(operation, StatusCode::OK, began).await;
                ([(header::CONTENT_TYPE, "application/json")], text).into_response()
            }
            Err(error) => self.answer(operation, began, unavailable(&error)).await,
        }
    }

    /// Claims a goal. What was begun is ended and counted even when the client goes away meanwhile.
    pub(super) async fn claim(
        self: &Arc<Self>,
        connection: &Connection,
        headers: &HeaderMap,
        challenge: &str,
        goal: &str,
    ) -> Response {
        let (began, operation) = (clock::now(), Operation::Claim);
        let entered = match self.enter(operation, headers).await {
            Ok(entered) => entered,
            Err(hurdle) => return self.hurdle(connection, operation, began, hurdle).await,
        };
        let Some(goal) = self.catalogue.find(challenge, goal) else {
            let reply = Reply::not_found("goal", &format!("{challenge}/{goal}"));
            return self.answer(operation, began, reply).await;
        };
        let key = ClaimKey {
            user: entered.user,
            goal,
        };
        let system = Arc::clone(self);
        let claim = tokio::spawn(async move {
            let (end, reply) = system.decide(key, entered.ticket).await;
            system.tally.counts().claims.record(key, end);
            reply
        });
        let reply = claim
            .await
            .unwrap_or_else(|_| Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "the claim was interrupted"));
        self.answer(operation, began, reply).await
    }

    async fn decide(&self, key: ClaimKey, ticket: Ticket) -> (ClaimEnd, Reply) {
        let goal = self.catalogue.goal(key.goal);
        let at_ms = (self.wall() * 1e3) as i64;
        let begun = self.query("claim_begin", move |connection| {
            store::begin_claim(connection, key, goal, at_ms)
        });
        match begun.await {
            Ok(Begun::Won) => {}
            Ok(Begun::Taken { won }) => {
                let text = if won {
                    "the goal is claimed already"
                } else {
                    "the goal is being claimed already"
                };
                return (
                    ClaimEnd::AlreadyClaimed,
                    coded(StatusCode::CONFLICT, "already_claimed", text),
                );
            }
            Ok(Begun::NotCompleted { progress }) => {
                let text = format!("the goal is not completed: {progress} of {}", goal.target);
                return (
                    ClaimEnd::NotCompleted,
                    coded(StatusCode::BAD_REQUEST, "not_completed", &text),
                );
            }
            Err(error) => return (ClaimEnd::Unavailable, unavailable(&error)),
        }
        let granted = self
            .rewards
            .grant(key, ticket, &self.front, &self.meters, &self.tally)
            .await;
        let won = granted.is_ok();
        let ended = self.query("claim_end", move |connection| store::end_claim(connection, key, won));
        if let Err(error) = ended.await {
            self.settle_later(key);
            return (ClaimEnd::Unavailable, unavailable(&error));
        }
        if let Err(error) = granted {
            let reply = coded(StatusCode::BAD_GATEWAY, "reward_failed", &error.to_string());
            return (ClaimEnd::RewardFailed, reply);
        }
        self.meters.claimed.inc();
        let mut body = key.json();
        body["status"] = json!("claimed");
        body["claimedAt"] = json!(at_ms);
        body["reward"] = json!({ "type": "coins", "quantity": goal.reward });
        (ClaimEnd::Won, Reply::ok(body))
    }

    /// Who asks, when the token is good and the request's time has come.
    async fn enter(&self, operation: Operation, headers: &HeaderMap) -> Result<Entered, Hurdle> {
        let mut user = 0;
        let admit = |ticket: Ticket| {
            user = self.authorize(headers)?;
            Ok(self.service(operation, ticket))
        };
        let (_, ticket) = self.front.enter(operation, admit).await?;
        Ok(Entered { user, ticket })
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<u32, Reply> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let verified = bearer(value).and_then(|token| self.mint.verify(token, self.wall()));
        let verified = verified.and_then(|user| {
            if user < self.options.users {
                Ok(user)
            } else {
                Err(Refused::Invalid)
            }
        });
        verified.map_err(|refused| {
            let mut counts = self.tally.counts();
            match refused {
                Refused::Missing => counts.tokens.missing += 1,
                Refused::Invalid => counts.tokens.invalid += 1,
                Refused::Expired => counts.tokens.expired += 1,
            }
            Reply::error(StatusCode::UNAUTHORIZED, refused.to_string())
        })
    }

    /// The service time of a request, and its turn when there is a limit.
    fn service(&self, operation: Operation, ticket: Ticket) -> Duration {
        let now = self.front.now();
        let capacity = self.front.faults.on_challenge(now).api_capacity;
        self.api.take(now, capacity) + self.times.draw(operation.index(), ticket.number)
    }

    /// Seconds since 1970. It advances with the clock that everything else goes by.
    fn wall(&self) -> f64 {
        let since = (self.began_at + self.front.now()).duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs_f64()
    }

    async fn hurdle(
        &self,
        connection: &Connection,
        operation: Operation,
        began: clock::Instant,
        hurdle: Hurdle,
    ) -> Response {
        match hurdle {
            Hurdle::Reset => {
                connection.reset();
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Hurdle::Answer(reply) => self.answer(operation, began, reply).await,
        }
    }

    async fn answer(&self, operation: Operation, began: clock::Instant, reply: Reply) -> Response {
        self.end(operation, reply.status, began).await;
        reply.into_response()
    }

    /// Counts a request that is answered then. One whose work has waited for something may have come into a stall.
    async fn end(&self, operation: Operation, status: StatusCode, began: clock::Instant) {
        self.front.wait_out_stall().await;
        self.front.record(operation, status.as_u16(), began);
        self.meters.request(operation, status.as_u16(), clock::now() - began);
    }
}

/// An error with a code for programs beside the text for people.
fn coded(status: StatusCode, code: &str, text: &str) -> Reply {
    Reply::new(status, json!({ "error": text, "code": code }))
}

fn unavailable(error: &StoreError) -> Reply {
    let status = match error {
        StoreError::Down | StoreError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    coded(status, "unavailable", &error.to_string())
}

/// `{"challenges":[…]}`, as text: it has hundreds of goals, and a tree of them would cost more than the query.
fn all(catalogue: Catalogue, profile: &Profile) -> String {
    let mut text = String::with_capacity(64 << 10);
    text.push_str("{\"challenges\":[");
    for challenge in catalogue.challenges() {
        if challenge > 0 {
            text.push(',');
        }
        write_challenge(&mut text, catalogue, challenge, profile);
    }
    text.push_str("]}");
    text
}

/// Nothing in it needs escaping.
fn write_challenge(text: &mut String, catalogue: Catalogue, challenge: u16, profile: &Profile) {
    // Writing into a String cannot fail.
    let _ = write!(text, "{{\"challengeId\":\"{}\",\"goals\":[", challenge_id(challenge));
    for (key, goal) in catalogue.goals(challenge) {
        let stat = profile.stats[usize::from(goal.stat)];
        let claim = profile.claims.get(&key).filter(|claim| claim.won);
        let progress = claim.map_or(stat.value, |claim| claim.progress);
        let status = if claim.is_some() {
            "claimed"
        } else if stat.peak >= goal.target {
            "completed"
        } else if stat.peak > 0 {
            "in_progress"
        } else {
            "not_started"
        };
        let comma = if key.goal > 0 { "," } else { "" };
        let _ = write!(
            text,
            "{comma}{{\"goalId\":\"{}\",\"statCode\":\"{}\",\"operator\":\">=\",\"target\":{},\"progress\":{progress},\
             \"status\":\"{status}\",\"reward\":{{\"type\":\"coins\",\"quantity\":{}}}",
            goal_id(key.goal),
            goal.stat_code(),
            goal.target,
            goal.reward,
        );
        if let Some(claim) = claim {
            let _ = write!(text, ",\"claimedAt\":{}", claim.at_ms);
        }
        text.push('}');
    }
    text.push_str("]}");
}
