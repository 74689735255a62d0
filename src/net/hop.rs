//! The stopwatch of one exchange: which phase it is in and what each has taken. It lives outside the future that a
//! timeout drops, so that a timeout still knows where the time went.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::exchange::{Exchange, Request, Response, Timings};
use super::http2::Watch;
use super::io::{Meter, Reading};
use super::pool::Pool;
use super::{ErrorKind, NetError};
use crate::clock::{self, Instant};

/// What an exchange is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Being prepared.
    Preparing,
    /// Waiting for a connection, or for a stream of one.
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
    /// What came before the request went out; most requests find a connection open.
    before: Option<Box<Timings>>,
    meter: Option<Rc<Meter>>,
    /// In the place of the meter, which counts what all streams of a connection do.
    stream: Option<Box<Watch>>,
    /// Where it waits, or has waited.
    pool: Option<Arc<Pool>>,
    /// Bytes sent and received on a connection that was given up for another.
    given_up: (u64, u64),
    /// The value of `cookie` that has gone out: the answer may change the jar.
    pub cookies: Option<Rc<HeaderValue>>,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// Whether an idle connection is used.
    pub reused: bool,
    /// Whether this is the second attempt.
    pub retried: bool,
}

/// What a stopwatch says in the end.
pub(super) struct Spent {
    pub timings: Timings,
    /// Bytes.
    pub sent: u64,
    /// Bytes.
    pub received: u64,
    pub remote: Option<SocketAddr>,
    pub reused: bool,
    pub retried: bool,
    pub started: Instant,
    pub finished: Instant,
}

