//! What one virtual user carries besides its Lua values: identity, tags, randomness, connections. It is what host functions
//! find as the current VU.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use crate::clock::Instant;
use crate::failures::Scene;
use crate::metrics::TagSet;
use crate::net::{self, grpc};
use crate::plan::Plan;
use crate::vu::{Iteration, Part};

use super::held::Held;
use super::host::{ApiError, Host};
use super::near::Places;
use super::raw::Coroutine;
use super::revision::Revision;
use super::usher::Guest;

/// What a script is doing at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// The file is being evaluated; no network, no samples.
    Load,
    /// `setup`.
    Setup,
    /// `vu_init`.
    VuInit,
    /// A journey.
    Iteration,
    /// `teardown`.
    Teardown,
    /// `summary`.
    Summary,
    /// A function of the plan's `invariants`.
    Invariant,
}

impl Lifecycle {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Setup => "setup",
            Self::VuInit => "vu_init",
            Self::Iteration => "iteration",
            Self::Teardown => "teardown",
            Self::Summary => "summary",
            Self::Invariant => "invariant",
        }
    }

    /// The `lifecycle` tag of samples outside of journeys.
    #[must_use]
    pub fn tag(self) -> Option<&'static str> {
        match self {
            Self::Setup | Self::VuInit | Self::Teardown => Some(self.name()),
            Self::Load | Self::Iteration | Self::Summary | Self::Invariant => None,
        }
    }

    /// Where waiting is no use and samples go nowhere, as messages call it.
    #[must_use]
    pub fn still(self) -> Option<&'static str> {
        match self {
            Self::Load => Some("while the file loads"),
            Self::Summary => Some("in `summary`"),
            Self::Invariant => Some("in an invariant"),
            Self::Setup | Self::VuInit | Self::Iteration | Self::Teardown => None,
        }
    }
}

/// One virtual user, as host functions see it.
pub struct VuContext {
    /// Its VM.
    pub host: Rc<Host>,
    /// Unique in the run, from 1; 0 for `setup`, `teardown` and `summary`.
    pub id: u64,
    /// Index of its scenario in the plan.
    pub scenario: Option<usize>,
    /// What it is doing.
    pub lifecycle: Cell<Lifecycle>,
    /// The iteration that it runs, if any.
    pub iteration: Cell<Option<Iteration>>,
    /// Iterations that it has begun.
    pub iterations: Cell<u64>,
    /// Its random numbers, reseeded for each iteration.
    pub rng: RefCell<Pcg64Mcg>,
    /// Whether the iteration has made its first request yet.
    requested: Cell<bool>,
    /// Time that the iteration has slept, for group durations without pauses.
    pub slept: Cell<Duration>,
    /// When `kt.pace` last released this VU.
    pub paced: Cell<Option<Instant>>,
    /// The state of the script that it runs.
    revision: RefCell<Arc<Revision>>,
    client: RefCell<Option<Rc<net::Client>>>,
    opened: OnceCell<Box<Opened>>,
    /// What it has claimed.
    pub held: Held,
    tags: RefCell<Option<TagSet>>,
    /// What it runs journeys on.
    pub(super) coroutine: RefCell<Option<Rc<Coroutine>>>,
    pub(super) places: Cell<Places>,
    /// How it is woken; `None` of those that are alone.
    pub(super) guest: OnceCell<Guest>,
}

/// What a virtual user has opened, besides connections. Boxed with the first, as many never open anything: there are thousands
/// of users, and each is gone through in each iteration.
#[derive(Default)]
struct Opened {
    channels: RefCell<Vec<Rc<grpc::Channel>>>,
    at_end: RefCell<Vec<AtEnd>>,
    /// As `at_end`, of what is not an iteration's.
    at_last: RefCell<Vec<AtEnd>>,
    groups: RefCell<Vec<Group>>,
}

/// What is done when an iteration or a user's state of the script is over. True: it was interrupted.
pub type AtEnd = Box<dyn FnOnce(&VuContext, bool)>;

/// An open `kt.group`.
#[derive(Debug)]
pub struct Group {
    /// `::outer::inner`.
    pub path: String,
    /// When it began.
    pub started: Instant,
    /// [`VuContext::slept`] when it began.
    pub slept: Duration,
    outer: Option<TagSet>,
}

