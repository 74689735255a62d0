//! The event handler's port: `EventService`, its health, and reflection. What becomes of an event is in `engine`.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::StatusCode;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::{Router, Server};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_prost::ProstCodec;
use tonic_reflection::server::Builder as Reflection;

use super::engine::Challenge;
use super::health::Health;
use super::message::{Event, EventResponse, descriptor_set};
use super::operation::Operation;
use super::tally::InFlight;
use crate::clock;
use crate::demo::front::Hurdle;
use crate::demo::listener::Connection;

/// Calls that clients may give up before they were begun, and calls given up in all, without being taken for an attack:
/// a stall ends thousands of calls by their deadline at once.
const GIVEN_UP: usize = 100_000;

/// Everything at the port.
///
/// # Errors
/// When the description of the service cannot be served.
pub(super) fn server(system: &Arc<Challenge>) -> Result<Router, tonic_reflection::server::Error> {
    let own = descriptor_set();
    let reflection = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(&own)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let events = EventService {
        system: Arc::clone(system),
    };
    let router = Server::builder()
        .max_concurrent_streams(system.options.streams)
        .http2_max_pending_accept_reset_streams(Some(GIVEN_UP))
        .http2_max_local_error_reset_streams(Some(GIVEN_UP))
        .add_service(events)
        .add_service(HealthServer::new(Health::new(Arc::clone(system))))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    Ok(router)
}

/// The service by its HTTP name, `/EventService/…`: it has no package.
#[derive(Debug, Clone)]
struct EventService {
    system: Arc<Challenge>,
}

impl NamedService for EventService {
    const NAME: &'static str = "EventService";
}

impl Service<http::Request<Body>> for EventService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let system = Arc::clone(&self.system);
        Box::pin(async move {
            if request.uri().path() != "/EventService/OnMessage" {
                let status = Status::unimplemented("EventService has one method, OnMessage");
                return Ok(status.into_http());
            }
            let connection = request.extensions().get::<Connection>().cloned();
            if let Some(connection) = &connection {
                system.seen(connection);
            }
            // From the headers until the answer: a stream's life in HTTP/2, and what a cap in the client limits.
            let call = InFlight::enter(&system.tally);
            let method = OnMessage {
                system,
                call: Some(call),
                connection,
            };
            Ok(Grpc::new(ProstCodec::default()).unary(method, request).await)
        })
    }
}

/// One call.
struct OnMessage {
    system: Arc<Challenge>,
    call: Option<InFlight>,
    connection: Option<Connection>,
}

impl UnaryService<Event> for OnMessage {
    type Response = EventResponse;
    type Future = BoxFuture<Response<EventResponse>, Status>;

    fn call(&mut self, request: Request<Event>) -> Self::Future {
        let system = Arc::clone(&self.system);
        let (call, connection) = (self.call.take(), self.connection.take());
        Box::pin(async move {
            let began = clock::now();
            let mut call = call.unwrap_or_else(|| InFlight::enter(&system.tally));
            let answer = match system.on_message(&mut call, request.get_ref()).await {
                Ok(response) => Ok(Response::new(response)),
                Err(Hurdle::Reset) => {
                    if let Some(connection) = connection {
                        connection.reset();
                    }
                    return Err(Status::unavailable("the connection is reset"));
                }
                Err(Hurdle::Answer(reply)) => {
                    let code = match reply.status {
                        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
                        _ => Code::Internal,
                    };
                    Err(Status::new(code, reply.body["error"].as_str().unwrap_or_default()))
                }
            };
            let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
            // Codes are 0 to 16.
            system.front.record(Operation::OnMessage, code as u16, began);
            answer
        })
    }
}
