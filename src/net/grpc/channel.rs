//! What one virtual user calls with. How a call goes is `call`'s and `stream`'s.

use std::rc::Rc;
use std::time::Duration;

use super::{Compression, Endpoint, Message, Metadata, Method, Reply, Stream};

/// A call as the caller wants it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What is called.
    pub method: &'a Method,
    /// Sent besides [`super::Options::metadata`], of which it replaces what has the same name.
    pub metadata: &'a Metadata,
    /// The limit from here to the last byte, waiting for a connection included; for streams, of the whole of them. The
    /// server is told what is left of it.
    pub timeout: Duration,
    /// The message; for client and bidirectional streams, which send theirs later, none.
    pub message: Option<Message>,
    /// How messages are compressed.
    pub compression: Option<Compression>,
    /// Drops the messages that are received, whatever they hold; [`super::Reply::message`] is empty then.
    pub discard: bool,
}

/// The calls of one virtual user.
pub struct Channel {
    endpoint: Rc<Endpoint>,
    vu_id: u64,
}

impl Channel {
    /// A channel without a connection.
    #[must_use]
    pub fn new(endpoint: &Rc<Endpoint>, vu_id: u64) -> Self {
        Self {
            endpoint: Rc::clone(endpoint),
            vu_id,
        }
    }

    /// Where it goes.
    #[must_use]
    pub fn endpoint(&self) -> &Rc<Endpoint> {
        &self.endpoint
    }

    /// Sends one message and receives one. Dropping the future resets the call.
    pub async fn unary(&self, call: &Call<'_>) -> Reply {
        let _ = (self.vu_id, call);
        unimplemented!()
    }

    /// Begins a call of several messages. One that cannot begin is over: its `finish` says why.
    pub async fn open(&self, call: &Call<'_>) -> Stream {
        let _ = call;
        unimplemented!()
    }

    /// Lets go of this user's own connection, or of nothing where they are shared. Calls in flight go on.
    pub fn close(&self) {
        unimplemented!()
    }
}
