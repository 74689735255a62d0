//! Virtual users without a script: each iteration sends one and the same request. No Lua is on this path, which makes it the
//! floor that scripts are compared with. Who starts iterations is `exec`'s; how the request was asked for is the command
//! line's.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use url::Url;

use crate::failures::redact::Redactor;
use crate::failures::{Failures, How, Scene, Sent, Watch, of_exchange};
use crate::metrics::{Recorder, TagSet};
use crate::net::{self, Address, Asked, Exchange, Request};
use crate::plan::Plan;
use crate::plan::expect::{Expect, complaint};
use crate::samples;
use crate::vu::{Iteration, Outcome, Part, Vu, VuFactory};

/// The request that all virtual users send.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where it goes; its userinfo becomes basic auth.
    pub url: Url,
    /// The body, as it is sent.
    pub body: Bytes,
    /// Which answers are a success.
    pub expect: Expect,
    /// The failures that have been told.
    told: Mutex<HashSet<u32>>,
}

impl Call {
    /// A request without a body. Its headers are those of the plan.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            body: Bytes::new(),
            expect: Expect::Default,
            told: Mutex::default(),
        }
    }

    /// The `name` tag of its samples: the URL without query and credentials.
    #[must_use]
    pub fn name(&self) -> String {
        Address::from(self.url.clone()).name().to_owned()
    }

    /// Tells the first failure of each kind; the others are only counted.
    fn tell(&self, exchange: &Exchange) {
        let (code, what) = complaint(exchange);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(code) {
            tracing::warn!(target: "kingtide::http", "{what} (error_code {code}; told once)");
        }
    }
}

/// Makes [`DirectVu`]s on one core.
pub struct DirectVuFactory {
    core: Rc<Core>,
}

/// What the users of a core share.
struct Core {
    call: Arc<Call>,
    plan: Arc<Plan>,
    net: Rc<net::Shared>,
    recorder: Recorder,
    samples: samples::Http,
    failed: Watch,
    /// What each user clones and sends; cheap, because everything in it is shared.
    request: Request,
}

/// Why a core cannot send the request.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    /// Network options that cannot work.
    #[error(transparent)]
    Config(#[from] net::ConfigError),
    /// The platform's certificates are not there.
    #[error("{0}")]
    Tls(String),
}

impl DirectVuFactory {
    /// Prepares `call` under the plan's network options.
    ///
    /// # Errors
    /// Options that cannot work.
    pub fn new(
        call: &Arc<Call>,
        plan: &Arc<Plan>,
        connections: &Arc<net::Pools>,
        recorder: &Recorder,
        failed: &Arc<Failures>,
    ) -> Result<Self, DirectError> {
        let config = plan.http.config.clone();
        let mut request = Request::new(call.method.clone(), call.url.clone());
        request.body = call.body.clone();
        request.redirects = config.max_redirects;
        let net = net::Shared::among(config, connections)?;
        if call.url.scheme() == "https" {
            // The system's roots take milliseconds to read, which the first iterations must not wait for.
            net.warm_tls().map_err(|error| DirectError::Tls(error.to_string()))?;
        }
        Ok(Self {
            core: Rc::new(Core {
                call: Arc::clone(call),
                plan: Arc::clone(plan),
                net,
                recorder: recorder.clone(),
                samples: samples::Http::new(recorder),
                failed: Watch::new(failed),
                request,
            }),
        })
    }
}

impl VuFactory for DirectVuFactory {
    type Vu = DirectVu;

    async fn create(&self, scenario: usize, vu_id: u64) -> DirectVu {
        DirectVu {
            core: Rc::clone(&self.core),
            client: net::Client::new(Rc::clone(&self.core.net), vu_id),
            is_open: self.core.plan.scenarios[scenario].executor.is_open(),
            tags: None,
        }
    }
}

/// A virtual user that sends the same request in each iteration.
pub struct DirectVu {
    core: Rc<Core>,
    client: net::Client,
    is_open: bool,
    /// The tags of its samples, and what they are true of.
    tags: Option<(Part, TagSet)>,
}

impl DirectVu {
    fn tags(&mut self, iteration: &Iteration) -> TagSet {
        match &self.tags {
            Some((part, tags)) if *part == iteration.part => tags.clone(),
            _ => {
                let tags = self.core.tags(iteration);
                self.tags = Some((iteration.part, tags.clone()));
                tags
            }
        }
    }
}

impl Core {
    /// Keeps an exchange, if it is one of the first that have failed so.
    #[cold]
    fn keep(&self, exchange: &Exchange, asked: &Asked<'_>, (tags, vu, iteration): (&TagSet, u64, u64)) {
        let how = match &exchange.outcome {
            Ok(response) => How::Status(response.status),
            Err(error) => How::Error(error.code),
        };
        self.failed.failed(tags, &exchange.method, how, || {
            let scene = Scene {
                vu,
                iteration: Some(iteration),
                ..Scene::default()
            };
            let (headers, body) = (asked.headers(), asked.body());
            let sent = Sent {
                headers: &headers,
                body,
            };
            let called = (tags.get("name").unwrap_or_default(), None);
            of_exchange(&scene, &Redactor::default(), exchange, Some(sent), called)
        });
    }

    fn tags(&self, iteration: &Iteration) -> TagSet {
        let (plan, name) = (&self.plan, self.call.name());
        let scenario = &plan.scenarios[iteration.scenario];
        let stages = scenario.executor.segments();
        let stage = usize::try_from(iteration.part.segment)
            .ok()
            .and_then(|index| stages.get(index));
        let revision = iteration.part.revision.to_string();
        let own = plan.tags.iter().chain(&scenario.tags);
        let mut pairs: Vec<(&str, &str)> = own.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        pairs.push(("scenario", &scenario.name));
        pairs.extend(plan.tags_of(iteration.part, stage.map(String::as_str), &revision));
        pairs.push(("name", &name));
        self.recorder.tags(&self.recorder.no_tags(), &pairs)
    }
}

impl Vu for DirectVu {
    async fn run(&mut self, iteration: &Iteration) -> Outcome {
        let tags = self.tags(iteration);
        let core = &*self.core;
        let mut due = self.is_open.then_some(iteration.scheduled_at);
        let client = &self.client;
        let mut on_hop = |exchange: Exchange, asked: &Asked<'_>| {
            let expected = core.call.expect.met(&exchange, asked.is_followed());
            core.samples.exchange(&tags, &exchange, expected, due.take());
            if !expected {
                core.call.tell(&exchange);
                core.keep(&exchange, asked, (&tags, client.vu_id(), iteration.number));
            }
        };
        client.send(&mut core.request.clone(), &mut on_hop).await;
        self.client.end_iteration();
        Outcome::Completed
    }
}
