//! Drives one call into a script: resumes its coroutine, does what it yields for, and turns every way to end into a value.
//! No scheduling; it is one `async fn` per call.

use std::future::poll_fn;
use std::rc::Rc;

use mlua::{Function, IntoLuaMulti, MultiValue, Table, Value};

use super::context::VuContext;
use super::errors::{Kind, ScriptError};
use super::fields::describe;
use super::functions::Pending;
use super::host::Host;
use super::near::Places;
use super::raw::{Coroutine, Pinned, Turn};
use super::turnstile;

/// Runs `function(args…)` on `coroutine` to its end, waiting where it waits.
///
/// # Errors
/// [`ScriptError`] for everything but a return: raised errors, limits, and the ends that `kt.fail` and its like ask for.
pub async fn call(
    context: &Rc<VuContext>,
    coroutine: &Coroutine,
    function: &Function,
    args: impl IntoLuaMulti,
) -> Result<MultiValue, ScriptError> {
    let host = &context.host;
    let loaded = coroutine.load(&host.lua, function, args);
    drive(context, coroutine, loaded.map_err(|error| vm_error(host, &error))?).await?;
    coroutine.results(&host.lua).map_err(|error| vm_error(host, &error))
}

/// As [`call`], for what is called again and again, and whose results nobody wants.
///
/// # Errors
/// As [`call`].
pub fn run(
    context: &Rc<VuContext>,
    coroutine: &Coroutine,
    function: &Pinned,
    argument: &Pinned,
) -> impl Future<Output = Result<(), ScriptError>> {
    let arguments = coroutine.load_pinned(&context.host.lua, function, argument);
    async move {
        let ended = drive(context, coroutine, arguments).await;
        coroutine.clear(&context.host.lua);
        ended
    }
}

/// Resumes what was loaded until it has ended.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would hold its arguments twice, and each VU holds its future"
)]
fn drive(
    context: &Rc<VuContext>,
    coroutine: &Coroutine,
    mut arguments: i32,
) -> impl Future<Output = Result<(), ScriptError>> {
    async move {
        loop {
            let host = &context.host;
            let turn = {
                let _running = host.enter(context);
                coroutine.resume(arguments)
            };
            if let Some(trip) = host.watch.take_trip() {
                return Err(cut_short(host, trip));
            }
            match turn {
                Turn::Returned => return Ok(()),
                Turn::Raised => return Err(raised(host, coroutine)),
                Turn::Waits => {}
            }
            let Some(mut pending) = host.pending.take() else {
                let text = "the script yielded outside of a coroutine of its own";
                let mut error = ScriptError::from_message(Kind::Raised, text, "");
                error.hint = Some("`coroutine.yield` only makes sense inside `coroutine.create` or `coroutine.wrap`");
                return Err(error);
            };
            let places = context.places.get();
            context.places.set(Places {
                pending: Places::of(&pending),
                ..places
            });
            let mut waited = false;
            let reply = poll_fn(|cx| {
                let poll = context.poll(cx, |cx| pending.poll(context, cx));
                waited |= poll.is_pending();
                poll
            })
            .await;
            if waited && matches!(pending, Pending::Operation(_)) {
                turnstile::pass().await;
            }
            // Its second half takes it before anything else runs.
            *context.host.reply.borrow_mut() = Some(reply);
            arguments = 0;
        }
    }
}

fn vm_error(host: &Host, error: &mlua::Error) -> ScriptError {
    let error = ScriptError::from_vm(error);
    if error.kind == Kind::Memory {
        out_of_memory(host)
    } else {
        error
    }
}

/// The limit does not trigger a collection by itself, so that nothing would work until one has run.
fn out_of_memory(host: &Host) -> ScriptError {
    let _ = host.lua.gc_collect();
    ScriptError::memory()
}

fn cut_short(host: &Host, trip: super::watch::Trip) -> ScriptError {
    if trip.by_kill {
        return ScriptError::from_message(Kind::Interrupted, "interrupted while computing", "");
    }
    let limit = crate::plan::duration::format(host.watch.limit());
    let text = format!(
        "{}the script computed for more than {limit} without waiting",
        trip.place
    );
    let mut error = ScriptError::from_message(Kind::Stuck, &text, "");
    error.hint = Some("look for a loop without end here; `kt.sleep` or a request lets others run");
    error
}

/// What a coroutine has raised.
fn raised(host: &Host, coroutine: &Coroutine) -> ScriptError {
    let (value, trace) = coroutine.raised(&host.lua);
    match value {
        Err(error) => vm_error(host, &error),
        Ok(Value::String(text)) if text.as_bytes() == b"not enough memory" => out_of_memory(host),
        Ok(Value::String(text)) => ScriptError::from_message(Kind::Raised, &text.to_string_lossy(), &trace),
        Ok(Value::Table(table)) => from_table(host, &table, &trace),
        Ok(Value::Error(error)) => {
            let mut error = vm_error(host, &error);
            if error.trace.is_empty() {
                error.trace = ScriptError::from_message(Kind::Raised, "", &trace).trace;
            }
            error
        }
        Ok(other) => {
            ScriptError::from_message(Kind::Raised, &format!("the script raised {}", describe(&other)), &trace)
        }
    }
}

/// The key that marks tables by which host functions end an iteration.
const END: &str = "__kt_end";

fn from_table(host: &Host, table: &Table, trace: &str) -> ScriptError {
    let reason: String = table.raw_get("reason").unwrap_or_default();
    let kind = match table.raw_get::<String>(END).as_deref() {
        Ok("failed") => Kind::Failed,
        Ok("aborted") => Kind::Aborted,
        Ok("retired") => Kind::Retired,
        _ => {
            let value = Value::Table(table.clone());
            let text = super::value::to_json(&host.lua, &value).unwrap_or_else(|_| "a table".into());
            // Without metamethods: the script does not run any more, and nothing would cut it short.
            let message = table
                .raw_get::<String>("message")
                .unwrap_or_else(|_| format!("the script raised {text}"));
            return ScriptError::from_message(Kind::Raised, &message, trace);
        }
    };
    ScriptError::from_message(kind, &reason, trace)
}

/// The value by which a host function ends the iteration; a script's `pcall` can see it, and passes it on by `error(value, 0)`.
///
/// # Errors
/// When the VM is out of memory.
pub fn end_value(host: &Host, kind: &Kind, reason: &str) -> mlua::Result<Value> {
    let name = match kind {
        Kind::Failed => "failed",
        Kind::Aborted => "aborted",
        _ => "retired",
    };
    let table = host.lua.create_table()?;
    table.raw_set(END, name)?;
    table.raw_set("reason", reason)?;
    table.raw_set("message", reason)?;
    table.set_readonly(true);
    Ok(Value::Table(table))
}
