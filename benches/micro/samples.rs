//! Samples, from tags to series: with the tags of a script that is watched, and one name.

use std::hint::black_box;
use std::time::Duration;

use http::{Method, Version};
use kingtide::clock;
use kingtide::metrics::{Catalog, MetricId, Recorder, Registry, TagSet, builtin};
use kingtide::net::{Address, Exchange, Headers, Response, Timings};
use kingtide::samples::Http;

use crate::{Case, Repeat, each};

pub const CASES: &[Case] = &[
    Case {
        name: "samples/counter",
        prepare: || record(builtin::HTTP_REQS, 0.0),
    },
    Case {
        name: "samples/rate",
        prepare: || record(builtin::HTTP_REQ_FAILED, 0.0),
    },
    // As a whole, and by name, scenario and revision.
    Case {
        name: "samples/trend in four series",
        prepare: || record(builtin::HTTP_REQ_DURATION, 0.000_1),
    },
    Case {
        name: "samples/trend",
        prepare: || record(builtin::HTTP_REQ_WAITING, 0.000_1),
    },
    Case {
        name: "samples/trend of zero",
        prepare: || record(builtin::HTTP_REQ_BLOCKED, 0.0),
    },
    Case {
        name: "samples/tags with a name",
        prepare: || tags(&[("name", "POST /orders/{id}")]),
    },
    Case {
        name: "samples/tags with three more",
        prepare: || tags(&[("name", "POST /orders/{id}"), ("kind", "express"), ("tier", "gold")]),
    },
    Case {
        name: "samples/check",
        prepare: || {
            let (recorder, base, _) = world();
            each(move || recorder.check("status is 200", true, &base))
        },
    },
    Case {
        name: "samples/exchange",
        prepare: exchanges,
    },
];

/// A recorder, the tags of an iteration and those of a request in it.
fn world() -> (Recorder, TagSet, TagSet) {
    let registry = Registry::new();
    let catalog = Catalog::new(&registry, &[]).expect("no selector, no mistake");
    let recorder = Recorder::new(&registry, &catalog);
    let base = recorder.tags(&recorder.no_tags(), &[("scenario", "orders"), ("revision", "1")]);
    let named = recorder.tags(&base, &[("name", "POST /orders/{id}")]);
    (recorder, base, named)
}

/// Values that lie close together, as those of a steady system do: 0.05 ms and so many steps more.
fn values(step: f64) -> impl FnMut() -> f64 {
    let mut turn = 0_u32;
    move || {
        turn = (turn + 797) % 10_007;
        0.05 + f64::from(turn) * step
    }
}

fn record(metric: MetricId, step: f64) -> Repeat {
    let (recorder, _, named) = world();
    let tags = recorder.tags(&named, &[("method", "POST"), ("status", "200")]);
    let is_zero = metric == builtin::HTTP_REQ_BLOCKED;
    let mut value = values(step);
    each(move || recorder.record(metric, if is_zero { 0.0 } else { value() }, &tags))
}

fn tags(extra: &'static [(&'static str, &'static str)]) -> Repeat {
    let (recorder, base, _) = world();
    each(move || {
        black_box(recorder.tags(&base, black_box(extra)));
    })
}

fn exchanges() -> Repeat {
    let (recorder, _, named) = world();
    let http = Http::new(&recorder);
    let mut exchange = answered();
    let mut nanos = values(100.0);
    each(move || {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and not negative"
        )]
        let duration = Duration::from_nanos(nanos() as u64);
        exchange.timings.sending = duration / 20;
        exchange.timings.waiting = duration;
        exchange.timings.receiving = duration / 10;
        http.exchange(&named, &exchange, true, None);
    })
}

fn answered() -> Exchange {
    let now = clock::now();
    Exchange {
        address: Address::parse("http://localhost/orders/1").expect("a constant address parses"),
        method: Method::POST,
        outcome: Ok(Response::new(200, Version::HTTP_11, Headers::default())),
        timings: Timings::default(),
        sent: 120,
        received: 190,
        remote_addr: None,
        reused: true,
        retried: false,
        trace: None,
        started_at: now,
        finished_at: now,
    }
}
