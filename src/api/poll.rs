//! `kt.poll`: waits for a condition and accounts for the waiting honestly: what timed out never enters the completed
//! trend, and what the interval hides is reported.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use mlua::Value;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::clock;
use crate::metrics::{Kind, MetricId, Unit};
use crate::script::trace::{self, Mark, Step};
use crate::script::waits::Wait;
use crate::script::{ApiError, Args, Host, Pushed, Sleep};

/// In Lua, so that `call` may wait. Times are in milliseconds.
const CODE: &str = r#"
local options_of, enter, leave, now, pause, record = ...
local pcall, error = pcall, error
return function(options)
  local name, every, timeout, delay, jitter, seed, call, done, failed = options_of(options)
  local started, attempts = now(), 0
  local asked = started
  if delay > 0 or jitter > 0 then
    pause(every / 1000, jitter, seed, attempts, (timeout - delay) / 1000, delay / 1000)
  end
  while true do
    local before = now()
    enter()
    local ok, value = pcall(call)
    leave()
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
      record(name, is_done, is_failed, elapsed, attempts, hidden)
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
    let options = host.function("poll", move |host, args| options(host, &own, args))?;
    let enter = host.function("poll", |host, _| {
        let vu = host.current()?;
        trace::tell(&vu, || Step::new(Mark::Begin, "poll attempt"));
        vu.open_scope(&[("poll", "true")])
    })?;
    let leave = host.function("poll", |host, _| {
        host.current()?.close_group();
        Ok(())
    })?;
    let origin = clock::now();
    let now = host.function("poll", move |_, _| Ok((clock::now() - origin).as_secs_f64() * 1e3))?;
    let pause = host.wait_fn("poll", |vu, stack| {
        let wait = wait(&Args::new("poll", stack))?;
        if !wait.is_zero() {
            trace::tell(vu, || Step::new(Mark::Wait, format!("poll waits {wait:.1?}")));
        }
        Ok(Sleep::new(wait))
    })?;
    let record = host.function("poll", move |host, args| record(host, &polls, args))?;
    host.run_internal(CODE, (options, enter, leave, now, pause, record))
}

/// How long the pause before an attempt is: of the first one its delay and a random part of an interval, of the others an
/// interval give or take half of that part, but not longer than there is time left.
fn wait(args: &Args<'_, '_>) -> Result<Duration, ApiError> {
    let (every, jitter) = (args.duration(1, "every")?, args.number(2, "jitter")?);
    let (seed, attempts) = (args.integer(3, "seed")?, args.integer(4, "attempts")?);
    let left = args.duration(5, "left")?;
    // One seed for each poll: were each pause drawn from the journey's numbers, these would depend on how often it asks.
    let mut rng = Pcg64Mcg::seed_from_u64(seed.wrapping_add(attempts).unsigned_abs());
    let share = jitter * rng.random::<f64>();
    Ok(if attempts == 0 {
        args.duration(6, "delay")? + every.min(left).mul_f64(share)
    } else {
        every.mul_f64(1.0 + share - jitter / 2.0).min(left)
    })
}

/// Name, interval, time limit, delay, jitter, seed and the functions, as the code in Lua goes on with them.
fn options(host: &Rc<Host>, polls: &Polls, args: &mut Args<'_, '_>) -> Result<Pushed, ApiError> {
    let known = ["name", "every", "timeout", "delay", "jitter", "call", "done", "failed"];
    let options = args.options(1, &known)?;
    let options = options.ok_or_else(|| args.wrong("options", "a table", 1))?;
    let missing = "is missing; it names the metrics `<name>_duration` and so on";
    let (Some(name), Some(label)) = (options.text("name")?, options.place("name")) else {
        return Err(options.error("name", missing));
    };
    let function = |key: &str| {
        let place = options.function(key)?;
        place.ok_or_else(|| options.error(key, "must be a function, got nil"))
    };
    let (call, done, failed) = (function("call")?, function("done")?, options.function("failed")?);
    let every = options.duration("every")?.unwrap_or(Duration::from_millis(200));
    let timeout = options.duration("timeout")?.unwrap_or(Duration::from_secs(10));
    let delay = options.duration("delay")?.unwrap_or_default();
    let jitter = options.number("jitter")?.unwrap_or(0.0);
    if every < Duration::from_millis(1) {
        return Err(options.error("every", "must be at least 1ms"));
    }
    if !(0.0..=1.0).contains(&jitter) {
        return Err(options.error("jitter", &format!("must be a share from 0 to 1, got {jitter}")));
    }
    if timeout.is_zero() {
        return Err(options.error("timeout", "must be longer than 0"));
    }
    if delay >= timeout {
        return Err(options.error("delay", "must be shorter than `timeout`"));
    }
    let vu = host.current()?;
    if let Some(when) = vu.lifecycle.get().still() {
        return Err(args.error(format!(
            "cannot be used {when}; call it in setup, vu_init or the journey"
        )));
    }
    metrics_of(host, polls, args, &name)?;
    let seed = if jitter > 0.0 {
        vu.rng.borrow_mut().random()
    } else {
        0_u32
    };
    let stack = args.stack();
    stack.push_copy(label);
    for duration in [every, timeout, delay] {
        stack.push_number(duration.as_secs_f64() * 1e3);
    }
    stack.push_number(jitter);
    stack.push_number(f64::from(seed));
    stack.push_copy(call);
    stack.push_copy(done);
    match failed {
        Some(failed) => stack.push_copy(failed),
        None => stack.push_nil(),
    }
    Ok(Pushed(9))
}

/// `<name>_duration`, `_timeouts`, `_attempts`, `_resolution`, `_failures`.
fn metrics_of(host: &Host, polls: &Polls, args: &Args<'_, '_>, name: &str) -> Result<Metrics, ApiError> {
    if let Some(known) = polls.borrow().get(name) {
        return Ok(*known);
    }
    if name.is_empty() {
        return Err(args.error("`name` must not be empty; it names the metrics `<name>_duration` and so on"));
    }
    let session = &host.session;
    session
        .waits
        .take(name, Wait::Poll)
        .map_err(|error| args.error(error))?;
    let declare = |ending: &str, kind: Kind, unit: Unit| {
        session
            .registry
            .declare_own(&format!("{name}{ending}"), kind, unit)
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

fn record(host: &Rc<Host>, polls: &Polls, args: &mut Args<'_, '_>) -> Result<(), ApiError> {
    let [done, failed] = [2, 3].map(|index| args.stack().is_true(index));
    let name = args.text(1, "name")?;
    let metrics = metrics_of(host, polls, args, &name)?;
    let (elapsed, attempts) = (args.number(4, "elapsed")?, args.number(5, "attempts")?);
    let hidden = args.number(6, "hidden")?;
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
    Ok(())
}
