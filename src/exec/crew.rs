//! Virtual users with their right to exist, and the making of those that are known before the start.

use futures_util::StreamExt;

use crate::vu::VuFactory;

use super::lane::Lane;
use super::shared::Permit;

/// How many VUs a stripe makes at once: enough to overlap `vu_init` requests, few enough not to storm the system.
const BATCH: usize = 64;

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
