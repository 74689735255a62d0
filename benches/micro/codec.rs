//! HTTP/1.1 without a connection: a request onto bytes, a response from bytes.

use std::hint::black_box;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use kingtide::net::{Address, Request, codec};

use crate::{Case, Repeat, each};

pub const CASES: &[Case] = &[
    Case {
        name: "codec/write a GET",
        prepare: || write(request(Method::GET, &[], b"")),
    },
    Case {
        name: "codec/write a POST with JSON",
        prepare: || {
            let json = (header::CONTENT_TYPE, "application/json");
            write(request(Method::POST, &[json], b"{\"id\":123456,\"name\":\"x\"}"))
        },
    },
    Case {
        name: "codec/read a small response",
        prepare: || read(SMALL),
    },
    Case {
        name: "codec/read one with 12 headers",
        prepare: || read(MANY_HEADERS),
    },
    Case {
        name: "codec/read one in chunks",
        prepare: || read(CHUNKS),
    },
];

/// As nginx answers in `benches/peers.sh`.
const SMALL: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
Content-Type: application/json\r\nContent-Length: 35\r\nConnection: keep-alive\r\n\r\n{\"id\":12345,\"status\":\"confirmed\"} \n";

const MANY_HEADERS: &[u8] = b"HTTP/1.1 200 OK\r\nServer: envoy\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\
X-Request-Id: 7d9ff2b3-6d1b-4b0c-8b79-0d2a8f5b7a11\r\nX-Frame-Options: DENY\r\nVary: Accept-Encoding\r\n\
Strict-Transport-Security: max-age=31536000\r\nX-Content-Type-Options: nosniff\r\n\
X-Envoy-Upstream-Service-Time: 3\r\nETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n\r\n{}";

const CHUNKS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
10\r\n{\"id\":12345,\"sta\r\n13\r\ntus\":\"confirmed\"} \n\r\n0\r\n\r\n";

fn request(method: Method, headers: &[(HeaderName, &'static str)], body: &'static [u8]) -> Request {
    let address = Address::parse("http://127.0.0.1:8080/api/orders/4711").expect("an address");
    let mut request = Request::new(method, address);
    for (name, value) in headers {
        request.headers.append(name.clone(), HeaderValue::from_static(value));
    }
    request.body = Bytes::from_static(body);
    request
}

fn write(request: Request) -> Repeat {
    let mut writing = codec::writing(request);
    each(move || {
        black_box(writing());
    })
}

fn read(response: &'static [u8]) -> Repeat {
    assert_eq!(codec::status(response), Some(200), "the case is a response");
    each(move || {
        black_box(codec::status(black_box(response)));
    })
}
