//! `kt.poll`: waits for a condition and accounts for the waiting honestly: what timed out never enters the completed
//! trend, and what the interval hides is reported.

use std::rc::Rc;
use std::time::Duration;

use mlua::{MultiValue, Value};

use super::args::{Args, number};
use crate::clock;
use crate::metrics::{Kind, MetricId, Unit};
use crate::script::fields::{Fields, describe};
use crate::script::trace::{self, Mark, Step};
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _};

/// In Lua, so that `call` may wait. Times are in milliseconds.
const CODE: &str = r#"
local options_of, enter, leave, now, sleep, record, finish = ...
local pcall, error = pcall, error
return function(options)
  local name, every, timeout, call, done = finish(options_of(options))
  local started, previous, attempts = now(), now(), 0
  while true do
    finish(enter())
    local ok, value = pcall(call)
    finish(leave())
    if not ok then
      error(value, 0)
    end
    attempts = attempts + 1
    local is_done = done(value) and true or false
    local at = now()
    local elapsed, hidden = at - started, at - previous
    previous = at
    if is_done and elapsed <= timeout then
      finish(record(name, true, elapsed, attempts, hidden))
      return { done = true, value = value, attempts = attempts, elapsed_ms = elapsed }
    elseif is_done or elapsed >= timeout then
      finish(record(name, false, elapsed, attempts, hidden))
      return { done = false, value = value, attempts = attempts, elapsed_ms = elapsed }
    end
    sleep(math.min(every, timeout - elapsed) / 1000)
  end
end"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let options = host.raw_fn(options)?;
    let enter = host.raw_fn(|host, _| {
        let vu = host.current()?;
        trace::tell(&vu, || Step::new(Mark::Begin, "poll attempt"));
        vu.open_scope(&[("poll", "true")])?;
        Ok(().into_multi(&host.lua)?)
    })?;
    let leave = host.raw_fn(|host, _| {
        host.current()?.close_group();
        Ok(().into_multi(&host.lua)?)
    })?;
    let now = host.lua.create_function({
        let origin = clock::now();
        move |_, ()| Ok((clock::now() - origin).as_secs_f64() * 1e3)
    })?;
    let sleep = host.op_fn("poll", |vu, values| async move {
        let duration = Args::new("poll", values).duration(0, "every")?;
        trace::tell(&vu, || Step::new(Mark::Wait, format!("poll waits {duration:.1?}")));
        let before = clock::now();
        clock::sleep(duration).await;
        vu.slept.set(vu.slept.get() + (clock::now() - before));
        Ok(().into_multi(&vu.host.lua)?)
    })?;
    let record = host.raw_fn(record)?;
    host.run_internal(CODE, (options, enter, leave, now, sleep, record, host.finish_fn()?))
}

fn options(host: &Rc<Host>, values: MultiValue) -> ApiResult {
    let args = Args::new("poll", values);
    let known = ["name", "every", "timeout", "call", "done"];
    let Some(fields) = Fields::new("poll", Vec::new(), &args.get(0), &known)? else {
        return Err(args.wrong("options", "a table", &Value::Nil));
    };
    let name = fields
        .string("name")?
        .ok_or_else(|| fields.error("name", "is missing; it names the metrics `<name>_duration` and so on"))?;
    let function = |key: &str| match fields.get(key) {
        Value::Function(function) => Ok(function),
        other => Err(ApiError::from(
            fields.error(key, &format!("must be a function, got {}", describe(&other))),
        )),
    };
    let (call, done) = (function("call")?, function("done")?);
    let every = fields.duration("every")?.unwrap_or(Duration::from_millis(200));
    let timeout = fields.duration("timeout")?.unwrap_or(Duration::from_secs(10));
    if every < Duration::from_millis(1) {
        return Err(fields.error("every", "must be at least 1ms").into());
    }
    host.recorder()?;
    metrics_of(host, &args, &name)?;
    Ok((name, millis(every), millis(timeout), call, done).into_multi(&host.lua)?)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// `<name>_duration`, `_timeouts`, `_attempts`, `_resolution`.
fn metrics_of(host: &Host, args: &Args, name: &str) -> Result<[MetricId; 4], ApiError> {
    let declare = |ending: &str, kind: Kind, unit: Unit| {
        host.session
            .registry
            .declare(&format!("{name}{ending}"), kind, unit)
            .map_err(|error| args.error(error))
    };
    Ok([
        declare("_duration", Kind::Trend, Unit::Ms)?,
        declare("_timeouts", Kind::Rate, Unit::None)?,
        declare("_attempts", Kind::Trend, Unit::None)?,
        declare("_resolution", Kind::Trend, Unit::Ms)?,
    ])
}

fn record(host: &Rc<Host>, values: MultiValue) -> ApiResult {
    let args = Args::new("poll", values);
    let name = args.string(0, "name")?.to_string_lossy();
    let [duration, timeouts, attempts, resolution] = metrics_of(host, &args, &name)?;
    let done = args.get(1) == Value::Boolean(true);
    let value = |index| number(&args.get(index)).unwrap_or(0.0);
    let vu = host.current()?;
    let (recorder, tags) = (host.recorder()?, vu.tags()?);
    trace::tell(&vu, || {
        let (mark, how) = if done {
            (Mark::End, "done")
        } else {
            (Mark::Failed, "timed out")
        };
        Step::new(
            mark,
            format!("poll \"{name}\" {how} after {} attempts, {:.1}ms", value(3), value(2)),
        )
    });
    recorder.record(timeouts, f64::from(u8::from(!done)), &tags);
    recorder.record(attempts, value(3), &tags);
    if done {
        recorder.record(duration, value(2), &tags);
        recorder.record(resolution, value(4), &tags);
    }
    Ok(().into_multi(&host.lua)?)
}
