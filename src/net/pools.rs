//! The connections that all virtual users of a process share, dealt out to its cores. Which of them a request gets is the
//! business of each [`Pool`].
//!
//! An HTTP/1.1 connection is bound to the event loop of the core that opened it, so each core has its share of the N:
//! N / cores, the remainder to the first ones. With fewer connections than cores, several cores have one between them,
//! which works because any thread may open a stream of an HTTP/2 connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::config::{Connections, HttpConfig};
use super::grpc::Common;
use super::pool::{Owner, Pool};
use super::trace::{made_up, run_name};

/// What all cores of a run share of the network.
#[derive(Debug, Default)]
pub struct Pools {
    inner: Mutex<Inner>,
    run: OnceLock<String>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Cores that share; none yet: one.
    cores: usize,
    /// Cores that have come.
    seats: usize,
    /// Cores that make connections in the same way have the same.
    families: Vec<Weak<Family>>,
    /// What cores have in common of gRPC clients with the same options.
    clients: Vec<Weak<Common>>,
}

/// The shared connections of those who make them in the same way.
#[derive(Debug)]
struct Family {
    config: HttpConfig,
    limit: usize,
    cores: usize,
    pools: Mutex<HashMap<(usize, String), Arc<Pool>>>,
}

/// One core's place in a family.
#[derive(Debug)]
pub(super) struct Seat {
    family: Arc<Family>,
    core: usize,
}

impl Pools {
    /// Deals the connections out to so many cores, from the next one on that asks.
    pub fn deal(&self, cores: usize) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.cores = cores;
        inner.seats = 0;
        inner.families.clear();
        inner.clients.clear();
    }

    /// Names the run to those who look at its traces; the first to ask or to name it settles the name.
    pub fn name_run(&self, name: &str) {
        let _ = self.run.set(run_name(name));
    }

    /// The name of the run in `tracestate`; made up if nobody has given one.
    #[must_use]
    pub fn run(&self) -> &str {
        self.run.get_or_init(made_up)
    }

    /// What the cores have in common of a gRPC client.
    pub(super) fn client(&self, wanted: Common) -> Arc<Common> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner
            .clients
            .iter()
            .filter_map(Weak::upgrade)
            .find(|known| known.is_like(&wanted));
        known.unwrap_or_else(|| {
            let common = Arc::new(wanted);
            inner.clients.retain(|common| common.strong_count() > 0);
            inner.clients.push(Arc::downgrade(&common));
            common
        })
    }

    /// How many cores share.
    pub(super) fn cores(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.cores.max(1)
    }

    /// The next core's number.
    pub(super) fn seat(&self) -> usize {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.seats += 1;
        inner.seats - 1
    }

    /// The place of a core under these options; `None` where connections are not shared.
    pub(super) fn join(&self, config: &HttpConfig, core: usize) -> Option<Seat> {
        let Connections::Shared(limit) = config.connections else {
            return None;
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let families = inner.families.iter().filter_map(Weak::upgrade);
        let known = families.into_iter().find(|family| family.config.connects_like(config));
        let family = known.unwrap_or_else(|| {
            let family = Arc::new(Family {
                config: config.clone(),
                limit: limit.get(),
                cores: inner.cores.max(1),
                pools: Mutex::default(),
            });
            inner.families.retain(|family| family.strong_count() > 0);
            inner.families.push(Arc::downgrade(&family));
            family
        });
        Some(Seat { family, core })
    }
}

impl Seat {
    /// How many parts there are, and which is this core's.
    fn place(&self) -> (usize, usize) {
        let groups = self.family.cores.min(self.family.limit);
        (groups, self.core % groups)
    }

    /// The core's pool of an origin.
    pub fn pool(&self, origin: &str) -> Arc<Pool> {
        let Family { limit, cores, .. } = *self.family;
        let (groups, group) = self.place();
        let mut pools = self.family.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry((group, origin.to_owned())).or_insert_with(|| {
            let owner = if groups < cores { Owner::Cores } else { Owner::Core };
            Pool::new(share(limit, groups, group), owner)
        });
        Arc::clone(pool)
    }

    /// Lets go of the connections of this core's part.
    pub fn clear(&self) {
        let pools = self.family.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, group) = self.place();
        for (_, pool) in pools.iter().filter(|((of, _), _)| *of == group) {
            pool.clear();
        }
    }
}

/// How many of `all` the group has.
pub(super) fn share(all: usize, groups: usize, group: usize) -> usize {
    all / groups + usize::from(group < all % groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole_and_differ_by_one_at_most() {
        for (all, groups, expected) in [
            (1, 1, vec![1]),
            (50, 1, vec![50]),
            (50, 4, vec![13, 13, 12, 12]),
            (3, 3, vec![1, 1, 1]),
        ] {
            let shares: Vec<usize> = (0..groups).map(|group| share(all, groups, group)).collect();
            assert_eq!(shares, expected);
            assert_eq!(shares.iter().sum::<usize>(), all);
        }
    }
}
