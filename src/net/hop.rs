//! The stopwatch of one exchange: which phase it is in and what each has taken. It lives outside the future that a
//! timeout drops, so that a timeout still knows where the time went.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::Method;

use super::exchange::{Exchange, Response, Timings};
use super::io::{Meter, Reading};
use super::{Address, ErrorKind, NetError};
use crate::clock::{self, Instant};

/// What an exchange is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Being prepared, or waiting for a connection.
    Blocked,
    /// Resolving the name.
    Dns,
    /// Connecting, or opening a proxy's tunnel.
    Connecting,
    /// Shaking hands.
    Tls,
    /// Sending, waiting or receiving; the connection's meter tells which.
    InFlight,
}

/// The stopwatch of one exchange.
pub(super) struct Hop {
    started: Instant,
    phase: Phase,
    since: Instant,
    timings: Timings,
    meter: Option<Rc<Meter>>,
    /// Bytes sent and received on a connection that was given up for another.
    given_up: (u64, u64),
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// Whether an idle connection is used.
    pub reused: bool,
    /// Whether this is the second attempt.
    pub retried: bool,
}

impl Hop {
    /// Starts the watch.
    pub fn start(now: Instant) -> Self {
        Self {
            started: now,
            phase: Phase::Blocked,
            since: now,
            timings: Timings::default(),
            meter: None,
            given_up: (0, 0),
            remote: None,
            reused: false,
            retried: false,
        }
    }

    /// Ends the current phase and begins another.
    pub fn enter(&mut self, phase: Phase) {
        let now = clock::now();
        self.close_phase(now);
        self.phase = phase;
        self.since = now;
    }

    /// A connection is being made; its bytes belong to this exchange.
    pub fn watch(&mut self, meter: &Rc<Meter>) {
        self.meter = Some(Rc::clone(meter));
    }

    /// The request goes out on an open connection, an idle one or the one just made.
    pub fn in_flight(&mut self, meter: &Rc<Meter>) {
        if self.reused {
            // No time stamp: nothing has been waited for.
            meter.begin();
            self.watch(meter);
        } else {
            meter.begin_payload();
            self.close_phase(clock::now());
        }
        self.phase = Phase::InFlight;
    }

    /// The reused connection was stale: what was lost on it counts as waiting for a connection.
    pub fn retry(&mut self) {
        let now = clock::now();
        if let Some(meter) = self.meter.take() {
            let reading = meter.read();
            self.given_up = (reading.sent, reading.received);
        }
        self.phase = Phase::Blocked;
        self.since = now;
        self.timings = Timings {
            blocked: now.saturating_duration_since(self.started),
            ..Timings::default()
        };
        self.retried = true;
        self.reused = false;
    }

    fn close_phase(&mut self, now: Instant) {
        let spent = now.saturating_duration_since(self.since);
        match self.phase {
            // Without a limit on connections nothing is waited for: preparing a request is no phase.
            Phase::Blocked | Phase::InFlight => {}
            Phase::Dns => self.timings.dns += spent,
            Phase::Connecting => self.timings.connecting += spent,
            Phase::Tls => self.timings.tls_handshaking += spent,
        }
    }

    /// The error of an exchange whose time is over.
    pub fn timed_out(&self, limit: Duration) -> NetError {
        let doing = match self.phase {
            Phase::Blocked => "preparing the request",
            Phase::Dns => "resolving the name",
            Phase::Connecting => "connecting",
            Phase::Tls => "in the TLS handshake",
            Phase::InFlight => {
                let reading = self.reading();
                if reading.first_read.is_some() {
                    "receiving the response"
                } else if reading.write_blocked || reading.first_write.is_none() {
                    "sending the request"
                } else {
                    "waiting for the response"
                }
            }
        };
        NetError::new(ErrorKind::Timeout, format!("timed out after {limit:?} while {doing}"))
    }

    /// Stops the watch.
    pub fn finish(mut self, address: Address, method: Method, outcome: Result<Response, NetError>) -> Exchange {
        let reading = self.reading();
        let finished = match (&outcome, reading.last_read) {
            (Ok(_), Some(at)) => at,
            _ => clock::now(),
        };
        if self.phase == Phase::InFlight {
            in_flight_timings(&mut self.timings, &reading, finished);
        } else {
            self.close_phase(finished);
        }
        Exchange {
            address,
            method,
            outcome,
            timings: self.timings,
            sent: reading.sent + self.given_up.0,
            received: reading.received + self.given_up.1,
            remote_addr: self.remote,
            reused: self.reused,
            retried: self.retried,
            started_at: self.started,
            finished_at: finished,
        }
    }

    fn reading(&self) -> Reading {
        self.meter.as_ref().map(|meter| meter.read()).unwrap_or_default()
    }
}

/// Sending, waiting and receiving; a phase that was not finished ends with the exchange.
fn in_flight_timings(timings: &mut Timings, reading: &Reading, finished: Instant) {
    let Some(first_write) = reading.first_write else {
        return;
    };
    let sent = match reading.last_write {
        Some(at) if !(reading.write_blocked && reading.first_read.is_none()) => at,
        _ => finished,
    };
    timings.sending = sent.saturating_duration_since(first_write);
    // A server may answer before it has read everything; then nothing was waited for.
    let first_read = reading.first_read.unwrap_or(finished);
    timings.waiting = first_read.saturating_duration_since(sent);
    timings.receiving = finished.saturating_duration_since(first_read.max(sent));
}