impl Hop {
    /// Starts the watch.
    pub fn start(now: Instant) -> Self {
        Self {
            started: now,
            phase: Phase::Preparing,
            since: now,
            before: None,
            meter: None,
            stream: None,
            pool: None,
            given_up: (0, 0),
            cookies: None,
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
        self.retried = true;
        self.begin_again();
    }

    /// The connection took no request any more; nothing was sent.
    pub fn begin_again(&mut self) {
        let now = clock::now();
        let reading = self.reading();
        let (sent, received) = self.bytes(&reading);
        self.given_up.0 += sent;
        self.given_up.1 += received;
        (self.meter, self.stream) = (None, None);
        self.phase = Phase::Preparing;
        self.since = now;
        self.before = Some(Box::new(Timings {
            blocked: now.saturating_duration_since(self.started),
            ..Timings::default()
        }));
        self.reused = false;
    }

    /// The request waits for what the pool has not got.
    pub fn wait(&mut self, pool: &Arc<Pool>) {
        self.enter(Phase::Blocked);
        self.pool = Some(Arc::clone(pool));
    }

    /// It has waited long enough.
    pub fn waited(&mut self) {
        self.enter(Phase::Preparing);
    }

    /// The request goes out on a stream of an open connection.
    pub fn on_stream(&mut self, watch: Watch) -> &mut Watch {
        if !self.reused {
            self.close_phase(clock::now());
        }
        self.phase = Phase::InFlight;
        // What the connection has cost so far is in its own books.
        self.meter = None;
        self.stream.insert(Box::new(watch))
    }

    fn close_phase(&mut self, now: Instant) {
        let spent = now.saturating_duration_since(self.since);
        match self.phase {
            Phase::Preparing | Phase::InFlight => {}
            Phase::Blocked => self.before().blocked += spent,
            Phase::Dns => self.before().dns += spent,
            Phase::Connecting => self.before().connecting += spent,
            Phase::Tls => self.before().tls_handshaking += spent,
        }
    }

    /// The error of an exchange whose time is over; with it, a connection of many streams is given up on which nothing has come
    /// for as long as `patience`, while requests waited.
    pub fn timed_out(&self, limit: Duration, patience: Duration) -> NetError {
        if let Some(stream) = &self.stream {
            stream.give_up(patience);
        }
        let missing;
        let doing = match self.phase {
            Phase::Preparing => "preparing the request",
            Phase::Blocked => {
                missing = self
                    .pool
                    .as_ref()
                    .map(|pool| pool.what_is_missing())
                    .unwrap_or_default();
                &missing
            }
            Phase::Dns => "resolving the name",
            Phase::Connecting => "connecting",
            Phase::Tls => "in the TLS handshake",
            Phase::InFlight => {
                let reading = self.reading();
                if reading.first_read.is_some() {
                    "receiving the response"
                } else if reading.write_blocked || reading.first_write.is_none() {
                    "sending the request"
                } else if self.stream.as_ref().is_some_and(|stream| !stream.is_settled()) {
                    "waiting for the response; the server has not sent its HTTP/2 settings"
                } else {
                    "waiting for the response"
                }
            }
        };
        NetError::new(ErrorKind::Timeout, format!("timed out after {limit:?} while {doing}"))
    }

    /// A connection was opened for it, aside: what that took is this one's.
    pub fn opened(&mut self, aside: Self) {
        if let Some(spent) = aside.before {
            let before = self.before();
            before.dns += spent.dns;
            before.connecting += spent.connecting;
            before.tls_handshaking += spent.tls_handshaking;
        }
        self.remote = aside.remote;
        // Not closed: it would count twice.
        self.phase = Phase::Preparing;
        self.since = clock::now();
    }

    /// Ends the phase of somebody who opens a connection for others.
    pub fn stop(&mut self) {
        self.enter(Phase::Preparing);
    }

    /// The stopwatch of its stream, once it has one.
    pub fn stream(&mut self) -> Option<&mut Watch> {
        self.stream.as_deref_mut()
    }

    /// Stops the watch.
    pub fn finish(self, request: &Request, outcome: Result<Response, NetError>) -> Exchange {
        let spent = self.spent(outcome.is_ok());
        Exchange {
            address: request.address.clone(),
            method: request.method.clone(),
            outcome,
            timings: spent.timings,
            sent: spent.sent,
            received: spent.received,
            remote_addr: spent.remote,
            reused: spent.reused,
            retried: spent.retried,
            trace: request.trace,
            started_at: spent.started,
            finished_at: spent.finished,
        }
    }

    /// Stops the watch and reads it; `is_complete`: whether the last byte read was the end.
    pub fn spent(mut self, is_complete: bool) -> Spent {
        let reading = self.reading();
        let finished = match reading.last_read {
            Some(at) if is_complete => at,
            _ => clock::now(),
        };
        let (sent, received) = self.bytes(&reading);
        if self.phase != Phase::InFlight {
            self.close_phase(finished);
        }
        let mut timings = self.before.map_or_else(Timings::default, |before| *before);
        if self.phase == Phase::InFlight {
            in_flight_timings(&mut timings, &reading, finished);
        }
        Spent {
            timings,
            sent: sent + self.given_up.0,
            received: received + self.given_up.1,
            remote: self.remote,
            reused: self.reused,
            retried: self.retried,
            started: self.started,
            finished,
        }
    }

    fn before(&mut self) -> &mut Timings {
        self.before.get_or_insert_default()
    }

    fn bytes(&mut self, reading: &Reading) -> (u64, u64) {
        match &mut self.stream {
            Some(stream) => stream.settle(),
            None => (reading.sent, reading.received),
        }
    }

    fn reading(&self) -> Reading {
        if let Some(stream) = &self.stream {
            return stream.read();
        }
        self.meter.as_ref().map(|meter| meter.read()).unwrap_or_default()
    }
}

/// Sending, waiting and receiving; a phase that was not finished ends with the exchange. None of them where the socket
/// failed before it took anything.
fn in_flight_timings(timings: &mut Timings, reading: &Reading, finished: Instant) {
    let Some(first_write) = reading.first_write else {
        return;
    };
    if reading.last_write.or(reading.first_read).is_none() && !reading.write_blocked {
        return;
    }
    let sent = match reading.last_write {
        Some(at) if !(reading.write_blocked && reading.first_read.is_none()) => at,
        _ => finished,
    };
    // Written, as far as we know, when the system comes back to us; by the system's stamp, the answer may be older.
    let sent = sent.min(finished);
    timings.sending = sent.saturating_duration_since(first_write);
    // A server may answer before it has read everything; then nothing was waited for.
    let first_read = reading.first_read.unwrap_or(finished);
    timings.waiting = first_read.saturating_duration_since(sent);
    timings.receiving = finished.saturating_duration_since(first_read.max(sent));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_no_longer_than_the_exchange() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        // written, first and last byte of the answer; sending, waiting, receiving
        let table = [
            (10, 30, 35, [10, 20, 5]),
            // The core was taken away between sending and looking at the clock.
            (50, 30, 35, [35, 0, 0]),
            // The server has answered before it had read everything.
            (33, 30, 35, [33, 0, 2]),
        ];
        for (written, first, last, phases) in table {
            let reading = Reading {
                first_write: Some(start),
                last_write: Some(at(written)),
                first_read: Some(at(first)),
                last_read: Some(at(last)),
                ..Reading::default()
            };
            let mut timings = Timings::default();
            in_flight_timings(&mut timings, &reading, at(last));
            let spent = [timings.sending, timings.waiting, timings.receiving];
            assert_eq!(spent, phases.map(Duration::from_millis), "{reading:?}");
            assert_eq!(timings.duration(), at(last) - start);
        }
    }

    #[test]
    fn a_request_of_which_the_socket_took_nothing_has_no_service_time() {
        let at = |ms| Some(clock::now() + Duration::from_millis(ms));
        let tried = Reading {
            first_write: at(0),
            ..Reading::default()
        };
        // what came of it; whether it was sent
        let table = [
            (Reading::default(), false),
            (tried, false),
            (
                Reading {
                    last_write: at(0),
                    ..tried
                },
                true,
            ),
            // The peer does not read: that is its time.
            (
                Reading {
                    write_blocked: true,
                    ..tried
                },
                true,
            ),
            // It has answered before it read anything.
            (
                Reading {
                    first_read: at(1),
                    ..tried
                },
                true,
            ),
        ];
        for (reading, was_sent) in table {
            let mut timings = Timings::default();
            in_flight_timings(&mut timings, &reading, clock::now() + Duration::from_secs(1));
            assert_eq!(timings.has_service(), was_sent, "{reading:?}");
        }
    }
}
