//! The promise of [`Http`]: whatever it remembers, and whatever happens to the recorder meanwhile, the samples are those
//! that recording one by one gives.

use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::metrics::{Aggregation, Catalog, Delta, Registry, Selector, Totals};
use crate::net::{Address, Headers, NetError, Response, Timings};

/// Something that happens on a core.
#[derive(Debug, Clone)]
enum Event {
    Exchange {
        tags: usize,
        exchange: Box<Exchange>,
        expected: bool,
        intended: bool,
    },
    /// A threshold of an edited script comes, and a second is over: from then on its series is kept.
    Add(usize),
    /// A second is over.
    Take,
    /// So many tag sets that nobody keeps, that the recorder forgets them with its next take.
    Flood,
}

const TAGS: [&[(&str, &str)]; 6] = [
    &[("name", "a"), ("scenario", "s"), ("revision", "1")],
    &[("name", "b"), ("scenario", "s"), ("stage", "steady"), ("phase", "noon")],
    &[("name", "c"), ("scenario", "s"), ("group", "::g")],
    &[("name", "a"), ("poll", "true")],
    &[("name", "a"), ("lifecycle", "setup")],
    &[("name", "a"), ("scenario", "s"), ("warmup", "true")],
];
const ADDED: [&str; 4] = [
    "http_req_duration{status:200,name:a}",
    "http_reqs{error_code:1404}",
    "http_req_failed{expected_response:true}",
    "http_req_blocked{method:POST}",
];

/// An exchange that ended in some way.
fn exchange(method: Method, outcome: Result<u16, ErrorKind>, ticks: u32, sent: u64, retried: bool) -> Exchange {
    let ticks = Duration::from_micros(u64::from(ticks));
    // Every other one was never sent.
    let service = ticks * ((ticks.subsec_micros() + 1) % 2);
    let response = |status| Response::new(status, http::Version::HTTP_11, Headers::default());
    let now = clock::now();
    Exchange {
        address: Address::parse("http://localhost/").unwrap(),
        method,
        outcome: outcome.map(response).map_err(|kind| NetError::new(kind, "failed")),
        timings: Timings {
            dns: ticks / 9,
            // Mostly none.
            connecting: ticks.saturating_sub(Duration::from_micros(900)),
            sending: service / 7,
            waiting: service * 3,
            receiving: service / 3,
            ..Timings::default()
        },
        sent,
        received: sent * 2,
        remote_addr: None,
        reused: true,
        retried,
        trace: None,
        started_at: now,
        finished_at: now + ticks,
    }
}

fn event() -> impl Strategy<Value = Event> {
    let method = prop::sample::select(vec![Method::GET, Method::POST, Method::from_bytes(b"PURGE").unwrap()]);
    let failure = prop::sample::select(vec![ErrorKind::Timeout, ErrorKind::Refused, ErrorKind::LocalResource]);
    let outcome = prop_oneof![
        6 => prop::sample::select(vec![200, 201, 302, 404, 500]).prop_map(Ok),
        1 => failure.prop_map(Err),
    ];
    let exchange = (method, outcome, 0..1_000_u32, 0..3_u64, prop::bool::weighted(0.1));
    let exchange = exchange.prop_map(|(method, outcome, ticks, sent, retried)| {
        Box::new(super::tests::exchange(method, outcome, ticks, sent, retried))
    });
    let flags = (any::<bool>(), any::<bool>());
    let happens = (0..TAGS.len(), exchange, flags).prop_map(|(tags, exchange, (expected, intended))| Event::Exchange {
        tags,
        exchange,
        expected,
        intended,
    });
    prop_oneof![
        80 => happens,
        4 => (0..ADDED.len()).prop_map(Event::Add),
        4 => Just(Event::Take),
        1 => Just(Event::Flood),
    ]
}

/// A recorder of its own catalog with few automatic series.
fn world() -> (Registry, Catalog, Recorder) {
    let registry = Registry::new();
    let catalog = Catalog::with_cap(&registry, &[], 2).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    (registry, catalog, recorder)
}

