//! One connection, driven by whoever uses it: an exchange is one future without a task of its own, and a dropped exchange
//! takes its connection along, however far it had come.
//!
//! A connection owns no buffers. What is written and read passes through those of its core, within one poll; only what
//! a socket does not take at once, and an answer that is not complete, is kept until it is.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::ptr::from_ref;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::ReadBuf;

use super::heads::Heads;
use super::receive::{Received, Reception, Rules};
use super::request::{render, says_close};
use crate::net::NetError;
use crate::net::error::io_error;
use crate::net::io::{Meter, Stream};
use crate::net::message::Outgoing;
use crate::net::outbox;
use crate::net::target::Target;
use crate::net::wire::Posted;

/// As much as a socket usually has at once; one read that does not fill it says that there is no more.
const INPUT: usize = 64 << 10;

/// What the connections of one core read with.
pub(in crate::net) struct Scratch(RefCell<Reader>);

struct Reader {
    input: Box<[u8]>,
    heads: Heads,
}

impl Default for Scratch {
    fn default() -> Self {
        Self(RefCell::new(Reader {
            input: vec![0; INPUT].into_boxed_slice(),
            heads: Heads::default(),
        }))
    }
}

/// An open connection.
pub(in crate::net) struct Conn {
    stream: Stream,
    /// Whether another request may follow, as far as the last exchange says.
    may_follow: bool,
    /// Counts and stamps what the socket does.
    pub meter: Rc<Meter>,
    /// What it is connected to.
    pub target: Rc<Target>,
    /// The peer.
    pub remote: Option<SocketAddr>,
}

impl Conn {
    /// Speaks HTTP/1.1 on a stream.
    pub fn new(stream: Stream, meter: Rc<Meter>, target: Rc<Target>, remote: Option<SocketAddr>) -> Self {
        Self {
            stream,
            may_follow: true,
            meter,
            target,
            remote,
        }
    }

    /// Sends a request and receives its response with a body of at most `limit` bytes, or drops one of any size. An answer
    /// that comes before the request is written counts.
    ///
    /// # Errors
    /// The connection failed, or what arrived is no response or too large.
    pub async fn exchange(&mut self, outgoing: &Outgoing<'_>, limit: u64, discard: bool) -> Result<Received, NetError> {
        self.may_follow = false;
        let scratch = &outgoing.shared.scratch;
        let mut sending = Sending::Fresh(outgoing);
        let mut reception = Reception::new(Rules {
            method: &outgoing.request.method,
            limit,
            discard,
        });
        let (stream, meter) = (&mut self.stream, &*self.meter);
        let received = poll_fn(|cx| {
            sending.poll(stream, meter, cx);
            match ready!(receive(&mut reception, stream, meter, scratch, cx)) {
                Err(error) => Poll::Ready(Err(sending.blame(error, meter))),
                received => Poll::Ready(received),
            }
        })
        .await?;
        self.may_follow = received.keep_alive && matches!(sending, Sending::Done) && !says_close(outgoing);
        Ok(received)
    }

    /// The addresses of itself, of its meter and of its socket.
    pub fn places(&self) -> [usize; 3] {
        let wire = self.stream.wire().map_or(0, |wire| Rc::as_ptr(wire).addr());
        [from_ref(self).addr(), Rc::as_ptr(&self.meter).addr(), wire]
    }

    /// Whether the connection can take a request: after a complete response, and before the next one, when the peer may
    /// have closed it meanwhile. Asks the socket only if something has happened on it, and leaves nobody to be woken.
    pub fn is_idle(&mut self) -> bool {
        self.may_follow && self.stream.is_quiet()
    }
}

/// A request on its way to the socket.
enum Sending<'a> {
    /// Nothing is written.
    Fresh(&'a Outgoing<'a>),
    /// It is with those that go out together.
    Posted,
    /// What the socket has not taken yet.
    Rest(Box<(Bytes, Bytes)>),
    /// TLS holds records back.
    Flush,
    Done,
    /// The peer does not read any more. It may have answered before that.
    Failed(NetError),
}

