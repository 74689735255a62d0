//! The control API of a running test: a small HTTP server that hands commands to `control`. What they do is the
//! executors' business, and its client is the command line's.
//!
//! | Request | Does |
//! |---|---|
//! | `GET /v1/status` | tells where the run stands |
//! | `POST /v1/pause`, `/v1/resume`, `/v1/stop` | all scenarios |
//! | `POST /v1/scenarios/{name}/rate` with `{"rate": N}` | that scenario |
//! | `POST /v1/scenarios/{name}/vus` with `{"vus": N}` | that scenario |
//!
//! Every request carries the token that the server was started with; answers are JSON, those to what is refused have an
//! `error`.

mod routes;
#[cfg(test)]
mod tests;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::control::Control;

pub use token::Token;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The address cannot be listened on.
    #[error("live control cannot listen on {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// No random numbers for a token.
    #[error("live control has no token: {0}")]
    Token(std::io::Error),
}

/// A running control server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    token: Token,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on `addr` (port 0 takes a free one) with a new token. Must be called on a runtime.
    ///
    /// # Errors
    /// [`LiveError`] when the address cannot be taken, or there is no token.
    pub async fn start(addr: SocketAddr, control: Arc<Control>) -> Result<Self, LiveError> {
        let token = Token::new().map_err(LiveError::Token)?;
        let listen = |error| LiveError::Listen { addr, error };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let app = routes::router(control, token.clone());
        let task = tokio::spawn(async move {
            // It ends with the run, and an error of the listener only ends live control.
            if let Err(error) = axum::serve(listener, app).await {
                tracing::warn!(target: "kingtide", "live control has ended: {error}");
            }
        });
        Ok(Self { addr, token, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What every request has to carry.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
