//! `kt.http`: requests from a journey. Putting one together is `http/request.rs`, answers are `http/response.rs`, samples are
//! `http/record.rs`; connections and timings are `net`'s.

mod options;
mod payload;
mod record;
mod request;
mod response;
mod trace;

use std::rc::Rc;

use futures_util::StreamExt as _;
use mlua::{MultiValue, Table, Value};

use super::args::Args;
use crate::script::fields::describe;
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _, VuContext};

use record::Recording;
use request::Prepared;

/// Requests of one batch that are under way at once, as in k6.
const BATCH_CONCURRENCY: usize = 20;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    response::install(host)?;
    for (name, full, method) in [
        ("get", "http.get", http::Method::GET),
        ("head", "http.head", http::Method::HEAD),
        ("post", "http.post", http::Method::POST),
        ("put", "http.put", http::Method::PUT),
        ("patch", "http.patch", http::Method::PATCH),
        ("delete", "http.delete", http::Method::DELETE),
        ("options", "http.options", http::Method::OPTIONS),
    ] {
        let function = host.op_fn(full, move |vu, values| {
            let method = method.clone();
            async move {
                let args = Args::new(full, values);
                let prepared = request::prepare(&vu, full, method, &args.get(0), &args.get(1)).await?;
                Ok(send(&vu, prepared).await?.into_multi(&vu.host.lua)?)
            }
        })?;
        table.raw_set(name, function)?;
    }
    let request = host.op_fn("http.request", |vu, values| async move {
        let args = Args::new("http.request", values);
        let method = request::method(&args, &args.get(0))?;
        let prepared = request::prepare(&vu, args.name(), method, &args.get(1), &args.get(2)).await?;
        Ok(send(&vu, prepared).await?.into_multi(&vu.host.lua)?)
    })?;
    table.raw_set("request", request)?;
    table.raw_set("batch", host.op_fn("http.batch", batch)?)?;
    Ok(Value::Table(table))
}

/// Sends one request, follows its redirects, records every hop, and makes the response table.
async fn send(vu: &Rc<VuContext>, prepared: Prepared) -> Result<Table, ApiError> {
    let Prepared {
        request,
        name,
        tags,
        expect,
    } = prepared;
    let recording = Recording::new(vu, name, &tags, expect)?;
    let exchange = match request {
        Ok(mut request) => {
            trace::watch(vu, &mut request);
            let max_redirects = request.redirects;
            let mut hops = 0;
            let mut on_hop = |exchange: &crate::net::Exchange| {
                recording.hop(exchange, hops < max_redirects);
                hops += 1;
            };
            vu.client()?.send(request, &mut on_hop).await
        }
        Err(unsendable) => {
            recording.hop(&unsendable.exchange, false);
            let table = response::table(&vu.host, unsendable.exchange, recording.expect())?;
            table.raw_set("url", unsendable.url)?;
            return Ok(table);
        }
    };
    Ok(response::table(&vu.host, exchange, recording.expect())?)
}

/// `http.batch{ "url", { "url" }, { "POST", "url", opts }, name = … }`: all at once, answers under the same keys.
async fn batch(vu: Rc<VuContext>, values: MultiValue) -> ApiResult {
    let args = Args::new("http.batch", values);
    let requests = args.table(0, "requests")?;
    let mut prepared: Vec<(Value, Prepared)> = Vec::new();
    for pair in requests.pairs::<Value, Value>() {
        let (key, entry) = pair?;
        let (method, url, options) = match &entry {
            Value::String(_) => (http::Method::GET, entry.clone(), Value::Nil),
            Value::Table(parts) => {
                let part = |index: usize| parts.raw_get::<Value>(index);
                if matches!(part(2)?, Value::String(_)) {
                    (request::method(&args, &part(1)?)?, part(2)?, part(3)?)
                } else {
                    (http::Method::GET, part(1)?, part(2)?)
                }
            }
            other => {
                return Err(args.error(format!(
                    "a request is a URL or {{ method, url, options }}, got {}",
                    describe(other)
                )));
            }
        };
        prepared.push((key, request::prepare(&vu, args.name(), method, &url, &options).await?));
    }
    let answers = vu.host.lua.create_table()?;
    let mut running = futures_util::stream::iter(prepared.into_iter().map(|(key, prepared)| {
        let vu = &vu;
        async move { (key, send(vu, prepared).await) }
    }))
    .buffer_unordered(BATCH_CONCURRENCY);
    while let Some((key, answer)) = running.next().await {
        answers.raw_set(key, answer?)?;
    }
    Ok(answers.into_multi(&vu.host.lua)?)
}
