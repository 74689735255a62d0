//! The server of a running test: the control API, which hands commands to `control`, and the live page with its stream.
//! What commands do is the executors' business, what the page looks like is `report`'s.
//!
//! | Request | Does |
//! |---|---|
//! | `GET /` | the page, if one is served |
//! | `GET /events` | everything since the start and then each second, as server-sent events |
//! | `GET /v1/status` | tells where the run stands |
//! | `POST /v1/pause`, `/v1/resume`, `/v1/stop` | all scenarios |
//! | `POST /v1/scenarios/{name}/rate` with `{"rate": N}` | that scenario |
//! | `POST /v1/scenarios/{name}/vus` with `{"vus": N}` | that scenario |
//!
//! Every request below `/v1` carries the token that the server was started with; answers are JSON, those to what is refused
//! have an `error`. The page and its stream only show, and need none. The server has a thread of its own, so that whoever
//! looks at a run takes nothing from it but processor time.

mod feed;
mod guard;
mod history;
mod merge;
mod page;
mod routes;
mod sink;
#[cfg(test)]
mod tests;
mod token;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use tokio_util::sync::CancellationToken;

use self::feed::Feed;
use crate::clock;
use crate::control::Control;
use crate::results::Sink;

pub use token::Token;

/// How many ports after the wanted one are tried before the system chooses.
const NEXT_PORTS: u16 = 100;

/// How long readers have to take the last interval and the summary.
const LINGER: Duration = Duration::from_secs(3);

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The address cannot be listened on.
    #[error("live control cannot listen on {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// No random numbers for a token.
    #[error("live control has no token: {0}")]
    Token(std::io::Error),
    /// No thread for it.
    #[error("live control cannot start: {0}")]
    Thread(std::io::Error),
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// There and nowhere else; port 0 takes a free one.
    At(SocketAddr),
    /// There, or at the next free port.
    From(SocketAddr),
}

impl Place {
    fn listen(self) -> Result<TcpListener, LiveError> {
        let (addr, more) = match self {
            Self::At(addr) => (addr, 0),
            Self::From(addr) => (addr, NEXT_PORTS),
        };
        let ports = addr.port()..=addr.port().saturating_add(more);
        let mut last = None;
        for port in ports.chain((more > 0).then_some(0)) {
            match TcpListener::bind((addr.ip(), port)) {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    let is_taken = error.kind() == ErrorKind::AddrInUse;
                    last = Some(error);
                    if !is_taken {
                        break;
                    }
                }
            }
        }
        let error = last.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into());
        Err(LiveError::Listen { addr, error })
    }
}

/// A running server. It ends with [`Server::close`], or at once when this is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    token: Token,
    feed: Option<Arc<Feed>>,
    closing: CancellationToken,
    dropped: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens with a new token. `page` is the document at `/`; without one there is the control API alone.
    ///
    /// # Errors
    /// [`LiveError`] when the place cannot be taken, or there is no token.
    pub fn start(place: Place, control: Arc<Control>, page: Option<String>) -> Result<Self, LiveError> {
        let token = Token::new().map_err(LiveError::Token)?;
        let listener = place.listen()?;
        let at = |error| match place {
            Place::At(addr) | Place::From(addr) => LiveError::Listen { addr, error },
        };
        listener.set_nonblocking(true).map_err(at)?;
        let addr = listener.local_addr().map_err(at)?;
        let mut app = routes::router(control, token.clone());
        let feed = page.map(|html| {
            let feed = Arc::new(Feed::new(merge::texts));
            app = std::mem::take(&mut app).merge(page::router(html, Arc::clone(&feed)));
            feed
        });
        let app = app.layer(from_fn(guard::same_origin));
        let (closing, dropped) = (CancellationToken::new(), CancellationToken::new());
        let serving = serve(listener, app, closing.clone(), dropped.clone());
        let thread = sink::on_own_thread("kingtide-live", serving).map_err(LiveError::Thread)?;
        Ok(Self {
            addr,
            token,
            feed,
            closing,
            dropped,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What every command has to carry.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The page's address, with the token where browsers keep it to themselves.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/#token={}", self.addr, self.token.as_str())
    }

    /// What feeds the page; nothing when none is served.
    ///
    /// # Errors
    /// [`LiveError`] when there is no thread for it.
    pub fn sink(&self) -> Result<Option<Box<dyn Sink>>, LiveError> {
        let feed = self.feed.as_ref().map(Arc::clone);
        feed.map(|feed| sink::FeedSink::start(feed).map(|sink| Box::new(sink) as Box<dyn Sink>))
            .transpose()
            .map_err(LiveError::Thread)
    }

    /// Takes nobody in any more, and waits until all readers have what was told, for at most some seconds.
    pub async fn close(mut self) {
        self.closing.cancel();
        if let Some(thread) = self.thread.take() {
            // The thread ends by itself.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.dropped.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until `closing`, and then as long as readers take for what is left; until `dropped` at the longest.
async fn serve(listener: TcpListener, app: Router, closing: CancellationToken, dropped: CancellationToken) {
    let serving = async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let closed = closing.clone().cancelled_owned();
        axum::serve(listener, app).with_graceful_shutdown(closed).await
    };
    let linger = async {
        closing.cancelled().await;
        clock::sleep(LINGER).await;
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            // An error of the listener only ends the page and live control.
            tracing::warn!(target: "kingtide", "live control has ended: {error}");
        },
        () = linger => {}
        () = dropped.cancelled() => {}
    }
}
