//! Mistakes with values: nil where something was expected, text where a number was. The VM names types and fields, not
//! expressions; these are found here.

use super::chain::{Chain, Step};
use super::names::{STRING, definitions, keys};
use super::nil::{absent, why};
use super::{Advice, Place};
use crate::script::fields::suggest;
use crate::script::tokens::{Kind, Span};

/// Advice, if the message is one of the VM's about a value.
pub(super) fn explain(place: &Place<'_>, message: &str) -> Option<Advice> {
    let rest = message.strip_prefix("attempt to ");
    if let Some(rest) = rest {
        if let Some((_, key)) = rest.split_once(" with '") {
            return index(place, rest, key.trim_end_matches('\''));
        }
        if rest.starts_with("index nil with") {
            return index(place, rest, "");
        }
        if rest.starts_with("call missing method '") {
            return method(place, rest);
        }
        if let Some(what) = rest.strip_prefix("call a ") {
            return call(place, what);
        }
        if let Some(rest) = rest.strip_prefix("perform arithmetic (") {
            return arithmetic(place, rest);
        }
        if let Some(types) = rest.strip_prefix("concatenate ") {
            return concatenate(place, types);
        }
        if let Some(rest) = rest.strip_prefix("compare ") {
            return compare(place, rest);
        }
        if rest.starts_with("get length of a nil") {
            return operand(place, "#");
        }
        if rest.starts_with("iterate over a nil") {
            return operand(place, "in");
        }
        return None;
    }
    let argument = message
        .strip_prefix("invalid argument #")
        .or(message.strip_prefix("missing argument #"))?;
    arguments(place, argument)
}

/// `a.b.c` where `a.b` is nil.
fn index(place: &Place<'_>, rest: &str, key: &str) -> Option<Advice> {
    let tokens = &place.tokens;
    let named = |step: &Step| match step {
        Step::Field(name) | Step::Method(name) => tokens[*name].text == key,
        Step::Index(inside) => match tokens[inside.clone()] {
            [text] if !key.is_empty() => text.string().is_some_and(|text| text == key),
            _ => true,
        },
        Step::Call(_) => false,
    };
    let mut owners = Vec::new();
    for chain in Chain::all(tokens, place.on_line()) {
        let found = chain.steps.iter().enumerate().filter(|(_, (step, _))| named(step));
        owners.extend(found.map(|(n, _)| chain.first(n)));
    }
    // Of several, one whose name is known to be none is more likely.
    let unknown = owners
        .iter()
        .position(|owner| owner.steps.is_empty() && !is_known(place, owner));
    let owner = owners.get(unknown.unwrap_or(0))?;
    if rest.starts_with("index nil") {
        return Some(place.about(owner, why(place, owner)));
    }
    let kind = rest.strip_prefix("index ")?.split(' ').next()?;
    Some(place.about(
        owner,
        format!("`{}` is a {kind}, which has no fields", place.text(owner)),
    ))
}

fn is_known(place: &Place<'_>, name: &Chain) -> bool {
    let text = place.tokens[name.start].text;
    super::names::GLOBALS.contains(&text) || definitions(&place.tokens).iter().any(|known| known.name == text)
}

/// A call of what is no function.
fn call(place: &Place<'_>, what: &str) -> Option<Advice> {
    let callees: Vec<Chain> = Chain::all(&place.tokens, place.on_line())
        .iter()
        .flat_map(|chain| chain.callees().collect::<Vec<_>>())
        .filter(|callee| !(callee.steps.is_empty() && super::names::GLOBALS.contains(&place.tokens[callee.start].text)))
        .collect();
    let suspect = callees.iter().find(|callee| !is_fine(place, callee));
    let Some(suspect) = suspect.or_else(|| callees.first()) else {
        return only_in_tests(place);
    };
    let text = place.text(suspect);
    if !what.starts_with("nil") {
        let kind = what.split(' ').next()?;
        let hint = format!(
            "`{text}` is a {kind}, not a function{}",
            if kind == "table" {
                "; call one of its functions, as `NAME.get(…)`".replace("NAME", text)
            } else {
                String::new()
            }
        );
        return Some(place.about(suspect, hint));
    }
    let hint = match suspect.steps.last() {
        Some((Step::Field(name) | Step::Method(name), _)) => {
            let owner = suspect.first(suspect.steps.len() - 1);
            absent(place, &owner, place.tokens[*name].text)
        }
        _ => why(place, suspect),
    };
    Some(place.about(suspect, hint))
}

