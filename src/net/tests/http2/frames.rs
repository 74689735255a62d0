//! Answers written frame by frame, where it matters which frame says what.

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` as one byte of HPACK.
const OK: &[u8] = &[0x88];

/// A frame as it is sent (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// A header that HPACK does not index (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// An answer without body.
pub(in crate::net) fn bare(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = OK.to_vec();
    block.extend(fields.iter().flat_map(|(name, value)| field(name, value)));
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

/// An answer of head and trailers, without anything between them.
pub(in crate::net) fn hollow(stream: u32, fields: &[(&str, &str)], trailers: &[(&str, &str)]) -> Vec<u8> {
    let block = |fields: &[(&str, &str)]| fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    let (head, end): (Vec<u8>, Vec<u8>) = (block(fields), block(trailers));
    [
        frame(HEADERS, END_HEADERS, stream, &[OK, &head].concat()),
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &end),
    ]
    .concat()
}

/// Speaks first, after `greeting`, until so many requests are answered: `answer` is given the number of each on the connection,
/// from 0, and its stream.
async fn speak(
    stream: &mut TcpStream,
    greeting: &[u8],
    requests: usize,
    answer: impl Fn(usize, u32) -> Vec<u8>,
) -> std::io::Result<()> {
    stream
        .write_all(&[greeting, &frame(SETTINGS, 0, 0, &[])].concat())
        .await?;
    stream.read_exact(&mut [0; 24]).await?;
    let mut nth = 0;
    while nth < requests {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            (HEADERS, _) => {
                stream.write_all(&answer(nth, id)).await?;
                nth += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The same, with an answer without body to each.
pub(in crate::net) async fn agree(stream: &mut TcpStream, greeting: &[u8], requests: usize) {
    let _ = speak(stream, greeting, requests, |_, id| bare(id, &[])).await;
}

/// A server whose every request is answered with these frames; `answer` is given connection, number and stream.
pub(in crate::net) async fn framing(answer: impl Fn(usize, usize, u32) -> Vec<u8> + 'static) -> Server {
    let answer = Rc::new(answer);
    Server::raw(move |number, mut stream| {
        let answer = Rc::clone(&answer);
        async move {
            let _ = speak(&mut stream, b"", usize::MAX, |nth, id| answer(number, nth, id)).await;
        }
    })
    .await
}

#[test]
fn a_body_that_is_reset_before_its_end_is_cut_off_whatever_the_reason() {
    run(async {
        let server = framing(|_, nth, id| {
            let reset = frame(RST_STREAM, 0, id, &[0; 4]);
            let data = |flags| frame(DATA, flags, id, b"half");
            let head = frame(HEADERS, END_HEADERS, id, OK);
            match nth {
                0 => [head, data(0), reset].concat(),
                1 => [head, reset].concat(),
                // What is complete is not to be undone: the server wants no more of the request.
                _ => [head, data(END_STREAM), reset].concat(),
            }
        })
        .await;
        let client = http2();
        for _ in 0..2 {
            let exchange = send(&client, get(server.url("/"))).await;
            assert_eq!(exchange.error().kind, ErrorKind::StreamReset);
            assert!(exchange.error().message.contains("NO_ERROR"), "{}", exchange.error());
        }
        for size in [0, 100_000] {
            let mut request = Request::new(http::Method::POST, server.url("/"));
            request.body = Bytes::from(vec![0; size]);
            assert_eq!(send(&client, request).await.text(), "half");
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn the_length_in_an_answer_to_head_is_not_its_own() {
    run(async {
        let server = framing(|_, _, id| {
            let head = [OK, &field("content-length", "50000000")].concat();
            [frame(HEADERS, END_HEADERS, id, &head), frame(DATA, END_STREAM, id, &[])].concat()
        })
        .await;
        let exchange = send(&http2(), Request::new(http::Method::HEAD, server.url("/"))).await;
        assert_eq!(exchange.text(), "");
        assert_eq!(
            exchange.response().headers.get("content-length"),
            Some(&b"50000000"[..])
        );
    });
}

#[test]
fn what_was_never_written_is_sent_again_whatever_the_method() {
    run(async {
        let served = Rc::<Cell<Option<TcpStream>>>::default();
        let hand_over = Rc::clone(&served);
        let server = Server::raw(move |number, mut stream| {
            let hand_over = Rc::clone(&hand_over);
            async move {
                let requests = if number == 0 { 1 } else { usize::MAX };
                agree(&mut stream, b"", requests).await;
                hand_over.set(Some(stream));
            }
        })
        .await;
        let client = http2();
        send(&client, get(server.url("/"))).await.response();
        let stream = served.take().unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
        // The event loop has not turned since: writing is what finds out.
        let exchange = send(&client, Request::new(http::Method::POST, server.url("/"))).await;
        assert_eq!((exchange.response().status, exchange.retried), (200, true));
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_connection_that_has_gone_silent_is_left_with_the_time_that_is_over() {
    run(async {
        let server = framing(|number, nth, id| match (number, nth) {
            (0, 1..) | (1, 1) => Vec::new(),
            _ => bare(id, &[]),
        })
        .await;
        let client = http2();
        let ask = |timeout| {
            let mut request = get(server.url("/"));
            request.timeout = Some(Duration::from_millis(timeout));
            send(&client, request)
        };
        assert_eq!(ask(9_000).await.response().status, 200);
        assert_eq!(ask(50).await.error().kind, ErrorKind::Timeout);
        let next = ask(9_000).await;
        assert_eq!((next.response().status, next.reused), (200, false));
        // One that answers others meanwhile is alive.
        let (unanswered, answered) = tokio::join!(ask(300), ask(9_000));
        assert_eq!(unanswered.error().kind, ErrorKind::Timeout);
        assert_eq!(answered.response().status, 200);
        assert!(ask(9_000).await.reused);
        assert_eq!(server.connections.get(), 2);
    });
}
