//! The socket under a protocol: counts bytes and takes time stamps next to the system calls. No protocol.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::arrival;
use super::wire::Wire;
use crate::clock::{self, Instant};

/// What happened on one connection since [`Meter::begin`]; shared between the socket and whoever asks.
#[derive(Debug, Default)]
pub(super) struct Meter {
    sent: Cell<u64>,
    received: Cell<u64>,
    first_write: Cell<Option<Instant>>,
    last_write: Cell<Option<Instant>>,
    write_blocked: Cell<bool>,
    first_read: Cell<Option<Instant>>,
    last_read: Cell<Option<Instant>>,
    interim: Cell<bool>,
    /// When what the socket has given last had arrived, if that is known.
    arrived: Cell<Option<Instant>>,
}

/// A copy of the counters and stamps. Stamps are of payload: with TLS they do not move with handshakes, tickets, alerts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// Bytes written to the socket.
    pub sent: u64,
    /// Bytes read from the socket.
    pub received: u64,
    /// Before the first write.
    pub first_write: Option<Instant>,
    /// After the last write.
    pub last_write: Option<Instant>,
    /// Whether a write waits for the peer to read.
    pub write_blocked: bool,
    /// When the first bytes of the response arrived, or were read where that is not known.
    pub first_read: Option<Instant>,
    /// When the last bytes arrived, or were read; or when the end of the stream was.
    pub last_read: Option<Instant>,
    /// Whether something came before the response (status 1xx).
    pub interim: bool,
}

impl Reading {
    /// Whether the peer has said anything, be it that the response is still to come.
    pub fn has_heard(&self) -> bool {
        self.first_read.is_some() || self.interim
    }
}

impl Meter {
    /// Forgets what was before: another exchange begins.
    pub fn begin(&self) {
        self.sent.set(0);
        self.received.set(0);
        self.begin_payload();
    }

    /// Forgets the stamps, not the bytes: what a handshake has cost belongs to the exchange that needed it.
    pub fn begin_payload(&self) {
        self.first_write.set(None);
        self.last_write.set(None);
        self.write_blocked.set(false);
        self.first_read.set(None);
        self.last_read.set(None);
        self.interim.set(false);
        self.arrived.set(None);
    }

    /// The state now.
    pub fn read(&self) -> Reading {
        Reading {
            sent: self.sent.get(),
            received: self.received.get(),
            first_write: self.first_write.get(),
            last_write: self.last_write.get(),
            write_blocked: self.write_blocked.get(),
            first_read: self.first_read.get(),
            last_read: self.last_read.get(),
            interim: self.interim.get(),
        }
    }

    /// A write is about to be tried.
    pub fn before_write(&self) {
        if self.first_write.get().is_none() {
            self.first_write.set(Some(clock::now()));
        }
    }

    /// A write that was not the only one has worked.
    pub fn after_write(&self) {
        self.write_blocked.set(false);
        self.last_write.set(Some(clock::now()));
    }

    /// The peer must read before more can be written.
    pub fn write_blocked(&self) {
        self.write_blocked.set(true);
    }

    /// All is written. If that was one system call, its beginning stands for it: the clock is not read again.
    pub fn written(&self) {
        if self.last_write.get().is_none() {
            self.last_write.set(self.first_write.get());
        }
    }

    /// A read has worked; none of bytes is the end of the stream.
    pub fn after_read(&self, bytes: usize) {
        // An answer does not come before its request: then somebody has set the wall clock meanwhile.
        let arrived = self.arrived.get().filter(|at| Some(*at) > self.first_write.get());
        let at = arrived.unwrap_or_else(clock::now);
        if bytes > 0 && self.first_read.get().is_none() {
            self.first_read.set(Some(at));
        }
        self.last_read.set(Some(at));
    }

    /// What has been read was not the response yet; `goes_on`: but the last read has more, where that may begin.
    pub fn passed_over(&self, goes_on: bool) {
        self.interim.set(true);
        self.first_read.set(self.last_read.get().filter(|_| goes_on));
    }

    /// So many bytes were written.
    pub fn count_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    /// So many bytes were read from the socket, which had them since then.
    fn received(&self, bytes: usize, since: Option<SystemTime>) {
        self.received.set(self.received.get() + bytes as u64);
        self.arrived.set(since.map(clock::instant_of));
    }
}

/// A TCP stream that counts bytes; what TLS and a proxy's tunnel are built on.
pub(super) struct Counted {
    wire: Rc<Wire>,
}

impl Counted {
    pub fn new(tcp: TcpStream, meter: Rc<Meter>) -> Self {
        arrival::ask(&tcp);
        Self {
            wire: Wire::new(tcp, meter),
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let since = ready!(arrival::poll_read(&self.wire.tcp.borrow(), cx, buf))?;
        self.wire.meter.received(buf.filled().len() - before, since);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut *self.wire.tcp.borrow_mut()).poll_write(cx, buf))?;
        self.wire.meter.count_sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut *self.wire.tcp.borrow_mut()).poll_write_vectored(cx, bufs))?;
        self.wire.meter.count_sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.tcp.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire.tcp.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire.tcp.borrow_mut()).poll_shutdown(cx)
    }
}

/// What a protocol reads and writes.
pub(super) enum Stream {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

impl Stream {
    pub fn plain(counted: Counted) -> Self {
        Self::Plain(counted)
    }

    pub fn tls(stream: TlsStream<Counted>) -> Self {
        Self::Tls(Box::new(stream))
    }

    /// Reads what is there. A read that does not fill the buffer asks for no system call before the next event.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(plain) => Pin::new(plain).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        }
    }

    /// The socket, where it takes a request as it is.
    pub fn wire(&self) -> Option<&Rc<Wire>> {
        match self {
            Self::Plain(plain) => Some(&plain.wire),
            Self::Tls(_) => None,
        }
    }

    /// Whether what was written may still be here: TLS holds records back until the next flush.
    pub fn holds_back(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    /// Whether nothing has come that nobody asked for, an end included.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        match self {
            // Without an event this is no system call.
            Self::Plain(plain) => {
                matches!(plain.wire.tcp.borrow().try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Tls(tls) => {
                // Session tickets are no payload, so that TLS has to look. Outside of tokio's budget: a task that has used
                // it up would otherwise lose its connection here.
                let mut buffer = ReadBuf::new(&mut byte);
                let look = std::future::poll_fn(|cx| Pin::new(&mut *tls).poll_read(cx, &mut buffer));
                let look = std::pin::pin!(tokio::task::coop::unconstrained(look));
                look.poll(&mut Context::from_waker(Waker::noop())).is_pending()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stamps_that_cannot_be_are_not_believed() {
        let meter = Meter::default();
        meter.before_write();
        let read = clock::now();
        let hour = Duration::from_secs(3600);
        // The wall clock was set while the answer was on its way; there is no stamp.
        for since in [clock::wall().checked_sub(hour), clock::wall().checked_add(hour), None] {
            meter.received(5, since);
            meter.after_read(5);
            let at = meter.read().last_read;
            assert!(Some(read) <= at && at <= Some(clock::now()), "{since:?}");
        }
        assert_eq!(meter.read().received, 15);
    }
}
