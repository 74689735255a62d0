//! `kt.metrics`: a journey's own counters, gauges, rates and trends, declared while the file loads; and what invariants
//! read of all metrics.

use std::rc::Rc;

use mlua::{Function, MultiValue, Value};

use super::args::{Args, number};
use crate::metrics::{Aggregation, Kind, MetricId, Selector, Totals, Unit, derived};
use crate::script::fields::{Fields, describe, suggest};
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
    table.raw_set(
        "value",
        host.sync_fn(|host, values| read(host, &Args::new("metrics.value", values)))?,
    )?;
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

/// What all cores have measured so far; the totals are lent to the VM while an invariant runs.
fn read(host: &Rc<Host>, args: &Args) -> ApiResult {
    if host.current()?.lifecycle.get() != Lifecycle::Invariant {
        return Err(args.error(
            "only invariants can read metrics, because each core measures for itself, and what all have measured is put \
             together once a second, where invariants run",
        ));
    }
    let text = args.string(0, "selector")?.to_string_lossy();
    let selector = Selector::parse(&text).map_err(|error| args.error(error))?;
    let registry = &host.session.registry;
    let kind = match registry.find(&selector.metric) {
        Some(id) => registry.definition(id).kind,
        // A poll that has not run yet.
        None => derived(&selector.metric).map(|(kind, _)| kind).ok_or_else(|| {
            let names = registry.all();
            let hint = suggest(&selector.metric, names.iter().map(|(_, metric)| &*metric.name));
            args.error(format!("there is no metric `{}`{hint}", selector.metric))
        })?,
    };
    let parsed = match args.get(1) {
        Value::String(text) => Aggregation::parse(&text.to_string_lossy()),
        _ => None,
    };
    let aggregation = parsed.filter(|aggregation| aggregation.fits(kind)).ok_or_else(|| {
        let got = describe(&args.get(1));
        let choices = Aggregation::choices(kind);
        args.error(format!("{got} is no aggregation of `{selector}`; it has {choices}"))
    })?;
    let totals = host.lua.app_data_ref::<Totals>();
    let totals = totals.ok_or_else(|| args.error("nothing has been measured yet"))?;
    if !totals.keeps(&selector) {
        let metric = &selector.metric;
        return Err(args.error(format!(
            "samples of `{selector}` are not kept apart: name it in a threshold too, or read `{metric}` as a whole, which \
             always works"
        )));
    }
    Ok(totals.value(&selector, aggregation).into_multi(&host.lua)?)
}

fn add(host: &Rc<Host>, values: MultiValue) -> ApiResult {
    let args = Args::new("add", values);
    let id = MetricId::new(u32::try_from(args.integer(0, "metric")?).map_err(|error| args.error(error))?);
    let value = value(host, id, &args.get(1))?;
    let vu = host.current()?;
    if let Some(when) = vu.lifecycle.get().still() {
        return Err(args.error(format!("nothing is measured {when}; call it in the journey")));
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
