//! `prometheus=ADDR`: an endpoint that Prometheus scrapes, for as long as the run lasts. What the page says is in `text`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::super::row::Run;
use super::super::tally::Tally;
use super::super::totals::Totals;
use super::text::{Format, page};
use crate::results::{Header, Interval};

/// A listener, which serves from the start of its thread on.
pub(in crate::output) struct Scrape {
    listener: std::net::TcpListener,
    addr: SocketAddr,
    shared: Shared,
}

/// What the server reads and the run writes.
type Shared = Arc<Mutex<Board>>;

#[derive(Default)]
struct Board {
    run: Run,
    totals: Totals,
    scrapes: u64,
}

impl Scrape {
    /// Takes the address.
    ///
    /// # Errors
    /// What the system said.
    pub(in crate::output) fn bind(addr: SocketAddr) -> Result<Self, String> {
        let listener = std::net::TcpListener::bind(addr).map_err(|error| error.to_string())?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let addr = listener.local_addr().map_err(|error| error.to_string())?;
        Ok(Self {
            listener,
            addr,
            shared: Shared::default(),
        })
    }

    /// Where it listens.
    pub(in crate::output) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Begins to answer; must be called on a runtime, and lasts as long as that.
    pub(in crate::output) fn serve(&self) -> Result<(), String> {
        let listener = self.listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        let listener = listener.map_err(|error| error.to_string())?;
        let app = Router::new()
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(&self.shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(())
    }

    pub(in crate::output) fn begin(&self, header: &Header) {
        self.lock(|board| board.run = Run::of(header));
    }

    pub(in crate::output) fn interval(&self, interval: &Interval) {
        self.lock(|board| board.totals.add(interval));
    }

    pub(in crate::output) fn end(&self, tally: &Tally) {
        self.lock(|board| tally.written(board.scrapes));
    }

    fn lock<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        look(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let text = {
        let mut board = shared.lock().unwrap_or_else(PoisonError::into_inner);
        board.scrapes += 1;
        let text = page(&board.totals, &board.run, format);
        if format == Format::OpenMetrics {
            board.totals.read();
        }
        text
    };
    ([(header::CONTENT_TYPE, format.content_type())], text)
}
