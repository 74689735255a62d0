//! `kt.random`: random values that depend on the run's seed, the scenario and the iteration, so that a journey can be
//! replayed.

use std::borrow::Cow;
use std::rc::Rc;

use mlua::Value;
use rand::RngExt as _;
use rand_distr::Distribution as _;
use rand_pcg::Pcg64Mcg;

use crate::script::fields::describe_at;
use crate::script::raw::{Kind, Stack};
use crate::script::{ApiError, Args, Host, Pushed, Results};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let add = Adder { host, table: &table };
    add.add("random.int", int)?;
    add.add("random.float", float)?;
    add.add("random.bool", bool)?;
    add.add("random.pick", pick)?;
    add.add("random.weighted", weighted)?;
    add.add("random.exponential", exponential)?;
    add.add("random.normal", normal)?;
    add.add("random.uuid", |_, rng| {
        let uuid = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        Ok(uuid.to_string())
    })?;
    add.add("random.string", string)?;
    Ok(Value::Table(table))
}

/// Adds functions that draw from the numbers of the virtual user who calls.
struct Adder<'a> {
    host: &'a Rc<Host>,
    table: &'a mlua::Table,
}

impl Adder<'_> {
    fn add<R: Results>(
        &self,
        name: &'static str,
        draw: impl Fn(&mut Args<'_, '_>, &mut Pcg64Mcg) -> Result<R, ApiError> + 'static,
    ) -> mlua::Result<()> {
        self.host.add(self.table, name, move |host, args| {
            let vu = host.current()?;
            draw(args, &mut vu.rng.borrow_mut())
        })
    }
}

