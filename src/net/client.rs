//! The HTTP client of one virtual user: its idle connections, its cookies, and the life of a request with redirects and
//! one retry. How bytes travel is `conn`'s, how connections come about is `dial`'s.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Method};
use url::Url;

use super::config::{Connections, CookieMode};
use super::conn::Conn;
use super::cookies::Jar;
use super::exchange::{Exchange, Request, Response, Sent};
use super::hop::Hop;
use super::shared::Shared;
use super::target::Target;
use super::{ErrorKind, NetError, auth, decode, dial, message, redirect};
use crate::clock;

/// Idle connections of one VU, over all origins; a journey through thousands of hosts must not use up the open files.
const MAX_IDLE: usize = 256;

/// Idle connections and cookies of one virtual user.
pub struct Client {
    shared: Rc<Shared>,
    vu_id: u64,
    /// The most recently used last, and that one is taken first: the others may go stale.
    idle: RefCell<Vec<Conn>>,
    jar: Jar,
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(shared: Rc<Shared>, vu_id: u64) -> Self {
        Self {
            shared,
            vu_id,
            idle: RefCell::default(),
            jar: Jar::default(),
        }
    }

    /// The same user under other options: with its cookies, and its connections as far as they are good for these.
    #[must_use]
    pub fn follow(&self, shared: Rc<Shared>) -> Self {
        let is_good = shared.config.connects_like(&self.shared.config);
        let idle = self.idle.take();
        Self {
            shared,
            vu_id: self.vu_id,
            idle: RefCell::new(if is_good { idle } else { Vec::new() }),
            jar: self.jar.take(),
        }
    }

    /// What it shares with its neighbours.
    #[must_use]
    pub fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// Sends a request and follows its redirects; `on_hop` sees every exchange, the last included. Several may run at
    /// once on one client. Dropping the future closes the connection it uses.
    pub async fn send(&self, mut request: Request, on_hop: &mut dyn FnMut(&Exchange)) -> Exchange {
        let limit = request.timeout.unwrap_or(self.shared.config.timeout);
        let started = clock::now();
        let mut hop_started = started;
        let mut left = request.redirects;
        let mut auth = take_userinfo(&mut request.url);
        loop {
            let mut hop = Hop::start(hop_started);
            let remaining = limit.saturating_sub(hop_started.saturating_duration_since(started));
            let outcome = self.within(remaining, limit, &request, auth.as_ref(), &mut hop).await;
            let next = match &outcome {
                Ok(response) if request.redirects > 0 => redirect::location(response, &request.url),
                _ => None,
            };
            let next = match next {
                Some(Ok(_)) if left == 0 => {
                    let message = format!("more than {} redirects", request.redirects);
                    Some(Err(NetError::new(ErrorKind::TooManyRedirects, message)))
                }
                next => next,
            };
            let mut next = match next {
                None => {
                    let exchange = hop.finish(request.url, request.method, outcome);
                    on_hop(&exchange);
                    return exchange;
                }
                Some(Err(error)) => {
                    let exchange = hop.finish(request.url, request.method, Err(error));
                    on_hop(&exchange);
                    return exchange;
                }
                Some(Ok(next)) => next,
            };
            let status = outcome.as_ref().map_or(0, |response| response.status);
            let exchange = hop.finish(request.url.clone(), request.method.clone(), outcome);
            on_hop(&exchange);
            left -= 1;
            let given = take_userinfo(&mut next);
            if given.is_some() || next.origin() != request.url.origin() {
                auth = given;
            }
            redirect::follow(&mut request, status, next);
            hop_started = clock::now();
        }
    }

    /// Empties the jar and closes connections as the options say.
    pub fn end_iteration(&self) {
        if self.shared.config.cookies == CookieMode::PerIteration {
            self.jar.clear();
        }
        if self.shared.config.connections == Connections::PerIteration {
            self.idle.take();
        }
    }

    async fn within(
        &self,
        remaining: Duration,
        limit: Duration,
        request: &Request,
        auth: Option<&HeaderValue>,
        hop: &mut Hop,
    ) -> Result<Response, NetError> {
        match clock::timeout(remaining, self.exchange(request, auth, hop)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(hop.timed_out(limit)),
        }
    }

