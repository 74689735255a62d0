//! The challenge system's paths.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};

use super::engine::Challenge;
use super::operation::PARTS;
use crate::demo::control::{self, System as _};
use crate::demo::listener::Connection;
use crate::demo::reply::Reply;

type Site = State<Arc<Challenge>>;
type Peer = ConnectInfo<Connection>;

pub(super) fn routes() -> Router<Arc<Challenge>> {
    let router = Router::new()
        .route(
            "/v1/token",
            post(async |State(system): Site, ConnectInfo(peer): Peer, body: Bytes| system.issue(&peer, &body).await),
        )
        .route("/v1/challenges", get(list))
        .route("/v1/challenges/{cid}", get(one))
        .route("/v1/challenges/{cid}/goals/{gid}/claim", post(claim))
        .route(
            "/health",
            get(async |State(system): Site| system.front().health(&PARTS).await),
        )
        .route(
            "/__claims",
            get(async |State(system): Site| Reply::ok(system.tally.counts().claims.list())),
        )
        .merge(control::routes());
    control::closed(router)
}

async fn list(State(system): Site, ConnectInfo(peer): Peer, headers: HeaderMap) -> axum::response::Response {
    system.progress(&peer, &headers, None).await
}

async fn one(
    State(system): Site,
    ConnectInfo(peer): Peer,
    Path(challenge): Path<String>,
    headers: HeaderMap,
) -> axum::response::Response {
    system.progress(&peer, &headers, Some(&challenge)).await
}

async fn claim(
    State(system): Site,
    ConnectInfo(peer): Peer,
    Path((challenge, goal)): Path<(String, String)>,
    headers: HeaderMap,
) -> axum::response::Response {
    system.claim(&peer, &headers, &challenge, &goal).await
}
