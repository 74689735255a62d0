//! What one virtual user carries besides its Lua values: identity, tags, randomness, connections. It is what host functions
//! find as the current VU.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use crate::clock::Instant;
use crate::metrics::{TagSet, WARMUP};
use crate::net;
use crate::vu::Iteration;

use super::held::Held;
use super::host::{ApiError, Host};

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
    /// The `lifecycle` tag of samples outside of journeys.
    #[must_use]
    pub fn tag(self) -> Option<&'static str> {
        match self {
            Self::Setup => Some("setup"),
            Self::VuInit => Some("vu_init"),
            Self::Teardown => Some("teardown"),
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

/// What an iteration belongs to by its intended start; tags of all its samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Membership {
    /// Index of the plan's phase.
    phase: Option<usize>,
    /// It only warms the system up.
    warmup: bool,
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
    pub requested: Cell<bool>,
    /// Time that the iteration has slept, for group durations without pauses.
    pub slept: Cell<Duration>,
    /// What its iteration belongs to.
    membership: Cell<Membership>,
    /// When `kt.pace` last released this VU.
    pub paced: Cell<Option<Instant>>,
    /// What it has claimed.
    pub held: Held,
    client: OnceCell<net::Client>,
    tags: RefCell<Option<TagSet>>,
    groups: RefCell<Vec<Group>>,
}

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
            membership: Cell::default(),
            paced: Cell::new(None),
            held: Held::default(),
            client: OnceCell::new(),
            tags: RefCell::new(None),
            groups: RefCell::default(),
        })
    }

    /// Prepares for an iteration: its random numbers depend on seed, scenario and number only.
    pub fn begin(&self, iteration: &Iteration) {
        self.enter(Lifecycle::Iteration);
        let membership = self.membership_of(iteration);
        let segment = self.iteration.get().map(|last| last.segment);
        if self.membership.replace(membership) != membership || segment != Some(iteration.segment) {
            *self.tags.borrow_mut() = None;
        }
        self.iteration.set(Some(*iteration));
        self.iterations.set(self.iterations.get() + 1);
        self.requested.set(false);
        self.slept.set(Duration::ZERO);
        let seed = seed(self.host.session.seed, self.scenario, 0, iteration.number);
        *self.rng.borrow_mut() = Pcg64Mcg::seed_from_u64(seed);
    }

    fn membership_of(&self, iteration: &Iteration) -> Membership {
        let (Some(plan), Some(started)) = (self.host.plan.get(), self.host.session.started.get()) else {
            return Membership::default();
        };
        let due = iteration.scheduled_at.saturating_duration_since(*started);
        let into = iteration.scheduled_at.saturating_duration_since(iteration.begun_at);
        let scenario = plan.scenarios.get(iteration.scenario);
        Membership {
            phase: plan.phase_at(due),
            warmup: scenario.is_some_and(|scenario| scenario.is_warmup(into)),
        }
    }

    /// Changes the lifecycle; tags and groups begin afresh.
    pub fn enter(&self, lifecycle: Lifecycle) {
        if self.lifecycle.get() != lifecycle {
            *self.tags.borrow_mut() = None;
        }
        if let Some(first) = self.groups.borrow_mut().drain(..).next() {
            *self.tags.borrow_mut() = first.outer;
        }
        self.lifecycle.set(lifecycle);
    }

    /// After an iteration: cookies and connections as the plan says.
    pub fn end(&self) {
        if let Some(client) = self.client.get() {
            client.end_iteration();
        }
    }

    /// Its HTTP client, made at first use.
    ///
    /// # Errors
    /// While the file loads.
    pub fn client(&self) -> Result<&net::Client, ApiError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let shared = self
            .host
            .net
            .get()
            .ok_or_else(|| ApiError::Text("no requests while the file loads".into()))?;
        Ok(self.client.get_or_init(|| net::Client::new(Rc::clone(shared), self.id)))
    }

    /// The `stage` tag of the iteration: the name of its stage, step or wave, or its index; `None` outside of journeys
    /// and in scenarios that have none.
    #[must_use]
    pub fn stage(&self) -> Option<String> {
        let iteration = self
            .iteration
            .get()
            .filter(|_| self.lifecycle.get() == Lifecycle::Iteration)?;
        let scenario = self.host.plan.get()?.scenarios.get(iteration.scenario)?;
        let index = usize::try_from(iteration.segment).ok()?;
        scenario.executor.segments().into_iter().nth(index)
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
        let stage = self.stage();
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        if let Some(plan) = self.host.plan.get() {
            pairs.extend(plan.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            if let Some(scenario) = self.scenario.and_then(|index| plan.scenarios.get(index)) {
                pairs.push(("scenario", &scenario.name));
                pairs.extend(scenario.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            }
        }
        pairs.extend(stage.as_deref().map(|stage| ("stage", stage)));
        let membership = self.membership.get();
        if self.lifecycle.get() == Lifecycle::Iteration {
            let phase = self.host.plan.get().zip(membership.phase);
            let phase = phase.and_then(|(plan, index)| plan.phases.get(index));
            pairs.extend(phase.map(|phase| ("phase", phase.name.as_str())));
            pairs.extend(membership.warmup.then_some((WARMUP, "true")));
        }
        pairs.extend(self.lifecycle.get().tag().map(|lifecycle| ("lifecycle", lifecycle)));
        let tags = recorder.tags(&recorder.no_tags(), &pairs);
        *self.tags.borrow_mut() = Some(tags.clone());
        Ok(tags)
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
        self.groups
            .borrow()
            .last()
            .map(|group| group.path.clone())
            .unwrap_or_default()
    }

    fn push(&self, path: String, started: Instant, extra: &[(&str, &str)]) -> Result<(), ApiError> {
        let outer = self.tags()?;
        let tags = self.host.recorder()?.tags(&outer, extra);
        self.groups.borrow_mut().push(Group {
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
        let group = self.groups.borrow_mut().pop()?;
        self.tags.borrow_mut().clone_from(&group.outer);
        Some(group)
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
