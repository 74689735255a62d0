//! VUs that loop as in `closed`, and whose number changes while the run goes on: of `externally-controlled` it is said through
//! live control, of `constant-vus` by an edit of its plan. The setpoints and who waits for them are `helm`'s.
//!
//! | VU state | event | next |
//! |---|---|---|
//! | (none) | more are wanted than there ever were | being made, 20 ms before it is wanted |
//! | being made | made | looping once it is wanted |
//! | looping | an iteration ended, and it is wanted | looping |
//! | looping | an iteration ended, and fewer are wanted or the run is paused | parked |
//! | parked | wanted again | looping |
//! | looping | data exhausted | gone |
//! | any | `stop`, or the end of the scenario | as for all closed executors |
//!
//! VU `i` is wanted while the number is above `i`, so that the one that came last goes first, as in a ramp; it belongs to
//! the stripe that owns `i`.

use std::ops::Deref;
use std::rc::Rc;

use tokio::task::JoinSet;

use crate::vu::VuFactory;

use super::closed::{Work, conduct, occupy};
use super::crew::{Seat, embark};
use super::helm::Helm;
use super::lane::Lane;

/// How long a scenario lasts whose VUs may be nobody at times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    /// Until its planned end.
    ToTheEnd,
    /// As long as there are VUs that have not retired, on whatever stripe.
    WhileSomebodyCan,
}

/// Runs the lane's VUs, and makes more when they are wanted.
pub(super) async fn drive<F: VuFactory + 'static>(
    lane: Rc<Lane>,
    crew: Vec<Seat<F::Vu>>,
    factory: Rc<F>,
    helm: Rc<Helm>,
    stay: Stay,
) {
    let mut tasks = JoinSet::new();
    embark(&mut tasks, crew, |seat| {
        let present = Presence(Rc::clone(&lane));
        occupy(present, seat, Work::Looping, Rc::clone(&helm))
    })
    .await;
    tasks.spawn_local(hold_out(Rc::clone(&lane), Rc::clone(&helm), stay));
    let (mut known, _) = lane.scenario().executor.vus();
    let recruit = |tasks: &mut JoinSet<()>| {
        let wanted = helm.vus_ahead();
        if wanted <= known {
            // Asked whenever one of them ends.
            return;
        }
        for index in lane.stripe.numbers(wanted).skip_while(|index| *index < known) {
            let present = Presence::new(&lane);
            tasks.spawn_local(enlist(present, Rc::clone(&factory), index, Rc::clone(&helm)));
        }
        known = wanted;
    };
    conduct(&lane, tasks, &helm, recruit).await;
    lane.leave();
}

/// Makes VU `index` and lives its life.
async fn enlist<F: VuFactory>(present: Presence, factory: Rc<F>, index: u64, helm: Rc<Helm>) {
    let Some(permit) = present.shared.acquire(present.index) else {
        return;
    };
    // Boxed: a VU is made once, and would keep the room for it all its life.
    let mut seat = Box::pin(Seat::on_demand(&present, &*factory, permit)).await;
    seat.index = index;
    occupy(present, seat, Work::Looping, helm).await;
}

/// Keeps a stripe going that nobody is on at the moment.
pub(super) async fn hold_out(lane: Rc<Lane>, helm: Rc<Helm>, stay: Stay) {
    tokio::select! {
        biased;
        _ = helm.turn(&lane, u64::MAX) => {}
        () = lane.joint().all_retired(), if stay == Stay::WhileSomebodyCan => {}
    }
}

/// A VU, as far as it can still be wanted; of fixed ones it is known from the start that they will be there.
pub(super) struct Presence(pub(super) Rc<Lane>);

impl Presence {
    /// Of one more than was planned.
    pub(super) fn new(lane: &Rc<Lane>) -> Self {
        lane.joint().enlist();
        Self(Rc::clone(lane))
    }
}

impl Deref for Presence {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        &self.0
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.joint().retire();
    }
}
