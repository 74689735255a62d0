//! A server as one core reaches it, and what all cores share of it: connections and the cap on calls in flight.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderValue, header};
use tokio::sync::Semaphore;

use super::options::explained;
use super::{Options, OptionsError};
use crate::net::pool::{Owner, Pool};
use crate::net::pools::share;
use crate::net::target::Target;
use crate::net::{Connections, HttpConfig, NetError, Shared};

/// Endpoints that a core remembers without anybody using them; scripts may make up addresses.
const KEPT: usize = 256;

/// A server under some options; one for each core.
pub struct Endpoint {
    common: Arc<Common>,
    /// Resolver, TLS and options of its connections.
    pub(super) shared: Rc<Shared>,
    pub(super) target: Rc<Target>,
    pub(super) authority: Authority,
    /// This core's part of the connections, where they are shared.
    pub(super) pool: Option<Arc<Pool>>,
    /// The last limit that was told, and how.
    told: RefCell<Option<(Duration, HeaderValue)>>,
}

/// What all cores have in common of endpoints with equal address and options.
#[derive(Debug)]
pub(in crate::net) struct Common {
    address: String,
    options: Options,
    config: HttpConfig,
    /// One permit for each call that may be in flight.
    cap: Option<Arc<Semaphore>>,
    cores: usize,
    pools: Mutex<HashMap<usize, Arc<Pool>>>,
}

impl Common {
    /// Whether connections of one are as good as those of the other.
    pub fn is_like(&self, other: &Self) -> bool {
        self.address == other.address && self.options == other.options && self.config == other.config
    }

    /// A core's part of the connections. With fewer of them than cores, several cores have one between them.
    fn pool(&self, core: usize) -> Option<Arc<Pool>> {
        let Connections::Shared(limit) = self.options.connections else {
            return None;
        };
        let groups = self.cores.min(limit.get());
        let group = core % groups;
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools
            .entry(group)
            .or_insert_with(|| Pool::new(share(limit.get(), groups, group), Owner::Calls));
        Some(Arc::clone(pool))
    }
}

impl Endpoint {
    /// The endpoint of `address` on the core of `shared`, made once for equal options. `hosts`, `dns` and `local_addrs` are
    /// those of `shared`.
    ///
    /// # Errors
    /// Those of [`Options::check`], and a platform without trusted roots.
    pub fn of(shared: &Shared, address: &str, options: &Options) -> Result<Rc<Self>, OptionsError> {
        if let Some(known) = shared.endpoints.find(address, options) {
            return Ok(known);
        }
        let made = Rc::new(Self::make(shared, address, options)?);
        shared.endpoints.keep(&made);
        Ok(made)
    }

    fn make(shared: &Shared, address: &str, options: &Options) -> Result<Self, OptionsError> {
        let reach = options.reach(address, shared.config())?;
        let (pools, core) = shared.place();
        let own = Shared::at(reach.config.clone(), pools, core).map_err(|error| explained(&error))?;
        let unfit = |error: NetError| OptionsError::Address {
            address: address.to_owned(),
            reason: error.message,
        };
        if !options.plaintext {
            own.warm_tls().map_err(|error| OptionsError::Option {
                option: "tls".to_owned(),
                reason: super::channel::in_our_terms(error).message,
            })?;
        }
        let target = own.target(&reach.url.into()).map_err(unfit)?;
        let authority = reach.authority.or_else(|| target.authority.clone());
        let authority = authority.ok_or_else(|| OptionsError::Address {
            address: address.to_owned(),
            reason: "not a host name".to_owned(),
        })?;
        let common = pools.client(Common {
            address: address.to_owned(),
            options: options.clone(),
            config: reach.config,
            cap: options.cap().map(|cap| Arc::new(Semaphore::new(cap))),
            cores: pools.cores(),
            pools: Mutex::default(),
        });
        Ok(Self {
            pool: common.pool(core),
            common,
            shared: own,
            target,
            authority,
            told: RefCell::default(),
        })
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.common.options
    }

    /// The address as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.common.address
    }

    /// Calls in flight now, over all cores; zero without a cap.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        match (&self.common.cap, self.options().cap()) {
            (Some(cap), Some(all)) => all.saturating_sub(cap.available_permits()),
            _ => 0,
        }
    }

    /// Who gives permits for calls, if they are limited.
    pub(super) fn cap(&self) -> Option<&Arc<Semaphore>> {
        self.common.cap.as_ref()
    }

    /// The `user-agent`.
    pub(super) fn user_agent(&self) -> Option<(http::HeaderName, HeaderValue)> {
        let value = self.shared.user_agent.clone()?;
        Some((header::USER_AGENT, value))
    }

    /// A limit as the protocol tells it. Most calls have the same one.
    pub(super) fn told(&self, limit: Duration) -> HeaderValue {
        let mut told = self.told.borrow_mut();
        match &*told {
            Some((known, value)) if *known == limit => value.clone(),
            _ => {
                let value = HeaderValue::try_from(timeout_text(limit));
                let value = value.unwrap_or_else(|_| HeaderValue::from_static("0n"));
                told.insert((limit, value)).1.clone()
            }
        }
    }
}

/// At most eight digits and a unit, the finest that fits.
fn timeout_text(limit: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let nanos = limit.as_nanos();
    for (unit, length) in [
        ('n', 1),
        ('u', 1_000),
        ('m', 1_000_000),
        ('S', 1_000_000_000),
        ('M', 60_000_000_000),
    ] {
        if nanos / length <= MOST {
            return format!("{}{unit}", nanos / length);
        }
    }
    format!("{}H", (nanos / 3_600_000_000_000).min(MOST))
}

/// The endpoints of one core.
#[derive(Default)]
pub(in crate::net) struct Endpoints(RefCell<Vec<Rc<Endpoint>>>);

impl Endpoints {
    fn find(&self, address: &str, options: &Options) -> Option<Rc<Endpoint>> {
        let known = self.0.borrow();
        let fits = |known: &&Rc<Endpoint>| known.address() == address && known.options() == options;
        known.iter().find(fits).cloned()
    }

    fn keep(&self, endpoint: &Rc<Endpoint>) {
        let mut known = self.0.borrow_mut();
        if known.len() >= KEPT {
            known.retain(|endpoint| Rc::strong_count(endpoint) > 1);
        }
        known.push(Rc::clone(endpoint));
    }

    /// Those that are good under other options too.
    pub fn follow(&self, before: &HttpConfig, after: &HttpConfig) -> Self {
        let reach = |config: &HttpConfig| {
            (
                config.hosts.clone(),
                config.dns,
                config.local_addrs.clone(),
                config.trace_sampling,
            )
        };
        match reach(before) == reach(after) {
            true => Self(RefCell::new(self.0.borrow().clone())),
            false => Self::default(),
        }
    }

    /// Forgets them all and closes the connections that are shared; calls in flight go on.
    pub fn release(&self) {
        for endpoint in self.0.take() {
            if let Some(pool) = &endpoint.pool {
                pool.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_the_finest_unit_of_eight_digits() {
        for (limit, expected) in [
            (Duration::ZERO, "0n"),
            (Duration::from_millis(99), "99000000n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_secs(60), "60000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(timeout_text(limit), expected);
        }
    }
}
