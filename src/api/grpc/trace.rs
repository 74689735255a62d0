//! Calls as steps of a trace: method, metadata without credentials, messages as JSON. Only made when somebody asked for a
//! trace.

use mlua::Value;

use super::client::Prepared;
use super::message::Reader;
use super::schemas::Callee;
use crate::failures::redact::is_telling;
use crate::net::grpc::{Fields, Reply};
use crate::script::VuContext;
use crate::script::raw;
use crate::script::trace::{Mark, Step, tell};
use crate::script::value::to_json;

pub(super) use crate::script::trace::is_on;

/// How much of a message is shown.
const MOST: usize = 4_000;

/// Tells of a call that is about to be sent.
pub(super) fn sending(vu: &VuContext, call: &Prepared, request: &Value) {
    tell(vu, || Step {
        mark: Mark::Sent,
        title: title(call),
        lines: vec![json(vu, request)],
    });
}

/// Tells of a stream that is about to begin.
pub(super) fn opening(vu: &VuContext, call: &Prepared) {
    tell(vu, || Step::new(Mark::Sent, format!("{} (stream)", title(call))));
}

/// Tells of a message in a stream.
pub(super) fn message(vu: &VuContext, callee: &Callee, message: &Value) {
    tell(vu, || Step {
        mark: Mark::Sent,
        title: format!("{}: a message", callee.name()),
        lines: vec![json(vu, message)],
    });
}

/// Tells how a call ended.
pub(super) fn ended(vu: &VuContext, callee: &Callee, reply: &Reply) {
    tell(vu, || {
        let mut lines: Vec<String> = Vec::new();
        for fields in [&reply.headers, &reply.trailers] {
            lines.extend(metadata(fields));
        }
        if let Some(bytes) = &reply.message {
            let read = raw::make(&vu.host.lua, |stack| {
                Reader::new(&callee.types).push(stack, bytes, callee.output)
            });
            lines.extend(read.ok().and_then(Result::ok).map(|value| json(vu, &value)));
        }
        let time = reply.finished_at.saturating_duration_since(reply.started_at);
        Step {
            mark: if reply.error.is_some() {
                Mark::Failed
            } else {
                Mark::Received
            },
            title: format!(
                "{} {} in {:.2}ms",
                callee.name(),
                reply.status,
                time.as_secs_f64() * 1e3
            ),
            lines,
        }
    });
}

fn title(call: &Prepared) -> String {
    format!("gRPC {} at {}", call.callee.name(), call.client.address)
}

fn metadata(fields: &Fields) -> Vec<String> {
    let shown = |(name, value): (&str, std::borrow::Cow<'_, [u8]>)| {
        if is_telling(name) || name.ends_with("-bin") {
            format!("{name}: [{} bytes]", value.len())
        } else {
            format!("{name}: {}", String::from_utf8_lossy(&value))
        }
    };
    fields.iter().map(shown).collect()
}

fn json(vu: &VuContext, value: &Value) -> String {
    match value {
        Value::Nil => "{}".to_owned(),
        value => {
            let text = to_json(&vu.host.lua, value).unwrap_or_else(|_| "(no JSON)".to_owned());
            // A secret at the end would be cut and not be found.
            vu.host.session.redact(&text).chars().take(MOST).collect()
        }
    }
}