/// `test(…)` and its like in a file that is no test file.
fn only_in_tests(place: &Place<'_>) -> Option<Advice> {
    let names = ["test", "recorded", "raises"];
    let at = place.on_line().find(|at| names.contains(&place.tokens[*at].text))?;
    Some(place.at(
        at,
        Some("only files that end in `.test.lua` have it; `kingtide test` runs them"),
    ))
}

/// Whether nothing speaks against a callee: its name is defined above, or its table has the field.
fn is_fine(place: &Place<'_>, callee: &Chain) -> bool {
    let tokens = &place.tokens;
    match callee.steps.last() {
        None => {
            let name = tokens[callee.start].text;
            let all = definitions(tokens);
            all.iter().any(|known| known.name == name && known.at < callee.start)
        }
        Some((Step::Field(name) | Step::Method(name), _)) => {
            let known = keys(place, &callee.first(callee.steps.len() - 1));
            known.is_none_or(|known| known.contains(tokens[*name].text))
        }
        Some(_) => true,
    }
}

/// `text:uper()`.
fn method(place: &Place<'_>, rest: &str) -> Option<Advice> {
    let name = rest.split('\'').nth(1)?;
    let at = place.on_line().find(|at| place.tokens[*at].text == name)?;
    let hint = rest
        .ends_with("of string")
        .then(|| suggest(name, STRING))
        .filter(|hint| !hint.is_empty());
    Some(place.at(
        at,
        hint.map(|hint| format!("text has no method `{name}`{hint}")).as_deref(),
    ))
}

/// The chain that ends before, and the one that begins after the token at `at`.
fn around(place: &Place<'_>, at: usize) -> (Option<Chain>, Option<Chain>) {
    let line = place.on_line();
    let first = line.start.saturating_sub(40);
    let left = Chain::all(&place.tokens, first..at)
        .into_iter()
        .find(|chain| chain.end() == at);
    (left, Chain::at(&place.tokens, at + 1))
}

/// Where on the line an operator is.
fn operators(place: &Place<'_>, operator: &str) -> Vec<usize> {
    place.on_line().filter(|at| place.tokens[*at].is(operator)).collect()
}

/// `#x`, `in x`.
fn operand(place: &Place<'_>, operator: &str) -> Option<Advice> {
    let at = *operators(place, operator).first()?;
    let chain = Chain::at(&place.tokens, at + 1)?;
    Some(place.about(&chain, why(place, &chain)))
}

fn arithmetic(place: &Place<'_>, rest: &str) -> Option<Advice> {
    let (name, types) = rest.split_once(") on ")?;
    let operator = match name {
        "add" => "+",
        "sub" | "unm" => "-",
        "mul" => "*",
        "div" => "/",
        "mod" => "%",
        "pow" => "^",
        _ => "//",
    };
    let found = operators(place, operator);
    let at = *found.first()?;
    if types.contains("string") && name == "add" {
        return Some(place.at(at, Some("`+` adds numbers; text is joined by `..`: `\"a\" .. b`")));
    }
    if types.contains("string") {
        return Some(place.at(at, Some("text is no number; `tonumber(text)` reads one from it")));
    }
    if found.len() > 1 || !types.contains("nil") {
        return Some(place.at(at, None)).filter(|_| found.len() == 1);
    }
    let (left, right) = around(place, at);
    let chain = if types.starts_with("nil") { left } else { right }?;
    Some(place.about(&chain, why(place, &chain)))
}

