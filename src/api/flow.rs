//! `kt.flow`: times what starts in one place and ends in another, by whatever virtual user. Which flows are in flight, and
//! what is recorded of them, is in `script::flow`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::Value;

use super::pairs::{Of, pairs};
use crate::script::flow::{COMPLETED, Finish, Line, Tally};
use crate::script::options::Options;
use crate::script::raw::Kind;
use crate::script::waits::Wait;
use crate::script::{ApiError, Args, Host};

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
    host.add(&table, "flow.start", move |host, args| start(host, &own, args))?;
    host.add(&table, "flow.finish", move |host, args| finish(host, &flows, args))?;
    Ok(Value::Table(table))
}

impl Flows {
    fn line(&self, host: &Host, args: &Args<'_, '_>, name: &str) -> Result<Arc<Line>, ApiError> {
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

fn key(args: &Args<'_, '_>) -> Result<Vec<u8>, ApiError> {
    match args.kind(1) {
        Kind::String => Ok(args.bytes(1, "key")?.to_vec()),
        Kind::Number => Ok(args.describe(1).into_bytes()),
        _ => Err(args.wrong("key", "a string or a number", 1)),
    }
}

fn options<'s, 'a, const N: usize>(
    args: &'s Args<'_, 'a>,
    known: &'s [&'static str; N],
) -> Result<(Options<'s, 'a, N>, String), ApiError> {
    let options = args.options(2, known)?;
    let options = options.ok_or_else(|| args.wrong("options", "a table", 2))?;
    let name = options.text("name")?;
    let missing = "is missing; it names the metrics `<name>_duration` and so on";
    let name = name.ok_or_else(|| options.error("name", missing))?.into_owned();
    if name.is_empty() {
        return Err(options.error(
            "name",
            "must not be empty; it names the metrics `<name>_duration` and so on",
        ));
    }
    Ok((options, name))
}

fn start(host: &Host, flows: &Flows, args: &mut Args<'_, '_>) -> Result<bool, ApiError> {
    let key = key(args)?;
    let (options, name) = options(args, &["name", "timeout", "tags"])?;
    let timeout = options.duration("timeout")?.unwrap_or(Duration::from_secs(10));
    if timeout.is_zero() {
        return Err(options.error("timeout", "must be longer than 0"));
    }
    let more = match options.place("tags") {
        Some(place) => pairs(args.name(), Of::Tags, args.stack(), place)?,
        None => Vec::new(),
    };
    let line = flows.line(host, args, &name)?;
    let (recorder, tags) = (host.recorder()?, host.current()?.tags_with(&more)?);
    let is_new = flows
        .tally
        .start(&host.session.flows, recorder, &line, &key, timeout, &tags);
    is_new.map_err(|error| args.error(error))
}

fn finish(host: &Host, flows: &Flows, args: &Args<'_, '_>) -> Result<(&'static str, Option<f64>), ApiError> {
    let key = key(args)?;
    let (options, name) = options(args, &["name", "outcome"])?;
    let outcome = options.text("outcome")?.unwrap_or(Cow::Borrowed(COMPLETED));
    if outcome.is_empty() {
        return Err(options.error("outcome", "must not be empty"));
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
    Ok((result, took.map(|took| took.as_secs_f64() * 1e3)))
}
