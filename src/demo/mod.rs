//! The built-in systems under test and their sample data: something real to load, on loopback, in a process of its own.
//! Nothing of the generator is here; kingtide talks to these systems over sockets like to any other.
//!
//! [`serve`] runs the [`shop`], the [`orchestrator`] and the [`challenge`] system; [`data`] writes the rows that journeys read, with the ids that the
//! shop is preloaded with. What the systems share: where they listen (`host`), the life of a request (`front`), faults
//! (`fault`) and the endpoints to look and disturb (`control`).

pub mod challenge;
mod control;
pub mod data;
mod dice;
mod fault;
mod front;
mod host;
mod ids;
mod listener;
pub mod orchestrator;
mod pacer;
mod reply;
mod service_time;
pub mod shop;
mod stats;
#[cfg(test)]
mod testing;

use std::future::Future;

pub use challenge::ChallengeOptions;
pub use fault::{FaultError, FaultSpec};
pub use host::DemoError;
pub use orchestrator::OrchestratorOptions;
pub use shop::{BreakerMode, ShopOptions};

/// What a user may choose about the built-in systems.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DemoOptions {
    /// The shop.
    pub shop: ShopOptions,
    /// The orchestrator.
    pub orchestrator: OrchestratorOptions,
    /// The challenge system.
    pub challenge: ChallengeOptions,
}

/// Runs all systems on the current runtime (I/O and time enabled; one thread is enough) until `shutdown` completes, and
/// then for at most a second more.
///
/// `on_ready` is called once, when every port listens, with what a journey needs to know as (name, value): the addresses
/// of the shop, `BASE_URL` first, then `ORCHESTRATOR_URL`, `CHALLENGE_URL` and `CHALLENGE_GRPC`.
///
/// # Errors
/// [`DemoError`] before `on_ready`, never after.
pub async fn serve(
    options: DemoOptions,
    shutdown: impl Future<Output = ()>,
    on_ready: impl FnOnce(&[(String, String)]),
) -> Result<(), DemoError> {
    let mut sites = shop::sites(&options.shop)?;
    sites.extend(orchestrator::sites(&options.orchestrator)?);
    sites.extend(challenge::sites(&options.challenge)?);
    host::serve(sites, shutdown, on_ready).await
}