fn int(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<i64, ApiError> {
    let (low, high) = (args.integer(1, "min")?, args.integer(2, "max")?);
    if low > high {
        return Err(args.error(format!("`min` ({low}) is above `max` ({high})")));
    }
    Ok(rng.random_range(low..=high))
}

fn float(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<f64, ApiError> {
    let low = args.opt_number(1, "min")?.unwrap_or(0.0);
    let high = args.opt_number(2, "max")?.unwrap_or(1.0);
    if low > high {
        return Err(args.error(format!("`min` ({low}) is above `max` ({high})")));
    }
    let unit: f64 = rng.random();
    Ok(low + unit * (high - low))
}

fn bool(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<bool, ApiError> {
    let share = args.opt_number(1, "probability")?.unwrap_or(0.5);
    if !(0.0..=1.0).contains(&share) {
        return Err(args.error(format!("`probability` is a share between 0 and 1, got {share}")));
    }
    Ok(rng.random_bool(share))
}

fn pick(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<Pushed, ApiError> {
    let length = list_len(args, "list")?;
    if is_more(args.stack(), length) {
        return Err(args.error("a list has no names and no gaps; from a name or past a gap nothing would be drawn"));
    }
    if length == 0 {
        return Err(args.error("the list is empty"));
    }
    let drawn = i32::try_from(rng.random_range(1..=length)).unwrap_or(i32::MAX);
    args.stack().push_item(1, drawn);
    let stack = args.stack();
    if stack.kind(stack.top()) == Kind::Nil {
        return Err(args.error(format!("the list has a gap: entry {drawn} is nil")));
    }
    Ok(Pushed(1))
}

/// Whether the first argument, a table, has entries beside its list: what comes after it, so that a long list costs nothing.
fn is_more(stack: &mut Stack<'_>, length: usize) -> bool {
    let (top, mut at) = (stack.top(), i32::try_from(length).unwrap_or(i32::MAX));
    while let Some(next) = stack.next(1, at) {
        let position = stack.number(top + 1);
        stack.truncate(top);
        #[expect(clippy::cast_precision_loss, reason = "no list is so long")]
        if position.is_none_or(|position| position > length as f64) {
            return true;
        }
        at = next;
    }
    false
}

/// How long the list is that is the first argument, a table.
fn list_len(args: &mut Args<'_, '_>, what: &str) -> Result<usize, ApiError> {
    if args.kind(1) != Kind::Table {
        return Err(args.wrong(what, "a table", 1));
    }
    Ok(args.stack().list_len(1))
}

/// Takes `{ name = weight, … }`, `{ { value, weight }, … }` for values that cannot be keys, or `{ weight, … }`, which gives
/// a position.
fn weighted(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<Pushed, ApiError> {
    let length = list_len(args, "weights")?;
    let choices = if length > 0 {
        let entries = args.stack().entries(1);
        if entries != length {
            return Err(
                args.error("a list has no names and no gaps; write `{ value, weight }` for each, or names only")
            );
        }
        pairs(args, i32::try_from(length).unwrap_or(i32::MAX))?
    } else {
        named(args)?
    };
    let total: f64 = choices.iter().map(|(_, weight)| weight).sum();
    if choices.is_empty() || total <= 0.0 {
        return Err(args.error("there is nothing to choose from: weights must add up to more than zero"));
    }
    let mut left = rng.random::<f64>() * total;
    let last = choices.len() - 1;
    let index = choices.iter().position(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    args.stack().push_copy(choices[index.unwrap_or(last)].0);
    Ok(Pushed(1))
}

fn weight(args: &mut Args<'_, '_>, of: &str, place: i32) -> Result<f64, ApiError> {
    match args.stack().number(place) {
        Some(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => {
            let got = describe_at(args.stack(), place);
            Err(args.error(format!("the weight of {of} must be a number of at least 0, got {got}")))
        }
    }
}

/// Where on the stack each choice is, and its weight.
fn pairs(args: &mut Args<'_, '_>, length: i32) -> Result<Vec<(i32, f64)>, ApiError> {
    let mut choices = Vec::new();
    for place in 1..=length {
        let stack = args.stack();
        stack.push_item(1, place);
        let entry = stack.top();
        match stack.kind(entry) {
            Kind::Table => {
                stack.push_item(entry, 1);
                stack.push_item(entry, 2);
                // The choice takes the place of its pair, whose weight is above it.
                stack.push_copy(entry + 1);
                stack.replace(entry);
                let weight = weight(args, &format!("entry {place}"), entry + 2)?;
                choices.push((entry, weight));
            }
            Kind::Number => {
                let weight = weight(args, &format!("entry {place}"), entry)?;
                let stack = args.stack();
                stack.push_number(f64::from(place));
                stack.replace(entry);
                choices.push((entry, weight));
            }
            _ => {
                let got = describe_at(stack, entry);
                return Err(args.error(format!(
                    "a list holds weights or pairs `{{ value, weight }}`, and names with weights are `{{ a = 60, b = 40 }}`; got {got}"
                )));
            }
        }
        args.stack().truncate(entry);
    }
    Ok(choices)
}

/// Sorted by name, because the order of a table's keys is not the same in every VM.
fn named(args: &mut Args<'_, '_>) -> Result<Vec<(i32, f64)>, ApiError> {
    let (mut choices, mut at) = (Vec::new(), 0);
    while let Some(next) = args.stack().next(1, at) {
        let stack: &Stack<'_> = args.stack();
        let key = stack.top() - 1;
        let Some(name) = stack.lossy(key).map(Cow::into_owned) else {
            let got = describe_at(stack, key);
            return Err(args.error(format!("a name must be a string, got {got}")));
        };
        let weight = weight(args, &format!("`{name}`"), key + 1)?;
        args.stack().truncate(key);
        choices.push((name, key, weight));
        at = next;
    }
    choices.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(choices.into_iter().map(|(_, key, weight)| (key, weight)).collect())
}

fn exponential(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<f64, ApiError> {
    let mean = args.number(1, "mean")?;
    let distribution = rand_distr::Exp::new(1.0 / mean).ok().filter(|_| mean > 0.0);
    let distribution = distribution.ok_or_else(|| args.error(format!("`mean` must be above 0, got {mean}")))?;
    Ok(distribution.sample(rng))
}

fn normal(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<f64, ApiError> {
    let (mean, deviation) = (args.number(1, "mean")?, args.number(2, "deviation")?);
    let distribution = rand_distr::Normal::new(mean, deviation)
        .ok()
        .filter(|_| deviation >= 0.0);
    let distribution =
        distribution.ok_or_else(|| args.error(format!("`deviation` must not be negative, got {deviation}")))?;
    Ok(distribution.sample(rng))
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

fn string(args: &mut Args<'_, '_>, rng: &mut Pcg64Mcg) -> Result<String, ApiError> {
    let length = args.integer(1, "length")?;
    let length = usize::try_from(length).ok().filter(|length| *length <= 1 << 20);
    let length = length.ok_or_else(|| args.error("`length` is from 0 to 1,048,576"))?;
    let alphabet = args.opt_text(2, "alphabet")?.unwrap_or(Cow::Borrowed(LETTERS));
    let letters: Vec<char> = alphabet.chars().collect();
    if letters.is_empty() {
        return Err(args.error("`alphabet` is empty"));
    }
    Ok((0..length)
        .map(|_| letters[rng.random_range(0..letters.len())])
        .collect())
}
