//! A gRPC call and a request of HTTP/2, whole, without Lua: fifty in flight on one connection to a server on another thread,
//! whose time is not counted. What Lua adds is not measured here.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Response};
use tokio::task::LocalSet;

use kingtide::net::grpc::{Call, Channel, Code, Endpoint, Message, Metadata, Method, Options, Schema};
use kingtide::net::{Client, Connections, HttpConfig, HttpVersion, Request, Shared};

use super::{Case, Repeat};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "grpc/a call, 50 in flight",
        prepare: calls,
    },
    Case {
        name: "grpc/a POST of HTTP/2, 50 in flight",
        prepare: posts,
    },
];

const IN_FLIGHT: u64 = 50;

static NO_METADATA: Metadata = Metadata::new();

/// Answers whatever comes with eight bytes and the trailers of a call that worked.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        on_a_core(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::task::spawn_local(answer(stream));
            }
        });
    });
    addr
}

async fn answer(stream: tokio::net::TcpStream) {
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((mut request, mut respond))) = connection.accept().await {
        tokio::task::spawn_local(async move {
            while let Some(Ok(data)) = request.body_mut().data().await {
                let _ = request.body_mut().flow_control().release_capacity(data.len());
            }
            let mut head = Response::new(());
            let kind = HeaderValue::from_static("application/grpc");
            head.headers_mut().insert("content-type", kind);
            let Ok(mut stream) = respond.send_response(head, false) else {
                return;
            };
            let _ = stream.send_data(Bytes::from_static(b"\0\0\0\0\x03\x0a\x01x"), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = stream.send_trailers(trailers);
        });
    }
}

fn on_a_core<F: Future>(what: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), what)
}

/// Does `once` for each of fifty users, `count` times in all.
fn users<U: Clone + 'static, F: Future<Output = ()> + 'static>(
    make: impl FnOnce(SocketAddr) -> U,
    once: fn(U, u64) -> F,
) -> Repeat {
    let addr = serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (runtime, set) = (runtime.expect("a runtime"), LocalSet::new());
    let user = make(addr);
    // The connection is there when it begins.
    set.block_on(&runtime, once(user.clone(), 1));
    Box::new(move |count| {
        let rounds = count.div_ceil(IN_FLIGHT);
        let all = (0..IN_FLIGHT).map(|_| set.spawn_local(once(user.clone(), rounds)));
        let all: Vec<_> = all.collect();
        set.block_on(&runtime, join_all(all));
    })
}

fn method() -> Method {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("a.proto");
    let text = "syntax = \"proto3\"; message M { string a = 1; } service S { rpc Do(M) returns (M); }";
    std::fs::write(&file, text).expect("a file");
    let schema = Schema::compile(&[file], &[]).expect("a schema");
    schema.method("S/Do").expect("a method")
}

fn calls() -> Repeat {
    let make = |addr: SocketAddr| {
        let options = Options {
            plaintext: true,
            connections: Connections::Shared(NonZeroUsize::MIN),
            max_in_flight: NonZeroUsize::new(500),
            ..Options::default()
        };
        let shared = Shared::new(HttpConfig::default()).expect("a client");
        let endpoint = Endpoint::of(&shared, &addr.to_string(), &options).expect("an endpoint");
        (Rc::new(Channel::new(&endpoint, 0)), method())
    };
    users(make, |(channel, method), rounds| async move {
        for _ in 0..rounds {
            let call = Call {
                method: &method,
                metadata: &NO_METADATA,
                timeout: Duration::from_secs(60),
                message: Some(Message::from(&b"\x0a\x05world"[..])),
                compression: None,
                discard: false,
            };
            let reply = channel.unary(&call).await;
            assert_eq!(reply.status.code, Code::Ok);
        }
    })
}

fn posts() -> Repeat {
    let make = |addr: SocketAddr| {
        let config = HttpConfig {
            version: HttpVersion::Http2,
            connections: Connections::Shared(NonZeroUsize::MIN),
            ..HttpConfig::default()
        };
        let client = Client::new(Shared::new(config).expect("a client"), 0);
        let url = url::Url::parse(&format!("http://{addr}/S/Do")).expect("a URL");
        (Rc::new(client), url)
    };
    users(make, |(client, url), rounds| async move {
        let template = Request::new(HttpMethod::POST, url);
        for _ in 0..rounds {
            let mut request = template.clone();
            request.body = Bytes::from_static(b"\0\0\0\0\x07\x0a\x05world");
            let exchange = client.fetch(request).await;
            assert!(exchange.outcome.is_ok());
        }
    })
}