fn compare(place: &Place<'_>, rest: &str) -> Option<Advice> {
    let mut words = rest.split(' ');
    let (left, operator, right) = (words.next()?, words.next()?, words.next()?);
    let mirrored = match operator {
        "<" => ">",
        "<=" => ">=",
        other => other,
    };
    let direct = operators(place, operator);
    let (at, turned) = match direct.first() {
        Some(at) => (*at, false),
        None => (*operators(place, mirrored).first()?, true),
    };
    if left == "nil" || right == "nil" {
        let (before, after) = around(place, at);
        let chain = if (left == "nil") != turned { before } else { after }?;
        return Some(place.about(&chain, why(place, &chain)));
    }
    let text = left == "string" || right == "string";
    let hint = text.then_some("text and numbers cannot be compared; `tonumber(text)` reads a number from text");
    Some(place.at(at, hint))
}

/// `a .. b`, where what is no literal may be nil.
fn concatenate(place: &Place<'_>, types: &str) -> Option<Advice> {
    let mut operands: Vec<Chain> = Vec::new();
    for at in operators(place, "..") {
        let (left, right) = around(place, at);
        for chain in left.into_iter().chain(right) {
            if !operands.contains(&chain) {
                operands.push(chain);
            }
        }
    }
    if !types.contains("nil") {
        let hint = types
            .contains("table")
            .then_some("a table is shown as text by `kt.json.encode(value)`");
        let boolean = types
            .contains("boolean")
            .then_some("true and false become text by `tostring(value)`");
        return Some(place.at(*operators(place, "..").first()?, hint.or(boolean)));
    }
    let unknown = operands
        .iter()
        .position(|chain| chain.steps.is_empty() && !is_known(place, chain));
    if let (Some(chain), true) = (
        operands.get(unknown.unwrap_or(0)),
        unknown.is_some() || operands.len() == 1,
    ) {
        return Some(place.about(chain, why(place, chain)));
    }
    let texts: Vec<String> = operands
        .iter()
        .map(|chain| format!("`{}`", place.text(chain)))
        .collect();
    let (first, last) = (operands.first()?, operands.last()?);
    Some(Advice {
        span: Span::of(&place.tokens[first.start..last.end()]),
        hint: Some(format!("one of {} is nil here", texts.join(", "))),
    })
}

/// An argument of a function of Lua's.
fn arguments(place: &Place<'_>, rest: &str) -> Option<Advice> {
    let number: usize = rest
        .chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .ok()?;
    let function = rest.split('\'').nth(1);
    let chains = Chain::all(&place.tokens, place.on_line());
    let (callee, args) = chains.iter().find_map(|chain| {
        chain.steps.iter().enumerate().find_map(|(n, (step, _))| {
            let Step::Call(args) = step else { return None };
            let callee = chain.first(n);
            let last = place.tokens[callee.end() - 1].text;
            (function.is_none_or(|function| function == last)).then(|| (callee, args.clone()))
        })
    })?;
    let tokens = &place.tokens;
    let mut start = args.start + usize::from(tokens[args.start].is("("));
    // Methods have their text as the first argument.
    let by_method = matches!(callee.steps.last(), Some((Step::Method(_), _)));
    for _ in 1..number - usize::from(by_method && number > 1) {
        while start < args.end && !tokens[start].is(",") {
            start = crate::script::tokens::close(tokens, start).max(start + 1);
        }
        start += 1;
    }
    if start + usize::from(tokens[args.start].kind != Kind::Text) >= args.end {
        return Some(place.about(&callee, None));
    }
    match Chain::at(tokens, start) {
        Some(chain) if rest.ends_with("got nil)") => Some(place.about(&chain, why(place, &chain))),
        Some(chain) => Some(place.about(&chain, None)),
        None => Some(place.at(start, None)),
    }
}
