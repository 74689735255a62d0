//! `kt.metrics`: a journey's own counters, gauges, rates and trends, declared while the file loads.

use std::rc::Rc;

use mlua::{Function, MultiValue, Value};

use super::args::{Args, number};
use crate::metrics::{Kind, MetricId, Unit};
use crate::script::fields::{Fields, describe};
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _, Lifecycle};

/// One handle per metric and VM: methods that close over the metric's number.
const HANDLE: &str = r#"
local name, id, add, finish = ...
local handle = { name = name }
function handle:add(value, tags)
  if self ~= handle then
    error("metrics: call it with a colon: `" .. name .. ":add(value)`", 2)
  end
  return finish(add(id, value, tags))
end
return table.freeze(handle)"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let handles = host.lua.create_table()?;
    let add = host.raw_fn(add)?;
    for (name, kind, full) in [
        ("counter", Kind::Counter, "metrics.counter"),
        ("gauge", Kind::Gauge, "metrics.gauge"),
        ("rate", Kind::Rate, "metrics.rate"),
        ("trend", Kind::Trend, "metrics.trend"),
    ] {
        let (handles, add) = (handles.clone(), add.clone());
        let declare =
            host.sync_fn(move |host, values| declare(host, kind, &Args::new(full, values), &handles, &add))?;
        table.raw_set(name, declare)?;
    }
    Ok(Value::Table(table))
}

fn declare(host: &Rc<Host>, kind: Kind, args: &Args, handles: &mlua::Table, add: &Function) -> ApiResult {
    let name = args.string(0, "name")?.to_string_lossy();
    let options = Fields::new(args.name(), Vec::new(), &args.get(1), &["unit"])?;
    let unit = options.map(|options| options.string("unit")).transpose()?.flatten();
    let unit = unit.map_or(Unit::None, |text| Unit::parse(&text));
    let known = host.session.registry.find(&name);
    if known.is_some_and(|id| host.session.registry.definition(id).builtin) {
        return Err(args.error(format!("`{name}` is a built-in metric; choose another name")));
    }
    if known.is_none() && host.current()?.lifecycle.get() != Lifecycle::Load {
        return Err(args.error(format!(
            "declare `{name}` at the top of the file, so that thresholds know it before the run"
        )));
    }
    let id = host
        .session
        .registry
        .declare(&name, kind, unit)
        .map_err(|error| args.error(error))?;
    let known: Value = handles.raw_get(name.as_str())?;
    if known != Value::Nil {
        return Ok(known.into_multi(&host.lua)?);
    }
    let handle: Value = host.run_internal(HANDLE, (name.as_str(), id.index(), add, host.finish_fn()?))?;
    handles.raw_set(name, &handle)?;
    Ok(handle.into_multi(&host.lua)?)
}

fn add(host: &Rc<Host>, values: MultiValue) -> ApiResult {
    let args = Args::new("add", values);
    let id = MetricId::new(u32::try_from(args.integer(0, "metric")?).map_err(|error| args.error(error))?);
    let value = value(host, id, &args.get(1))?;
    let vu = host.current()?;
    if matches!(vu.lifecycle.get(), Lifecycle::Load | Lifecycle::Summary) {
        return Err(args.error("nothing is measured while the file loads; call it in the journey"));
    }
    let tags = vu.tags_with(&args.tags(2)?)?;
    host.recorder()?.record(id, value, &tags);
    Ok(().into_multi(&host.lua)?)
}

/// A number; for a rate also true or false.
fn value(host: &Host, id: MetricId, given: &Value) -> Result<f64, ApiError> {
    if let Some(value) = number(given) {
        return Ok(value);
    }
    let metric = host.session.registry.definition(id);
    match (given, metric.kind) {
        (Value::Boolean(value), Kind::Rate) => Ok(f64::from(u8::from(*value))),
        (other, kind) => {
            let wanted = if kind == Kind::Rate {
                "a number, true or false"
            } else {
                "a number"
            };
            Err(ApiError::Text(format!(
                "{}:add: `value` must be {wanted}, got {}",
                metric.name,
                describe(other)
            )))
        }
    }
}
