//! A call of several messages, in any direction.

use bytes::Bytes;

use super::{Fields, Message, Reply};

/// What [`Stream::recv`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The next message.
    Message(Bytes),
    /// The call is over; [`Stream::finish`] says how.
    End,
}

/// A call that goes on. Dropping it resets it.
pub struct Stream {}

impl Stream {
    /// Sends a message; waits while the server's windows are full. False: the call is over, and [`Stream::finish`] says why.
    pub async fn send(&mut self, message: Message) -> bool {
        let _ = message;
        unimplemented!()
    }

    /// Nothing more will be sent.
    pub fn close_send(&mut self) {
        unimplemented!()
    }

    /// Whether more can be sent: not closed, and the call not known to be over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        unimplemented!()
    }

    /// Waits for the next message.
    pub async fn recv(&mut self) -> Received {
        unimplemented!()
    }

    /// Waits for the headers of the answer, as far as there are some.
    pub async fn headers(&mut self) -> &Fields {
        unimplemented!()
    }

    /// Sends nothing more, drops the messages that are still to come, and waits for the end. With a method that answers once,
    /// [`Reply::message`] is that answer if it was not received before.
    pub async fn finish(self) -> Reply {
        unimplemented!()
    }

    /// Resets the call: its status is `CANCELLED` unless it was over.
    #[must_use]
    pub fn cancel(self) -> Reply {
        unimplemented!()
    }
}
