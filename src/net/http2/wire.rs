//! What is measured of a connection that many exchanges share: stamps next to the system calls, and whose the bytes are.
//!
//! A stream has no socket of its own. Its request is sent when the first flush after its frames were handed over is done:
//! those handed over between two flushes share a [`Batch`], which the connection's task stamps. Its response has arrived
//! with the connection's last read before the exchange saw it.
//!
//! Bytes: each exchange has those of its own bodies. The rest of the connection's bytes (frames, headers, settings, TLS)
//! goes to the exchange that ends next, so that the sum over the exchanges is what the socket has counted.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::Line;
use super::exchange::Again;
use crate::clock::{self, Instant};
use crate::net::io::{Meter, Reading};
use crate::net::pool::Pool;
use crate::net::{NetError, tls};

/// What a connection's task tells those who use its streams.
#[derive(Debug)]
pub(in crate::net) struct Wire {
    base: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    last_read: AtomicU64,
    /// When the first of those requests began whose time was over and since which nothing has come.
    silent: AtomicU64,
    settled: AtomicBool,
    /// What TLS said when the connection broke; `h2` keeps no more of it than a text.
    fault: OnceLock<NetError>,
    /// Whose it is.
    owner: OnceLock<(Weak<Pool>, Weak<Line>)>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    batch: Arc<Batch>,
    sent: Ledger,
    received: Ledger,
}

/// When what was handed over together had been written, in ns since the base; zero before.
#[derive(Debug, Default)]
struct Batch(AtomicU64);

/// Who has been told of which bytes, in one direction.
#[derive(Debug, Default)]
struct Ledger {
    /// Attributed to exchanges that have ended.
    told: u64,
    /// Bodies of exchanges that go on.
    open: u64,
}

impl Ledger {
    fn settle(&mut self, total: u64, own: u64) -> u64 {
        self.open = self.open.saturating_sub(own);
        let rest = total.saturating_sub(self.told + self.open + own);
        self.told += own + rest;
        own + rest
    }
}

impl Wire {
    pub fn new() -> Self {
        Self {
            base: clock::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            last_read: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            settled: AtomicBool::new(false),
            fault: OnceLock::new(),
            owner: OnceLock::new(),
            books: Mutex::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.base).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX).max(1)
    }

    fn instant(&self, stamp: u64) -> Instant {
        self.base + Duration::from_nanos(stamp)
    }

    /// Something has been read. Told at once: an exchange on another core sees what came of it while the connection's task
    /// still has its turn.
    pub fn arrived(&self, meter: &Meter) {
        let now = meter.read();
        self.sent.store(now.sent, Ordering::Relaxed);
        if let Some(at) = now.last_read {
            self.received.store(now.received, Ordering::Relaxed);
            self.last_read.store(self.stamp(at), Ordering::Release);
        }
    }

    /// The connection's task has had its turn; `before` is what its meter said the last time.
    pub fn publish(&self, meter: &Meter, before: &mut Reading) {
        let now = meter.read();
        self.sent.store(now.sent, Ordering::Relaxed);
        if let Some(at) = now
            .last_write
            .filter(|_| now.last_write != before.last_write && !now.write_blocked)
        {
            let mut books = self.books();
            // Nobody but this holds a batch that nobody has joined.
            if Arc::strong_count(&books.batch) > 1 {
                std::mem::take(&mut books.batch)
                    .0
                    .store(self.stamp(at), Ordering::Release);
            }
        }
        *before = now;
    }

    /// Reading or writing has failed.
    pub fn fail(&self, meter: &Meter, error: &io::Error) {
        self.sent.store(meter.read().sent, Ordering::Relaxed);
        if let Some(error) = tls::find(error) {
            let _ = self.fault.set(tls::classify(error));
        }
    }

    /// Why the connection broke, where TLS knows it.
    pub fn fault(&self) -> Option<&NetError> {
        self.fault.get()
    }

    /// The connection is `line`, and one of `pool`.
    pub fn belong(&self, pool: &Arc<Pool>, line: &Arc<Line>) {
        let _ = self.owner.set((Arc::downgrade(pool), Arc::downgrade(line)));
    }

    /// The time of a request is over that began at this stamp. If nothing has come since, and for so long while requests
    /// waited, the peer may be gone without a word: the connection takes no more streams.
    fn give_up(&self, began: u64, patience: Duration) {
        let heard = self.last_read.load(Ordering::Acquire);
        if heard > began {
            return;
        }
        let since = match self.silent.load(Ordering::Relaxed) {
            silent if silent > heard => silent.min(began),
            _ => began,
        };
        self.silent.store(since, Ordering::Relaxed);
        if clock::now().saturating_duration_since(self.instant(since)) >= patience
            && let Some((pool, line)) = self.owner.get()
            && let Some(pool) = pool.upgrade()
        {
            pool.retire(line.as_ptr());
        }
    }

    /// The server's settings have arrived.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Whether they have.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    fn last_read(&self) -> Instant {
        self.instant(self.last_read.load(Ordering::Acquire))
    }
}

