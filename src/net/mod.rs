//! Protocol clients: HTTP/1.1 with TLS by a codec of our own, HTTP/2, and gRPC over it. Returns timings and bytes; knows no metric, no Lua and
//! no plan.
//!
//! A [`Shared`] per core thread holds what virtual users share (resolver cache, TLS configuration, known origins); a
//! [`Client`] per virtual user holds its own connections and its cookies; [`Pools`] holds those that a process shares. [`Client::send`] never raises and never hangs:
//! each request sent is one [`Exchange`], whose outcome is a [`Response`] or a [`NetError`].

pub mod body;
pub mod grpc;
pub mod outbox;

mod address;
mod arrival;
mod auth;
mod client;
#[doc(hidden)]
pub mod codec;
mod config;
mod cookies;
mod decode;
mod dial;
mod dns;
mod error;
mod exchange;
mod h1;
mod headers;
mod hop;
mod hosts;
mod http2;
mod io;
mod message;
mod pool;
mod pools;
mod provider;
mod redirect;
mod shared;
mod target;
mod tls;
mod trace;
mod wire;
mod written;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use auth::{basic_auth, userinfo};
pub use client::Client;
pub use config::{
    AddrPolicy, AddrSelect, ConfigError, Connections, CookieMode, DnsConfig, HttpConfig, HttpVersion, Pem, TlsConfig,
};
pub use error::{ErrorKind, NetError};
pub use exchange::{Asked, Exchange, OnSend, Request, Response, Sent, Timings};
pub use headers::{CREDENTIALS, HeaderList, Headers};
pub use pools::Pools;
pub use provider::install_crypto_provider;
pub use shared::Shared;
pub use trace::Trace;
pub use written::{base_url, begins_with_host, http_url};

/// The default `user-agent`.
pub const USER_AGENT: &str = concat!("kingtide/", env!("CARGO_PKG_VERSION"));
