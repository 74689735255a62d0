//! How a server is reached, as validated data.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::Metadata;
use crate::net::{Connections, TlsConfig};

/// Options of a gRPC client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Speaks HTTP/2 without TLS (prior knowledge).
    pub plaintext: bool,
    /// TLS options; not with `plaintext`.
    pub tls: TlsConfig,
    /// The `:authority`, and the name that TLS verifies unless `tls.server_name` says otherwise; default: the address.
    pub authority: Option<String>,
    /// Whose connections are, `PerVu` or `Shared(n)`: then at most n for the whole process. `PerIteration` is as `PerVu`
    /// here; the caller drops the channel.
    pub connections: Connections,
    /// Calls in flight over the whole process, streams included; the others wait in their order.
    pub max_in_flight: Option<NonZeroUsize>,
    /// The largest message to receive, in bytes as encoded and decompressed; default 4 MiB.
    pub max_receive_size: usize,
    /// The largest message to send, in bytes as encoded; default none but the protocol's 4 GiB.
    pub max_send_size: usize,
    /// How long opening a connection may take, name resolution and TLS included; default 10 s.
    pub connect_timeout: Duration,
    /// The `user-agent`; empty sends none.
    pub user_agent: String,
    /// Sent with every call.
    pub metadata: Metadata,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plaintext: false,
            tls: TlsConfig::default(),
            authority: None,
            connections: Connections::PerVu,
            max_in_flight: None,
            max_receive_size: 4 << 20,
            max_send_size: u32::MAX as usize,
            connect_timeout: Duration::from_secs(10),
            user_agent: crate::net::USER_AGENT.to_owned(),
            metadata: Metadata::new(),
        }
    }
}

impl Options {
    /// Whether a client can be made of these: for scripts that are checked before any load.
    ///
    /// # Errors
    /// An address or options that cannot work.
    pub fn check(&self, address: &str) -> Result<(), OptionsError> {
        let _ = address;
        unimplemented!()
    }
}

/// Options that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// An address that is none.
    #[error("address {address:?}: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// One of the options.
    #[error("{option}: {reason}")]
    Option {
        /// Its key, `tls.ca` for one.
        option: String,
        /// What is wrong.
        reason: String,
    },
}
