//! A call of several messages, in any direction.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::flight::{Event, Flight};
use super::progress::{Ended, Progress};
use super::{Call, Channel, Code, Compression, Fields, Message, Reply};
use crate::clock::{self, Instant};
use crate::net::{ErrorKind, NetError};

/// What [`Stream::recv`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The next message; empty where messages are discarded.
    Message(Bytes),
    /// The call is over; [`Stream::finish`] says how.
    End,
}

/// A call that goes on. Dropping it resets it.
pub struct Stream {
    flight: Option<Box<Flight>>,
    /// After the flight, whose place another call takes then.
    permit: Option<OwnedSemaphorePermit>,
    progress: Box<Progress>,
    ended: Option<Ended>,
    deadline: Instant,
    compression: Option<Compression>,
    max_send_size: usize,
    /// Whether the server answers once.
    is_single: bool,
    discard: bool,
    /// The last message that came while the end was waited for.
    last: Option<Bytes>,
}

impl Channel {
    /// Begins a call of several messages. One that cannot begin is over: its `finish` says why. A message in the call is the
    /// only one that is sent.
    pub async fn open(&self, call: &Call<'_>) -> Stream {
        let mut progress = Box::new(Progress::start(call.timeout, self.endpoint.options().connect_timeout));
        progress.trace = self.trace(call);
        let mut stream = Stream {
            flight: None,
            permit: None,
            deadline: progress.deadline(),
            progress,
            ended: None,
            compression: call.compression,
            max_send_size: self.endpoint.options().max_send_size,
            is_single: !call.method.is_server_streaming(),
            discard: call.discard,
            last: None,
        };
        let begun = {
            let begin = Box::pin(self.launch(call, &mut stream.progress));
            clock::timeout_at(stream.deadline, begin).await
        };
        match begun {
            Ok(Ok((permit, flight))) => (stream.permit, stream.flight) = (permit, Some(flight)),
            Ok(Err(ended)) => stream.end(ended),
            Err(_) => stream.end(stream.progress.timed_out()),
        }
        stream
    }

    async fn launch(
        &self,
        call: &Call<'_>,
        progress: &mut Progress,
    ) -> Result<(Option<OwnedSemaphorePermit>, Box<Flight>), Ended> {
        let framed = call.message.is_some().then(|| self.framed(call)).transpose()?;
        let permit = self.room(progress).await?;
        let flight = self.begin(call, framed, progress).await?;
        Ok((permit, Box::new(flight)))
    }
}

impl Stream {
    /// Sends a message; waits while the server's windows are full. False: it cannot be sent, because the call is over, as
    /// [`Stream::finish`] says, or its sending side is closed.
    pub async fn send(&mut self, message: Message) -> bool {
        if !self.is_open() {
            return false;
        }
        let framed = match message.framed(self.compression, self.max_send_size) {
            Ok(framed) => framed,
            Err(ended) => {
                self.end(ended);
                return false;
            }
        };
        let (Some(flight), progress) = (&mut self.flight, &mut self.progress) else {
            return false;
        };
        let mut framed = Some(framed);
        let hand_over = poll_fn(|cx| {
            // A server may end the call without taking more, or saying that it does not.
            if let Poll::Ready(Err(ended)) = flight.poll_begun(cx, progress) {
                return Poll::Ready(Err(ended));
            }
            let Some(watch) = progress.hop.stream() else {
                return Poll::Ready(Ok(false));
            };
            // Behind what is left of a message whose sending was given up.
            let is_open = ready!(flight.poll_upload(cx, watch));
            match framed.take().filter(|_| is_open) {
                Some(framed) => flight.put_when_wanted(framed, watch),
                None => return Poll::Ready(Ok(is_open)),
            }
            flight.poll_upload(cx, watch).map(Ok)
        });
        match clock::timeout_at(self.deadline, hand_over).await {
            Ok(Ok(true)) => {
                self.progress.messages.0 += 1;
                return true;
            }
            Ok(Ok(false)) => {}
            Ok(Err(ended)) => self.end(ended),
            Err(_) => drop(self.is_over()),
        }
        false
    }

