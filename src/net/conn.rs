//! One HTTP/1.1 connection, driven by whoever uses it. No policy: who may use it, and again, is the client's.
//!
//! hyper's connection is a future that usually runs as a task of its own. Here the exchange polls it itself: a request
//! costs no switch between tasks, and a dropped exchange takes its connection along, however far it had come.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::error::hyper_error;
use super::io::{Meter, Stream};
use super::target::Target;
use super::{ErrorKind, NetError};

/// An open connection.
pub(super) struct Conn {
    sender: SendRequest<Full<Bytes>>,
    /// None once it is over.
    driver: Option<Box<Connection<TokioIo<Stream>, Full<Bytes>>>>,
    /// Counts and stamps what the socket does.
    pub meter: Rc<Meter>,
    /// What it is connected to.
    pub target: Rc<Target>,
    /// The peer.
    pub remote: Option<SocketAddr>,
}

impl Conn {
    /// Speaks HTTP/1.1 on a stream.
    ///
    /// # Errors
    /// None that hyper documents.
    pub async fn new(
        stream: Stream,
        meter: Rc<Meter>,
        target: Rc<Target>,
        remote: Option<SocketAddr>,
    ) -> Result<Self, NetError> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|error| hyper_error(&error))?;
        Ok(Self {
            sender,
            driver: Some(Box::new(driver)),
            meter,
            target,
            remote,
        })
    }

    /// Sends a request and waits for the head of the response.
    ///
    /// # Errors
    /// The connection failed, or what arrived is no response.
    pub async fn head(&mut self, request: http::Request<Full<Bytes>>) -> Result<http::Response<Incoming>, NetError> {
        let mut head = pin!(self.sender.send_request(request));
        let driver = &mut self.driver;
        let answer = poll_fn(|cx| {
            drive(driver, cx);
            head.as_mut().poll(cx)
        });
        answer.await.map_err(|error| hyper_error(&error))
    }

    /// Receives a body of at most `limit` bytes, or drops one of any size.
    ///
    /// # Errors
    /// The connection failed, the body is cut short, wrongly framed, or too large.
    pub async fn body(&mut self, mut body: Incoming, limit: u64, discard: bool) -> Result<Bytes, NetError> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let announced = body.size_hint().exact();
        if !discard && announced.is_some_and(|size| size > limit) {
            return Err(too_large(limit));
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut size = 0_u64;
        while let Some(chunk) = self.chunk(&mut body).await? {
            size += chunk.len() as u64;
            if discard {
                continue;
            }
            if size > limit {
                return Err(too_large(limit));
            }
            // Most bodies are one chunk, which is passed on as it is.
            if first.is_empty() {
                first = chunk;
                continue;
            }
            if all.is_empty() {
                all.reserve(capacity(announced, first.len() + chunk.len()));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    /// The next piece of a body; None at its end.
    async fn chunk(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, NetError> {
        while !body.is_end_stream() {
            let driver = &mut self.driver;
            let frame = poll_fn(|cx| {
                // What is there already; otherwise this asks the connection for more.
                if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                    return Poll::Ready(frame);
                }
                drive(driver, cx);
                Pin::new(&mut *body).poll_frame(cx)
            });
            match frame.await {
                None => return Ok(None),
                Some(Err(error)) => return Err(hyper_error(&error)),
                // Trailers carry no body.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Lets the connection finish what it has and says whether it can take a request: after a complete response, and
    /// before the next one, when the peer may have closed it meanwhile.
    ///
    /// Polled with a waker that does nothing, so that an idle connection does not wake its VU.
    pub async fn settle(&mut self) -> bool {
        let driver = &mut self.driver;
        let mut context = Context::from_waker(Waker::noop());
        // Outside tokio's budget: a task that has used it up would otherwise lose its connection here.
        tokio::task::coop::unconstrained(poll_fn(|_| {
            drive(driver, &mut context);
            Poll::Ready(())
        }))
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Polls the connection; when it is over, it is dropped, so that hyper tells those who still wait.
fn drive(driver: &mut Option<Box<Connection<TokioIo<Stream>, Full<Bytes>>>>, cx: &mut Context<'_>) {
    if let Some(connection) = driver
        && Pin::new(connection).poll(cx).is_ready()
    {
        *driver = None;
    }
}

/// How much to set aside for a body of several chunks: what was announced, but never on a server's word alone.
pub(super) fn capacity(announced: Option<u64>, arrived: usize) -> usize {
    const TRUSTED: u64 = 1 << 20;
    let announced = announced.unwrap_or(0).min(TRUSTED);
    usize::try_from(announced).unwrap_or(0).max(arrived * 2)
}

/// The error of a body over the limit.
pub(super) fn too_large(limit: u64) -> NetError {
    NetError::new(
        ErrorKind::BodyTooLarge,
        format!("the body is larger than {limit} bytes (http.max_body)"),
    )
}
