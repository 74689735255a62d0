//! Calls of the script's functions that run once per test: `setup`, `teardown`, `summary`. When they run, and what their
//! failures mean for the verdict, is `run`'s.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use mlua::{Function, Lua, Value};

use crate::clock;

use super::bridge;
use super::context::{Lifecycle, VuContext};
use super::errors::{Kind, ScriptError};
use super::fields::describe;
use super::value::{freeze, from_tree, to_kept_json};
use super::vu::Loaded;

/// How a hook ended other than by returning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookError {
    /// It took longer than it may.
    Timeout(Duration),
    /// It raised an error.
    Script(ScriptError),
    /// It ended the test by `kt.run.abort`.
    Aborted,
    /// It returned what it may not.
    Returned(String),
}

impl HookError {
    /// One sentence about the hook `name`.
    #[must_use]
    pub fn describe(&self, name: &str) -> String {
        match self {
            Self::Timeout(limit) => format!("{name} took longer than {}", crate::plan::duration::format(*limit)),
            Self::Script(error) => format!("{name} failed: {}", error.message),
            Self::Aborted => format!("{name} aborted the test"),
            Self::Returned(what) => format!("{name} returned {what}"),
        }
    }
}

/// Calls `setup`; what it returns is shared with all virtual users as JSON. `None` when the script has none.
///
/// # Errors
/// [`HookError`].
pub async fn setup(
    context: &Rc<VuContext>,
    loaded: &Loaded,
    limit: Duration,
) -> Result<Option<serde_json::Value>, HookError> {
    let Some(function) = hook(loaded, "setup") else {
        return Ok(None);
    };
    match call(context, loaded, Lifecycle::Setup, &function, Value::Nil, limit).await? {
        Value::Nil => Ok(Some(serde_json::Value::Null)),
        value => to_kept_json(&context.host.lua, &value)
            .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .map(Some)
            .map_err(|error| HookError::Returned(format!("what virtual users cannot share: {error}"))),
    }
}

/// Calls `teardown` with what `setup` returned.
///
/// # Errors
/// [`HookError`].
pub async fn teardown(context: &Rc<VuContext>, loaded: &Loaded, limit: Duration) -> Result<(), HookError> {
    let called = match hook(loaded, "teardown") {
        None => Ok(()),
        Some(function) => match context.host.setup_value() {
            Ok(state) => call(context, loaded, Lifecycle::Teardown, &function, state, limit)
                .await
                .map(drop),
            Err(error) => Err(HookError::Script(ScriptError::from_vm(&error))),
        },
    };
    context.end_last();
    called
}

/// Calls `summary` with the summary and gives what it returned to be written, by file name.
///
/// # Errors
/// [`HookError`].
pub async fn summary(
    context: &Rc<VuContext>,
    loaded: &Loaded,
    summary: &serde_json::Value,
    limit: Duration,
) -> Result<BTreeMap<String, Vec<u8>>, HookError> {
    let Some(function) = hook(loaded, "summary") else {
        return Ok(BTreeMap::new());
    };
    let value = from_tree(&context.host.lua, summary).map_err(|error| HookError::Returned(error.to_string()))?;
    freeze(&value);
    let wanted = "where a table of file names and texts is wanted";
    match call(context, loaded, Lifecycle::Summary, &function, value, limit).await? {
        Value::Nil => Ok(BTreeMap::new()),
        Value::Table(files) => files
            .pairs::<Value, Value>()
            .map(|pair| {
                let (name, text) = pair.map_err(|error| HookError::Script(ScriptError::from_vm(&error)))?;
                file(&context.host.lua, &name, text).map_err(|got| HookError::Returned(format!("{got}, {wanted}")))
            })
            .collect(),
        other => Err(HookError::Returned(format!("{}, {wanted}", describe(&other)))),
    }
}

/// A file's name, and the bytes to write; or what is there instead.
fn file(lua: &Lua, name: &Value, text: Value) -> Result<(String, Vec<u8>), String> {
    let as_name = name.as_string().and_then(|name| name.to_str().ok());
    let Some(as_name) = as_name else {
        return Err(format!("{} as the name of a file", describe(name)));
    };
    let got = describe(&text);
    match lua.coerce_string(text) {
        Ok(Some(text)) => Ok((as_name.to_owned(), text.as_bytes().to_vec())),
        _ => Err(format!("{got} for `{}`", &*as_name)),
    }
}

fn hook(loaded: &Loaded, name: &str) -> Option<Function> {
    match &loaded.returned {
        Value::Table(plan) => plan.get(name).ok().flatten(),
        _ => None,
    }
}

async fn call(
    context: &Rc<VuContext>,
    loaded: &Loaded,
    lifecycle: Lifecycle,
    function: &Function,
    argument: Value,
    limit: Duration,
) -> Result<Value, HookError> {
    context.enter(lifecycle);
    let called = bridge::call(context, &loaded.coroutine, function, argument);
    let called = clock::timeout(limit, called).await;
    context.held.end(matches!(called, Ok(Ok(_))));
    match called {
        Err(_) => Err(HookError::Timeout(limit)),
        Ok(Err(error)) if error.kind == Kind::Aborted => Err(HookError::Aborted),
        Ok(Err(error)) => Err(HookError::Script(error)),
        Ok(Ok(mut values)) => Ok(values.pop_front().unwrap_or(Value::Nil)),
    }
}
