//! `grpc.health.v1`: whether the event handler serves, as faults have it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as Service;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::engine::Challenge;

/// How often whoever watches is told of a change.
const LOOK: Duration = Duration::from_millis(100);

/// Answers for the server (the empty name) and for `EventService`.
#[derive(Debug, Clone)]
pub(super) struct Health {
    system: Arc<Challenge>,
}

impl Health {
    pub(super) fn new(system: Arc<Challenge>) -> Self {
        Self { system }
    }

    /// None for a service that there is not.
    fn status(&self, service: &str) -> Option<ServingStatus> {
        ["", "EventService"].contains(&service).then(|| {
            let front = &self.system.front;
            if front.faults.down(front.now(), "events") {
                ServingStatus::NotServing
            } else {
                ServingStatus::Serving
            }
        })
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[async_trait]
impl Service for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.system.front.wait_out_stall().await;
        let service = &request.get_ref().service;
        match self.status(service) {
            Some(status) => Ok(Response::new(response(status))),
            None => Err(Status::not_found(format!("there is no service `{service}`"))),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let changes = stream::unfold((self.clone(), None), move |(health, told)| {
            let service = service.clone();
            async move {
                loop {
                    // A watch does not end for a service that is not known: it may come.
                    let status = health.status(&service).unwrap_or(ServingStatus::ServiceUnknown);
                    if told != Some(status) {
                        return Some((Ok(response(status)), (health, Some(status))));
                    }
                    health.system.front.pause(LOOK).await;
                }
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
