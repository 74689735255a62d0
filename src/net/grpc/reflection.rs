//! Server reflection: a schema from the server itself.

use std::time::Duration;

use super::{Channel, Metadata, Schema, SchemaError, Status};

/// Of what a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// All services that it lists.
    All,
    /// One service: `pkg.Service`.
    Service(&'a str),
}

/// Why a server's schema is not known.
#[derive(Debug, thiserror::Error)]
pub enum ReflectError {
    /// The call failed; `UNIMPLEMENTED`: the server has no reflection.
    #[error("reflection: {status}")]
    Call {
        /// With what.
        status: Status,
    },
    /// The server answered a question with an error.
    #[error("reflection: the server knows no {what}: {message}")]
    Unknown {
        /// What was asked for.
        what: String,
        /// What it said.
        message: String,
    },
    /// What it sent is no schema.
    #[error("reflection: {0}")]
    Schema(#[from] SchemaError),
}

/// Asks a server for its schema: by `grpc.reflection.v1`, or `v1alpha` where that is not known.
///
/// # Errors
/// The server has no reflection, does not know the service, or sent what is no schema.
pub async fn reflect(
    channel: &Channel,
    ask: Ask<'_>,
    metadata: &Metadata,
    timeout: Duration,
) -> Result<Schema, ReflectError> {
    let _ = (channel, ask, metadata, timeout);
    unimplemented!()
}
