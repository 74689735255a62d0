//! The standard health check, `grpc.health.v1.Health/Check`.

use std::time::Duration;

use super::{Channel, Metadata, Reply};

/// What a server says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does not know it, or not how it is.
    Unknown,
    /// It serves.
    Serving,
    /// It does not.
    NotServing,
    /// It does not know the service (only told by `Watch`).
    ServiceUnknown,
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

/// Asks how a service is; the empty name means the server. None where the reply tells nothing, as its status says.
pub async fn health(channel: &Channel, service: &str, metadata: &Metadata, timeout: Duration) -> (Reply, Option<Health>) {
    let _ = (channel, service, metadata, timeout);
    unimplemented!()
}
