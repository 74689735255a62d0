//! Where the built-in systems listen, and how they end. What they answer is their own business.

use std::future::{Future, IntoFuture};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::sync::watch;

use super::listener::{Connection, Doors, LoopbackListener};

/// How long requests under way may take to end after shutdown begins.
const GRACE: Duration = Duration::from_secs(1);

/// Why the demo did not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An option's value makes no sense.
    #[error("option `{name}`: {reason}")]
    Option {
        /// The field of the system's options.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A system cannot be made.
    #[error("the {system} cannot start: {reason}")]
    Start {
        /// Which one.
        system: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The port is taken, or the system refuses.
    #[error("cannot listen on 127.0.0.1:{port}: {source}; `--port 0` takes free ports")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// A port and what is served there.
#[derive(Debug)]
pub(super) struct Site {
    /// The variable that journeys read its address from.
    pub name: String,
    /// 0 takes a free one.
    pub port: u16,
    pub gateway: bool,
    pub serves: Serves,
}

/// What answers at a port.
#[derive(Debug)]
pub(super) enum Serves {
    /// Its address is a URL.
    Http(Router),
    /// Its address is host:port, as gRPC clients want it; its connections are counted.
    Grpc(Box<tonic::transport::server::Router>, Arc<Doors>),
}

/// Serves all sites until `shutdown` completes, and then for at most a second more. `on_ready` is called once, when all
/// of them listen, with their addresses as (name, URL or host:port).
///
/// # Errors
/// [`DemoError`] before `on_ready`, never after.
pub(super) async fn serve(
    sites: Vec<Site>,
    shutdown: impl Future<Output = ()>,
    on_ready: impl FnOnce(&[(String, String)]),
) -> Result<(), DemoError> {
    let mut names = Vec::new();
    let mut listening = Vec::new();
    for site in sites {
        let port = site.port;
        let (doors, scheme) = match &site.serves {
            Serves::Http(_) => (Arc::default(), "http://"),
            Serves::Grpc(_, doors) => (Arc::clone(doors), ""),
        };
        let bound = LoopbackListener::bind(port, site.gateway, doors)
            .and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| DemoError::Listen { port, source })?;
        names.push((site.name, format!("{scheme}{address}")));
        listening.push((listener, site.serves));
    }
    let (stop, stopping) = watch::channel(false);
    let servers = listening
        .into_iter()
        .map(|(listener, serves)| run(listener, serves, stopping.clone()));
    let servers = futures_util::future::join_all(servers);
    let end = async {
        shutdown.await;
        let _ = stop.send(true);
        crate::clock::sleep(GRACE).await;
    };
    on_ready(&names);
    tokio::select! {
        _ = servers => {}
        () = end => {}
    }
    Ok(())
}

async fn run(listener: LoopbackListener, serves: Serves, mut stopping: watch::Receiver<bool>) {
    let stopped = async move {
        // An error means that the sender is gone, and that is the end too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    match serves {
        Serves::Http(router) => {
            let service = router.into_make_service_with_connect_info::<Connection>();
            // axum's server ends with Ok whenever it ends.
            let _ = axum::serve(listener, service)
                .with_graceful_shutdown(stopped)
                .into_future()
                .await;
        }
        Serves::Grpc(router, _) => {
            // tonic's ends with an error only when accepting does, which this listener never reports.
            let _ = router.serve_with_incoming_shutdown(listener.incoming(), stopped).await;
        }
    }
}
