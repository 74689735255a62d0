//! Drives one call into a script: resumes its coroutine, does what it yields for, and turns every way to end into a value.
//! No scheduling; it is one `async fn` per call.

use std::rc::Rc;

use mlua::thread::ThreadStatus;
use mlua::{Function, MultiValue, Table, Thread, Value};

use super::context::VuContext;
use super::errors::{Kind, ScriptError};
use super::fields::describe;
use super::host::{ApiError, Host, answer};

/// Runs `function(args…)` on `thread` to its end, waiting where it waits.
///
/// # Errors
/// [`ScriptError`] for everything but a return: raised errors, limits, and the ends that `kt.fail` and its like ask for.
pub async fn call(
    context: &Rc<VuContext>,
    thread: &Thread,
    function: &Function,
    args: impl IntoIterator<Item = Value>,
) -> Result<MultiValue, ScriptError> {
    let host = &context.host;
    thread
        .reset(host.entry.clone())
        .map_err(|error| ScriptError::from_vm(&error))?;
    let mut input: MultiValue = args.into_iter().collect();
    input.push_front(Value::Function(function.clone()));
    loop {
        let resumed = {
            let _running = host.enter(context);
            thread.resume::<MultiValue>(input)
        };
        if let Some(trip) = host.watch.take_trip() {
            return Err(cut_short(host, trip));
        }
        let output = match resumed {
            Ok(output) => output,
            Err(error) => return Err(vm_error(host, &error)),
        };
        if thread.status() != ThreadStatus::Resumable {
            return finished(host, output);
        }
        input = serve(context, output).await?;
    }
}

/// Does what a coroutine asked for and gives what to resume it with.
async fn serve(context: &Rc<VuContext>, mut output: MultiValue) -> Result<MultiValue, ScriptError> {
    let host = &context.host;
    if output.pop_front().as_ref() != Some(&host.mark) {
        let mut error =
            ScriptError::from_message(Kind::Raised, "the script yielded outside of a coroutine of its own", "");
        error.hint = Some("`coroutine.yield` only makes sense inside `coroutine.create` or `coroutine.wrap`");
        return Err(error);
    }
    let id = match output.pop_front() {
        Some(Value::Integer(id)) => usize::try_from(id).unwrap_or(usize::MAX),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small index that this side gave out"
        )]
        Some(Value::Number(id)) => id as usize,
        _ => usize::MAX,
    };
    let Some(op) = host.op(id) else {
        return Err(ScriptError::from_message(
            Kind::Raised,
            "an operation that does not exist was asked for",
            "",
        ));
    };
    let result = if let Some(when) = context.lifecycle.get().still() {
        Err(ApiError::Text(format!(
            "{} cannot be used {when}; call it in setup, vu_init or the journey",
            op.name
        )))
    } else {
        let mut answer = (op.start)(Rc::clone(context), output);
        std::future::poll_fn(|cx| {
            let poll = answer.as_mut().poll(cx);
            if poll.is_pending() {
                host.collector.turn(host);
            }
            poll
        })
        .await
    };
    answer(&host.lua, result).map_err(|error| vm_error(host, &error))
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

/// Reads what `entry` returned: `true, results…` or `false, { err, trace }`.
fn finished(host: &Host, mut output: MultiValue) -> Result<MultiValue, ScriptError> {
    if matches!(output.pop_front(), Some(Value::Boolean(true))) {
        return Ok(output);
    }
    let Some(Value::Table(report)) = output.pop_front() else {
        // The handler itself failed, which only a full VM causes.
        return Err(out_of_memory(host));
    };
    let trace: String = report.raw_get("trace").unwrap_or_default();
    let raised: Value = report.raw_get("err").unwrap_or(Value::Nil);
    Err(match &raised {
        Value::String(text) if text.as_bytes() == b"not enough memory" => out_of_memory(host),
        Value::String(text) => ScriptError::from_message(Kind::Raised, &text.to_string_lossy(), &trace),
        Value::Table(table) => from_table(table, &trace),
        Value::Error(error) => {
            let mut error = vm_error(host, error);
            if error.trace.is_empty() {
                error.trace = ScriptError::from_message(Kind::Raised, "", &trace).trace;
            }
            error
        }
        other => ScriptError::from_message(Kind::Raised, &format!("the script raised {}", describe(other)), &trace),
    })
}

/// The key that marks tables by which host functions end an iteration.
const END: &str = "__kt_end";

fn from_table(table: &Table, trace: &str) -> ScriptError {
    let reason: String = table.raw_get("reason").unwrap_or_default();
    let kind = match table.raw_get::<String>(END).as_deref() {
        Ok("failed") => Kind::Failed,
        Ok("aborted") => Kind::Aborted,
        Ok("retired") => Kind::Retired,
        _ => {
            let value = Value::Table(table.clone());
            let text = serde_json::to_string(&super::value::AsJson::new(&value)).unwrap_or_else(|_| "a table".into());
            let message = table
                .get::<String>("message")
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
