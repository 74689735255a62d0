//! The socket under hyper: counts bytes and takes time stamps next to the system calls. No protocol.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

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
    /// After the first read.
    pub first_read: Option<Instant>,
    /// After the last read, end of stream included.
    pub last_read: Option<Instant>,
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
        }
    }

    fn before_write(&self) {
        if self.first_write.get().is_none() {
            self.first_write.set(Some(clock::now()));
        }
    }

    fn after_write<T>(&self, result: &Poll<io::Result<T>>) {
        self.write_blocked.set(result.is_pending());
        if matches!(result, Poll::Ready(Ok(_))) {
            self.last_write.set(Some(clock::now()));
        }
    }

    fn after_read(&self, bytes: usize) {
        let now = clock::now();
        if bytes > 0 && self.first_read.get().is_none() {
            self.first_read.set(Some(now));
        }
        self.last_read.set(Some(now));
    }

    fn count_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
    }

    fn count_received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
    }
}

/// A TCP stream that counts bytes; what TLS and a proxy's tunnel are built on.
pub(super) struct Counted {
    tcp: TcpStream,
    meter: Rc<Meter>,
}

impl Counted {
    pub fn new(tcp: TcpStream, meter: Rc<Meter>) -> Self {
        Self { tcp, meter }
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.meter.count_received(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf))?;
        self.meter.count_sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs))?;
        self.meter.count_sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// What hyper reads and writes: payload, stamped.
pub(super) struct Stream {
    layer: Layer,
    meter: Rc<Meter>,
    /// Whether something was written since the last flush; TLS may hold records back until then.
    unflushed: bool,
}

enum Layer {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

impl Stream {
    pub fn plain(counted: Counted) -> Self {
        Self {
            meter: Rc::clone(&counted.meter),
            layer: Layer::Plain(counted),
            unflushed: false,
        }
    }

    pub fn tls(stream: TlsStream<Counted>) -> Self {
        Self {
            meter: Rc::clone(&stream.get_ref().0.meter),
            layer: Layer::Tls(Box::new(stream)),
            unflushed: false,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match &mut self.layer {
            Layer::Plain(plain) => ready!(Pin::new(plain).poll_read(cx, buf))?,
            Layer::Tls(tls) => ready!(Pin::new(tls).poll_read(cx, buf))?,
        }
        self.meter.after_read(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.meter.before_write();
        let result = match &mut self.layer {
            Layer::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
            Layer::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        };
        self.unflushed = matches!(self.layer, Layer::Tls(_));
        self.meter.after_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.meter.before_write();
        let result = match &mut self.layer {
            Layer::Plain(plain) => Pin::new(plain).poll_write_vectored(cx, bufs),
            Layer::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
        };
        self.unflushed = matches!(self.layer, Layer::Tls(_));
        self.meter.after_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(plain) => plain.is_write_vectored(),
            Layer::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.layer {
            Layer::Plain(plain) => Pin::new(plain).poll_flush(cx),
            Layer::Tls(tls) => Pin::new(tls).poll_flush(cx),
        };
        if self.unflushed {
            self.unflushed = result.is_pending();
            self.meter.after_write(&result);
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            Layer::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
