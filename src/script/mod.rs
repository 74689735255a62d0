//! The Lua host: VMs, virtual users as coroutines, plans read from tables, errors that show the line. The modules that
//! scripts see are in [`crate::api`]; nothing here knows a protocol.

pub mod bridge;
pub mod context;
pub mod dataset;
pub mod errors;
pub mod explain;
pub mod fields;
pub mod hooks;
pub mod host;
pub mod loader;
pub mod locate;
pub mod meeting;
pub mod plan_reader;
pub mod render;
pub mod repl;
pub mod session;
pub mod show;
pub mod testing;
pub mod tokens;
pub mod trace;
pub mod value;
pub mod vu;
pub mod watch;

#[cfg(test)]
mod tests;

pub use context::{Lifecycle, VuContext};
pub use errors::{Kind, ScriptError};
pub use host::{ApiError, ApiResult, Host, IntoMulti};
pub use session::Session;
pub use vu::{LuaVu, LuaVuFactory};
