//! `kt.http`: requests from a journey. Putting one together is `http/request.rs`, answers are `http/response.rs`, samples are
//! `http/record.rs`; connections and timings are `net`'s.

mod options;
mod payload;
mod record;
mod request;
mod response;
mod trace;

use std::rc::Rc;

use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use mlua::Value;

use crate::net::{Asked, Exchange, Response};
use crate::script::fields::describe_at;
use crate::script::raw::{Kind, Stack};
use crate::script::{ApiError, Host, Operation, Push, Reply, VuContext};

pub(in crate::api) use response::check_failed;

use record::Gone;
use request::Prepared;
use response::{Answer, Face};

/// Requests of one batch that are under way at once, as in k6.
const BATCH_CONCURRENCY: usize = 20;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let face = Rc::new(Face::new(host)?);
    for (name, full, method) in [
        ("get", "http.get", http::Method::GET),
        ("head", "http.head", http::Method::HEAD),
        ("post", "http.post", http::Method::POST),
        ("put", "http.put", http::Method::PUT),
        ("patch", "http.patch", http::Method::PATCH),
        ("delete", "http.delete", http::Method::DELETE),
        ("options", "http.options", http::Method::OPTIONS),
    ] {
        let face = Rc::clone(&face);
        let function = host.wait_fn(full, move |vu, stack| {
            let prepared = request::prepare(vu, full, method.clone(), stack, 1)?;
            Ok(start(vu, &face, prepared))
        })?;
        table.raw_set(name, function)?;
    }
    let own = Rc::clone(&face);
    let request = host.wait_fn("http.request", move |vu, stack| {
        let method = request::method("http.request", stack, 1)?;
        let prepared = request::prepare(vu, "http.request", method, stack, 2)?;
        Ok(start(vu, &own, prepared))
    })?;
    table.raw_set("request", request)?;
    let batch = host.wait_fn("http.batch", move |vu, stack| batch(vu, &face, stack))?;
    table.raw_set("batch", batch)?;
    Ok(Value::Table(table))
}

fn start(vu: &Rc<VuContext>, face: &Rc<Face>, prepared: Box<Prepared>) -> Operation {
    let (operation, vu, face) = (Box::new_uninit(), Rc::clone(vu), Rc::clone(face));
    // Not an async block around it, which would hold it twice.
    let sending = send(vu, face, prepared).map_ok(|answer| answer as Reply);
    let operation = Box::write(operation, sending);
    Box::into_pin(operation)
}

/// Sends one request, follows its redirects, and records every hop.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would hold its arguments twice, and each request allocates its future"
)]
fn send(
    vu: Rc<VuContext>,
    face: Rc<Face>,
    mut prepared: Box<Prepared>,
) -> impl Future<Output = Result<Box<Answer>, ApiError>> {
    async move {
        if prepared.is_unauthorised() {
            Box::pin(prepared.authorise(&vu)).await?;
        }
        let Prepared { request, recording, .. } = &mut *prepared;
        let request = match request {
            Ok(request) => request,
            Err(unsendable) => {
                recording.hop(&vu, &unsendable.exchange, Gone::Not(&unsendable.url));
                let url = Some(unsendable.url.as_str().into());
                let (exchange, tags) = (unsendable.exchange.clone(), recording.tags.clone());
                return Ok(Box::new(Answer::new(face, exchange, tags, false, url)));
            }
        };
        trace::watch(&vu, request);
        let mut ended = None;
        let discard_body = request.discard_body;
        let mut on_hop = |exchange: Exchange, asked: &Asked<'_>| {
            recording.hop(&vu, &exchange, Gone::Out(asked));
            if asked.is_followed() {
                return;
            }
            let outcome = &exchange.outcome;
            let is_expected = |response: &Response| recording.expect.holds(response.status);
            let ok = outcome.as_ref().is_ok_and(is_expected);
            let answer = Box::new_uninit();
            let new = Answer::new(Rc::clone(&face), exchange, recording.tags.clone(), ok, None);
            let answer = ended.insert(Box::write(answer, new));
            if vu.host.failed.wants_requests() {
                answer.asked = Some(Box::new((asked.headers(), asked.body().clone())));
            }
            answer.discard_body = discard_body;
        };
        vu.client()?.send(request, &mut on_hop).await;
        Ok(ended.expect("each request has an end"))
    }
}