/// What the samples of an exchange are, spelt out: nothing is remembered.
fn one_by_one(recorder: &Recorder, tags: &TagSet, exchange: &Exchange, expected: bool, intended: Option<Instant>) {
    let (mut status, mut code) = ("0".to_owned(), None);
    match &exchange.outcome {
        Ok(response) => {
            status = response.status.to_string();
            if !expected {
                code = Some((1000 + response.status).to_string());
            }
        }
        Err(error) => code = Some(error.code.to_string()),
    }
    if matches!(&exchange.outcome, Err(error) if error.kind == ErrorKind::LocalResource) {
        recorder.record(builtin::SOCKET_ERRORS, 1.0, tags);
    }
    let expected = expected && exchange.outcome.is_ok();
    let text = expected.to_string();
    let tags = recorder.tags(tags, &[("method", exchange.method.as_str())]);
    let tags = recorder.tags(&tags, &[("status", &status), ("expected_response", &text)]);
    let tags = recorder.tags(&tags, &[("error_code", code.as_deref().unwrap_or(""))]);
    let timings = &exchange.timings;
    let always = [
        (builtin::HTTP_REQS, 1.0),
        (builtin::HTTP_REQ_FAILED, if expected { 0.0 } else { 1.0 }),
        (builtin::DATA_SENT, exchange.sent as f64),
        (builtin::DATA_RECEIVED, exchange.received as f64),
        (builtin::HTTP_REQ_BLOCKED, millis(timings.blocked + timings.dns)),
        (builtin::HTTP_REQ_CONNECTING, millis(timings.connecting)),
        (builtin::HTTP_REQ_TLS_HANDSHAKING, millis(timings.tls_handshaking)),
    ];
    let if_sent = [
        (builtin::HTTP_REQ_DURATION, millis(timings.duration())),
        (builtin::HTTP_REQ_SENDING, millis(timings.sending)),
        (builtin::HTTP_REQ_WAITING, millis(timings.waiting)),
        (builtin::HTTP_REQ_RECEIVING, millis(timings.receiving)),
    ];
    let was_sent = exchange.outcome.is_ok() || timings.duration() > Duration::ZERO;
    let if_sent = if was_sent { &if_sent[..] } else { &[] };
    // In the same order, because that gives series their ids.
    let retries = [(builtin::HTTP_CONN_RETRIES, 1.0)];
    let retries = if exchange.retried { &retries[..] } else { &[] };
    for (metric, value) in always.iter().chain(retries).chain(if_sent) {
        recorder.record(*metric, *value, &tags);
    }
    let is_late = matches!(&exchange.outcome, Err(error) if error.kind == ErrorKind::Timeout);
    if let (true, Some(intended)) = (was_sent || is_late, intended) {
        let whole = millis(exchange.finished_at - intended);
        recorder.record(builtin::HTTP_REQ_RESPONSE_TIME, whole, &tags);
    }
}

/// Plays the events and gives what each second had; `record` takes an exchange's samples.
fn play(events: &[Event], record: impl Fn(&Recorder, &TagSet, &Exchange, bool, Option<Instant>)) -> Vec<Delta> {
    let (registry, catalog, recorder) = world();
    let mut seconds = Vec::new();
    for event in events {
        match event {
            Event::Exchange {
                tags,
                exchange,
                expected,
                intended,
            } => {
                let tags = recorder.tags(&recorder.no_tags(), TAGS[*tags]);
                let intended = intended.then_some(exchange.started_at);
                record(&recorder, &tags, exchange, *expected, intended);
            }
            Event::Add(index) => {
                let selector = Selector::parse(ADDED[*index]).unwrap();
                catalog.add(&registry, &[selector]).unwrap();
                seconds.push(recorder.take());
            }
            Event::Take => seconds.push(recorder.take()),
            Event::Flood => {
                for id in 0..10_001 {
                    let _ = recorder.tags(&recorder.no_tags(), &[("id", &id.to_string())]);
                }
            }
        }
    }
    seconds.push(recorder.take());
    seconds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn exchanges_leave_the_samples_that_recording_one_by_one_leaves(events in prop::collection::vec(event(), 0..80)) {
        let http = std::cell::OnceCell::new();
        let remembered = play(&events, |recorder, tags, exchange, expected, intended| {
            http.get_or_init(|| Http::new(recorder)).exchange(tags, exchange, expected, intended);
        });
        prop_assert_eq!(remembered, play(&events, one_by_one));
    }
}

#[test]
fn endless_tags_are_not_remembered_endlessly() {
    let (.., recorder) = world();
    let http = Http::new(&recorder);
    let exchange = exchange(Method::GET, Ok(200), 500, 1, false);
    for id in 0..3 * KEPT {
        let tags = recorder.tags(&recorder.no_tags(), &[("id", &id.to_string())]);
        http.exchange(&tags, &exchange, true, None);
        assert!(http.tags.borrow().len() <= KEPT);
    }
}

#[test]
fn times_are_of_what_was_written_and_of_what_was_waited_for() {
    use ErrorKind::{ConnectTimeout, LocalResource, Refused, Reset, Timeout, Tls};
    // how it ended, its bytes, whether it was written; whether it has a duration and a response time
    let table = [
        (Ok(200), 90, true, true, true),
        // A handshake or a proxy's tunnel has bytes, and a stream may have none: another's count has its headers.
        (Err(Timeout), 517, false, false, true),
        (Err(Timeout), 0, true, true, true),
        (Err(Timeout), 0, false, false, true),
        (Err(ConnectTimeout), 0, false, false, true),
        (Err(Reset), 90, true, true, true),
        (Err(Tls), 517, false, false, false),
        (Err(Refused), 0, false, false, false),
        (Err(LocalResource), 0, false, false, false),
    ];
    for (outcome, sent, written, has_duration, has_response_time) in table {
        let (registry, catalog, recorder) = world();
        let exchange = exchange(Method::GET, outcome, 700 + u32::from(!written), sent, false);
        let intended = exchange.started_at.checked_sub(Duration::from_millis(5));
        Http::new(&recorder).exchange(&recorder.no_tags(), &exchange, outcome.is_ok(), intended);
        let mut totals = Totals::new(&registry, &catalog, 0);
        totals.merge(&recorder.take());
        let has = |metric| totals.root(metric, Aggregation::Count).is_some();
        assert_eq!(
            (has(builtin::HTTP_REQ_DURATION), has(builtin::HTTP_REQ_RESPONSE_TIME)),
            (has_duration, has_response_time),
            "{outcome:?} with {sent} bytes"
        );
        assert!(has(builtin::HTTP_REQ_BLOCKED) && has(builtin::HTTP_REQS));
    }
}
