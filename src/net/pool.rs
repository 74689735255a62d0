//! Who may use which connection to one origin, where connections are limited or carry several requests at once: all of
//! HTTP/2, and HTTP/1.1 that is shared. No sockets: what is granted here is opened and driven elsewhere.
//!
//! What a request is granted, in this order:
//!
//! | There is | Granted |
//! |---|---|
//! | an HTTP/2 connection without streams | a stream of it |
//! | an idle HTTP/1.1 connection | that one |
//! | room for another connection | opening it |
//! | an HTTP/2 connection with a free stream | one of that with the fewest streams |
//! | none of these | waiting, first come, first served |
//!
//! A pool never has more connections than its limit: one counts from the moment its opening is granted until its socket is
//! closed. Everything granted gives itself back when it is dropped, so that no way out of a request can lose it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

use super::http2::Line;

/// What one request may do next.
#[derive(Debug)]
pub(super) enum Grant {
    /// Open a connection.
    Open(Slot),
    /// Send on a stream of this connection.
    Stream(Lease),
    /// Take an idle HTTP/1.1 connection; there is one.
    Idle(Claim),
    /// Speak HTTP/1.1 on connections of its own: the origin speaks nothing else.
    Own,
}

/// Whose connections a pool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// One VU's: HTTP/1.1 connections are not held here but by the VU, and do not count.
    Vu,
    /// Those of all VUs of one core.
    Core,
    /// Those of all VUs of several cores: HTTP/1.1 connections cannot change hands between them.
    Cores,
    /// Those of a gRPC client, which are all HTTP/2: one that takes no more streams makes room for its successor, as calls
    /// must not wait for streams that go on for as long as they like.
    Calls,
}

impl Owner {
    /// Whether a connection that takes no more streams counts no more.
    fn lets_go(self) -> bool {
        matches!(self, Self::Vu | Self::Calls)
    }
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// A connection, or what a server says first on it.
    Connection,
    /// A stream: the server allows so many on a connection.
    Stream(usize),
}

/// The connections to one origin.
#[derive(Debug)]
pub(super) struct Pool {
    limit: usize,
    /// Whose they are.
    pub owner: Owner,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections that are open, or being opened, or being closed.
    open: usize,
    /// HTTP/1.1 connections that nobody uses.
    idle: usize,
    /// HTTP/2 connections that take streams.
    lines: Vec<Held>,
    /// Slots of connections that take no more streams and do not count, because they are one VU's.
    uncounted: Vec<u64>,
    /// The origin has picked HTTP/1.1 last.
    own: bool,
    slots: u64,
    waiters: VecDeque<oneshot::Sender<Grant>>,
}

/// An HTTP/2 connection, and how many streams it has and may have.
#[derive(Debug)]
struct Held {
    streams: usize,
    limit: usize,
    line: Arc<Line>,
}

