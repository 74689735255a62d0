//! The Lua host: VMs, virtual users as coroutines, plans read from tables, errors that show the line. The modules that
//! scripts see are in [`crate::api`]; nothing here knows a protocol.

pub mod bridge;
pub mod collector;
pub mod commons;
pub mod context;
pub mod dataset;
pub mod errors;
pub mod explain;
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
mod near;
pub mod plan_reader;
pub mod pool;
pub mod protos;
pub mod raw;
pub mod render;
pub mod repl;
pub mod revision;
pub mod saves;
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

pub use context::{Lifecycle, VuContext};
pub use errors::{Kind, ScriptError};
pub use functions::{Operation, Pending, Push, Reply, Sleep};
pub use host::{ApiError, ApiResult, Host, IntoMulti};
pub use revision::Revision;
pub use session::Session;
pub use vu::{LuaVu, LuaVuFactory};
