//! One socket: it belongs to its connection, and is known to whoever sends requests for many (`outbox`). No protocol.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::NetError;
use super::error::io_error;
use super::io::Meter;

/// A socket, its meter, and what became of the request that was posted last.
pub(super) struct Wire {
    pub tcp: RefCell<TcpStream>,
    pub meter: Rc<Meter>,
    posted: Cell<Posted>,
}

/// What became of a posted request.
#[derive(Debug, Default)]
pub(super) enum Posted {
    /// The socket has it, or it was never posted.
    #[default]
    Sent,
    /// It waits for its batch.
    Waiting,
    /// The socket has not taken this of it.
    Left(Bytes),
    /// The socket has failed.
    Failed(Box<NetError>),
}

impl Wire {
    pub fn new(tcp: TcpStream, meter: Rc<Meter>) -> Rc<Self> {
        Rc::new(Self {
            tcp: RefCell::new(tcp),
            meter,
            posted: Cell::default(),
        })
    }

    /// A request waits for its batch.
    pub fn post(&self) {
        self.posted.set(Posted::Waiting);
    }

    /// What became of the request that was posted last. What is left of it, or its error, is told once.
    pub fn posted(&self) -> Posted {
        let posted = self.posted.take();
        if matches!(posted, Posted::Waiting) {
            self.post();
        }
        posted
    }

    /// Writes a posted request; `false` if its exchange has to go on with it, or to hear of an error.
    pub fn send(&self, text: &[u8]) -> bool {
        let posted = self.write(text);
        let is_sent = matches!(posted, Posted::Sent);
        self.posted.set(posted);
        is_sent
    }

    fn write(&self, text: &[u8]) -> Posted {
        self.meter.before_write();
        let wrote = match self.tcp.borrow().try_write(text) {
            Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            wrote => wrote,
        };
        match wrote {
            Ok(wrote) => {
                self.meter.count_sent(wrote);
                if wrote < text.len() {
                    return Posted::Left(Bytes::copy_from_slice(&text[wrote..]));
                }
                self.meter.written();
                Posted::Sent
            }
            Err(error) => Posted::Failed(Box::new(io_error(&error))),
        }
    }
}
