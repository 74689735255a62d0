//! `kt.flow`: times what starts in one place and ends in another, by whatever virtual user. Which flows are in flight, and
//! what is recorded of them, is in `script::flow`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::Value;

use super::args::{Args, tags};
use crate::script::fields::{Fields, describe};
use crate::script::flow::{COMPLETED, Finish, Line, Tally};
use crate::script::waits::Wait;
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _};

/// One VM's flows.
#[derive(Default)]
struct Flows {
    tally: Tally,
    lines: RefCell<HashMap<String, Arc<Line>>>,
}

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let flows = Rc::new(Flows::default());
    let own = Rc::clone(&flows);
    let start = host.sync_fn(move |host, values| start(host, &own, &Args::new("flow.start", values)))?;
    table.raw_set("start", start)?;
    let finish = host.sync_fn(move |host, values| finish(host, &flows, &Args::new("flow.finish", values)))?;
    table.raw_set("finish", finish)?;
    Ok(Value::Table(table))
}

impl Flows {
    fn line(&self, host: &Host, args: &Args, name: &str) -> Result<Arc<Line>, ApiError> {
        if let Some(when) = host.current()?.lifecycle.get().still() {
            return Err(args.error(format!(
                "cannot be used {when}; call it in setup, vu_init or the journey"
            )));
        }
        if let Some(line) = self.lines.borrow().get(name) {
            return Ok(Arc::clone(line));
        }
        let session = &host.session;
        session
            .waits
            .take(name, Wait::Flow)
            .map_err(|error| args.error(error))?;
        let line = session.flows.line(name, &session.registry);
        let line = line.map_err(|error| args.error(error))?;
        self.lines.borrow_mut().insert(name.to_owned(), Arc::clone(&line));
        Ok(line)
    }
}

fn key(args: &Args) -> Result<Vec<u8>, ApiError> {
    match args.get(0) {
        Value::String(key) => Ok(key.as_bytes().to_vec()),
        key @ (Value::Integer(_) | Value::Number(_)) => Ok(describe(&key).into_bytes()),
        other => Err(args.wrong("key", "a string or a number", &other)),
    }
}

fn options(args: &Args, known: &[&str]) -> Result<(Fields, String), ApiError> {
    let options = Fields::new(args.name(), Vec::new(), &args.get(1), known)?;
    let options = options.ok_or_else(|| args.wrong("options", "a table", &Value::Nil))?;
    let name = options
        .string("name")?
        .ok_or_else(|| options.error("name", "is missing; it names the metrics `<name>_duration` and so on"))?;
    Ok((options, name))
}

fn start(host: &Host, flows: &Flows, args: &Args) -> ApiResult {
    let key = key(args)?;
    let (options, name) = options(args, &["name", "timeout", "tags"])?;
    let timeout = options.duration("timeout")?.unwrap_or(Duration::from_secs(10));
    if timeout.is_zero() {
        return Err(options.error("timeout", "must be longer than 0").into());
    }
    let more = match options.get("tags") {
        Value::Nil => Vec::new(),
        Value::Table(table) => tags(args.name(), &table)?,
        other => return Err(args.wrong("tags", "a table of strings", &other)),
    };
    let line = flows.line(host, args, &name)?;
    let (recorder, tags) = (host.recorder()?, host.current()?.tags_with(&more)?);
    let is_new = flows
        .tally
        .start(&host.session.flows, recorder, &line, &key, timeout, &tags);
    Ok(is_new.map_err(|error| args.error(error))?.into_multi(&host.lua)?)
}

fn finish(host: &Host, flows: &Flows, args: &Args) -> ApiResult {
    let key = key(args)?;
    let (options, name) = options(args, &["name", "outcome"])?;
    let outcome = options.string("outcome")?.unwrap_or_else(|| COMPLETED.to_owned());
    if outcome.is_empty() {
        return Err(options.error("outcome", "must not be empty").into());
    }
    let line = flows.line(host, args, &name)?;
    let (recorder, tags) = (host.recorder()?, host.current()?.tags()?);
    let finish = flows
        .tally
        .finish(&host.session.flows, recorder, &line, &key, &outcome, &tags);
    let (result, took) = match finish {
        Finish::InTime(took) if outcome == COMPLETED => ("completed", Some(took)),
        Finish::InTime(took) => ("not_completed", Some(took)),
        Finish::TimedOut(took) => ("timed_out", Some(took)),
        Finish::TimedOutBefore => ("timed_out", None),
        Finish::Duplicate => ("duplicate", None),
        Finish::OutOfOrder => ("out_of_order", None),
    };
    Ok((result, took.map(|took| took.as_secs_f64() * 1e3)).into_multi(&host.lua)?)
}
