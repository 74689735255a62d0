//! `kt.poll`: waits for a condition and accounts for the waiting honestly: what timed out never enters the completed
//! trend, and what the interval hides is reported.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use mlua::{MultiValue, Value};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::args::{Args, number};
use crate::clock;
use crate::metrics::{Kind, MetricId, Unit};
use crate::script::fields::{Fields, describe};
use crate::script::trace::{self, Mark, Step};
use crate::script::waits::Wait;
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _};

/// In Lua, so that `call` may wait. Times are in milliseconds.
const CODE: &str = r#"
local options_of, enter, leave, now, pause, record, finish = ...
local pcall, error = pcall, error
return function(options)
  local name, every, timeout, delay, jitter, seed, call, done, failed = finish(options_of(options))
  local started, attempts = now(), 0
  local asked = started
  pause(every / 1000, jitter, seed, attempts, (timeout - delay) / 1000, delay / 1000)
  while true do
    local before = now()
    finish(enter())
    local ok, value = pcall(call)
    finish(leave())
    if not ok then
      error(value, 0)
    end
    attempts = attempts + 1
    local is_done = done(value) and true or false
    local is_failed = not is_done and failed and failed(value) and true or false
    local at = now()
    local elapsed, hidden = at - started, at - asked
    asked = before
    local in_time = elapsed <= timeout
    if is_done or is_failed or elapsed >= timeout then
      is_done, is_failed = is_done and in_time, is_failed and in_time
      finish(record(name, is_done, is_failed, elapsed, attempts, hidden))
      return { done = is_done, failed = is_failed, value = value, attempts = attempts, elapsed_ms = elapsed }
    end
    pause(every / 1000, jitter, seed, attempts, (timeout - elapsed) / 1000)
  end
end"#;

/// Of one poll.
#[derive(Clone, Copy)]
struct Metrics {
    duration: MetricId,
    timeouts: MetricId,
    attempts: MetricId,
    resolution: MetricId,
    failures: MetricId,
}

/// The polls that a VM has seen, by name.
type Polls = RefCell<HashMap<String, Metrics>>;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let polls = Rc::new(Polls::default());
    let own = Rc::clone(&polls);
    let options = host.raw_fn(move |host, values| options(host, &own, values))?;
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
    let pause = host.op_fn("poll", |vu, values| async move {
        let wait = wait(&Args::new("poll", values))?;
        if !wait.is_zero() {
            trace::tell(&vu, || Step::new(Mark::Wait, format!("poll waits {wait:.1?}")));
            let before = clock::now();
            clock::doze(before, wait).await;
            vu.slept.set(vu.slept.get() + (clock::now() - before));
        }
        Ok(().into_multi(&vu.host.lua)?)
    })?;
    let record = host.raw_fn(move |host, values| record(host, &polls, values))?;
    host.run_internal(CODE, (options, enter, leave, now, pause, record, host.finish_fn()?))
}

/// How long the pause before an attempt is: of the first one its delay and a random part of an interval, of the others an
/// interval give or take half of that part, but not longer than there is time left.
fn wait(args: &Args) -> Result<Duration, ApiError> {
    let (every, jitter) = (args.duration(0, "every")?, args.number(1, "jitter")?);
    let (seed, attempts) = (args.integer(2, "seed")?, args.integer(3, "attempts")?);
    let left = args.duration(4, "left")?;
    // One seed for each poll: were each pause drawn from the journey's numbers, these would depend on how often it asks.
    let mut rng = Pcg64Mcg::seed_from_u64(seed.wrapping_add(attempts).unsigned_abs());
    let share = jitter * rng.random::<f64>();
    Ok(if attempts == 0 {
        args.duration(5, "delay")? + every.min(left).mul_f64(share)
    } else {
        every.mul_f64(1.0 + share - jitter / 2.0).min(left)
    })
}

