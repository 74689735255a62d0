//! The gRPC server that the Lua tests talk to: it echoes, fails, waits, counts, adds up and talks. Nothing here checks
//! anything.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use kingtide::clock;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::tokio_stream::StreamExt as _;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{BoxFuture, CompressionEncoding, Context, Poll, Service};
use tonic::{Request, Response, Status, Streaming};

/// Where its protos are.
const PROTOS: &str = "tests/lua/fixtures";

/// The fields of `Order`.
#[derive(Clone, PartialEq, Message)]
struct Order {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(int32, tag = "3")]
    count: i32,
}

/// Some fields of `Note`.
#[derive(Clone, PartialEq, Message)]
struct Note {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int64, tag = "2")]
    id: i64,
}

impl Note {
    fn of(text: impl Into<String>, id: i64) -> Bytes {
        let text = text.into();
        Self { text, id }.encode_to_vec().into()
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

type Answers = ReceiverStream<Result<Bytes, Status>>;

/// What the server has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections.
    pub connections: AtomicUsize,
    /// Unary calls.
    pub calls: AtomicUsize,
    now: AtomicUsize,
    /// Unary calls in flight at once.
    pub most: AtomicUsize,
}

#[derive(Clone)]
struct Lab {
    method: String,
    seen: Arc<Seen>,
}

fn order(message: &[u8]) -> Order {
    Order::decode(message).unwrap_or_default()
}

async fn one(method: String, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let headers = request.metadata().clone();
    let message = request.into_inner();
    let answer = match method.as_str() {
        "Echo" => message,
        "Garble" => Bytes::from_static(b"\x0a\x05no"),
        "Fail" => {
            let order = order(&message);
            let mut status = Status::new(order.code.into(), order.text);
            status.metadata_mut().insert("x-why", "asked".parse().expect("ASCII"));
            return Err(status);
        }
        "Wait" => {
            clock::sleep(Duration::from_millis(order(&message).count.try_into().unwrap_or(0))).await;
            Note::of("waited", 0)
        }
        _ => return Err(Status::unimplemented("no such method")),
    };
    let mut response = Response::new(answer);
    for name in ["x-one", "x-many", "user-agent", "grpc-timeout", "grpc-encoding"] {
        for value in headers.get_all(name) {
            let name: tonic::metadata::MetadataKey<_> = format!("echo-{name}").parse().expect("a name");
            response.metadata_mut().append(name, value.clone());
        }
    }
    if let Some(bytes) = headers.get_bin("x-any-bin") {
        response.metadata_mut().insert_bin("echo-x-any-bin", bytes.clone());
    }
    Ok(response)
}

fn count(order: Order) -> Answers {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        for n in 1..=order.count {
            if sender.send(Ok(Note::of(order.text.as_str(), n.into()))).await.is_err() {
                return;
            }
        }
        if order.code > 0 {
            let _ = sender.send(Err(Status::new(order.code.into(), "in the end"))).await;
        } else if order.code < 0 {
            sender.closed().await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn sum(mut notes: Streaming<Bytes>) -> Result<Bytes, Status> {
    let (mut texts, mut all) = (Vec::new(), 0);
    while let Some(note) = notes.message().await? {
        let note = Note::decode(note).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if note.text == "stop" {
            return Err(Status::aborted("enough"));
        }
        all += note.id;
        texts.push(note.text);
    }
    Ok(Note::of(texts.join("+"), all))
}

fn talk(mut notes: Streaming<Bytes>) -> Answers {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        while let Some(Ok(note)) = notes.next().await {
            if sender.send(Ok(note)).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

impl tonic::server::UnaryService<Bytes> for Lab {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (method, seen) = (self.method.clone(), Arc::clone(&self.seen));
        Box::pin(async move {
            seen.calls.fetch_add(1, Ordering::SeqCst);
            seen.most
                .fetch_max(seen.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let answer = one(method, request).await;
            seen.now.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }
}

impl tonic::server::ServerStreamingService<Bytes> for Lab {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(count(order(request.get_ref())))) })
    }
}

impl tonic::server::ClientStreamingService<Bytes> for Lab {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async { sum(request.into_inner()).await.map(Response::new) })
    }
}

impl tonic::server::StreamingService<Bytes> for Lab {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async { Ok(Response::new(talk(request.into_inner()))) })
    }
}

impl tonic::server::NamedService for Lab {
    const NAME: &'static str = "lab.v1.Lab";
}

impl Service<http::Request<tonic::body::Body>> for Lab {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let lab = Self {
            method,
            seen: Arc::clone(&self.seen),
        };
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(64 << 20);
            Ok(match lab.method.as_str() {
                "Count" => grpc.server_streaming(lab, request).await,
                "Sum" => grpc.client_streaming(lab, request).await,
                "Talk" => grpc.streaming(lab, request).await,
                _ => grpc.unary(lab, request).await,
            })
        })
    }
}

/// Starts the server, which ends with the runtime; gives its address and what it sees.
pub async fn start() -> (String, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let counted = Arc::clone(&seen);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let incoming = incoming.map(move |stream| {
        counted.connections.fetch_add(1, Ordering::SeqCst);
        stream
    });
    let set = protox::compile(["lab.proto"], [PROTOS]).expect("the protos compile");
    let set: &'static [u8] = set.encode_to_vec().leak();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(set)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptors are whole");
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<Lab>().await;
    reporter
        .set_service_status("lab.v1.Asleep", tonic_health::ServingStatus::NotServing)
        .await;
    let serving = tonic::transport::Server::builder()
        .add_service(Lab {
            method: String::new(),
            seen: Arc::clone(&seen),
        })
        .add_service(health)
        .add_service(reflection)
        .serve_with_incoming(incoming);
    tokio::spawn(serving);
    (address.to_string(), seen)
}
