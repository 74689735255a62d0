//! Loopback listeners whose connections can be reset from inside a request. Never any other address than 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A few thousand connections may be opened at the same moment.
const BACKLOG: u32 = 4_096;

/// What a handler knows about the connection that its request came on.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    reset: Arc<AtomicBool>,
    pub gateway: bool,
}

impl Connection {
    /// Instead of the next byte the client gets a reset.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, LoopbackListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, LoopbackListener>) -> Self {
        Self {
            reset: Arc::clone(&stream.io().reset),
            gateway: stream.io().gateway,
        }
    }
}

/// A listener on 127.0.0.1.
#[derive(Debug)]
pub(super) struct LoopbackListener {
    listener: TcpListener,
    gateway: bool,
}

impl LoopbackListener {
    /// # Errors
    /// When the port is taken; port 0 takes a free one.
    pub(super) fn bind(port: u16, gateway: bool) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Without it a restarted demo would wait for its predecessor's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        Ok(Self {
            listener: socket.listen(BACKLOG)?,
            gateway,
        })
    }
}

impl Listener for LoopbackListener {
    type Io = ResettableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ResettableStream, SocketAddr) {
        // axum's own implementation retries what can be retried.
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        // Answers are small and must not wait for an acknowledgement; without the option they are merely slower.
        let _ = stream.set_nodelay(true);
        let io = ResettableStream {
            stream,
            reset: Arc::default(),
            gateway: self.gateway,
        };
        (io, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks off at the next write once it was told to.
#[derive(Debug)]
pub(super) struct ResettableStream {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
    gateway: bool,
}

impl ResettableStream {
    fn check(&self) -> io::Result<()> {
        if !self.reset.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Closing a socket that lingers for no time at all sends a reset instead of an orderly end.
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
