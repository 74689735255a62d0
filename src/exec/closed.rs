//! Closed executors: a fixed number of VUs, each of which begins its next iteration when the last one has ended. A number
//! that changes is `ramping`'s and `retinue`'s, arrival rates are `open`'s. VUs that are paused, or not wanted for a while,
//! wait for their turn with `helm`.
//!
//! | state | event | next | what happens |
//! |---|---|---|---|
//! | running | every VU has ended: out of work, or retired | ended | |
//! | running | planned end, or `stop` | draining | the lane closes: VUs begin nothing more |
//! | draining | every VU has ended | ended | |
//! | draining | `graceful_stop` over since the earlier of planned end and `stop` | ended | VUs cut off |
//! | any | `kill` | ended | VUs cut off |
//! | ended | | | work that nobody began is dropped |

use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;

use tokio::task::JoinSet;

use crate::clock;
use crate::vu::{Outcome, Vu};

use super::crew::{Seat, embark};
use super::helm::{Helm, heard};
use super::lane::{Lane, surface};
use super::terms::Turns;

/// Where a VU gets its next iteration from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// As many as fit into the time.
    Looping,
    /// A number for each VU.
    PerVu {
        /// VUs over all stripes.
        vus: u64,
        /// Iterations of each.
        iterations: u64,
    },
    /// One number for all VUs of all stripes.
    Shared {
        /// Iterations in all.
        iterations: u64,
    },
}

impl Work {
    /// The number of a VU's next iteration after `done` ones. Where VUs have their own work, turn `t` of VU `i` has the number
    /// `t · vus + i`: unique without asking anybody, and the same in every run.
    fn next(self, lane: &Lane, turns: Turns, done: u64) -> Option<u64> {
        match self {
            Self::PerVu { iterations, .. } if done >= iterations => None,
            Self::Looping | Self::PerVu { .. } => Some(turns.number(done)),
            Self::Shared { iterations } => lane.joint().claim(iterations),
        }
    }

    /// This stripe's own planned iterations that nobody began. What is common to all stripes is dropped by the last lane.
    fn left_over(self, lane: &Lane) -> u64 {
        match self {
            Self::Looping | Self::Shared { .. } => 0,
            Self::PerVu { vus, iterations } => {
                let planned = lane.stripe.share(vus).saturating_mul(iterations);
                planned.saturating_sub(lane.started())
            }
        }
    }
}

/// Runs the lane's VUs until their work, the time or the run is over.
pub(super) async fn drive<V: Vu + 'static>(lane: Rc<Lane>, crew: Vec<Seat<V>>, work: Work, helm: Rc<Helm>) {
    let mut vus = JoinSet::new();
    embark(&mut vus, crew, |seat| {
        occupy(Rc::clone(&lane), seat, work, Rc::clone(&helm))
    })
    .await;
    conduct(&lane, vus, &helm, |_| {}).await;
    lane.drop_planned(work.left_over(&lane));
    lane.leave();
}

/// Lets VUs run until they, the time or the run are over. `recruit` adds VUs when something was set.
pub(super) async fn conduct(lane: &Lane, mut vus: JoinSet<()>, helm: &Helm, recruit: impl FnMut(&mut JoinSet<()>)) {
    {
        let mut all_ended = pin!(tend(&mut vus, helm, recruit));
        let mut kill = pin!(lane.signals.kill.cancelled());
        let running = tokio::select! {
            biased;
            () = &mut kill => false,
            () = lane.signals.stop.cancelled() => true,
            () = &mut all_ended => false,
            () = helm.over() => true,
        };
        lane.close();
        let now = clock::now();
        let closed = helm.end().map_or(now, |end| now.min(end));
        if running {
            tokio::select! {
                biased;
                () = &mut kill => {}
                () = &mut all_ended => {}
                () = helm.grace(closed) => {}
            }
        }
    }
    vus.shutdown().await;
}

/// The life of one VU, which holds on to its `lane`.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would hold its arguments twice, and each VU holds its future"
)]
pub(super) fn occupy<V: Vu>(
    lane: impl Deref<Target = Lane>,
    mut seat: Seat<V>,
    work: Work,
    helm: Rc<Helm>,
) -> impl Future<Output = ()> {
    async move {
        // Whole, with its right to exist, and before the lane, which is told last that it is gone.
        let seat = &mut seat;
        let (mut done, turns) = (0, helm.turns(seat.index));
        while let Some(now) = helm.turn(&lane, seat.index).await
            && let Some(ready) = lane.ready(&mut *seat.vu).await
        {
            if !ready.took.is_zero() {
                // It may not have its turn any more.
                continue;
            }
            let Some(number) = work.next(&lane, turns, done) else {
                return;
            };
            if lane.run_closed(&mut *seat.vu, ready, number, 0, now).await == Outcome::Retired {
                return;
            }
            done += 1;
        }
    }
}

/// Adds VUs as they are wanted, until all have ended.
async fn tend(vus: &mut JoinSet<()>, helm: &Helm, mut recruit: impl FnMut(&mut JoinSet<()>)) {
    let mut news = helm.listen();
    loop {
        recruit(vus);
        tokio::select! {
            biased;
            ended = vus.join_next() => match ended {
                Some(ended) => surface(ended),
                None => return,
            },
            () = heard(&mut news) => {}
        }
    }
}