    /// Nothing more will be sent.
    pub fn close_send(&mut self) {
        if let (Some(flight), Some(watch)) = (&mut self.flight, self.progress.hop.stream()) {
            flight.close(watch);
        }
    }

    /// Whether more can be sent: not closed, and the call not known to be over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| !flight.is_closing())
    }

    /// Waits for the next message.
    pub async fn recv(&mut self) -> Received {
        let Some(flight) = &mut self.flight else {
            return Received::End;
        };
        let progress = &mut self.progress;
        let next = poll_fn(|cx| {
            if let Some(watch) = progress.hop.stream() {
                let _ = flight.poll_upload(cx, watch);
            }
            flight.poll_event(cx, progress)
        });
        match clock::timeout_at(self.deadline, next).await {
            Ok(Event::Message(message)) => return Received::Message(message),
            Ok(Event::End(ended)) => self.end(ended),
            Err(_) => self.end(self.progress.timed_out()),
        }
        Received::End
    }

    /// Waits for the headers of the answer; a server may send them with its first message only.
    pub async fn headers(&mut self) -> &Fields {
        if let Some(flight) = &mut self.flight {
            let progress = &mut self.progress;
            let head = poll_fn(|cx| {
                if let Some(watch) = progress.hop.stream() {
                    let _ = flight.poll_upload(cx, watch);
                }
                flight.poll_begun(cx, progress)
            });
            match clock::timeout_at(self.deadline, head).await {
                Ok(Ok(())) => {}
                Ok(Err(ended)) => self.end(ended),
                Err(_) => self.end(self.progress.timed_out()),
            }
        }
        &self.progress.headers
    }

    /// Whether its end has come or its deadline has passed. Messages that have come before are dropped.
    pub fn is_over(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        while let Some(flight) = &mut self.flight {
            match flight.poll_event(&mut cx, &mut self.progress) {
                Poll::Ready(Event::Message(_)) => {}
                Poll::Ready(Event::End(ended)) => self.end(ended),
                Poll::Pending if clock::now() >= self.deadline => self.end(self.progress.timed_out()),
                Poll::Pending => return false,
            }
        }
        true
    }

    /// Messages sent and received so far.
    #[must_use]
    pub fn messages(&self) -> (u64, u64) {
        self.progress.messages
    }

    /// Sends nothing more, drops the messages that are still to come, and waits for the end.
    pub async fn run_out(&mut self) {
        self.close_send();
        while let Received::Message(message) = self.recv().await {
            self.last = Some(message);
        }
    }

    /// As [`Stream::run_out`], and says how it ended. With a method that answers once, [`Reply::message`] is that answer if it
    /// was not received before.
    pub async fn finish(mut self) -> Reply {
        self.run_out().await;
        let received = self.progress.messages.1;
        let answer = self.last.take().filter(|_| self.is_single && !self.discard);
        let ended = self
            .ended
            .take()
            .unwrap_or_else(|| Ended::broken(Code::Internal, "the call is over"));
        let ended = match ended.status.code {
            Code::Ok if self.is_single && received != 1 => {
                let message = format!("the server sent {received} messages where it is to send one");
                Ended::broken(Code::Internal, message)
            }
            _ => ended,
        };
        let answer = answer.filter(|_| ended.status.code == Code::Ok);
        self.reply(ended, answer)
    }

    /// Resets the call: its status is `CANCELLED` unless it [is over](Stream::is_over).
    #[must_use]
    pub fn cancel(mut self) -> Reply {
        self.is_over();
        let ended = self.ended.take().unwrap_or_else(|| {
            Ended::with(
                Code::Cancelled,
                NetError::new(ErrorKind::Other, "the call was cancelled here"),
            )
        });
        self.reply(ended, None)
    }

    fn reply(mut self, ended: Ended, message: Option<Bytes>) -> Reply {
        // The stream first, then its place.
        self.flight = None;
        self.permit = None;
        self.progress.finish(ended, message)
    }

    /// The call is over: its stream is gone, and its place is another's.
    fn end(&mut self, ended: Ended) {
        self.flight = None;
        self.permit = None;
        self.ended.get_or_insert(ended);
    }
}
