//! The Lua host: VMs, virtual users as coroutines, plans read from tables, errors that show the line. The modules that
//! scripts see are in [`crate::api`]; nothing here knows a protocol.

pub mod args;
pub mod bridge;
pub mod collector;
pub mod commons;
pub mod context;
pub mod dataset;
pub mod errors;
pub mod explain;
pub mod face;
pub mod fields;
pub mod flow;
pub mod functions;
pub mod held;
pub mod hooks;
pub mod host;
mod internal;
pub mod invariants;
pub mod loader;
pub mod locate;
pub mod meeting;
mod names;
mod near;
pub mod options;
pub mod plan_reader;
pub mod pool;
pub mod protos;
pub mod raw;
pub mod render;
pub mod repl;
pub mod results;
pub mod revision;
pub mod saves;
mod secrets;
pub mod session;
pub mod show;
pub mod stamp;
pub mod testing;
pub mod tokens;
pub mod trace;
pub mod turnstile;
pub mod usher;
pub mod value;
pub mod vu;
pub mod waits;
pub mod watch;

#[cfg(test)]
mod tests;

pub use args::Args;
pub use context::{Lifecycle, VuContext};
pub use errors::{Kind, ScriptError};
pub use functions::{Operation, Pending, Push, Reply, Sleep, reply};
pub use host::{ApiError, Host};
pub use results::{Pushed, Results};
pub use revision::Revision;
pub use session::Session;
pub use vu::{LuaVu, LuaVuFactory};
