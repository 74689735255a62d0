//! The built-in systems under test and their sample data: something real to load, on loopback, in a process of its own.
//! Nothing of the generator is here; kingtide talks to these systems over sockets like to any other.
//!
//! [`serve`] runs the [`shop`]; [`data`] writes the rows that journeys read, with the ids that the shop is preloaded with.

pub mod data;
mod dice;
mod ids;
pub mod shop;

pub use shop::{BreakerMode, DemoError, FaultError, FaultSpec, ShopOptions, serve};