impl VuContext {
    /// A virtual user of `scenario`.
    #[must_use]
    pub fn new(host: &Rc<Host>, id: u64, scenario: Option<usize>) -> Rc<Self> {
        Rc::new(Self {
            host: Rc::clone(host),
            id,
            scenario,
            lifecycle: Cell::new(Lifecycle::Load),
            iteration: Cell::new(None),
            iterations: Cell::new(0),
            rng: RefCell::new(Pcg64Mcg::seed_from_u64(seed(host.session.seed, scenario, id, u64::MAX))),
            requested: Cell::new(false),
            slept: Cell::new(Duration::ZERO),
            paced: Cell::new(None),
            revision: RefCell::new(host.session.revision()),
            client: RefCell::default(),
            opened: OnceCell::new(),
            held: Held::default(),
            tags: RefCell::new(None),
            coroutine: RefCell::default(),
            places: Cell::default(),
            guest: OnceCell::new(),
        })
    }

    /// Prepares for an iteration: its random numbers depend on seed, scenario and number only.
    pub fn begin(&self, iteration: &Iteration) {
        self.enter(Lifecycle::Iteration);
        if self.iteration.get().is_none_or(|last| last.part != iteration.part) {
            *self.tags.borrow_mut() = None;
        }
        self.iteration.set(Some(*iteration));
        self.iterations.set(self.iterations.get() + 1);
        self.requested.set(false);
        self.slept.set(Duration::ZERO);
        let seed = seed(self.host.session.seed, self.scenario, 0, iteration.number);
        *self.rng.borrow_mut() = Pcg64Mcg::seed_from_u64(seed);
    }

    /// The state of the script that it runs.
    #[must_use]
    pub fn revision(&self) -> Arc<Revision> {
        Arc::clone(&self.revision.borrow())
    }

    /// The number of the state of the script that it runs. All cores have that state in common, and each iteration asks.
    #[must_use]
    pub fn revision_number(&self) -> u32 {
        self.revision.borrow().number
    }

    /// Goes over to another state of the script, between iterations. Connections and cookies stay.
    ///
    /// # Errors
    /// HTTP options of its plan that cannot work.
    pub fn follow(&self, revision: &Arc<Revision>) -> Result<(), net::ConfigError> {
        *self.revision.borrow_mut() = Arc::clone(revision);
        *self.tags.borrow_mut() = None;
        self.iteration.set(None);
        if let Some(plan) = revision.plan() {
            self.host.follow(plan)?;
        }
        let client = self.client.borrow().clone();
        if let (Some(client), Ok(net)) = (client, self.host.net())
            && !Rc::ptr_eq(client.shared(), &net)
        {
            *self.client.borrow_mut() = Some(Rc::new(client.follow(net)));
        }
        Ok(())
    }

