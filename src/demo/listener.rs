//! Loopback listeners whose connections can be reset from inside a request. Never any other address than 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A few thousand connections may be opened at the same moment.
const BACKLOG: u32 = 4_096;

/// How many connections came, and how many of them are there.
#[derive(Debug, Default)]
pub(super) struct Doors {
    pub opened: AtomicU64,
    pub open: AtomicU64,
}

impl Doors {
    /// Starts the count of those that came anew.
    pub(super) fn reset(&self) {
        self.opened.store(0, Ordering::Relaxed);
    }
}

/// What a handler knows about the connection that its request came on.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    reset: Arc<AtomicBool>,
    used: Arc<AtomicBool>,
    pub gateway: bool,
}

impl Connection {
    /// Whether nobody has asked this of the connection before.
    pub(super) fn first_use(&self) -> bool {
        !self.used.swap(true, Ordering::Relaxed)
    }

    /// Instead of the next byte the client gets a reset.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, LoopbackListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, LoopbackListener>) -> Self {
        stream.io().connection.clone()
    }
}

/// What tonic hands to services in place of axum's.
impl tonic::transport::server::Connected for ResettableStream {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection.clone()
    }
}

/// A listener on 127.0.0.1.
#[derive(Debug)]
pub(super) struct LoopbackListener {
    listener: TcpListener,
    gateway: bool,
    doors: Arc<Doors>,
}

impl LoopbackListener {
    /// # Errors
    /// When the port is taken; port 0 takes a free one.
    pub(super) fn bind(port: u16, gateway: bool, doors: Arc<Doors>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Without it a restarted demo would wait for its predecessor's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        Ok(Self {
            listener: socket.listen(BACKLOG)?,
            gateway,
            doors,
        })
    }

    /// Its connections as a stream without end.
    pub(super) fn incoming(self) -> impl Stream<Item = io::Result<ResettableStream>> {
        futures_util::stream::unfold(self, |mut listener| async {
            let (stream, _) = Listener::accept(&mut listener).await;
            Some((Ok(stream), listener))
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
        self.doors.opened.fetch_add(1, Ordering::Relaxed);
        self.doors.open.fetch_add(1, Ordering::Relaxed);
        let connection = Connection {
            reset: Arc::default(),
            used: Arc::default(),
            gateway: self.gateway,
        };
        let io = ResettableStream {
            stream,
            connection,
            doors: Arc::clone(&self.doors),
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
    connection: Connection,
    doors: Arc<Doors>,
}

impl Drop for ResettableStream {
    fn drop(&mut self) {
        self.doors.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ResettableStream {
    fn check(&self) -> io::Result<()> {
        if !self.connection.reset.load(Ordering::Relaxed) {
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
