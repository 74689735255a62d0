//! What a script's request adds to the samples of its exchanges: its name and tags, what it expected, and a word about the
//! first failure of each kind. The samples themselves are `samples`' business.

use std::rc::Rc;

use crate::clock::Instant;
use crate::metrics::TagSet;
use crate::net::{ErrorKind, Exchange};
use crate::samples;
use crate::script::{ApiError, Lifecycle, VuContext};

use super::options::Expect;

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
        let expected = exchange.outcome.as_ref().is_ok_and(|response| {
            let step = may_redirect && is_redirect(response.status);
            step || self.expect.holds(response.status)
        });
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
        let (code, what) = match &exchange.outcome {
            Ok(response) => {
                let status = u32::from(response.status);
                (1000 + status, format!("status {status} is not what was expected"))
            }
            Err(error) => (u32::from(error.code), error.message.clone()),
        };
        let session = &self.vu.host.session;
        if !session.is_first_failure(code) {
            return;
        }
        let url = exchange.address.without_query();
        let unsent = matches!(&exchange.outcome, Err(error) if error.kind == ErrorKind::BadRequest);
        let place = if unsent { String::new() } else { format!(" {url}") };
        let text = session.redact(&format!("{}{place}: {what}", exchange.method));
        tracing::warn!(target: "kingtide::http", "{text} (error_code {code}; told once)");
    }
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}