impl Sending<'_> {
    /// Writes as much as the socket takes.
    fn poll(&mut self, stream: &mut Stream, meter: &Meter, cx: &mut Context<'_>) {
        loop {
            let next = match self {
                Self::Fresh(outgoing) => match outbox::post(stream.wire(), cx, |out| render(outgoing, out)) {
                    Ok(()) => {
                        *self = Self::Posted;
                        return;
                    }
                    Err(unposted) => unposted.write(|head, body| {
                        meter.before_write();
                        let wrote = write(stream, cx, head, &body);
                        first(wrote, head, body, stream.holds_back())
                    }),
                },
                Self::Posted => match stream.wire().map(|wire| wire.posted()).unwrap_or_default() {
                    Posted::Waiting => return,
                    Posted::Sent => Self::Done,
                    Posted::Left(text) => Self::Rest(Box::new((text, Bytes::new()))),
                    Posted::Failed(error) => Self::Failed(*error),
                },
                Self::Rest(rest) => match write(stream, cx, &rest.0, &rest.1) {
                    Poll::Pending => return meter.write_blocked(),
                    Poll::Ready(Err(error)) => Self::Failed(error),
                    Poll::Ready(Ok(wrote)) => {
                        meter.after_write();
                        let (head, body) = &mut **rest;
                        let of_head = wrote.min(head.len());
                        head.advance(of_head);
                        body.advance(wrote - of_head);
                        if !head.is_empty() || !body.is_empty() {
                            continue;
                        }
                        Self::Flush
                    }
                },
                Self::Flush => match stream.poll_flush(cx) {
                    Poll::Pending => return meter.write_blocked(),
                    Poll::Ready(Err(error)) => Self::Failed(io_error(&error)),
                    Poll::Ready(Ok(())) => {
                        meter.after_write();
                        Self::Done
                    }
                },
                Self::Done | Self::Failed(_) => return,
            };
            *self = next;
            if matches!(self, Self::Done) {
                meter.written();
            }
        }
    }

    /// The error to report when there is no answer: if writing failed first, then that.
    fn blame(&mut self, error: NetError, meter: &Meter) -> NetError {
        match std::mem::replace(self, Self::Done) {
            Self::Failed(first) if !meter.read().has_heard() => first,
            _ => error,
        }
    }
}

/// What the first write leaves to do; usually nothing.
fn first<'a>(wrote: Poll<Result<usize, NetError>>, head: &[u8], body: Bytes, holds_back: bool) -> Sending<'a> {
    let wrote = match wrote {
        Poll::Pending => 0,
        Poll::Ready(Err(error)) => return Sending::Failed(error),
        Poll::Ready(Ok(wrote)) => wrote,
    };
    if wrote == head.len() + body.len() {
        return if holds_back { Sending::Flush } else { Sending::Done };
    }
    let of_head = wrote.min(head.len());
    Sending::Rest(Box::new((
        Bytes::copy_from_slice(&head[of_head..]),
        body.slice(wrote - of_head..),
    )))
}

fn write(stream: &mut Stream, cx: &mut Context<'_>, head: &[u8], body: &[u8]) -> Poll<Result<usize, NetError>> {
    let wrote = if body.is_empty() {
        ready!(stream.poll_write(cx, head))
    } else {
        ready!(stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)]))
    };
    Poll::Ready(match wrote {
        Ok(0) => Err(io_error(&std::io::ErrorKind::BrokenPipe.into())),
        Ok(wrote) => Ok(wrote),
        Err(error) => Err(io_error(&error)),
    })
}

/// Reads what is there and feeds it to the response.
fn receive(
    reception: &mut Reception<'_>,
    stream: &mut Stream,
    meter: &Meter,
    scratch: &Scratch,
    cx: &mut Context<'_>,
) -> Poll<Result<Received, NetError>> {
    let Reader { input, heads } = &mut *scratch.0.borrow_mut();
    loop {
        let mut buffer = ReadBuf::new(input);
        if let Err(error) = ready!(stream.poll_read(cx, &mut buffer)) {
            return Poll::Ready(Err(io_error(&error)));
        }
        let bytes = buffer.filled();
        meter.after_read(bytes.len());
        if bytes.is_empty() {
            return Poll::Ready(reception.end());
        }
        match reception.feed(bytes, heads, |goes_on| meter.passed_over(goes_on)) {
            Ok(None) => {}
            Ok(Some(received)) => return Poll::Ready(Ok(received)),
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}
