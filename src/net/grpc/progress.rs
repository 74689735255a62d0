//! How far a call has come. It lives outside of the future that a limit drops, so that what the limit has ended is known.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Bound, Code, Fields, Reply, Status};
use crate::clock::{self, Instant};
use crate::net::hop::{Hop, Phase};
use crate::net::http2::Again;
use crate::net::pool::{Missing, Pool};
use crate::net::{ErrorKind, NetError, Trace};

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub status: Status,
    /// Why the status is not the server's.
    pub error: Option<Box<NetError>>,
    /// Whether it may be sent once more.
    pub again: Again,
}

impl Ended {
    /// With the server's word.
    pub fn said(status: Status) -> Self {
        Self {
            status,
            error: None,
            again: Again::Never,
        }
    }

    /// With a code that is not the server's.
    pub fn with(code: Code, error: NetError) -> Self {
        Self {
            status: Status::new(code, &error.message),
            error: Some(Box::new(error)),
            again: Again::Never,
        }
    }

    /// The peer has broken the protocol.
    pub fn broken(code: Code, message: impl Into<String>) -> Self {
        Self::with(code, NetError::new(ErrorKind::NotGrpc, message))
    }

    /// Whether the last byte was read.
    pub fn is_complete(&self) -> bool {
        self.error.is_none()
    }
}

impl From<NetError> for Ended {
    fn from(error: NetError) -> Self {
        Self::with(Code::of_failure(error.kind), error)
    }
}

/// How far a call has come.
pub(super) struct Progress {
    pub hop: Hop,
    pub started: Instant,
    pub limit: Duration,
    /// How long its connection may be silent.
    patience: Duration,
    /// What it waits for, and since when.
    waits: Option<(Bound, Instant)>,
    /// What it has waited for the longest.
    bound: Option<(Bound, Duration)>,
    /// Before the first message.
    pub headers: Fields,
    /// At the end.
    pub trailers: Fields,
    /// Sent and received.
    pub messages: (u64, u64),
    /// Its trace, where calls carry them.
    pub trace: Option<Trace>,
}

impl Progress {
    /// A call begins. Short limits are usual and cost their stream only: its connection is given up that has been silent for as
    /// long as opening one may take.
    pub fn start(limit: Duration, connect_timeout: Duration) -> Self {
        let started = clock::now();
        Self {
            hop: Hop::start(started),
            started,
            limit,
            patience: connect_timeout,
            waits: None,
            bound: None,
            headers: Fields::default(),
            trailers: Fields::default(),
            messages: (0, 0),
            trace: None,
        }
    }

    /// When its time is over.
    pub fn deadline(&self) -> Instant {
        clock::later(self.started, self.limit)
    }

    /// What the server is told of the limit. The clock is not read for calls that have not waited.
    pub fn left(&self) -> Duration {
        match self.bound.is_some() || !self.hop.reused || self.hop.retried {
            true => self.deadline().saturating_duration_since(clock::now()),
            false => self.limit,
        }
    }

    /// All that may be in flight are.
    pub fn waits_for_cap(&mut self) {
        self.hop.enter(Phase::Blocked);
        self.waits = Some((Bound::Cap, clock::now()));
    }

    /// The pool has nothing to give.
    pub fn waits_for(&mut self, pool: &Arc<Pool>) {
        let bound = match pool.missing() {
            Missing::Connection => Bound::Connection,
            Missing::Stream(allowed) => Bound::Streams(allowed),
        };
        self.hop.wait(pool);
        self.waits = Some((bound, clock::now()));
    }

    /// It has waited long enough.
    pub fn has_waited(&mut self) {
        self.hop.waited();
        self.close_wait();
    }

    fn close_wait(&mut self) {
        let Some((bound, since)) = self.waits.take() else {
            return;
        };
        let waited = clock::now().saturating_duration_since(since);
        if self.bound.is_none_or(|(_, longest)| waited >= longest) {
            self.bound = Some((bound, waited));
        }
    }

    /// Its time is over.
    pub fn timed_out(&self) -> Ended {
        let error = match self.waits {
            Some((Bound::Cap, _)) => {
                let message = format!("timed out after {:?} while waiting for `max_in_flight`", self.limit);
                NetError::new(ErrorKind::Timeout, message)
            }
            _ => self.hop.timed_out(self.limit, self.patience),
        };
        error.into()
    }

    /// Ends it.
    pub fn finish(mut self, ended: Ended, message: Option<Bytes>) -> Reply {
        self.close_wait();
        let spent = self.hop.spent(ended.is_complete());
        Reply {
            status: ended.status,
            message,
            headers: self.headers,
            trailers: self.trailers,
            timings: spent.timings,
            blocked_by: self.bound.map(|(bound, _)| bound),
            error: ended.error.map(|error| *error),
            messages: self.messages,
            sent: spent.sent,
            received: spent.received,
            remote_addr: spent.remote,
            reused: spent.reused,
            retried: spent.retried,
            trace: self.trace,
            started_at: spent.started,
            finished_at: spent.finished,
        }
    }
}