/// The forms of a request in a batch.
const FORMS: &str = "a request is a URL, { url, options } or { method, url, options }";

/// `http.batch{ "url", { "url" }, { "POST", "url", opts }, name = … }`: all at once, answers under the same keys.
fn batch(vu: &Rc<VuContext>, face: &Rc<Face>, stack: &mut Stack<'_>) -> Result<Operation, ApiError> {
    const OWNER: &str = "http.batch";
    let wrong = |text: String| ApiError::Text(format!("{OWNER}: {text}"));
    if stack.kind(1) != Kind::Table {
        let got = describe_at(stack, 1);
        return Err(wrong(format!("`requests` must be a table, got {got}")));
    }
    // Their keys stay on the stack, below the answers.
    let (mut prepared, mut at) = (Vec::new(), 0);
    while let Some(next) = stack.next(1, at) {
        let (key, entry) = (stack.top() - 1, stack.top());
        let (method, url) = match stack.kind(entry) {
            Kind::String => {
                // Its options.
                stack.push_nil();
                (http::Method::GET, entry)
            }
            Kind::Table => match parts(stack, entry) {
                Some((Some(method), url)) => (request::method(OWNER, stack, method)?, url),
                Some((None, url)) => (http::Method::GET, url),
                None => return Err(wrong(format!("{FORMS}, by position, without keys"))),
            },
            _ => return Err(wrong(format!("{FORMS}, got {}", describe_at(stack, entry)))),
        };
        prepared.push((key, request::prepare(vu, OWNER, method, stack, url)?));
        stack.truncate(key);
        at = next;
    }
    let (vu, face) = (Rc::clone(vu), Rc::clone(face));
    Ok(Box::pin(async move {
        // One after the other, before any is sent: what makes a token may pause, open a group or make a value of `shared.once`,
        // and a user does one thing at a time.
        for (_, prepared) in &mut prepared {
            prepared.authorise(&vu).await?;
        }
        let mut answers = Vec::with_capacity(prepared.len());
        let mut running = futures_util::stream::iter(prepared.into_iter().map(|(key, prepared)| {
            let sending = send(Rc::clone(&vu), Rc::clone(&face), prepared);
            sending.map(move |answer| (key, answer))
        }))
        .buffer_unordered(BATCH_CONCURRENCY);
        while let Some((key, answer)) = running.next().await {
            answers.push((key, answer?));
        }
        drop(running);
        Ok(Box::new(Answers(answers)) as Reply)
    }))
}

/// Pushes what is listed in the table at `entry`; gives where its method is, if it has one, and its URL, before its options.
/// Nothing for a table that holds anything else.
fn parts(stack: &Stack<'_>, entry: i32) -> Option<(Option<i32>, i32)> {
    (1..=3).for_each(|part| stack.push_item(entry, part));
    let (method, url) = match stack.kind(entry + 2) {
        Kind::String => (Some(entry + 1), entry + 2),
        _ => (None, entry + 1),
    };
    let read = (entry + 1..=url + 1).filter(|at| stack.kind(*at) != Kind::Nil).count();
    (read > 0 && stack.entries(entry) == read).then_some((method, url))
}

/// The answers of a batch, by where on the stack the keys of its requests are.
struct Answers(Vec<(i32, Box<Answer>)>);

impl Push for Answers {
    fn push(self: Box<Self>, host: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        stack.push_table(i32::try_from(self.0.len()).unwrap_or_default(), 0);
        let table = stack.top();
        for (key, answer) in self.0 {
            stack.push_copy(key);
            answer.push(host, stack)?;
            stack.set(table);
        }
        Ok(1)
    }
}
