//! Virtual users with their right to exist, and the making of those that are known before the start.

use futures_util::StreamExt;
use tokio::task::JoinSet;

use crate::vu::VuFactory;

use super::lane::Lane;
use super::shared::Permit;

/// How many VUs a stripe makes at once: enough to overlap `vu_init` requests, few enough not to storm the system.
const BATCH: usize = 64;

/// So many of them begin at once, if they are not many.
const HAND: usize = 64;
/// Of many, one for so many who have begun.
const FOR: usize = 4;

/// A VU and its place under the cap.
pub(super) struct Seat<V> {
    /// Boxed, because the futures through which a VU goes hold it more than once.
    pub(super) vu: Box<V>,
    /// Which of the scenario's fixed VUs it is, from 0 over all stripes; of no meaning for one made on demand.
    pub(super) index: u64,
    _permit: Permit,
}

impl<V> Seat<V> {
    /// Makes a VU on demand.
    pub(super) async fn on_demand<F: VuFactory<Vu = V>>(lane: &Lane, factory: &F, permit: Permit) -> Self {
        Self::make(lane, factory, permit, lane.shared.next_vu(), 0).await
    }

    async fn make<F: VuFactory<Vu = V>>(lane: &Lane, factory: &F, mut permit: Permit, id: u64, index: u64) -> Self {
        let vu = Box::new(factory.create(lane.index, id).await);
        permit.initialised();
        Self {
            vu,
            index,
            _permit: permit,
        }
    }
}

/// Makes the fixed VUs of a lane, a batch at a time, in the order of their ids.
pub(super) async fn muster<F: VuFactory>(lane: &Lane, factory: &F) -> Vec<Seat<F::Vu>> {
    let (fixed, _) = lane.scenario().executor.vus();
    let making = lane
        .stripe
        .numbers(fixed)
        .filter_map(|index| Some((index, lane.shared.acquire(lane.index)?)))
        .map(|(index, permit)| Seat::make(lane, factory, permit, lane.joint().first_vu + index, index));
    futures_util::stream::iter(making).buffered(BATCH).collect().await
}

/// Has VUs begin that are made already, in hands: between them goes on whoever can. What a first request needs (its connection
/// is still to be opened) is then done with when the next ones need it, and does not lie there once for each VU. Hands grow with
/// the number of those who have begun, so that the last ones do not wait long behind VUs without think time.
pub(super) async fn embark<V, L>(vus: &mut JoinSet<()>, crew: Vec<Seat<V>>, life: impl Fn(Seat<V>) -> L)
where
    L: Future<Output = ()> + 'static,
{
    let mut room = HAND;
    for (begun, seat) in crew.into_iter().enumerate() {
        if room == 0 {
            tokio::task::yield_now().await;
            room = HAND.max(begun / FOR);
        }
        vus.spawn_local(life(seat));
        room -= 1;
    }
}
