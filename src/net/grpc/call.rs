//! One call with one message each way, and how calls begin.

use std::future::{Future, poll_fn};
use std::task::Poll;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::flight::{Event, Flight, head};
use super::message::Inbox;
use super::progress::{Ended, Progress};
use super::{Call, Channel, Code, Message, Reply};
use crate::clock;
use crate::net::http2::{Again, Watch};

/// Room for one more call, if calls are limited.
type Permit = Option<OwnedSemaphorePermit>;

impl Channel {
    /// Sends one message and receives one. Dropping the future resets the call.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would hold its arguments twice, and each request allocates its future"
    )]
    pub fn unary(&self, call: &Call<'_>) -> impl Future<Output = Reply> {
        async move {
            let mut progress = Progress::start(call.timeout, self.endpoint.options().connect_timeout);
            progress.trace = self.trace(call);
            let deadline = progress.deadline();
            let mut message = None;
            let ended = {
                let exchange = Box::pin(self.exchange(call, &mut progress, &mut message));
                clock::timeout_at(deadline, exchange).await
            };
            let ended = ended.unwrap_or_else(|_| progress.timed_out());
            let message = message.filter(|_| !call.discard && ended.status.code == Code::Ok);
            progress.finish(ended, message)
        }
    }

    async fn exchange(&self, call: &Call<'_>, progress: &mut Progress, answer: &mut Option<Bytes>) -> Ended {
        let framed = match self.framed(call) {
            Ok(framed) => framed,
            Err(ended) => return ended,
        };
        let permit = match self.permit(progress).await {
            Ok(permit) => permit,
            Err(error) => return error.into(),
        };
        loop {
            let mut flight = match self.begin(call, Some(framed.clone()), progress).await {
                Ok(flight) => flight,
                Err(ended) => return ended,
            };
            let ended = poll_fn(|cx| {
                if let Some(watch) = progress.hop.stream() {
                    let _ = flight.poll_upload(cx, watch);
                }
                while let Poll::Ready(event) = flight.poll_event(cx, progress) {
                    match event {
                        Event::End(ended) => return Poll::Ready(ended),
                        Event::Message(_) if answer.is_some() => {
                            return Poll::Ready(Ended::broken(Code::Internal, "the server sent more than one message"));
                        }
                        Event::Message(message) => *answer = Some(message),
                    }
                }
                Poll::Pending
            });
            let ended = ended.await;
            drop(flight);
            if let Some(ended) = again(ended, progress) {
                // After the stream, which must be gone when another call takes its place.
                drop(permit);
                return match ended.status.code {
                    Code::Ok if answer.is_none() => Ended::broken(Code::Internal, "the server sent no message"),
                    _ => ended,
                };
            }
            *answer = None;
        }
    }

    /// The call's message as it is sent.
    pub(super) fn framed(&self, call: &Call<'_>) -> Result<Bytes, Ended> {
        let message = call.message.clone().unwrap_or_else(|| Message::from(&[][..]));
        message.framed(call.compression, self.endpoint.options().max_send_size)
    }

    /// Begins a call on a stream, on another one where that takes none.
    pub(super) async fn begin(
        &self,
        call: &Call<'_>,
        framed: Option<Bytes>,
        progress: &mut Progress,
    ) -> Result<Flight, Ended> {
        loop {
            let lease = self.lease(progress).await?;
            let head = head(self, call, progress)?;
            let inbox = Inbox::new(self.endpoint.options().max_receive_size, call.discard);
            let watch = progress.hop.on_stream(Watch::new(&lease.line.wire));
            match Flight::begin(lease, head, framed.clone(), inbox, watch) {
                Ok(flight) => {
                    progress.messages = (framed.is_some().into(), 0);
                    return Ok(flight);
                }
                Err(ended) => {
                    if let Some(ended) = again(ended, progress) {
                        return Err(ended);
                    }
                }
            }
        }
    }

    /// Room for one more call.
    pub(super) async fn room(&self, progress: &mut Progress) -> Result<Permit, Ended> {
        Ok(self.permit(progress).await?)
    }
}

/// Makes ready for sending a call once more, where the server has not looked at it; or gives its end back.
pub(super) fn again(ended: Ended, progress: &mut Progress) -> Option<Ended> {
    match ended.again {
        Again::Unsent => progress.hop.begin_again(),
        Again::Safe if !progress.hop.retried => progress.hop.retry(),
        _ => return Some(ended),
    }
    None
}
