//! `kt.check`: named conditions on a value. It never stops anything; thresholds decide.

use std::rc::Rc;

use mlua::{Function, Value};

use super::pairs::{Of, pairs};
use super::{grpc, http};
use crate::metrics::TagSet;
use crate::script::fields::describe_at;
use crate::script::raw::{Flow, Kind, Pinned, Stack};
use crate::script::trace::{self, Mark, Step};
use crate::script::{ApiError, Host, VuContext};

/// Conditions that are functions are called in Lua, because they may wait; then all are noted.
const CODE: &str = r#"
local note = ...
local pairs, type = pairs, type
return function(value, checks, tags)
  local results = {}
  for name, condition in pairs(checks) do
    if type(condition) == "function" then
      condition = condition(value) and true or false
    end
    results[name] = condition
  end
  return note(value, results, tags)
end"#;

/// Where the arguments are.
const VALUE: i32 = 1;
const CHECKS: i32 = 2;
const TAGS: i32 = 3;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let plain = host.stack_fn(|host, stack| {
        let all = note(host, stack)?;
        stack.push_bool(all == Some(true));
        Ok(Flow::Return(1))
    })?;
    let with_functions: Function = host.run_internal(CODE, &plain)?;
    let with_functions = Pinned::new(&host.lua, with_functions)?;
    let check = host.stack_fn(move |host, stack| {
        stack.resize(TAGS);
        if stack.kind(CHECKS) != Kind::Table {
            return Err(ApiError::Text(format!(
                "check: the second argument must be a table of named conditions, got {}",
                stack.type_name(CHECKS)
            )));
        }
        match note(host, stack)? {
            Some(all) => {
                stack.push_bool(all);
                Ok(Flow::Return(1))
            }
            None => {
                stack.truncate(TAGS);
                stack.push_pinned(&with_functions);
                (1..=TAGS).for_each(|argument| stack.push_copy(argument));
                Ok(Flow::Call(TAGS))
            }
        }
    })?;
    Ok(Value::Function(check))
}

/// Notes every condition; gives whether all held, or nothing when one is a function, and then nothing is noted.
fn note(host: &Host, stack: &mut Stack<'_>) -> Result<Option<bool>, ApiError> {
    // All of them lie on the stack, names with their values above them, because a function may come last.
    let first = stack.top() + 1;
    let mut at = 0;
    while let Some(next) = stack.next(CHECKS, at) {
        if stack.kind(stack.top()) == Kind::Function {
            return Ok(None);
        }
        at = next;
    }
    if at == 0 {
        return Err(ApiError::Text(
            "check: the table of conditions is empty; one whose value is nil is not in it: compare, as in `x ~= nil`"
                .to_owned(),
        ));
    }
    let vu = host.current()?;
    if let Some(when) = vu.lifecycle.get().still() {
        return Err(ApiError::Text(format!(
            "check: nothing is measured {when}; call it in the journey"
        )));
    }
    let tags = match stack.kind(TAGS) {
        Kind::Nil => vu.tags()?,
        _ => vu.tags_with(&pairs("check", Of::Tags, stack, TAGS)?)?,
    };
    let mut all = true;
    for name in (first..stack.top()).step_by(2) {
        all &= note_one(host, &vu, &tags, stack, name)?;
    }
    Ok(Some(all))
}

/// Notes the condition whose name and value are at `name` and above; gives whether it held.
fn note_one(host: &Host, vu: &VuContext, tags: &TagSet, stack: &Stack<'_>, name: i32) -> Result<bool, ApiError> {
    let Some(text) = stack.lossy(name) else {
        let got = describe_at(stack, name);
        return Err(ApiError::Text(format!("check: `name` must be a string, got {got}")));
    };
    if stack.kind(name + 1) != Kind::Boolean {
        let got = describe_at(stack, name + 1);
        return Err(ApiError::Text(format!(
            "check: `{text}` must be true, false or a function, got {got}"
        )));
    }
    let passed = stack.is_true(name + 1);
    if !passed {
        failed(vu, stack, &text);
    }
    host.recorder()?.check(&text, passed, tags);
    trace::tell(vu, || {
        let mark = if passed { Mark::Passed } else { Mark::Broken };
        Step::new(mark, format!("check: {text}"))
    });
    Ok(passed)
}

/// Keeps what a condition did not hold of, if it is the answer to a request and one of the first.
#[cold]
fn failed(vu: &VuContext, stack: &Stack<'_>, name: &str) {
    if stack.kind(VALUE) != Kind::Table {
        return;
    }
    stack.push_field(VALUE, c"__answer");
    let answer = stack.top();
    let _ = http::check_failed(vu, stack, answer, name) || grpc::check_failed(vu, stack, answer, name);
}
