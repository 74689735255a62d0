//! One core's part of a run: all scenarios of one stripe. Threads and runtimes are the caller's.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::clock::{Instant, Timer};
use crate::metrics::Recorder;
use crate::plan::{Executor, Plan};
use crate::schedule::{Steered, Stripe};
use crate::vu::VuFactory;

use super::closed::{self, Work};
use super::crew::{Seat, muster};
use super::helm::Helm;
use super::lane::{Lane, ended, surface};
use super::open;
use super::ramping;
use super::retinue::{self, Stay};
use super::shared::Shared;
use super::signals::Signals;
use super::timetable::Timetable;

/// One stripe of every scenario, with its virtual users.
///
/// Lives on a `current_thread` runtime inside a `LocalSet`. All cores of a run are to be made before the first of them
/// runs: a stripe that joins later is not waited for.
pub struct Core<F: VuFactory> {
    factory: Rc<F>,
    lanes: Vec<Rc<Lane>>,
    /// For each lane its fixed VUs, once prepared.
    crews: Option<Vec<Vec<Seat<F::Vu>>>>,
}

impl<F: VuFactory + 'static> Core<F> {
    /// Takes `stripe` of the plan's scenarios; nothing starts yet.
    #[must_use]
    pub fn new(
        plan: &Arc<Plan>,
        stripe: Stripe,
        factory: Rc<F>,
        recorder: &Recorder,
        shared: &Arc<Shared>,
        signals: &Signals,
    ) -> Self {
        let lanes = (0..plan.scenarios.len())
            .map(|index| Rc::new(Lane::new(plan, index, stripe, recorder, shared, signals)))
            .collect();
        Self {
            factory,
            lanes,
            crews: None,
        }
    }

    /// Makes this stripe's fixed and pre-allocated VUs, in batches. Gives up when the run is stopped meanwhile.
    pub async fn prepare(&mut self) {
        let Some(signals) = self.lanes.first().map(|lane| &lane.signals) else {
            return;
        };
        let making = async {
            let mut crews = Vec::with_capacity(self.lanes.len());
            for lane in &self.lanes {
                crews.push(muster(lane, &*self.factory).await);
            }
            crews
        };
        self.crews = tokio::select! {
            biased;
            () = ended(signals) => None,
            crews = making => Some(crews),
        };
    }

    /// Runs all scenarios of this stripe, each from `start` plus its `start_time`, to their ends, graceful stop included.
    /// When it returns, no task of it is left. Prepares first where that was not done.
    ///
    /// # Panics
    /// Passes on a panic of a virtual user.
    pub async fn run(mut self, start: Instant) {
        if self.crews.is_none() {
            self.prepare().await;
        }
        // Without VUs the run was stopped before it began.
        let crews = self.crews.take().unwrap_or_default();
        let mut scenarios = JoinSet::new();
        for (lane, crew) in self.lanes.drain(..).zip(crews) {
            scenarios.spawn_local(scenario(lane, Rc::clone(&self.factory), crew, start));
        }
        while let Some(result) = scenarios.join_next().await {
            surface(result);
        }
    }
}

impl<F: VuFactory> fmt::Debug for Core<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("lanes", &self.lanes.len())
            .field("prepared", &self.crews.is_some())
            .finish_non_exhaustive()
    }
}

/// Waits for the scenario's start and runs it with its executor.
async fn scenario<F: VuFactory + 'static>(lane: Rc<Lane>, factory: Rc<F>, crew: Vec<Seat<F::Vu>>, start: Instant) {
    let mut timer = Timer::new();
    let begin = async {
        let origin = origin(&lane, start).await;
        Helm::new(&lane, origin).start(&mut timer).await
    };
    let begin = tokio::select! {
        biased;
        () = ended(&lane.signals) => return,
        begin = begin => begin,
    };
    lane.begin(begin, start);
    let plan = Arc::clone(&lane.plan);
    let scenario = &plan.scenarios[lane.index];
    let helm = Rc::new(Helm::new(&lane, begin));
    match &scenario.executor {
        Executor::ConstantVus { .. } => retinue::drive(lane, crew, factory, helm, Stay::WhileSomebodyCan).await,
        Executor::ExternallyControlled { .. } => retinue::drive(lane, crew, factory, helm, Stay::ToTheEnd).await,
        Executor::PerVuIterations { vus, iterations, .. } => {
            let (vus, iterations) = (*vus, *iterations);
            closed::drive(lane, crew, Work::PerVu { vus, iterations }, helm).await;
        }
        Executor::SharedIterations { iterations, .. } => {
            let iterations = *iterations;
            closed::drive(lane, crew, Work::Shared { iterations }, helm).await;
        }
        Executor::RampingVus { .. } => ramping::drive(lane, crew, factory, helm).await,
        Executor::Open { shape, .. } => {
            let arrivals = Steered::new(shape.clone(), lane.shared.seed(&scenario.name), lane.stripe);
            open::drive(lane, crew, factory, timer, Timetable::new(arrivals, helm)).await;
        }
    }
}

/// What the scenario's `start_time` counts from: the start of the run, or the end of the scenario that it starts after.
async fn origin(lane: &Lane, start: Instant) -> Instant {
    let after = lane.scenario().start_after.as_ref();
    match after.and_then(|other| lane.plan.scenarios.iter().position(|scenario| scenario.name == *other)) {
        Some(other) => lane.shared.joint(other).ended().await,
        None => start,
    }
}
