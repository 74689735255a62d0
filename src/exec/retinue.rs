//! `externally-controlled`: VUs loop as in `closed`, and how many is said through live control while the run goes on. The
//! setpoints and who waits for them are `helm`'s.
//!
//! | VU state | event | next |
//! |---|---|---|
//! | (none) | more are wanted than there ever were | being made, 20 ms before it is wanted |
//! | being made | made | looping once it is wanted |
//! | looping | an iteration ended, and it is wanted | looping |
//! | looping | an iteration ended, and fewer are wanted or the run is paused | parked |
//! | parked | wanted again | looping |
//! | any | `stop`, or the end of the scenario | as for all closed executors |
//!
//! VU `i` is wanted while the number is above `i`, so that the one that came last goes first, as in a ramp; it belongs to
//! the stripe that owns `i`.

use std::rc::Rc;

use tokio::task::JoinSet;

use crate::vu::VuFactory;

use super::closed::{Work, conduct, occupy};
use super::crew::Seat;
use super::helm::Helm;
use super::lane::Lane;

/// Runs the lane's VUs, and makes more when they are wanted. `vus` are there from the start, `max_vus` is the cap.
pub(super) async fn drive<F: VuFactory + 'static>(
    lane: Rc<Lane>,
    crew: Vec<Seat<F::Vu>>,
    factory: Rc<F>,
    helm: Rc<Helm>,
    (vus, max_vus): (u64, u64),
) {
    // Numbers count as if all VUs took turns, so that they are unique whoever comes and goes.
    let work = Work::Looping { vus: max_vus };
    let mut tasks = JoinSet::new();
    for seat in crew {
        tasks.spawn_local(occupy(Rc::clone(&lane), seat, work, Rc::clone(&helm)));
    }
    // The scenario lasts until its end, even when nobody is wanted any more.
    tasks.spawn_local(last(Rc::clone(&lane), Rc::clone(&helm)));
    let mut known = vus;
    let recruit = |tasks: &mut JoinSet<()>| {
        let wanted = helm.vus_ahead().min(max_vus);
        for index in lane.stripe.numbers(wanted).skip_while(|index| *index < known) {
            tasks.spawn_local(enlist(
                Rc::clone(&lane),
                Rc::clone(&factory),
                index,
                work,
                Rc::clone(&helm),
            ));
        }
        known = known.max(wanted);
    };
    conduct(&lane, tasks, &helm, recruit).await;
    lane.leave();
}

/// Makes VU `index` and lives its life.
async fn enlist<F: VuFactory>(lane: Rc<Lane>, factory: Rc<F>, index: u64, work: Work, helm: Rc<Helm>) {
    let Some(permit) = lane.shared.acquire(lane.index) else {
        return;
    };
    let mut seat = Seat::on_demand(&lane, &*factory, permit).await;
    seat.index = index;
    occupy(lane, seat, work, helm).await;
}

/// Holds out until nobody may begin any more.
async fn last(lane: Rc<Lane>, helm: Rc<Helm>) {
    let _ = helm.turn(&lane, u64::MAX).await;
}