/// The stopwatch of one stream.
#[derive(Debug)]
pub(in crate::net) struct Watch {
    wire: Arc<Wire>,
    batch: Option<Arc<Batch>>,
    first_write: Option<Instant>,
    first_read: Option<Instant>,
    last_read: Option<Instant>,
    uploading: bool,
    /// What the connection had sent before it.
    before: u64,
    sent: u64,
    received: u64,
    settled: Option<(u64, u64)>,
}

impl Watch {
    pub fn new(wire: &Arc<Wire>) -> Self {
        Self {
            wire: Arc::clone(wire),
            batch: None,
            first_write: None,
            first_read: None,
            last_read: None,
            uploading: false,
            before: 0,
            sent: 0,
            received: 0,
            settled: None,
        }
    }

    /// The request begins.
    pub fn begin(&mut self) {
        self.first_write = Some(clock::now());
        self.before = self.wire.sent.load(Ordering::Relaxed);
        self.uploading = true;
    }

    /// Whether a request whose connection was lost may be sent again: nobody has acted on what was never written.
    pub fn again(&self, again: Again) -> Again {
        // What others wrote meanwhile counts as its own.
        let is_unwritten = self.wire.sent.load(Ordering::Relaxed) == self.before;
        match again {
            Again::Idempotent if is_unwritten => Again::Safe,
            again => again,
        }
    }

    /// Some of its body has been handed over, or all of what there is to send.
    pub fn hand_over(&mut self, body: usize, is_end: bool) {
        let mut books = self.wire.books();
        self.sent += body as u64;
        books.sent.open += body as u64;
        self.batch = Some(Arc::clone(&books.batch));
        drop(books);
        self.uploading = !is_end;
    }

    /// The head of the response is here.
    pub fn head(&mut self) {
        let at = self.wire.last_read();
        // An answer does not come before its request: then somebody has set the wall clock meanwhile.
        let at = if Some(at) > self.first_write { at } else { clock::now() };
        self.first_read = Some(at);
        self.last_read = Some(at);
    }

    /// A piece of its body is here.
    pub fn chunk(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.wire.books().received.open += bytes as u64;
        self.last_read = Some(self.wire.last_read());
    }

    /// It is complete.
    pub fn end(&mut self) {
        self.last_read = Some(self.wire.last_read());
    }

    /// Its time is over: a connection that has been silent for so long is given up with it.
    pub fn give_up(&self, patience: Duration) {
        if let Some(at) = self.first_write {
            self.wire.give_up(self.wire.stamp(at), patience);
        }
    }

    /// Whether the server has said anything on this connection.
    pub fn is_settled(&self) -> bool {
        self.wire.is_settled()
    }

    /// Ends the count of its bytes.
    pub fn settle(&mut self) -> (u64, u64) {
        if let Some(settled) = self.settled {
            return settled;
        }
        let total = (
            self.wire.sent.load(Ordering::Relaxed),
            self.wire.received.load(Ordering::Relaxed),
        );
        let mut books = self.wire.books();
        let settled = (
            books.sent.settle(total.0, self.sent),
            books.received.settle(total.1, self.received),
        );
        self.settled = Some(settled);
        settled
    }

    /// The state now, as a meter would tell it; without bytes.
    pub fn read(&self) -> Reading {
        let flushed = self.batch.as_ref().map_or(0, |batch| batch.0.load(Ordering::Acquire));
        let flushed = (flushed > 0).then(|| self.wire.instant(flushed));
        // One that the connection did not take was never sent.
        let first_write = self.first_write.filter(|_| self.batch.is_some());
        Reading {
            sent: 0,
            received: 0,
            first_write,
            // Another core's task may have flushed while this one was still handing over.
            last_write: flushed.max(first_write),
            write_blocked: first_write.is_some() && (self.uploading || flushed.is_none()),
            first_read: self.first_read,
            last_read: self.last_read,
            // `h2` keeps it to itself, and the stamps are those of the response.
            interim: false,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever exchanges overlap: what they are told of adds up to what the socket has counted.
        #[test]
        fn bytes_add_up(exchanges in proptest::collection::vec((0_u64..5_000, 0_u64..400, any::<bool>()), 1..40)) {
            let mut ledger = Ledger::default();
            let (mut total, mut told, mut waiting) = (0, 0, Vec::new());
            for (body, overhead, waits) in exchanges {
                ledger.open += body;
                total += body + overhead;
                if waits {
                    waiting.push(body);
                } else {
                    let own = ledger.settle(total, body);
                    prop_assert!(own >= body);
                    told += own;
                }
            }
            for body in waiting {
                told += ledger.settle(total, body);
            }
            told += ledger.settle(total, 0);
            prop_assert_eq!(told, total);
        }
    }
}
