//! Paths, methods, the token, and which refusal has which status code.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::control::{Command, Control, Refused};

use super::token::Token;

/// More than any command needs.
const MAX_BODY: usize = 4_096;

type Run = State<Arc<Control>>;

pub(super) fn router(control: Arc<Control>, token: Token) -> Router {
    let error = |status, text: &str| (status, Json(Problem::new(text)));
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/pause", post(async |State(run): Run| obey(&run, &Command::Pause)))
        .route("/v1/resume", post(async |State(run): Run| obey(&run, &Command::Resume)))
        .route("/v1/stop", post(async |State(run): Run| obey(&run, &Command::Stop)))
        .route("/v1/scenarios/{name}/rate", post(rate))
        .route("/v1/scenarios/{name}/vus", post(vus))
        .fallback(async move || error(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async move || {
            error(StatusCode::METHOD_NOT_ALLOWED, "this path has another method")
        })
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        // Outermost, so that without the token nobody learns which paths there are.
        .layer(from_fn_with_state(token, authorise))
        .with_state(control)
}

/// What is answered to everything that is refused.
#[derive(Debug, Serialize)]
struct Problem {
    error: String,
}

impl Problem {
    fn new(error: &str) -> Self {
        Self {
            error: error.to_owned(),
        }
    }
}

async fn authorise(State(token): State<Token>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let bearer = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if bearer.is_some_and(|bearer| token.is(bearer)) {
        return next.run(request).await;
    }
    let text = "live control needs the run's token, as `Authorization: Bearer TOKEN`";
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, Json(Problem::new(text))).into_response()
}

async fn status(State(run): Run) -> Response {
    Json(run.status()).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    rate: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vus {
    vus: u64,
}

async fn rate(State(run): Run, Path(scenario): Path<String>, body: Bytes) -> Response {
    match read(&body, "{\"rate\": 50}") {
        Ok(Rate { rate }) => obey(&run, &Command::Rate { scenario, rate }),
        Err(response) => response,
    }
}

async fn vus(State(run): Run, Path(scenario): Path<String>, body: Bytes) -> Response {
    match read(&body, "{\"vus\": 50}") {
        Ok(Vus { vus }) => obey(&run, &Command::Vus { scenario, vus }),
        Err(response) => response,
    }
}

fn read<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| {
        let text = format!("the body must be as {example}: {error}");
        (StatusCode::BAD_REQUEST, Json(Problem::new(&text))).into_response()
    })
}

fn obey(run: &Control, command: &Command) -> Response {
    match run.obey(command) {
        Ok(()) => Json(run.status()).into_response(),
        Err(refused) => (status_of(&refused), Json(Problem::new(&refused.to_string()))).into_response(),
    }
}

fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::Value(_) => StatusCode::BAD_REQUEST,
        Refused::NoScenario { .. } => StatusCode::NOT_FOUND,
        Refused::NotBegun | Refused::Ending | Refused::Over(_) | Refused::AllOver | Refused::Already(_) => {
            StatusCode::CONFLICT
        }
        Refused::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
    }
}
