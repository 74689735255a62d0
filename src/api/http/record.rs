//! What a script's request adds to the samples of its exchanges: its name and tags, what it expected, and a word about the
//! first failure of each kind. The samples themselves are `samples`' business.

use crate::failures::{How, Sent, of_exchange};
use crate::metrics::TagSet;
use crate::net::{Asked, Exchange};
use crate::plan::expect::{Expect, complaint};
use crate::samples;
use crate::script::VuContext;

/// What became of a request.
#[derive(Clone, Copy)]
pub(super) enum Gone<'a> {
    /// It was sent, or was about to be.
    Out(&'a Asked<'a>),
    /// Nobody can send it: its URL, as the script wrote it.
    Not(&'a str),
}

/// What the samples of one request have in common.
#[derive(Debug)]
pub(super) struct Recording {
    /// Those of the virtual user, the name, and those of the request.
    pub(super) tags: TagSet,
    pub(super) expect: Expect,
}

impl Recording {
    /// Records one exchange.
    pub(super) fn hop(&self, vu: &VuContext, exchange: &Exchange, gone: Gone<'_>) {
        super::trace::ended(vu, exchange);
        let is_followed = matches!(gone, Gone::Out(asked) if asked.is_followed());
        let expected = self.expect.met(exchange, is_followed);
        // While the file loads there are no requests.
        if let Ok(samples) = vu.host.http_samples() {
            samples.exchange(
                &self.tags,
                exchange,
                expected,
                vu.intended_for(samples::has_response_time(exchange)),
            );
        }
        if !expected {
            tell(vu, exchange);
            self.keep(vu, exchange, gone);
        }
    }

    /// Keeps the exchange, if it is one of the first that have failed so.
    #[cold]
    fn keep(&self, vu: &VuContext, exchange: &Exchange, gone: Gone<'_>) {
        let how = match &exchange.outcome {
            Ok(response) => How::Status(response.status),
            Err(error) => How::Error(error.code),
        };
        vu.host.failed.failed(&self.tags, &exchange.method, how, || {
            let (sent, written) = match gone {
                Gone::Out(asked) => (Some((asked.headers(), asked.body())), None),
                Gone::Not(url) => (None, Some(url)),
            };
            let sent = sent.as_ref().map(|(headers, body)| Sent { headers, body });
            let called = (self.tags.get("name").unwrap_or_default(), written);
            of_exchange(&vu.scene(), &vu.host.session.redactor(), exchange, sent, called)
        });
    }
}

/// Tells the first failure of each kind, so that nobody has to guess why; the others are only counted.
fn tell(vu: &VuContext, exchange: &Exchange) {
    let (code, what) = complaint(exchange);
    let session = &vu.host.session;
    if session.is_first_failure(code) {
        let text = session.redact(&what);
        tracing::warn!(target: "kingtide::http", "{text} (error_code {code}; told once)");
    }
}