fn options(host: &Rc<Host>, polls: &Polls, values: MultiValue) -> ApiResult {
    let args = Args::new("poll", values);
    let known = ["name", "every", "timeout", "delay", "jitter", "call", "done", "failed"];
    let Some(fields) = Fields::new("poll", Vec::new(), &args.get(0), &known)? else {
        return Err(args.wrong("options", "a table", &Value::Nil));
    };
    let name = fields
        .string("name")?
        .ok_or_else(|| fields.error("name", "is missing; it names the metrics `<name>_duration` and so on"))?;
    let function = |key: &str| match fields.get(key) {
        value @ Value::Function(_) => Ok(value),
        other => Err(ApiError::from(
            fields.error(key, &format!("must be a function, got {}", describe(&other))),
        )),
    };
    let (call, done) = (function("call")?, function("done")?);
    let failed = if fields.has("failed") {
        function("failed")?
    } else {
        Value::Nil
    };
    let every = fields.duration("every")?.unwrap_or(Duration::from_millis(200));
    let timeout = fields.duration("timeout")?.unwrap_or(Duration::from_secs(10));
    let delay = fields.duration("delay")?.unwrap_or_default();
    let jitter = fields.number("jitter")?.unwrap_or(0.0);
    if every < Duration::from_millis(1) {
        return Err(fields.error("every", "must be at least 1ms").into());
    }
    if !(0.0..=1.0).contains(&jitter) {
        return Err(fields
            .error("jitter", &format!("must be a share from 0 to 1, got {jitter}"))
            .into());
    }
    if delay >= timeout {
        return Err(fields.error("delay", "must be shorter than `timeout`").into());
    }
    if let Some(when) = host.current()?.lifecycle.get().still() {
        return Err(args.error(format!(
            "cannot be used {when}; call it in setup, vu_init or the journey"
        )));
    }
    metrics_of(host, polls, &args, &name)?;
    let seed = if jitter > 0.0 {
        host.current()?.rng.borrow_mut().random()
    } else {
        0_u32
    };
    let [every, timeout, delay] = [every, timeout, delay].map(|duration| duration.as_secs_f64() * 1e3);
    Ok((name, every, timeout, delay, jitter, seed, call, done, failed).into_multi(&host.lua)?)
}

/// `<name>_duration`, `_timeouts`, `_attempts`, `_resolution`, `_failures`.
fn metrics_of(host: &Host, polls: &Polls, args: &Args, name: &str) -> Result<Metrics, ApiError> {
    if let Some(known) = polls.borrow().get(name) {
        return Ok(*known);
    }
    let session = &host.session;
    session
        .waits
        .take(name, Wait::Poll)
        .map_err(|error| args.error(error))?;
    let declare = |ending: &str, kind: Kind, unit: Unit| {
        session
            .registry
            .declare(&format!("{name}{ending}"), kind, unit)
            .map_err(|error| args.error(error))
    };
    let metrics = Metrics {
        duration: declare("_duration", Kind::Trend, Unit::Ms)?,
        timeouts: declare("_timeouts", Kind::Rate, Unit::None)?,
        attempts: declare("_attempts", Kind::Trend, Unit::None)?,
        resolution: declare("_resolution", Kind::Trend, Unit::Ms)?,
        failures: declare("_failures", Kind::Rate, Unit::None)?,
    };
    polls.borrow_mut().insert(name.to_owned(), metrics);
    Ok(metrics)
}

fn record(host: &Rc<Host>, polls: &Polls, values: MultiValue) -> ApiResult {
    let args = Args::new("poll", values);
    let name = args.string(0, "name")?.to_string_lossy();
    let metrics = metrics_of(host, polls, &args, &name)?;
    let [done, failed] = [1, 2].map(|index| args.get(index) == Value::Boolean(true));
    let [elapsed, attempts, hidden] = [3, 4, 5].map(|index| number(&args.get(index)).unwrap_or(0.0));
    let vu = host.current()?;
    let (recorder, tags) = (host.recorder()?, vu.tags()?);
    trace::tell(&vu, || {
        let (mark, how) = match (done, failed) {
            (true, _) => (Mark::End, "done"),
            (false, true) => (Mark::Failed, "failed"),
            (false, false) => (Mark::Failed, "timed out"),
        };
        let text = format!("poll \"{name}\" {how} after {attempts} attempts, {elapsed:.1}ms");
        Step::new(mark, text)
    });
    let flag = |yes: bool| f64::from(u8::from(yes));
    recorder.record(metrics.timeouts, flag(!done && !failed), &tags);
    recorder.record(metrics.failures, flag(failed), &tags);
    recorder.record(metrics.attempts, attempts, &tags);
    if done {
        recorder.record(metrics.duration, elapsed, &tags);
        recorder.record(metrics.resolution, hidden, &tags);
    }
    Ok(().into_multi(&host.lua)?)
}
