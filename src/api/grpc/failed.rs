//! What is kept of a call that failed: metadata, messages as JSON, and the details of a status (`google.rpc.Status`).

use bytes::Bytes;
use http::Method;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Value, json};

use super::client::Client;
use super::schemas::Callee;
use crate::failures::redact::Redactor;
use crate::failures::{How, MOST_BODY, MOST_HEADERS, MOST_LINE, timings};
use crate::metrics::TagSet;
use crate::metrics::TraceId;
use crate::net::grpc::{Fields, Message, Metadata, Reply};
use crate::results::{FailedMessage, FailedRequest};
use crate::script::VuContext;

/// Where servers put what a status means in detail.
const DETAILS: &str = "grpc-status-details-bin";

/// What a call was, as far as it is known.
#[derive(Clone, Copy, Default)]
pub(super) struct Called<'a> {
    pub(super) callee: Option<&'a Callee>,
    /// The message of one that has one.
    pub(super) message: Option<&'a Message>,
    /// Its own, without the client's.
    pub(super) metadata: Option<&'a Metadata>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// Keeps a call, if it is one of the first that have failed so.
#[cold]
pub(super) fn keep(vu: &VuContext, tags: &TagSet, client: &Client, called: Called<'_>, reply: &Reply) {
    let how = How::Grpc(reply.status.code.number(), reply.error.as_ref().map(|error| error.code));
    vu.host.failed.failed(tags, &Method::POST, how, || {
        let redactor = vu.host.session.redactor();
        let none = Metadata::new();
        let metadata = called.metadata.unwrap_or(&none).with(&client.options.metadata);
        let headers = metadata.take(MOST_HEADERS).map(|(name, value)| {
            let shown = redactor.header(name, value, false, MOST_LINE);
            (name.to_owned(), shown)
        });
        let mut request = FailedMessage {
            headers: headers.collect(),
            ..FailedMessage::default()
        };
        match (called.callee, called.message) {
            (Some(callee), Some(message)) => {
                body(
                    &redactor,
                    &mut request,
                    &callee.method.descriptor().input(),
                    &message.bytes(),
                );
            }
            (Some(_), None) => request.body = Some(format!("(a stream: {} messages sent)", reply.messages.0)),
            (None, _) => {}
        }
        let method = called
            .callee
            .map_or_else(|| tags.get("method").unwrap_or_default(), Callee::name);
        FailedRequest {
            url: redactor.line(&format!("{}/{method}", client.address), MOST_LINE),
            request: Some(request),
            ..of_reply(vu, &redactor, tags, called.callee, reply)
        }
    });
}

/// Keeps an answer of which a check did not hold, if it is one of the first.
#[cold]
pub(super) fn keep_check(vu: &VuContext, tags: &TagSet, callee: Option<&Callee>, reply: &Reply, check: &str) {
    // Its message is gone, and the next one's will be.
    vu.host.failed.check_failed(tags, &Method::POST, (check, true), || {
        let redactor = vu.host.session.redactor();
        FailedRequest {
            check: Some(redactor.secrets(check).into_owned()),
            ..of_reply(vu, &redactor, tags, callee, reply)
        }
    });
}

fn of_reply(
    vu: &VuContext,
    redactor: &Redactor,
    tags: &TagSet,
    callee: Option<&Callee>,
    reply: &Reply,
) -> FailedRequest {
    let scene = vu.scene();
    let error = match (reply.status.message.is_empty(), &reply.error) {
        (false, _) => Some(&*reply.status.message),
        (true, error) => error.as_ref().map(|error| error.message.as_str()),
    };
    FailedRequest {
        lifecycle: scene.lifecycle.map(str::to_owned),
        vu: scene.vu,
        iteration: scene.iteration,
        name: redactor.line(tags.get("name").unwrap_or_default(), MOST_LINE),
        method: "gRPC".to_owned(),
        url: tags
            .get("method")
            .map(|method| redactor.line(method, MOST_LINE))
            .unwrap_or_default(),
        grpc_status: Some(reply.status.code.name().to_owned()),
        error: error.map(|error| redactor.line(error, MOST_LINE)),
        // Without a word of the server there is no answer.
        response: reply.error.is_none().then(|| response(redactor, callee, reply)),
        trace_id: reply.trace.and_then(|trace| TraceId::new(trace.id())),
        timings: timings(&reply.timings),
        ..FailedRequest::default()
    }
}

fn response(redactor: &Redactor, callee: Option<&Callee>, reply: &Reply) -> FailedMessage {
    let mut response = FailedMessage {
        headers: fields(redactor, &reply.headers),
        trailers: fields(redactor, &reply.trailers),
        ..FailedMessage::default()
    };
    let descriptor = callee.map(|callee| callee.method.descriptor());
    if let (Some(descriptor), Some(bytes)) = (&descriptor, &reply.message) {
        body(redactor, &mut response, &descriptor.output(), bytes);
        return response;
    }
    let of = |fields: &Fields| fields.get(DETAILS).map(std::borrow::Cow::into_owned);
    if let Some(bytes) = of(&reply.trailers).or_else(|| of(&reply.headers)) {
        let pool = descriptor.as_ref().map(|method| method.parent_pool());
        if let Ok(status) = RpcStatus::decode(&bytes[..]) {
            let details: Vec<_> = status.details.iter().map(|any| detail(pool, any)).collect();
            let text = json!({ "details": details }).to_string();
            let (text, cut) = redactor.text(&text, MOST_BODY, false);
            (response.body, response.cut, response.body_bytes) = (Some(text), cut, bytes.len() as u64);
        }
    } else if reply.messages.1 > 0 {
        response.body = Some(format!("(a stream: {} messages received)", reply.messages.1));
    }
    response
}

/// A message as JSON, if it can be read.
fn body(redactor: &Redactor, message: &mut FailedMessage, descriptor: &MessageDescriptor, bytes: &Bytes) {
    message.body_bytes = bytes.len() as u64;
    if let Some(json) = tree(descriptor, bytes) {
        let (text, cut) = redactor.text(&json.to_string(), MOST_BODY, false);
        (message.body, message.cut) = (Some(text), cut);
    }
}

fn tree(descriptor: &MessageDescriptor, bytes: &Bytes) -> Option<Value> {
    let message = DynamicMessage::decode(descriptor.clone(), bytes.clone()).ok()?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .ok()
}

/// One detail, under its type; by its length only, where that is not known.
fn detail(pool: Option<&DescriptorPool>, any: &Any) -> Value {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let descriptor = pool.and_then(|pool| pool.get_message_by_name(name));
    match descriptor.and_then(|descriptor| tree(&descriptor, &any.value)) {
        Some(Value::Object(mut fields)) => {
            fields.insert("@type".to_owned(), name.into());
            Value::Object(fields)
        }
        Some(other) => json!({ "@type": name, "value": other }),
        None => json!({ "@type": name, "bytes": any.value.len() }),
    }
}

/// Metadata that came, without what is told elsewhere.
fn fields(redactor: &Redactor, fields: &Fields) -> Vec<(String, String)> {
    let own = fields.iter().filter(|(name, _)| *name != DETAILS);
    let shown = |(name, value): (&str, std::borrow::Cow<'_, [u8]>)| {
        let is_text = std::str::from_utf8(&value).is_ok_and(|text| !text.contains(char::is_control));
        let value = match is_text {
            true => redactor.header(name, &value, false, MOST_LINE),
            false => format!("({} bytes)", value.len()),
        };
        (name.to_owned(), value)
    };
    own.take(MOST_HEADERS).map(shown).collect()
}
