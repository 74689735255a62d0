//! One core's part of a run: all scenarios of one stripe. Threads and runtimes are the caller's.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::clock::{Instant, Timer};
use crate::metrics::Recorder;
use crate::plan::{Executor, Plan};
use crate::schedule::{self, Stripe};
use crate::vu::VuFactory;

use super::closed::{self, Work};
use super::crew::{Seat, muster};
use super::lane::{Lane, ended, later, surface};
use super::open;
use super::shared::Shared;
use super::signals::Signals;

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
    let begin = later(start, lane.scenario().start_time);
    let mut timer = Timer::new();
    tokio::select! {
        biased;
        () = ended(&lane.signals) => return,
        () = timer.sleep_until(begin) => {}
    }
    lane.joint().begin();
    let end = later(begin, lane.scenario().executor.duration());
    match lane.scenario().executor {
        Executor::ConstantVus { vus, .. } => closed::drive(lane, crew, Work::Looping { vus }, end).await,
        Executor::PerVuIterations { vus, iterations, .. } => {
            closed::drive(lane, crew, Work::PerVu { vus, iterations }, end).await;
        }
        Executor::SharedIterations { iterations, .. } => {
            closed::drive(lane, crew, Work::Shared { iterations }, end).await;
        }
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            duration,
            on_saturation,
            ..
        } => {
            let arrivals = schedule::constant(rate, time_unit, duration).striped(lane.stripe);
            open::drive(lane, crew, factory, timer, arrivals, begin..end, on_saturation).await;
        }
    }
}
