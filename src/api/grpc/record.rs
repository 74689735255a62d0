//! What a script's call adds to its samples: its name and tags, what it expected, what it waited for, and a word about the
//! first failure of each kind. The samples themselves are `samples`' business.

use super::client::Client;
use super::failed::{self, Called};
use super::options::{Expected, Options};
use super::schemas::Callee;
use crate::metrics::TagSet;
use crate::net::grpc::{Bound, Code, Reply};
use crate::samples;
use crate::script::raw::Stack;
use crate::script::{ApiError, Lifecycle, VuContext};

/// What the samples of one call have in common.
#[derive(Debug)]
pub(super) struct Recording {
    /// Those of the virtual user, the name and the method, and those of the call.
    pub(super) tags: TagSet,
    pub(super) expected: Expected,
}

impl Recording {
    /// Of a call of `callee` with these options, whose name is on the stack.
    pub(super) fn new(vu: &VuContext, callee: &Callee, options: &Options, stack: &Stack<'_>) -> Result<Self, ApiError> {
        let name = options.name.and_then(|name| stack.lossy(name));
        Ok(Self {
            tags: tags(vu, callee, name.as_deref(), &options.tags)?,
            expected: options.expected,
        })
    }

    /// As [`Recording::new`], of a method by its name, with the name of the call if it has one.
    pub(super) fn named(
        vu: &VuContext,
        method: &str,
        name: Option<&str>,
        own: &[(String, String)],
        expected: Expected,
    ) -> Result<Self, ApiError> {
        let extra = extra(method, name, own);
        Ok(Self {
            tags: vu.host.recorder()?.tags(&vu.tags()?, &extra),
            expected,
        })
    }

    /// Records one call or stream. `by_script`: the script itself gave it up.
    pub(super) fn ended(
        &self,
        vu: &VuContext,
        client: &Client,
        called: Called<'_>,
        reply: &Reply,
        (is_stream, by_script): (bool, bool),
    ) -> bool {
        let expected = by_script || self.expected.holds(reply.status.code);
        // While the file loads there are no calls.
        if let Ok(samples) = vu.host.grpc_samples() {
            samples.call(
                &self.tags,
                reply,
                is_stream,
                expected,
                vu.intended_for(samples::has_call_response_time(reply)),
            );
        }
        bound(vu, client, reply);
        if !expected {
            tell(vu, reply);
            failed::keep(vu, &self.tags, client, called, reply);
        }
        expected
    }
}

/// Those of calls without a name of their own are mostly those of the last one.
fn tags(vu: &VuContext, callee: &Callee, name: Option<&str>, own: &[(String, String)]) -> Result<TagSet, ApiError> {
    let (recorder, base) = (vu.host.recorder()?, vu.tags()?);
    let method = callee.name();
    if name.is_none() && own.is_empty() {
        let mut last = callee.tags.borrow_mut();
        if let Some((id, tags)) = &*last
            && *id == base.id()
        {
            return Ok(tags.clone());
        }
        let tags = recorder.tags(&base, &[("method", method), ("name", method)]);
        *last = Some((base.id(), tags.clone()));
        return Ok(tags);
    }
    Ok(recorder.tags(&base, &extra(method, name, own)))
}

fn extra<'a>(method: &'a str, name: Option<&'a str>, own: &'a [(String, String)]) -> Vec<(&'a str, &'a str)> {
    let mut extra = Vec::with_capacity(2 + own.len());
    extra.push(("method", method));
    extra.push(("name", name.unwrap_or(method)));
    extra.extend(own.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    extra
}

/// Remembers, for the report, which limit calls had to wait for.
fn bound(vu: &VuContext, client: &Client, reply: &Reply) {
    let limit = match reply.blocked_by {
        Some(Bound::Cap) => 0,
        Some(Bound::Streams(limit)) => limit,
        Some(Bound::Connection) | None => return,
    };
    if client.told.get() == Some(limit) || vu.lifecycle.get() != Lifecycle::Iteration {
        return;
    }
    client.told.set(Some(limit));
    vu.host.session.waited(match limit {
        0 => {
            let cap = client.options.max_in_flight.map_or(0, std::num::NonZeroUsize::get);
            crate::script::session::Limit::Cap(client.address.clone(), cap)
        }
        limit => crate::script::session::Limit::Streams(client.address.clone(), limit),
    });
}

/// Tells the first failure of each kind, so that nobody has to guess why; the others are only counted.
fn tell(vu: &VuContext, reply: &Reply) {
    /// Above the codes of requests.
    const STATUS: u32 = 1_000_000;
    let code = u32::from(reply.status.code.number());
    let key = reply
        .error
        .as_ref()
        .map_or(STATUS + code, |error| STATUS + 100 + u32::from(error.code));
    let session = &vu.host.session;
    if session.is_first_failure(key) {
        let status = match reply.status.code {
            Code::Ok => "OK, which `expect` does not name".to_owned(),
            _ => reply.status.to_string(),
        };
        let text = session.redact(&status);
        tracing::warn!(target: "kingtide::grpc", "{text} (status {code}; told once)");
    }
}