    /// One request and its response, on an idle connection if there is one.
    async fn exchange(
        &self,
        request: &Request,
        auth: Option<&HeaderValue>,
        hop: &mut Hop,
    ) -> Result<Response, NetError> {
        let target = self.shared.target(&request.url)?;
        let mut conn = match self.take_idle(&target).await {
            Some(conn) => {
                hop.reused = true;
                hop.remote = conn.remote;
                conn
            }
            None => self.open(&target, hop).await?,
        };
        loop {
            let cookies = match self.shared.config.cookies {
                CookieMode::Off if request.cookies.is_empty() => None,
                _ => self.jar.header(&request.cookies, &request.url)?,
            };
            let message = message::build(request, &target, &self.shared, auth, cookies)?;
            if let Some(on_send) = &request.on_send {
                on_send.see(&Sent {
                    method: message.method(),
                    url: &request.url,
                    headers: message.headers(),
                    body: &request.body,
                    again: hop.retried,
                });
            }
            hop.in_flight(&conn.meter);
            match self.on(&mut conn, request, message).await {
                Ok(response) => {
                    if conn.settle().await {
                        self.put_idle(conn);
                    }
                    return Ok(response);
                }
                Err(error) if hop.reused && is_stale(&error, &conn, &request.method) => {
                    hop.retry();
                    drop(conn);
                    conn = self.open(&target, hop).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn on(&self, conn: &mut Conn, request: &Request, message: message::Message) -> Result<Response, NetError> {
        let config = &self.shared.config;
        let (head, body) = conn.head(message).await?.into_parts();
        if config.cookies != CookieMode::Off {
            self.jar.keep(&head.headers, &request.url);
        }
        let discard = request.discard_body || config.discard_body;
        let body = conn.body(body, config.max_body, discard).await?;
        Ok(Response {
            status: head.status.as_u16(),
            version: head.version,
            body: decode::decode(&head.headers, body, config.max_body)?,
            headers: head.headers,
        })
    }

    /// An idle connection to the target that is still open; closed ones are dropped on the way.
    async fn take_idle(&self, target: &Rc<Target>) -> Option<Conn> {
        loop {
            let mut conn = {
                let mut idle = self.idle.borrow_mut();
                let at = idle.iter().rposition(|conn| Rc::ptr_eq(&conn.target, target))?;
                idle.remove(at)
            };
            if conn.settle().await {
                return Some(conn);
            }
        }
    }

    /// Keeps a connection for the next request, at the cost of the one that has waited longest when there are many.
    fn put_idle(&self, conn: Conn) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= MAX_IDLE {
            idle.remove(0);
        }
        idle.push(conn);
    }

    /// Boxed, because the future of a handshake is large and most requests need none.
    async fn open(&self, target: &Rc<Target>, hop: &mut Hop) -> Result<Conn, NetError> {
        Box::pin(dial::open(&self.shared, target, self.vu_id, hop)).await
    }
}

/// Whether the server had closed a reused connection before it answered, so that the request may be sent once more:
/// nothing of it was written, or the method is idempotent (RFC 9110, section 9.2.2).
fn is_stale(error: &NetError, conn: &Conn, method: &Method) -> bool {
    let closed = matches!(
        error.kind,
        ErrorKind::Closed | ErrorKind::Reset | ErrorKind::BrokenPipe | ErrorKind::Tcp
    );
    let reading = conn.meter.read();
    closed && reading.first_read.is_none() && (reading.first_write.is_none() || method.is_idempotent())
}

/// Takes user and password out of a URL: they become a header and are shown nowhere.
fn take_userinfo(url: &mut Url) -> Option<HeaderValue> {
    let auth = auth::from_userinfo(url)?;
    // They fail for URLs without host, which cannot have userinfo either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(auth)
}

#[cfg(test)]
impl Client {
    /// Asserts how many connections wait for use.
    pub(super) fn idle_connections_for_test(&self, expected: usize) {
        assert_eq!(self.idle.borrow().len(), expected);
    }
}
