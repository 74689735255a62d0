//! `kt.random`: random values that depend on the run's seed, the scenario and the iteration, so that a journey can be
//! replayed.

use std::rc::Rc;

use mlua::{IntoLua as _, Lua, MultiValue, Table, Value};
use rand::RngExt as _;
use rand_distr::Distribution as _;
use rand_pcg::Pcg64Mcg;

use super::args::{Args, number};
use crate::script::fields::describe;
use crate::script::raw::{Flow, Stack};
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let add = |name: &'static str, draw: fn(&Host, &Args, &mut Pcg64Mcg) -> ApiResult| {
        let full = full_name(name);
        let function = host.sync_fn(move |host, values: MultiValue| {
            let vu = host.current()?;
            draw(host, &Args::new(full, values), &mut vu.rng.borrow_mut())
        })?;
        table.raw_set(name, function)
    };
    table.raw_set("int", host.stack_fn(int)?)?;
    add("float", float)?;
    add("bool", bool)?;
    add("pick", pick)?;
    add("weighted", weighted)?;
    add("exponential", exponential)?;
    add("normal", normal)?;
    add("uuid", |host, _, rng| {
        Ok(uuid::Builder::from_random_bytes(rng.random())
            .into_uuid()
            .to_string()
            .into_multi(&host.lua)?)
    })?;
    add("string", string)?;
    Ok(Value::Table(table))
}

fn full_name(name: &str) -> &'static str {
    match name {
        "int" => "random.int",
        "float" => "random.float",
        "bool" => "random.bool",
        "pick" => "random.pick",
        "weighted" => "random.weighted",
        "exponential" => "random.exponential",
        "normal" => "random.normal",
        "string" => "random.string",
        _ => "random",
    }
}

fn int(host: &Rc<Host>, stack: &mut Stack<'_>) -> Result<Flow, ApiError> {
    let (low, high) = match (whole(stack, 1), whole(stack, 2)) {
        (Some(low), Some(high)) if low <= high => (low, high),
        _ => return Err(not_bounds(&Args::new("random.int", stack.take(0)?))),
    };
    let drawn = host.current()?.rng.borrow_mut().random_range(low..=high);
    #[expect(clippy::cast_precision_loss, reason = "the bounds are exact in a double")]
    stack.push_number(drawn as f64);
    Ok(Flow::Return(1))
}

