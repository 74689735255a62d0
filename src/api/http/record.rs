//! What a script's request adds to the samples of its exchanges: its name and tags, what it expected, and a word about the
//! first failure of each kind. The samples themselves are `samples`' business.

use crate::metrics::TagSet;
use crate::net::Exchange;
use crate::plan::expect::{Expect, complaint};
use crate::samples;
use crate::script::VuContext;

/// What the samples of one request have in common.
#[derive(Debug)]
pub(super) struct Recording {
    /// Those of the virtual user, the name, and those of the request.
    pub(super) tags: TagSet,
    pub(super) expect: Expect,
}

impl Recording {
    /// Records one exchange. `may_redirect`: a redirect here is followed, so that it is a step, not the answer.
    pub(super) fn hop(&self, vu: &VuContext, exchange: &Exchange, may_redirect: bool) {
        super::trace::ended(vu, exchange);
        let expected = self.expect.met(exchange, may_redirect);
        // While the file loads there are no requests.
        if let Ok(samples) = vu.host.http_samples() {
            samples.exchange(
                &self.tags,
                exchange,
                expected,
                vu.intended_for(samples::has_service_time(exchange)),
            );
        }
        if !expected {
            tell(vu, exchange);
        }
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
