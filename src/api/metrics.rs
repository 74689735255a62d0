//! `kt.metrics`: a journey's own counters, gauges, rates and trends, declared while the file loads; and what invariants
//! read of all metrics.

use std::rc::Rc;

use mlua::{Function, Table, Value};

use super::pairs::{Of, pairs};
use crate::metrics::{Aggregation, Kind, MetricId, Totals, Unit, derived};
use crate::script::fields::{describe_at, suggest};
use crate::script::raw::{Kind as Type, Stack};
use crate::script::{ApiError, Args, Host, Lifecycle};

/// One handle per metric and VM: methods that close over the metric's number.
const HANDLE: &str = r#"
local name, id, add = ...
local handle = { name = name }
function handle:add(value, tags)
  if self ~= handle then
    error("metrics: call it with a colon: `" .. name .. ":add(value)`", 2)
  end
  add(id, value, tags)
end
return table.freeze(handle)"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let handles = host.lua.create_table()?;
    let add = host.function("add", add)?;
    for (name, kind) in [
        ("metrics.counter", Kind::Counter),
        ("metrics.gauge", Kind::Gauge),
        ("metrics.rate", Kind::Rate),
        ("metrics.trend", Kind::Trend),
    ] {
        let (handles, add) = (handles.clone(), add.clone());
        host.add(&table, name, move |host, args| {
            declare(host, kind, args, &handles, &add)
        })?;
    }
    host.add(&table, "metrics.value", read)?;
    Ok(Value::Table(table))
}

fn declare(
    host: &Rc<Host>,
    kind: Kind,
    args: &Args<'_, '_>,
    handles: &Table,
    add: &Function,
) -> Result<Value, ApiError> {
    let name = args.text(1, "name")?;
    let unit = match args.options(2, &["unit"])? {
        Some(options) => options.text("unit")?.map(|text| Unit::parse(&text)),
        None => None,
    };
    let unit = unit.unwrap_or(Unit::None);
    let known = host.session.registry.find(&name);
    if known.is_none() && host.current()?.lifecycle.get() != Lifecycle::Load {
        return Err(args.error(format!(
            "declare `{name}` at the top of the file, so that thresholds know it before the run"
        )));
    }
    let id = host
        .session
        .registry
        .declare_own(&name, kind, unit)
        .map_err(|error| args.error(error))?;
    let known: Value = handles.raw_get(&*name)?;
    if known != Value::Nil {
        return Ok(known);
    }
    let handle: Value = host.run_internal(HANDLE, (&*name, id.index(), add))?;
    handles.raw_set(&*name, &handle)?;
    Ok(handle)
}

/// What all cores have measured so far; the totals are lent to the VM while an invariant runs.
fn read(host: &Rc<Host>, args: &mut Args<'_, '_>) -> Result<Option<f64>, ApiError> {
    if host.current()?.lifecycle.get() != Lifecycle::Invariant {
        return Err(args.error(
            "only invariants can read metrics, because each core measures for itself, and what all have measured is put \
             together once a second, where invariants run",
        ));
    }
    let text = args.text(1, "selector")?;
    let registry = &host.session.registry;
    let selector = registry.selector(&text).map_err(|error| args.error(error))?;
    let kind = match registry.find(&selector.metric) {
        Some(id) => registry.definition(id).kind,
        // A poll that has not run yet.
        None => derived(&selector.metric).map(|(kind, _)| kind).ok_or_else(|| {
            let names = registry.all();
            let hint = suggest(&selector.metric, names.iter().map(|(_, metric)| &*metric.name));
            args.error(format!("there is no metric `{}`{hint}", selector.metric))
        })?,
    };
    let parsed = args.text(2, "aggregation").ok();
    let parsed = parsed.and_then(|text| Aggregation::parse(&text));
    let aggregation = parsed.filter(|aggregation| aggregation.fits(kind)).ok_or_else(|| {
        let got = args.describe(2);
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
    Ok(totals.value(&selector, aggregation))
}

fn add(host: &Rc<Host>, args: &mut Args<'_, '_>) -> Result<(), ApiError> {
    let id = MetricId::new(u32::try_from(args.integer(1, "metric")?).map_err(|error| args.error(error))?);
    let value = value(host, id, args.stack(), 2)?;
    let vu = host.current()?;
    if let Some(when) = vu.lifecycle.get().still() {
        let owner = owner(host, id);
        return Err(ApiError::Text(format!(
            "{owner}: nothing is measured {when}; call it in the journey"
        )));
    }
    let tags = if args.is_nil(3) {
        vu.tags()?
    } else {
        let read = pairs(args.name(), Of::Tags, args.stack(), 3);
        // Read once more for the message, which names the metric.
        vu.tags_with(&read.or_else(|_| pairs(&owner(host, id), Of::Tags, args.stack(), 3))?)?
    };
    host.recorder()?.record(id, value, &tags);
    Ok(())
}

/// The method of a metric's handle as messages call it.
fn owner(host: &Host, id: MetricId) -> String {
    format!("{}:add", host.session.registry.definition(id).name)
}

/// A number; for a rate also true or false.
fn value(host: &Host, id: MetricId, stack: &Stack<'_>, index: i32) -> Result<f64, ApiError> {
    if let Some(value) = stack.number(index) {
        return Ok(value);
    }
    let wanted = match host.session.registry.definition(id).kind {
        Kind::Rate if stack.kind(index) == Type::Boolean => return Ok(f64::from(u8::from(stack.is_true(index)))),
        Kind::Rate => "a number, true or false",
        _ => "a number",
    };
    let (owner, got) = (owner(host, id), describe_at(stack, index));
    Err(ApiError::Text(format!("{owner}: `value` must be {wanted}, got {got}")))
}
