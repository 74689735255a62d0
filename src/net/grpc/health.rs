//! The standard health check, `grpc.health.v1.Health/Check`. No watching.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Duration;

use prost::Message as _;

use super::{Call, Channel, Message, Metadata, Method, Reply, Schema};

/// As far as a call needs it.
static CHECK: LazyLock<Method> = LazyLock::new(|| {
    let text = r#"
        syntax = "proto3";
        package grpc.health.v1;
        message HealthCheckRequest { string service = 1; }
        message HealthCheckResponse { int32 status = 1; }
        service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
    "#;
    Schema::standard(text, "grpc.health.v1.Health/Check")
});

/// The question of `grpc/health/v1/health.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// The answer.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(enumeration = "Health", tag = "1")]
    status: i32,
}

/// What a server says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Health {
    /// It does not know how it is.
    Unknown = 0,
    /// It serves.
    Serving = 1,
    /// It does not.
    NotServing = 2,
    /// It does not know the service; an unknown service is a reply of `NOT_FOUND` otherwise.
    ServiceUnknown = 3,
}

impl Health {
    /// As the protocol spells it: `SERVING`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }
}

/// Asks how a service is; the empty name means the server. None where the reply tells nothing, as its status says:
/// `UNIMPLEMENTED` of a server without health checks, `NOT_FOUND` of one that does not know the service.
pub async fn health(
    channel: &Channel,
    service: &str,
    metadata: &Metadata,
    timeout: Duration,
) -> (Reply, Option<Health>) {
    let question = HealthCheckRequest {
        service: service.to_owned(),
    };
    let call = Call {
        method: &CHECK,
        metadata,
        timeout,
        message: Some(encoded(&question)),
        compression: None,
        discard: false,
    };
    let reply = channel.unary(&call).await;
    let answer = reply
        .message
        .clone()
        .and_then(|bytes| HealthCheckResponse::decode(bytes).ok());
    let health = answer.map(|answer| Health::try_from(answer.status).unwrap_or(Health::Unknown));
    (reply, health)
}

/// A message of our own.
pub(super) fn encoded(message: &impl prost::Message) -> Message {
    let written = Message::write(|buffer| {
        // A buffer that grows takes everything.
        let _ = message.encode(buffer);
        Ok::<(), Infallible>(())
    });
    match written {
        Ok(message) => message,
        Err(never) => match never {},
    }
}