impl Pool {
    /// A pool without connections.
    pub fn new(limit: usize, owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            limit,
            owner,
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request may do at once, or how it hears of it later.
    pub fn ask(self: &Arc<Self>) -> Result<Grant, oneshot::Receiver<Grant>> {
        let mut state = self.lock();
        let first = state.waiters.iter().all(oneshot::Sender::is_closed);
        if let Some(grant) = first.then(|| self.grant(&mut state)).flatten() {
            return Ok(grant);
        }
        let (waiter, granted) = oneshot::channel();
        state.waiters.push_back(waiter);
        Err(granted)
    }

    fn grant(self: &Arc<Self>, state: &mut State) -> Option<Grant> {
        if state.own {
            return Some(Grant::Own);
        }
        let mut best: Option<usize> = None;
        for (at, held) in state.lines.iter().enumerate() {
            if held.streams < held.limit && best.is_none_or(|best| held.streams < state.lines[best].streams) {
                best = Some(at);
                if held.streams == 0 {
                    break;
                }
            }
        }
        if best.is_none_or(|at| state.lines[at].streams != 0) {
            if state.idle > 0 {
                state.idle -= 1;
                return Some(Grant::Idle(Claim(Some(Arc::clone(self)))));
            }
            if state.open < self.limit {
                return Some(Grant::Open(self.take_slot(state)));
            }
        }
        let held = &mut state.lines[best?];
        held.streams += 1;
        Some(Grant::Stream(Lease {
            pool: Arc::clone(self),
            line: Arc::clone(&held.line),
        }))
    }

    /// Gives those who wait what there is.
    pub fn dispatch(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            while state.waiters.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiters.pop_front();
            }
            if state.waiters.is_empty() {
                return;
            }
            let Some(grant) = self.grant(&mut state) else {
                return;
            };
            let waiter = state.waiters.pop_front();
            // What is granted takes the lock when nobody wants it any more.
            drop(state);
            let _ = waiter.map(|waiter| waiter.send(grant));
        }
    }

    /// An HTTP/2 connection was opened; the first stream is the opener's. Everybody else is served with the next change of
    /// its limit at the latest, and now as far as it goes.
    pub fn add(self: &Arc<Self>, line: &Arc<Line>, limit: usize) -> Lease {
        let mut state = self.lock();
        state.own = false;
        state.lines.push(Held {
            streams: 1,
            limit,
            line: Arc::clone(line),
        });
        drop(state);
        self.dispatch();
        Lease {
            pool: Arc::clone(self),
            line: Arc::clone(line),
        }
    }

    /// The origin of one VU's pool speaks HTTP/1.1: everybody opens connections of their own.
    pub fn speaks_http1(self: &Arc<Self>) {
        self.lock().own = true;
        self.dispatch();
    }

    /// How many streams the server allows on a connection has changed.
    pub fn allow(self: &Arc<Self>, line: &Weak<Line>, limit: usize) {
        if let Some(held) = self.lock().find(line.as_ptr()) {
            held.limit = limit;
        }
        self.dispatch();
    }

    /// A connection takes no more streams; those that it has go on.
    pub fn retire(self: &Arc<Self>, line: *const Line) {
        let mut state = self.lock();
        let at = state.lines.iter().position(|held| Arc::as_ptr(&held.line) == line);
        let Some(held) = at.map(|at| state.lines.swap_remove(at)) else {
            return;
        };
        if self.owner.lets_go() {
            state.open -= 1;
            state.uncounted.push(held.line.slot);
        }
        drop(state);
        held.line.close();
        self.dispatch();
    }

    /// A slot beyond the limit, for a VU whose origin speaks HTTP/2 after it had picked HTTP/1.1.
    pub fn slot(self: &Arc<Self>) -> Slot {
        self.take_slot(&mut self.lock())
    }

    fn take_slot(self: &Arc<Self>, state: &mut State) -> Slot {
        state.open += 1;
        state.slots += 1;
        Slot {
            pool: Arc::downgrade(self),
            number: state.slots,
        }
    }

    /// An HTTP/1.1 connection waits for its next request.
    pub fn put_idle(self: &Arc<Self>) {
        self.lock().idle += 1;
        self.dispatch();
    }

    /// Lets go of all connections; streams of HTTP/2 go on. Who holds idle HTTP/1.1 connections drops them now.
    pub fn clear(self: &Arc<Self>) {
        let mut state = self.lock();
        state.idle = 0;
        let lines: Vec<Arc<Line>> = state.lines.iter().map(|held| Arc::clone(&held.line)).collect();
        drop(state);
        for line in lines {
            self.retire(Arc::as_ptr(&line));
        }
    }

    /// What a request waits for that has not been granted anything.
    pub fn missing(&self) -> Missing {
        let state = self.lock();
        let is_known = state.lines.iter().all(|held| held.line.is_settled());
        match state.lines.iter().map(|held| held.limit).min() {
            Some(allowed) if is_known => Missing::Stream(allowed),
            _ => Missing::Connection,
        }
    }

    /// The same for people.
    pub fn what_is_missing(&self) -> String {
        let state = self.lock();
        let allowed = state.lines.iter().map(|held| held.limit).min();
        match allowed {
            None if state.open == 0 => "waiting for a connection".to_owned(),
            None if self.owner.lets_go() => "waiting for the connection being opened".to_owned(),
            None => format!("waiting for a free connection: {} are shared here", self.limit),
            Some(_) if state.lines.iter().any(|held| !held.line.is_settled()) => {
                "waiting for the server's HTTP/2 settings".to_owned()
            }
            Some(allowed) => format!("waiting for a free stream: the server allows {allowed} on a connection"),
        }
    }
}

impl State {
    fn find(&mut self, line: *const Line) -> Option<&mut Held> {
        self.lines.iter_mut().find(|held| Arc::as_ptr(&held.line) == line)
    }
}

/// One of the connections that a pool may have.
#[derive(Debug)]
pub(super) struct Slot {
    /// Not strong: what drives a connection must not keep the pool, and so itself, alive.
    pool: Weak<Pool>,
    /// Tells it from the others of its pool.
    pub number: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let mut state = pool.lock();
        match state.uncounted.iter().position(|number| *number == self.number) {
            Some(at) => {
                state.uncounted.swap_remove(at);
            }
            None => state.open -= 1,
        }
        drop(state);
        pool.dispatch();
    }
}

/// The right to one stream of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    /// The connection.
    pub line: Arc<Line>,
}

impl Lease {
    /// The connection takes no more streams.
    pub fn retire(&self) {
        self.pool.retire(Arc::as_ptr(&self.line));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        if let Some(held) = state.find(Arc::as_ptr(&self.line)) {
            held.streams -= 1;
        }
        let waited_for = !state.waiters.is_empty();
        drop(state);
        if waited_for {
            self.pool.dispatch();
        }
    }
}

/// The right to one idle HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Claim(Option<Arc<Pool>>);

impl Claim {
    /// It has been taken.
    pub fn used(mut self) {
        self.0 = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.put_idle();
        }
    }
}
