//! The orchestrator's paths.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::routing::{get, post};

use super::engine::Orchestrator;
use super::operation::{Operation, PART};
use crate::demo::control::{self, System as _};
use crate::demo::listener::Connection;

type Site = State<Arc<Orchestrator>>;
type Peer = ConnectInfo<Connection>;

/// The largest body, of about 40,000 events.
const MAX_BODY: usize = 16 << 20;

pub(super) fn routes() -> Router<Arc<Orchestrator>> {
    let mut router = Router::new();
    for operation in Operation::ALL {
        router = router.route(
            operation.path(),
            post(
                move |State(orchestrator): Site, ConnectInfo(peer): Peer, body: Bytes| async move {
                    orchestrator.submit(&peer, operation, &body).await
                },
            ),
        );
    }
    let router = router
        .route(
            "/api/orchestrator/health",
            get(async |State(orchestrator): Site| orchestrator.front().health(&[PART]).await),
        )
        // A queue is another system than the orchestrator before it: no fault of that one hides it.
        .route("/queues", get(async |State(orchestrator): Site| orchestrator.queues()))
        .merge(control::routes());
    control::closed(router).layer(DefaultBodyLimit::max(MAX_BODY))
}
