//! The functions of a plan's `invariants`, in a VM of their own. When they run, and what a broken one means, is `run`'s.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mlua::{Function, Lua, MultiValue, Value};

use crate::metrics::Totals;
use crate::plan::Limits;

use super::bridge;
use super::context::{Lifecycle, VuContext};
use super::errors::{Kind, ScriptError};
use super::fields::describe;
use super::host::{Host, OpenModules};
use super::plan_reader;
use super::revision::Revision;
use super::session::Session;
use super::value::to_json;
use super::vu::{self, Loaded};

/// How long one invariant may compute: whoever looks at it folds the numbers of the run, too.
const MOST_CPU: Duration = Duration::from_millis(200);

/// What one look at an invariant has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It holds.
    Held,
    /// It does not, because of these keys.
    Broken(Vec<String>),
    /// It raised an error or returned what it may not, which was counted as a script error.
    Failed,
    /// It was cut short, because the run is.
    Skipped,
}

/// The invariants of one revision of a script.
pub struct Invariants {
    context: Rc<VuContext>,
    loaded: Loaded,
    functions: Vec<(String, Function)>,
}

impl Invariants {
    /// Evaluates a revision of the run's script, whose plan has these limits, in a new VM on this thread.
    ///
    /// # Errors
    /// As [`vu::load`].
    pub async fn load(
        session: &Arc<Session>,
        revision: &Arc<Revision>,
        limits: Limits,
        open: OpenModules,
    ) -> Result<Self, ScriptError> {
        let host = Host::new(Arc::clone(session), limits, open).map_err(|error| ScriptError::from_vm(&error))?;
        let context = VuContext::new(&host, 0, None);
        // An invariant makes no request.
        let _ = context.follow(revision);
        host.set_limits(limits).map_err(|error| ScriptError::from_vm(&error))?;
        let loaded = vu::load(&context).await?;
        let cpu = limits.cpu.min(MOST_CPU);
        host.set_limits(Limits { cpu, ..limits })
            .map_err(|error| ScriptError::from_vm(&error))?;
        let functions = plan_reader::invariants(&loaded);
        Ok(Self {
            context,
            loaded,
            functions,
        })
    }

    /// Calls every function; meanwhile `kt.metrics.value` reads `totals`. Gives names and what was seen.
    pub fn look(&self, totals: &mut Totals) -> Vec<(String, Look)> {
        let lua = &self.context.host.lua;
        lua.set_app_data(totals.take());
        let looks = self.functions.iter().map(|(name, function)| {
            let look = self.call(name, function).unwrap_or_else(|error| self.failed(&error));
            (name.clone(), look)
        });
        let looks = looks.collect();
        if let Some(lent) = lua.remove_app_data::<Totals>() {
            *totals = lent;
        }
        looks
    }

    fn call(&self, name: &str, function: &Function) -> Result<Look, ScriptError> {
        self.context.enter(Lifecycle::Invariant);
        // Whatever would wait is refused, so that the first poll is the last.
        let called = bridge::call(&self.context, &self.loaded.coroutine, function, ()).now_or_never();
        let mut returned = called.unwrap_or_else(|| Err(error("an invariant cannot wait")))?;
        match returned.pop_front() {
            Some(Value::Boolean(true)) => Ok(Look::Held),
            Some(Value::Boolean(false)) => keys(&self.context.host.lua, name, returned).map(Look::Broken),
            other => Err(error(&format!(
                "the invariant `{name}` returned {} where true or false is wanted",
                describe(&other.unwrap_or(Value::Nil))
            ))),
        }
    }

    fn failed(&self, error: &ScriptError) -> Look {
        match error.kind {
            Kind::Interrupted | Kind::Aborted => Look::Skipped,
            _ => {
                vu::report(&self.context, error);
                Look::Failed
            }
        }
    }
}

fn error(text: &str) -> ScriptError {
    ScriptError::from_message(Kind::Raised, text, "")
}

/// The keys that an invariant blames: a list, the keys of a table, or a single one.
fn keys(lua: &Lua, name: &str, mut returned: MultiValue) -> Result<Vec<String>, ScriptError> {
    match returned.pop_front().unwrap_or(Value::Nil) {
        Value::Nil => Ok(Vec::new()),
        Value::Table(table) if table.raw_len() > 0 => {
            let keys = table.sequence_values::<Value>().flatten();
            Ok(keys.map(|key| text(lua, &key)).collect())
        }
        Value::Table(table) => {
            let keys = table.pairs::<Value, Value>().flatten();
            let mut keys: Vec<_> = keys.map(|(key, _)| text(lua, &key)).collect();
            keys.sort();
            Ok(keys)
        }
        one @ (Value::String(_) | Value::Integer(_) | Value::Number(_)) => Ok(vec![text(lua, &one)]),
        other => Err(error(&format!(
            "the invariant `{name}` returned {} where the offending keys are wanted, as a list",
            describe(&other)
        ))),
    }
}

/// How many characters of a key are shown.
const LONGEST: usize = 200;

fn text(lua: &Lua, key: &Value) -> String {
    let text = match key {
        Value::String(text) => text.to_string_lossy(),
        Value::Table(_) => to_json(lua, key).unwrap_or_else(|_| describe(key)),
        other => describe(other),
    };
    text.chars().take(LONGEST).collect()
}
