//! tonic's server on a thread of its own.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{BoxFuture, CompressionEncoding, Context, Poll, Service};
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, Ask};
use crate::clock;

type Answers = ReceiverStream<Result<Answer, Status>>;

/// What the server has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub connections: AtomicUsize,
    pub calls: AtomicUsize,
    /// In flight now, and at most.
    pub now: AtomicUsize,
    pub most: AtomicUsize,
}

/// Counts a call while it lives.
struct Inside(Arc<Seen>);

impl Inside {
    fn enter(seen: &Arc<Seen>) -> Self {
        seen.calls.fetch_add(1, Ordering::SeqCst);
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The service. What it does is in the text of what it is asked.
#[derive(Clone)]
struct Echo(Arc<Seen>);

async fn one(request: Request<Ask>) -> Result<Response<Answer>, Status> {
    let metadata = request.metadata().clone();
    let ask = request.into_inner();
    let mut answer = Answer {
        text: ask.text.clone(),
        data: Vec::new(),
    };
    let (word, rest) = ask.text.split_once(' ').unwrap_or((&ask.text, ""));
    match word {
        "status" => {
            let mut status = Status::new(i32::from(ask.count as u8).into(), rest);
            status.metadata_mut().insert("x-more", "details".parse().unwrap());
            return Err(status);
        }
        "sleep" => clock::sleep(std::time::Duration::from_millis(ask.count as u64)).await,
        "data" => answer.data = vec![7; ask.count as usize],
        "metadata" => {
            let headers = metadata.into_headers();
            let mut all = BTreeMap::<String, Vec<String>>::new();
            for (name, value) in &headers {
                let values = all.entry(name.to_string()).or_default();
                values.push(value.to_str().unwrap().to_owned());
            }
            answer.text = format!("{all:?}");
        }
        _ => answer.data = ask.data,
    }
    let mut response = Response::new(answer);
    response.metadata_mut().insert("x-head", "1".parse().unwrap());
    let bytes = tonic::metadata::MetadataValue::from_bytes(&[0, 255, 10]);
    response.metadata_mut().insert_bin("x-head-bin", bytes);
    Ok(response)
}

async fn many(ask: Ask) -> Answers {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        for n in 0..ask.count {
            let answer = Answer {
                text: format!("{} {n}", ask.text),
                data: ask.data.clone(),
            };
            if sender.send(Ok(answer)).await.is_err() {
                return;
            }
        }
        if ask.text == "fail" {
            let _ = sender.send(Err(Status::data_loss("in the end"))).await;
        } else if ask.text == "endless" {
            sender.closed().await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn sum(mut asks: Streaming<Ask>) -> Result<Answer, Status> {
    let (mut count, mut bytes) = (0, 0);
    while let Some(ask) = asks.message().await? {
        if ask.text == "stop" {
            return Err(Status::aborted("enough"));
        }
        count += ask.count;
        bytes += ask.data.len();
    }
    Ok(Answer {
        text: format!("{count} {bytes}"),
        data: Vec::new(),
    })
}

async fn talk(mut asks: Streaming<Ask>) -> Answers {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        while let Some(Ok(ask)) = asks.next().await {
            let answer = Answer {
                text: ask.text,
                data: ask.data,
            };
            if sender.send(Ok(answer)).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

impl tonic::server::UnaryService<Ask> for Echo {
    type Response = Answer;
    type Future = BoxFuture<Response<Answer>, Status>;

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        let inside = Inside::enter(&self.0);
        Box::pin(async move {
            let answer = one(request).await;
            drop(inside);
            answer
        })
    }
}

impl tonic::server::ServerStreamingService<Ask> for Echo {
    type Response = Answer;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Ask>) -> Self::Future {
        Box::pin(async { Ok(Response::new(many(request.into_inner()).await)) })
    }
}

impl tonic::server::ClientStreamingService<Ask> for Echo {
    type Response = Answer;
    type Future = BoxFuture<Response<Answer>, Status>;

    fn call(&mut self, request: Request<Streaming<Ask>>) -> Self::Future {
        Box::pin(async { sum(request.into_inner()).await.map(Response::new) })
    }
}

impl tonic::server::StreamingService<Ask> for Echo {
    type Response = Answer;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<Ask>>) -> Self::Future {
        Box::pin(async { Ok(Response::new(talk(request.into_inner()).await)) })
    }
}

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "echo.v1.Echo";
}

impl Service<http::Request<tonic::body::Body>> for Echo {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::<Answer, Ask>::default();
            let mut grpc = tonic::server::Grpc::new(codec)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(64 << 20);
            Ok(match request.uri().path() {
                "/echo.v1.Echo/One" => grpc.unary(echo, request).await,
                "/echo.v1.Echo/Many" => grpc.server_streaming(echo, request).await,
                "/echo.v1.Echo/Sum" => grpc.client_streaming(echo, request).await,
                "/echo.v1.Echo/Talk" => grpc.streaming(echo, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

/// Which reflection the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reflects {
    Nothing,
    V1,
    V1Alpha,
}

/// A server on a free port of the loopback; ends with the test.
pub(super) struct Server {
    pub addr: SocketAddr,
    pub seen: Arc<Seen>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with(Reflects::Nothing, None)
    }

    /// One that allows so many streams on a connection.
    pub(super) fn with(reflects: Reflects, streams: Option<u32>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let echo = Echo(Arc::clone(&seen));
        let counted = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
                let incoming = incoming.inspect(move |_| {
                    counted.connections.fetch_add(1, Ordering::SeqCst);
                });
                let (reporter, health) = tonic_health::server::health_reporter();
                reporter.set_serving::<Health>().await;
                let builder = || {
                    let set = super::schema().pool().encode_to_vec();
                    let set: &'static [u8] = set.leak();
                    tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(set)
                };
                let v1 = (reflects == Reflects::V1).then(|| builder().build_v1().unwrap());
                let v1alpha = (reflects == Reflects::V1Alpha).then(|| builder().build_v1alpha().unwrap());
                let serving = tonic::transport::Server::builder()
                    .max_concurrent_streams(streams)
                    .add_service(echo)
                    .add_service(health)
                    .add_optional_service(v1)
                    .add_optional_service(v1alpha)
                    .serve_with_incoming(incoming);
                // No grace: what goes on is cut off.
                tokio::select! {
                    _ = serving => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            addr,
            seen,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// Ends it with all connections.
    pub(super) fn kill(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
    }
}

/// A name that the health service knows.
#[derive(Clone)]
pub(super) struct Health;

impl tonic::server::NamedService for Health {
    const NAME: &'static str = "known";
}
