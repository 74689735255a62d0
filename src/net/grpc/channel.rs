//! What one virtual user calls with, and how a call comes by a stream. How it goes on is `call`'s and `stream`'s.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::progress::Progress;
use super::{Compression, Endpoint, Message, Metadata, Method};
use crate::clock;
use crate::net::dial::{self, Opened};
use crate::net::hop::{Hop, Phase};
use crate::net::http2;
use crate::net::pool::{Grant, Lease, Owner, Pool, Slot};
use crate::net::trace::{TRACEPARENT, TRACESTATE};
use crate::net::{ErrorKind, NetError, Trace};

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
    pub(super) endpoint: Rc<Endpoint>,
    vu_id: u64,
    /// Its own connection, unless connections are shared.
    own: RefCell<Option<Arc<Pool>>>,
}

impl Channel {
    /// A channel without a connection.
    #[must_use]
    pub fn new(endpoint: &Rc<Endpoint>, vu_id: u64) -> Self {
        Self {
            endpoint: Rc::clone(endpoint),
            vu_id,
            own: RefCell::default(),
        }
    }

    /// The trace of a call.
    pub(super) fn trace(&self, call: &Call<'_>) -> Option<Trace> {
        let tracer = self.endpoint.shared.tracer.as_ref()?;
        let common = &self.endpoint.options().metadata;
        tracer.begin(
            call.metadata
                .header(&TRACEPARENT)
                .or_else(|| common.header(&TRACEPARENT)),
        )
    }

    /// What one sending of it tells of its trace.
    pub(super) fn tell_trace(&self, call: &Call<'_>, progress: &Progress, headers: &mut HeaderMap) {
        let tracer = self.endpoint.shared.tracer.as_ref();
        let Some((tracer, trace)) = tracer.zip(progress.trace.as_ref()) else {
            return;
        };
        let common = &self.endpoint.options().metadata;
        let has_state = call
            .metadata
            .header(&TRACESTATE)
            .or_else(|| common.header(&TRACESTATE))
            .is_some();
        if let Some(id) = tracer.span_id(trace) {
            headers.extend(tracer.span(trace, id, self.vu_id).values(!has_state));
        }
    }

    /// Where it goes.
    #[must_use]
    pub fn endpoint(&self) -> &Rc<Endpoint> {
        &self.endpoint
    }

    /// Lets go of this user's own connection, or of nothing where they are shared. Calls in flight go on, and the next one
    /// opens another.
    pub fn close(&self) {
        if let Some(pool) = self.own.take() {
            pool.clear();
        }
    }

    fn pool(&self) -> Arc<Pool> {
        if let Some(pool) = &self.endpoint.pool {
            return Arc::clone(pool);
        }
        let mut own = self.own.borrow_mut();
        Arc::clone(own.get_or_insert_with(|| Pool::new(1, Owner::Vu)))
    }

    /// Waits until there may be one more call in flight.
    pub(super) async fn permit(&self, progress: &mut Progress) -> Result<Option<OwnedSemaphorePermit>, NetError> {
        let Some(cap) = self.endpoint.cap() else {
            return Ok(None);
        };
        if let Ok(permit) = Arc::clone(cap).try_acquire_owned() {
            return Ok(Some(permit));
        }
        progress.waits_for_cap();
        let permit = Box::pin(Arc::clone(cap).acquire_owned()).await;
        progress.has_waited();
        permit
            .map(Some)
            .map_err(|_| NetError::new(ErrorKind::Other, "the client is gone"))
    }

    /// Waits for a stream, and opens a connection if that is what is missing.
    pub(super) async fn lease(&self, progress: &mut Progress) -> Result<Lease, NetError> {
        let pool = self.pool();
        let grant = match pool.ask() {
            Ok(grant) => grant,
            Err(waiting) => {
                progress.waits_for(&pool);
                let granted = waiting.await;
                progress.has_waited();
                granted.map_err(|_| NetError::new(ErrorKind::Other, "the connections are gone"))?
            }
        };
        match grant {
            Grant::Stream(lease) => {
                progress.hop.reused = true;
                progress.hop.remote = lease.line.remote;
                Ok(lease)
            }
            Grant::Open(slot) => Box::pin(self.opened(pool, slot, &mut progress.hop)).await,
            Grant::Idle(_) | Grant::Own => Err(NetError::new(ErrorKind::Other, "gRPC has no connections of HTTP/1.1")),
        }
    }

    /// Opens a connection: aside, so that a call with a short limit does not take it along when it ends.
    async fn opened(&self, pool: Arc<Pool>, slot: Slot, hop: &mut Hop) -> Result<Lease, NetError> {
        let (opener, opened) = oneshot::channel();
        let (endpoint, vu_id) = (Rc::clone(&self.endpoint), self.vu_id);
        hop.enter(Phase::Connecting);
        tokio::task::spawn_local(async move {
            let mut hop = Hop::start(clock::now());
            let limit = endpoint.options().connect_timeout;
            let opening = clock::timeout(limit, open(&endpoint, &pool, slot, vu_id, &mut hop));
            let lease = opening.await.unwrap_or_else(|_| {
                let message = format!("no connection to {} within {limit:?}", endpoint.address());
                Err(NetError::new(ErrorKind::ConnectTimeout, message))
            });
            hop.stop();
            // Nobody waits for it any more: the others have its streams.
            let _ = opener.send((lease, hop));
        });
        let gone = |_| NetError::new(ErrorKind::Other, "the connection was given up");
        let (lease, aside) = opened.await.map_err(gone)?;
        hop.opened(aside);
        lease.map_err(in_our_terms)
    }
}

async fn open(endpoint: &Endpoint, pool: &Arc<Pool>, slot: Slot, vu_id: u64, hop: &mut Hop) -> Result<Lease, NetError> {
    match dial::open(&endpoint.shared, &endpoint.target, vu_id, hop).await? {
        Opened::Http2(stream, meter) => http2::start(stream, meter, hop.remote, pool, slot).await,
        Opened::Http1(_) => Err(NetError::new(ErrorKind::NoHttp2, "")),
    }
}

/// An error of a connection as users of gRPC know its options.
pub(super) fn in_our_terms(error: NetError) -> NetError {
    let message = match error.kind {
        ErrorKind::NoHttp2 if error.message.contains("speak HTTP/2") => {
            format!("{}: does it want TLS? `plaintext` is set", error.message)
        }
        ErrorKind::NoHttp2 => "the server does not offer HTTP/2 in the TLS handshake, and gRPC needs it".to_owned(),
        ErrorKind::Tls if error.message.contains("does not speak TLS") => {
            format!("{}; `plaintext = true` goes without", error.message)
        }
        _ => error.message.replace("http.tls.", "tls."),
    };
    NetError::new(error.kind, message)
}
