//! The HTTP client of one virtual user: its idle connections, its cookies, and the life of a request with redirects and
//! one retry. How bytes travel is `h1`'s and `http2`'s, how connections come about is `dial`'s.

mod pooled;

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::ptr::from_ref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderValue, Method};

use super::config::{Connections, CookieMode};
use super::cookies::Jar;
use super::dial::Opened;
use super::exchange::{Asked, Exchange, Headed, Request, Response, Sent};
use super::h1::{Conn, Received};
use super::hop::Hop;
use super::http2::{self, Watch};
use super::io::Meter;
use super::message::Outgoing;
use super::pool::Pool;
use super::shared::Shared;
use super::target::Target;
use super::trace::TRACEPARENT;
use super::wire::Wire;
use super::{Address, ErrorKind, HeaderList, NetError, decode, dial, redirect};
use crate::clock;

use self::pooled::Way;

/// Idle connections of one VU, over all origins; a journey through thousands of hosts must not use up the open files.
const MAX_IDLE: usize = 256;

/// What the hops after the first have in common: all headers are the request's own by then.
static NO_HEADERS: HeaderList = HeaderList::new();

/// What the plan gives to a request.
#[derive(Clone, Copy)]
struct Plans<'a> {
    headers: &'a HeaderList,
    /// Whose cookies go along: its headers again, until the request is sent on to another origin.
    cookies: &'a HeaderList,
}

impl<'a> Plans<'a> {
    fn of(headers: &'a HeaderList) -> Self {
        Self {
            headers,
            cookies: headers,
        }
    }

    /// The request is sent on, elsewhere or not. From here on it has the plan's headers for its own, so that they are dropped as
    /// its own are; but cookies, which join those of the jar.
    fn pass_on(&mut self, request: &mut Request, is_elsewhere: bool) {
        if is_elsewhere {
            self.cookies = &NO_HEADERS;
        }
        let before = request.headers.len();
        for (name, value) in std::mem::replace(&mut self.headers, &NO_HEADERS) {
            let is_own = request.headers.iter().take(before).any(|(own, _)| own == name);
            if name != COOKIE && !is_own {
                request.headers.append(name.clone(), value.clone());
            }
        }
    }
}

/// A request on its way.
#[derive(Clone, Copy)]
struct Going<'a> {
    request: &'a Request,
    plan: Plans<'a>,
    auth: Option<&'a HeaderValue>,
}

/// A request that has gone.
struct Gone<'a> {
    client: &'a Client,
    going: Going<'a>,
    /// Those that it had, where it was sent.
    cookies: Option<Rc<HeaderValue>>,
}

impl Headed for Gone<'_> {
    fn headers(&self) -> HeaderList {
        let client = self.client;
        let Going { request, plan, auth } = self.going;
        let Ok(target) = client.shared.target(&request.address) else {
            return request.headers.clone();
        };
        let outgoing = Outgoing {
            request,
            common: plan.headers,
            auth,
            cookies: self.cookies.as_deref(),
            target: &target,
            shared: &client.shared,
            // Its trace is the exchange's.
            span: None,
            vu: client.vu_id,
        };
        outgoing.headers()
    }

    fn body(&self) -> &Bytes {
        &self.going.request.body
    }
}