    /// The plan in effect; `None` while the file loads for the first time.
    #[must_use]
    pub fn plan(&self) -> Option<Ref<'_, Plan>> {
        Ref::filter_map(self.revision.borrow(), |revision| revision.plan().map(|plan| &**plan)).ok()
    }

    /// Changes the lifecycle; tags and groups begin afresh.
    pub fn enter(&self, lifecycle: Lifecycle) {
        if self.lifecycle.get() != lifecycle {
            *self.tags.borrow_mut() = None;
        }
        let opened = self.opened.get();
        if let Some(first) = opened.and_then(|opened| opened.groups.borrow_mut().drain(..).next()) {
            *self.tags.borrow_mut() = first.outer;
        }
        self.lifecycle.set(lifecycle);
    }

    /// After an iteration: what it has left open is closed; cookies and connections as the plan says.
    pub fn end(&self) {
        if let Some(opened) = self.opened.get() {
            let at_end = opened.at_end.take();
            at_end.into_iter().for_each(|close| close(self, false));
        }
        if let Some(client) = &*self.client.borrow() {
            client.end_iteration();
        }
    }

    /// Its HTTP client, made at first use.
    ///
    /// # Errors
    /// While the file loads.
    pub fn client(&self) -> Result<Rc<net::Client>, ApiError> {
        if let Some(client) = &*self.client.borrow() {
            return Ok(Rc::clone(client));
        }
        let client = Rc::new(net::Client::new(self.host.net()?, self.id));
        *self.client.borrow_mut() = Some(Rc::clone(&client));
        Ok(client)
    }

    /// Polls what it waits for, in its task `cx`.
    pub(super) fn poll<T>(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self.guest.get() {
            Some(guest) => guest.poll(self, cx, poll),
            None => poll(cx),
        }
    }

    /// Looks at its HTTP client, if it has one.
    pub(super) fn with_client(&self, look: impl FnOnce(&net::Client)) {
        if let Ok(client) = self.client.try_borrow()
            && let Some(client) = &*client
        {
            look(client);
        }
    }

    /// Looks at the coroutine of its journeys, if it has one.
    pub(super) fn with_coroutine(&self, look: impl FnOnce(&Coroutine)) {
        if let Ok(coroutine) = self.coroutine.try_borrow()
            && let Some(coroutine) = &*coroutine
        {
            look(coroutine);
        }
    }

    /// When the script begins anew for this user, or has come to its end: what it has left open outside of iterations is closed.
    pub fn end_last(&self) {
        if let Some(opened) = self.opened.get() {
            let at_last = opened.at_last.take();
            at_last.into_iter().for_each(|close| close(self, false));
        }
    }

    fn opened(&self) -> &Opened {
        self.opened.get_or_init(Box::default)
    }

    /// Has something done, once, when the iteration is over; outside of iterations, when the user's state of the script is.
    pub fn at_end(&self, close: AtEnd) {
        let of = match self.lifecycle.get() {
            Lifecycle::Iteration => &self.opened().at_end,
            _ => &self.opened().at_last,
        };
        of.borrow_mut().push(close);
    }

    /// Its gRPC channel to a server, made at first use. It survives edits of the script, as its connection does.
    ///
    /// # Errors
    /// While the file loads, and for options that cannot work.
    pub fn channel(&self, address: &str, options: &grpc::Options) -> Result<Rc<grpc::Channel>, ApiError> {
        let endpoint = grpc::Endpoint::of(&*self.host.net()?, address, options);
        let endpoint = endpoint.map_err(|error| ApiError::Text(error.to_string()))?;
        let mut channels = self.opened().channels.borrow_mut();
        if let Some(known) = channels.iter().find(|known| Rc::ptr_eq(known.endpoint(), &endpoint)) {
            return Ok(Rc::clone(known));
        }
        let channel = Rc::new(grpc::Channel::new(&endpoint, self.id));
        channels.push(Rc::clone(&channel));
        Ok(channel)
    }

    /// When the iteration was meant to start, if what has just ended is its first request, HTTP or gRPC, and it is one of an
    /// open scenario. One that nobody waited for (`counts` is false: it failed before it was sent) is not.
    pub fn intended_for(&self, counts: bool) -> Option<Instant> {
        if self.requested.get() || self.lifecycle.get() != Lifecycle::Iteration || !counts {
            return None;
        }
        self.requested.set(true);
        let plan = self.plan()?;
        let scenario = plan.scenarios.get(self.scenario?)?;
        let iteration = self.iteration.get()?;
        scenario.executor.is_open().then_some(iteration.scheduled_at)
    }

    /// The `stage` tag of the iteration: the name of its stage, step or wave, or its index; `None` outside of journeys
    /// and in scenarios that have none.
    #[must_use]
    pub fn stage(&self) -> Option<String> {
        let iteration = self
            .iteration
            .get()
            .filter(|_| self.lifecycle.get() == Lifecycle::Iteration)?;
        let control = &self.host.session.control;
        // Stages keep their numbers when the plan is edited.
        control.stage(iteration.scenario, iteration.part.segment).or_else(|| {
            let plan = self.plan()?;
            let scenario = plan.scenarios.get(iteration.scenario)?;
            let index = usize::try_from(iteration.part.segment).ok()?;
            scenario.executor.segments().into_iter().nth(index)
        })
    }

    /// Where it is, for a failed request that is kept.
    #[must_use]
    pub fn scene(&self) -> Scene {
        let lifecycle = self.lifecycle.get();
        let iteration = self.iteration.get().filter(|_| lifecycle == Lifecycle::Iteration);
        Scene {
            lifecycle: lifecycle.tag(),
            vu: self.id,
            iteration: iteration.map(|iteration| iteration.number),
        }
    }

    /// [`VuContext::tags`] with more, which win.
    ///
    /// # Errors
    /// While the file loads.
    pub fn tags_with(&self, extra: &[(String, String)]) -> Result<TagSet, ApiError> {
        let tags = self.tags()?;
        if extra.is_empty() {
            return Ok(tags);
        }
        let extra: Vec<(&str, &str)> = extra
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        Ok(self.host.recorder()?.tags(&tags, &extra))
    }

    /// The tags of its samples: test, scenario, stage, phase, warm-up, lifecycle and group.
    ///
    /// # Errors
    /// While the file loads.
    pub fn tags(&self) -> Result<TagSet, ApiError> {
        if let Some(tags) = &*self.tags.borrow() {
            return Ok(tags.clone());
        }
        let recorder = self.host.recorder()?;
        let (plan, stage) = (self.plan(), self.stage());
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        if let Some(plan) = &plan {
            pairs.extend(plan.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            if let Some(scenario) = self.scenario.and_then(|index| plan.scenarios.get(index)) {
                pairs.push(("scenario", &scenario.name));
                pairs.extend(scenario.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            }
        }
        let part = self.part();
        let revision = part.revision.to_string();
        if let Some(plan) = &plan {
            pairs.extend(plan.tags_of(part, stage.as_deref(), &revision));
        }
        pairs.extend(self.lifecycle.get().tag().map(|lifecycle| ("lifecycle", lifecycle)));
        let tags = recorder.tags(&recorder.no_tags(), &pairs);
        *self.tags.borrow_mut() = Some(tags.clone());
        Ok(tags)
    }

    /// What its samples belong to: outside of journeys, the revision of the script only.
    fn part(&self) -> Part {
        let iteration = self
            .iteration
            .get()
            .filter(|_| self.lifecycle.get() == Lifecycle::Iteration);
        iteration.map_or_else(
            || Part {
                revision: self.revision.borrow().number,
                ..Part::default()
            },
            |iteration| iteration.part,
        )
    }

    /// Opens a group: a scope with the tag `group`.
    ///
    /// # Errors
    /// While the file loads.
    pub fn open_group(&self, name: &str, now: Instant) -> Result<(), ApiError> {
        let path = format!("{}::{name}", self.group_path());
        self.push(path.clone(), now, &[("group", &path)])
    }

    /// Opens a scope with more tags inside the current group; closed by [`VuContext::close_group`] too.
    ///
    /// # Errors
    /// While the file loads.
    pub fn open_scope(&self, tags: &[(&str, &str)]) -> Result<(), ApiError> {
        self.push(self.group_path(), crate::clock::now(), tags)
    }

    fn group_path(&self) -> String {
        let opened = self.opened.get();
        let path = opened.and_then(|opened| Some(opened.groups.borrow().last()?.path.clone()));
        path.unwrap_or_default()
    }

    fn push(&self, path: String, started: Instant, extra: &[(&str, &str)]) -> Result<(), ApiError> {
        let outer = self.tags()?;
        let tags = self.host.recorder()?.tags(&outer, extra);
        self.opened().groups.borrow_mut().push(Group {
            path,
            started,
            slept: self.slept.get(),
            outer: Some(outer),
        });
        *self.tags.borrow_mut() = Some(tags);
        Ok(())
    }

    /// Closes the innermost group; its tags are those that [`VuContext::tags`] gave inside it.
    pub fn close_group(&self) -> Option<Group> {
        let group = self.opened.get()?.groups.borrow_mut().pop()?;
        self.tags.borrow_mut().clone_from(&group.outer);
        Some(group)
    }
}

/// A user goes while it is in an iteration when that is interrupted.
impl Drop for VuContext {
    fn drop(&mut self) {
        let Some(opened) = self.opened.get() else {
            return;
        };
        for left in [opened.at_end.take(), opened.at_last.take()] {
            left.into_iter().for_each(|close| close(self, true));
        }
    }
}

/// Mixes what a journey's random numbers depend on (the finaliser of SplitMix64, Steele et al. 2014).
fn seed(run: u64, scenario: Option<usize>, vu: u64, iteration: u64) -> u64 {
    let scenario = scenario.map_or(u64::MAX, |index| index as u64);
    [scenario, vu, iteration]
        .into_iter()
        .fold(mix(run), |state, part| mix(state ^ mix(part)))
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
