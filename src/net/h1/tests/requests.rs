//! Requests: what is written is what the list of headers says, and can be read back.

use http::{HeaderName, HeaderValue, Method, header};
use proptest::prelude::*;

use crate::net::h1::request::render;
use crate::net::message::{Length, Outgoing};
use crate::net::{Address, HeaderList, HttpConfig, Request, Shared};

fn headers() -> impl Strategy<Value = HeaderList> {
    let names = vec![
        header::HOST,
        header::USER_AGENT,
        header::AUTHORIZATION,
        header::COOKIE,
        header::ACCEPT_ENCODING,
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        HeaderName::from_static("x-a"),
    ];
    let values = vec!["", "a b", "chunked", "gzip", "gzip, Chunked", "12"];
    let pair = (proptest::sample::select(names), proptest::sample::select(values));
    proptest::collection::vec(
        pair.prop_map(|(name, value)| (name, HeaderValue::from_static(value))),
        0..5,
    )
    .prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #[test]
    fn a_request_reads_back(
        own in headers(),
        plans in headers(),
        body in proptest::collection::vec(any::<u8>(), 0..40),
        large in any::<bool>(),
        compression in any::<bool>(),
        proxy in any::<bool>(),
        cookie in any::<bool>(),
        traced in any::<bool>(),
        method in proptest::sample::select(vec![Method::GET, Method::POST, Method::DELETE]),
    ) {
        let config = HttpConfig {
            headers: plans,
            compression,
            trace_sampling: traced.then_some(1.0),
            proxy: proxy.then(|| url::Url::parse("http://me:secret@proxy.test:3128").unwrap()),
            ..HttpConfig::default()
        };
        let shared = Shared::new(config).unwrap();
        let address = Address::parse("http://user:word@shop.test:81/a/b?c=d#e").unwrap();
        let mut request = Request::new(method, address.clone());
        request.headers = own;
        request.body = if large { body.repeat(2_000).into() } else { body.into() };
        let target = shared.target(&address).unwrap();
        let cookies = HeaderValue::from_static("a=1");
        let tracer = shared.tracer.as_ref();
        request.trace = tracer.and_then(|tracer| tracer.begin(None));
        let outgoing = Outgoing {
            request: &request,
            common: &shared.config.headers,
            auth: address.auth(),
            cookies: cookie.then_some(&cookies),
            target: &target,
            span: tracer.and_then(|tracer| tracer.span_id(request.trace.as_ref()?)),
            vu: 7,
            shared: &shared,
        };
        let mut written = Vec::new();
        let rest = render(&outgoing, &mut written);
        written.extend_from_slice(&rest);

        let mut found = [httparse::EMPTY_HEADER; 32];
        let mut read = httparse::Request::new(&mut found);
        let end = read.parse(&written).unwrap().unwrap();
        prop_assert_eq!(read.method, Some(request.method.as_str()));
        prop_assert_eq!(read.path, Some(if proxy { "http://shop.test:81/a/b?c=d" } else { "/a/b?c=d" }));
        let said: Vec<(&str, &[u8])> = read.headers.iter().map(|header| (header.name, header.value)).collect();
        let list = outgoing.headers();
        let listed: Vec<(&str, &[u8])> =
            list.iter().map(|(name, value)| (name.as_str(), value.as_bytes().trim_ascii())).collect();
        prop_assert_eq!(said, listed);
        let framings = list.iter().filter(|(name, _)| name == header::CONTENT_LENGTH).count()
            + usize::from(list.contains(&header::TRANSFER_ENCODING));
        prop_assert!(framings <= 1, "one framing at most: {:?}", list);
        let chunk = format!("{:x}\r\n", request.body.len());
        let body: Vec<u8> = match outgoing.length() {
            Length::Chunked { .. } => [chunk.as_bytes(), &request.body, b"\r\n0\r\n\r\n"].concat(),
            _ => request.body.to_vec(),
        };
        prop_assert!(written[end..] == body[..]);
    }
}