/// Idle connections and cookies of one virtual user.
pub struct Client {
    shared: Rc<Shared>,
    vu_id: u64,
    /// The most recently used last, and that one is taken first: the others may go stale.
    #[expect(
        clippy::vec_box,
        reason = "each request moves one out and in again, through a future"
    )]
    idle: RefCell<Vec<Box<Conn>>>,
    /// Addresses of the connection that was used last, of its meter and of its socket: the next request will use it, or this
    /// one does.
    last: Cell<[usize; 3]>,
    /// Where its connections may be HTTP/2; the most recently made last.
    pools: RefCell<Vec<(Rc<Target>, Arc<Pool>)>>,
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
            last: Cell::default(),
            pools: RefCell::default(),
            jar: Jar::default(),
        }
    }

    /// The same user under other options: with its cookies, and its connections as far as they are good for these.
    #[must_use]
    pub fn follow(&self, shared: Rc<Shared>) -> Self {
        let is_good = shared.config.connects_like(&self.shared.config);
        let (idle, pools, jar) = (self.idle.take(), self.pools.take(), self.jar.take());
        if shared.config.cookies == CookieMode::Off {
            jar.clear();
        }
        Self {
            shared,
            vu_id: self.vu_id,
            idle: RefCell::new(if is_good { idle } else { Vec::new() }),
            last: Cell::default(),
            pools: RefCell::new(if is_good { pools } else { Vec::new() }),
            jar,
        }
    }

    /// The number of its user.
    #[must_use]
    pub fn vu_id(&self) -> u64 {
        self.vu_id
    }

    /// What it shares with its neighbours.
    #[must_use]
    pub fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// Shows address and size of what a request uses.
    pub fn places(&self, mut see: impl FnMut(usize, usize)) {
        see(from_ref(self).addr(), size_of::<Self>());
        let [conn, meter, wire] = self.last.get();
        see(conn, size_of::<Conn>());
        see(meter, size_of::<Meter>());
        see(wire, size_of::<Wire>());
        if let Ok(idle) = self.idle.try_borrow() {
            see(idle.as_ptr().addr(), size_of::<Box<Conn>>());
        }
    }

    /// Sends a request and follows its redirects; gives the last exchange.
    pub async fn fetch(&self, mut request: Request) -> Exchange {
        let mut last = None;
        self.send(&mut request, &mut |exchange, _| last = Some(exchange)).await;
        last.expect("each request has an end")
    }

    /// Sends a request and follows its redirects, which change it; `on_hop` is given every exchange, the last included, and
    /// what it was the answer to. Several may run at once on one client. Dropping the future closes the connection it uses, or
    /// resets its stream.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would hold its arguments twice, and each request allocates its future"
    )]
    pub fn send(
        &self,
        request: &mut Request,
        on_hop: &mut dyn FnMut(Exchange, &Asked<'_>),
    ) -> impl Future<Output = ()> {
        async move {
            let limit = request.timeout.unwrap_or(self.shared.config.timeout);
            let (started, mut left) = (clock::now(), request.redirects);
            let (until, mut hop_started) = (clock::later(started, limit), started);
            // Boxed, as most requests have none.
            let mut auth = request.address.auth().cloned().map(Box::new);
            let mut plan = Plans::of(&self.shared.config.headers);
            self.trace(request);
            loop {
                let mut hop = Hop::start(hop_started);
                let outcome = {
                    let going = Going {
                        request: &*request,
                        plan,
                        auth: auth.as_deref(),
                    };
                    match clock::timeout_at(until, self.exchange(going, &mut hop)).await {
                        Ok(outcome) => outcome,
                        Err(_) => Err(hop.timed_out(limit, Duration::ZERO)),
                    }
                };
                let cookies = hop.cookies.take();
                let next = match next(request, &outcome, left) {
                    Some(Ok(next)) => next,
                    last => {
                        let outcome = match last {
                            Some(Err(error)) => Err(error),
                            _ => outcome,
                        };
                        let exchange = hop.finish(request, outcome);
                        let gone = self.gone(request, plan, auth.as_deref(), cookies);
                        return on_hop(exchange, &Asked::end(&gone));
                    }
                };
                let status = outcome.as_ref().map_or(0, |response| response.status);
                let exchange = hop.finish(request, outcome);
                let gone = self.gone(request, plan, auth.as_deref(), cookies);
                on_hop(exchange, &Asked::step(&gone));
                left -= 1;
                let given = next.auth().cloned().map(Box::new);
                let is_elsewhere = next.url().origin() != request.address.url().origin();
                if given.is_some() || is_elsewhere {
                    auth = given;
                }
                plan.pass_on(request, is_elsewhere);
                redirect::follow(request, status, next);
                hop_started = clock::now();
            }
        }
    }

    /// Gives a request its trace, where requests carry them.
    fn trace(&self, request: &mut Request) {
        if let Some(tracer) = &self.shared.tracer {
            let common = self.shared.config.headers.get(&TRACEPARENT);
            request.trace = tracer.begin(request.headers.get(&TRACEPARENT).or(common));
        }
    }

    fn gone<'a>(
        &'a self,
        request: &'a Request,
        plan: Plans<'a>,
        auth: Option<&'a HeaderValue>,
        cookies: Option<Rc<HeaderValue>>,
    ) -> Gone<'a> {
        Gone {
            client: self,
            going: Going { request, plan, auth },
            cookies,
        }
    }

    /// The cookies of a request that has no header for them.
    fn cookies(&self, going: Going<'_>) -> Result<Option<HeaderValue>, NetError> {
        let Going { request, plan, .. } = going;
        self.jar.header(&request.cookies, plan.cookies, &request.address)
    }

    /// One more sending of a request within its trace.
    fn span_id(&self, request: &Request) -> Option<NonZeroU64> {
        self.shared.tracer.as_ref()?.span_id(request.trace.as_ref()?)
    }

    /// Empties the jar and closes connections as the options say.
    pub fn end_iteration(&self) {
        if self.shared.config.cookies == CookieMode::PerIteration {
            self.jar.clear();
        }
        if self.shared.config.connections == Connections::PerIteration {
            self.idle.take();
            self.pools.take();
        }
    }

    /// One request and its response, on an idle connection if there is one.
    async fn exchange(&self, going: Going<'_>, hop: &mut Hop) -> Result<Response, NetError> {
        let Going { request, plan, auth } = going;
        let target = self.shared.target(&request.address)?;
        // What few requests need is boxed, so that the others are small.
        let mut way = match self.at_hand(&target, hop) {
            Some(way) => way,
            None => Box::pin(self.way(&target, hop)).await?,
        };
        loop {
            let cookies = self.cookies(going)?.map(Rc::new);
            hop.cookies.clone_from(&cookies);
            let outgoing = Outgoing {
                request,
                common: plan.headers,
                auth,
                cookies: cookies.as_deref(),
                target: &target,
                span: self.span_id(request),
                vu: self.vu_id,
                shared: &self.shared,
            };
            show(&outgoing, hop.retried);
            let config = &self.shared.config;
            let discard = request.discard_body.unwrap_or(config.discard_body);
            match way {
                Way::Conn(mut conn, slot) => {
                    hop.in_flight(&conn.meter);
                    self.last.set(conn.places());
                    match conn.exchange(&outgoing, config.max_body, discard).await {
                        Ok(received) => {
                            let response = self.take_in(received, request);
                            if response.is_ok() && conn.is_idle() {
                                self.keep(conn, slot);
                            }
                            return response;
                        }
                        Err(error) if hop.reused && is_stale(&error, &conn, &request.method) => {
                            hop.retry();
                            drop(conn);
                            way = Box::pin(self.another(&target, slot, hop)).await?;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Way::Stream(lease) => {
                    let watch = hop.on_stream(Watch::new(&lease.line.wire));
                    let exchange = http2::exchange(&lease, watch, &outgoing, config.max_body, discard);
                    match Box::pin(exchange).await {
                        Ok(received) => return self.take_in(received, request),
                        Err(failure) => {
                            drop(lease);
                            pooled::again(failure, &request.method, hop)?;
                            way = Box::pin(self.way(&target, hop)).await?;
                        }
                    }
                }
            }
        }
    }

    /// Keeps the cookies and decodes the body.
    fn take_in(&self, received: Received, request: &Request) -> Result<Response, NetError> {
        let config = &self.shared.config;
        if received.sets_cookies && config.cookies != CookieMode::Off {
            self.jar.keep(&received.headers, &request.address);
        }
        let body = match received.encoded {
            true => decode::decode(&received.headers, received.body(), config.max_body)?.or(received.body),
            false => received.body,
        };
        Ok(Response {
            status: received.status,
            version: received.version,
            headers: received.headers,
            body,
        })
    }

    /// An idle connection to the target that is still open; closed ones are dropped on the way.
    fn take_idle(&self, target: &Rc<Target>) -> Option<Box<Conn>> {
        loop {
            let mut conn = {
                let mut idle = self.idle.borrow_mut();
                let at = idle.iter().rposition(|conn| Rc::ptr_eq(&conn.target, target))?;
                idle.remove(at)
            };
            if conn.is_idle() {
                return Some(conn);
            }
        }
    }

    /// Keeps a connection for the next request, at the cost of the one that has waited longest when there are many.
    fn put_idle(&self, conn: Box<Conn>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= MAX_IDLE {
            idle.remove(0);
        }
        idle.push(conn);
    }

    /// Boxed, because the future of a handshake is large and most requests need none.
    async fn open(&self, target: &Rc<Target>, hop: &mut Hop) -> Result<Opened, NetError> {
        Box::pin(dial::open(&self.shared, target, self.vu_id, hop)).await
    }
}

/// Where an answer sends its request on to, or why it is not followed; so many more may be.
fn next(request: &Request, outcome: &Result<Response, NetError>, left: u32) -> Option<Result<Address, NetError>> {
    let response = outcome.as_ref().ok().filter(|_| request.redirects > 0)?;
    match redirect::location(response, &request.address)? {
        Ok(_) if left == 0 => {
            let text = format!("more than {} redirects", request.redirects);
            Some(Err(NetError::new(ErrorKind::TooManyRedirects, text)))
        }
        next => Some(next),
    }
}

/// Shows a request to who wants to see it go out.
fn show(outgoing: &Outgoing<'_>, again: bool) {
    let request = outgoing.request;
    if let Some(on_send) = &request.on_send {
        on_send.see(&Sent {
            method: &request.method,
            address: &request.address,
            headers: &outgoing.headers(),
            body: &request.body,
            again,
        });
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
    closed && !reading.has_heard() && (reading.sent == 0 || method.is_idempotent())
}

#[cfg(test)]
impl Client {
    /// Asserts how many connections wait for use.
    pub(super) fn idle_connections_for_test(&self, expected: usize) {
        assert_eq!(self.idle.borrow().len(), expected);
    }
}
