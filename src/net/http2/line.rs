//! One HTTP/2 connection: its handshake, the task that drives it, and the handle that opens streams. Who may open one is
//! the pool's business.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::classify;
use super::exchange::Again;
use super::wire::Wire;
use super::{CONNECTION_WINDOW, MAX_HEADER_LIST, STREAM_WINDOW};
use crate::net::NetError;
use crate::net::io::{Meter, Reading, Stream};
use crate::net::pool::{Lease, Pool, Slot};

/// Streams that are opened before the server has said how many it allows (RFC 9113, section 6.5.2: no fewer than 100 are
/// recommended, but any number is legal).
const BEFORE_SETTINGS: usize = 1;

/// Streams reset by this side that are remembered, so that what the server had sent meanwhile is not taken for an error.
const REMEMBERED_RESETS: usize = 1_024;

/// The handle of a connection, usable from any thread.
pub(in crate::net) struct Line {
    /// None once no more streams are to be opened; the connection ends with the last one.
    sender: Mutex<Option<SendRequest<Bytes>>>,
    /// What is measured of it.
    pub wire: Arc<Wire>,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// The number of its slot.
    pub slot: u64,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({})", self.slot)
    }
}

impl Line {
    /// Opens a stream.
    ///
    /// # Errors
    /// Headers that cannot be sent, or a connection that takes no more streams. Nothing was sent then.
    pub fn open(
        &self,
        request: http::Request<()>,
        is_end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), Option<h2::Error>> {
        // A handle keeps its last stream until the next one, cancelled or not, and refuses that while the connection's task
        // still counts streams that were cancelled. So each stream has a handle of its own.
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut sender = sender.ok_or(None)?;
        sender.send_request(request, is_end).map_err(Some)
    }

    /// No more streams; the connection ends when the last one has.
    pub fn close(&self) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Not under the lock: the last handle wakes the connection's task.
        drop(sender);
    }

    /// What an error of one of its streams means, and whether the request may be sent again.
    pub fn explain(&self, error: &h2::Error) -> (NetError, Again) {
        match self.wire.fault().filter(|_| error.is_io()) {
            Some(fault) => (fault.clone(), Again::Idempotent),
            None => classify(error, self.is_settled()),
        }
    }

    /// Whether the server's settings have arrived.
    pub fn is_settled(&self) -> bool {
        self.wire.is_settled()
    }
}

/// Speaks HTTP/2 on a stream: shakes hands, leaves the connection to a task of this core, and makes it known to the pool.
/// The first stream is the caller's.
///
/// # Errors
/// The connection failed.
pub(in crate::net) async fn start(
    stream: Stream,
    meter: Rc<Meter>,
    remote: Option<SocketAddr>,
    pool: &Arc<Pool>,
    slot: Slot,
) -> Result<Lease, NetError> {
    meter.begin_payload();
    let wire = Arc::new(Wire::new());
    let shaken = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_max_send_streams(BEFORE_SETTINGS)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .enable_push(false)
        .handshake(Wired {
            stream,
            meter: Rc::clone(&meter),
            wire: Arc::clone(&wire),
        })
        .await;
    let (sender, connection) =
        shaken.map_err(|error| wire.fault().cloned().unwrap_or_else(|| classify(&error, false).0))?;
    let line = Arc::new(Line {
        sender: Mutex::new(Some(sender)),
        wire,
        remote,
        slot: slot.number,
    });
    line.wire.belong(pool, &line);
    let task = Task {
        connection,
        meter,
        reading: Reading::default(),
        limit: BEFORE_SETTINGS,
        wire: Arc::clone(&line.wire),
        line: Arc::downgrade(&line),
        pool: Arc::downgrade(pool),
        _slot: slot,
    };
    let lease = pool.add(&line, BEFORE_SETTINGS);
    tokio::task::spawn_local(task.drive());
    Ok(lease)
}

/// The socket as `h2` wants it, with stamps.
struct Wired {
    stream: Stream,
    meter: Rc<Meter>,
    wire: Arc<Wire>,
}

impl Wired {
    fn wrote<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &result {
            Poll::Pending => self.meter.write_blocked(),
            Poll::Ready(Ok(_)) => self.meter.after_write(),
            Poll::Ready(Err(error)) => {
                self.wire.fail(&self.meter, error);
                self.meter.after_write();
            }
        }
        result
    }
}

impl AsyncRead for Wired {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.stream.poll_read(cx, buf)).inspect_err(|error| self.wire.fail(&self.meter, error))?;
        self.meter.after_read(buf.filled().len() - before);
        self.wire.arrived(&self.meter);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wired {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.stream.poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.stream.poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.stream.poll_flush(cx);
        // TLS holds records back until now; `h2` flushes whether there is something or not.
        if result.is_pending() {
            self.meter.write_blocked();
        } else if self.meter.read().write_blocked {
            self.meter.after_write();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }
}

/// What drives a connection to its end.
struct Task {
    connection: Connection<Wired, Bytes>,
    meter: Rc<Meter>,
    reading: Reading,
    limit: usize,
    wire: Arc<Wire>,
    line: Weak<Line>,
    pool: Weak<Pool>,
    /// After the connection, whose socket it counts.
    _slot: Slot,
}

impl Task {
    async fn drive(mut self) {
        let end = poll_fn(|cx| {
            let polled = Pin::new(&mut self.connection).poll(cx);
            self.look();
            // What comes first is the settings; a limit that is the one assumed before them changes nothing.
            if polled.is_pending() && self.reading.first_read.is_some() {
                self.wire.settle();
            }
            polled
        });
        let ended = end.await;
        if let Err(error) = &ended {
            tracing::debug!(target: "kingtide::http", "an HTTP/2 connection ended: {error}");
        }
    }

    /// Tells what the connection has done in its turn.
    fn look(&mut self) {
        self.wire.publish(&self.meter, &mut self.reading);
        let limit = self.connection.max_concurrent_send_streams();
        if self.limit != limit {
            self.limit = limit;
            self.wire.settle();
            if let Some(pool) = self.pool.upgrade() {
                pool.allow(&self.line, limit);
            }
        }
    }
}

impl Drop for Task {
    /// Also when the core's thread ends: those on other cores must not open streams that nobody drives.
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.retire(self.line.as_ptr());
        }
    }
}
