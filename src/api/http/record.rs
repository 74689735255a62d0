//! What a script's request adds to the samples of its exchanges: its name and tags, what it expected, and a word about the
//! first failure of each kind. The samples themselves are `samples`' business.

use std::rc::Rc;

use crate::clock::Instant;
use crate::metrics::TagSet;
use crate::net::Exchange;
use crate::plan::expect::{Expect, complaint};
use crate::samples;
use crate::script::{ApiError, Lifecycle, VuContext};

/// What the samples of one request have in common.
pub(super) struct Recording<'a> {
    vu: &'a Rc<VuContext>,
    samples: &'a samples::Http,
    tags: TagSet,
    expect: Expect,
}

impl<'a> Recording<'a> {
    pub(super) fn new(vu: &'a Rc<VuContext>, tags: TagSet, expect: Expect) -> Result<Self, ApiError> {
        Ok(Self {
            vu,
            samples: vu.host.http_samples()?,
            tags,
            expect,
        })
    }

    pub(super) fn expect(&self) -> &Expect {
        &self.expect
    }

    /// Records one exchange. `may_redirect`: a redirect here is followed, so that it is a step, not the answer.
    pub(super) fn hop(&self, exchange: &Exchange, may_redirect: bool) {
        super::trace::ended(self.vu, exchange);
        let expected = self.expect.met(exchange, may_redirect);
        let intended = self.intended(exchange);
        self.samples.exchange(&self.tags, exchange, expected, intended);
        if !expected {
            self.tell(exchange);
        }
    }

    /// When the iteration was meant to start, if this is its first request and it is one of an open scenario.
    fn intended(&self, exchange: &Exchange) -> Option<Instant> {
        let vu = self.vu;
        if vu.requested.get() || vu.lifecycle.get() != Lifecycle::Iteration || !samples::has_service_time(exchange) {
            return None;
        }
        vu.requested.set(true);
        let plan = vu.plan()?;
        let scenario = plan.scenarios.get(vu.scenario?)?;
        let iteration = vu.iteration.get()?;
        scenario.executor.is_open().then_some(iteration.scheduled_at)
    }

    /// Tells the first failure of each kind, so that nobody has to guess why; the others are only counted.
    fn tell(&self, exchange: &Exchange) {
        let (code, what) = complaint(exchange);
        let session = &self.vu.host.session;
        if session.is_first_failure(code) {
            let text = session.redact(&what);
            tracing::warn!(target: "kingtide::http", "{text} (error_code {code}; told once)");
        }
    }
}