/// A whole number that a double holds exactly.
fn whole(stack: &Stack<'_>, index: i32) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = stack.number(index)?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// Why two values are not the bounds of a range.
fn not_bounds(args: &Args) -> ApiError {
    match (args.integer(0, "min"), args.integer(1, "max")) {
        (Err(error), _) | (_, Err(error)) => error,
        (Ok(low), Ok(high)) => args.error(format!("`min` ({low}) is above `max` ({high})")),
    }
}

fn float(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let low = args.opt_number(0, "min")?.unwrap_or(0.0);
    let high = args.opt_number(1, "max")?.unwrap_or(1.0);
    if low > high {
        return Err(args.error(format!("`min` ({low}) is above `max` ({high})")));
    }
    let unit: f64 = rng.random();
    Ok((low + unit * (high - low)).into_multi(&host.lua)?)
}

fn bool(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let share = args.opt_number(0, "probability")?.unwrap_or(0.5);
    if !(0.0..=1.0).contains(&share) {
        return Err(args.error(format!("`probability` is a share between 0 and 1, got {share}")));
    }
    Ok(rng.random_bool(share).into_multi(&host.lua)?)
}

fn pick(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let list = args.table(0, "list")?;
    let length = list.raw_len();
    if length == 0 {
        return Err(args.error("the list is empty"));
    }
    Ok(list
        .raw_get::<Value>(rng.random_range(1..=length))?
        .into_multi(&host.lua)?)
}

/// Takes `{ name = weight, … }`, `{ { value, weight }, … }` for values that cannot be keys, or `{ weight, … }`, which gives
/// a position.
fn weighted(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let table = args.table(0, "weights")?;
    let mut choices = if table.raw_len() > 0 {
        pairs(&host.lua, args, &table)?
    } else {
        named(args, &table)?
    };
    let total: f64 = choices.iter().map(|(_, weight)| weight).sum();
    if choices.is_empty() || total <= 0.0 {
        return Err(args.error("there is nothing to choose from: weights must add up to more than zero"));
    }
    let mut left = rng.random::<f64>() * total;
    let last = choices.len() - 1;
    let index = choices
        .iter()
        .position(|(_, weight)| {
            left -= weight;
            left < 0.0
        })
        .unwrap_or(last);
    Ok(choices.swap_remove(index).0.into_multi(&host.lua)?)
}

fn weight(args: &Args, of: &str, value: &Value) -> Result<f64, ApiError> {
    match number(value) {
        Some(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => Err(args.error(format!(
            "the weight of {of} must be a number of at least 0, got {}",
            describe(value)
        ))),
    }
}

fn pairs(lua: &Lua, args: &Args, table: &Table) -> Result<Vec<(Value, f64)>, ApiError> {
    let mut choices = Vec::with_capacity(table.raw_len());
    for (index, entry) in table.sequence_values::<Value>().enumerate() {
        let place = index + 1;
        let (choice, given) = match entry? {
            Value::Table(pair) => (pair.raw_get(1)?, pair.raw_get(2)?),
            given if number(&given).is_some() => (place.into_lua(lua)?, given),
            other => {
                return Err(args.error(format!(
                    "a list holds weights or pairs `{{ value, weight }}`, and names with weights are `{{ a = 60, b = 40 }}`; got {}",
                    describe(&other)
                )));
            }
        };
        choices.push((choice, weight(args, &format!("entry {place}"), &given)?));
    }
    Ok(choices)
}

/// Sorted by name, because the order of a table's keys is not the same in every VM.
fn named(args: &Args, table: &Table) -> Result<Vec<(Value, f64)>, ApiError> {
    let mut choices = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(name) = &key else {
            return Err(args.error(format!("a name must be a string, got {}", describe(&key))));
        };
        let name = name.to_string_lossy();
        let weight = weight(args, &format!("`{name}`"), &value)?;
        choices.push((name, key, weight));
    }
    choices.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(choices.into_iter().map(|(_, key, weight)| (key, weight)).collect())
}

fn exponential(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let mean = args.number(0, "mean")?;
    let distribution = rand_distr::Exp::new(1.0 / mean).ok().filter(|_| mean > 0.0);
    let distribution = distribution.ok_or_else(|| args.error(format!("`mean` must be above 0, got {mean}")))?;
    Ok(distribution.sample(rng).into_multi(&host.lua)?)
}

fn normal(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let (mean, deviation) = (args.number(0, "mean")?, args.number(1, "deviation")?);
    let distribution = rand_distr::Normal::new(mean, deviation)
        .ok()
        .filter(|_| deviation >= 0.0);
    let distribution =
        distribution.ok_or_else(|| args.error(format!("`deviation` must not be negative, got {deviation}")))?;
    Ok(distribution.sample(rng).into_multi(&host.lua)?)
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

fn string(host: &Host, args: &Args, rng: &mut Pcg64Mcg) -> ApiResult {
    let length = args.integer(0, "length")?;
    let length = usize::try_from(length).ok().filter(|length| *length <= 1 << 20);
    let length = length.ok_or_else(|| args.error("`length` is from 0 to 1,048,576"))?;
    let letters: Vec<char> = match args.opt_string(1, "alphabet")? {
        Some(alphabet) => alphabet.to_string_lossy().chars().collect(),
        None => LETTERS.chars().collect(),
    };
    if letters.is_empty() {
        return Err(args.error("`alphabet` is empty"));
    }
    let text: String = (0..length)
        .map(|_| letters[rng.random_range(0..letters.len())])
        .collect();
    Ok(text.into_multi(&host.lua)?)
}
