//! Misuse of kingtide's own functions: the message names the function, and an option, a field or a module in backticks;
//! where these are written is found here.

use std::ops::Range;

use super::chain::{Chain, Step};
use super::{Advice, Place};
use crate::script::tokens::{Kind, Span, close};

/// Advice, if the message begins with a function's name, or quotes what is written on the line.
pub(super) fn explain(place: &Place<'_>, message: &str) -> Option<Advice> {
    if message.contains("cannot be used while the file loads") {
        return Some(too_early(place, message));
    }
    if let Some(advice) = colon(place, message) {
        return Some(advice);
    }
    let callee = message
        .split([':', ' '])
        .next()
        .and_then(|function| callee(place, function));
    let within = callee.as_ref().map_or(place.on_line(), |(_, whole)| whole.clone());
    if let Some(found) = quoted(place, message, within) {
        return Some(Advice {
            span: Span::of(&place.tokens[found]),
            hint: module_name(message),
        });
    }
    let (callee, whole) = callee?;
    let has_body = message.starts_with("http.") && !message.starts_with("http.get");
    let body = has_body && message.contains("`options` must be a table, got \"");
    Some(Advice {
        span: argument(place, message, &whole).or_else(|| place.about(&callee, None).span),
        hint: body.then(|| "a body is an option: `{ body = … }`, or `{ json = { … } }`".to_owned()),
    })
}

/// The argument whose value a message quotes: `…, got "a=b"`.
fn argument(place: &Place<'_>, message: &str, whole: &Range<usize>) -> Option<Span> {
    let got = message.rsplit_once("got \"")?.1.strip_suffix('"')?;
    let written = |at: &usize| place.tokens[*at].string().is_some_and(|text| text == got);
    let at = whole.clone().find(written)?;
    Span::of(&place.tokens[at..=at])
}

/// The chain that is called on the line as `function`, and all tokens of the call. Locals may stand for its first part.
fn callee(place: &Place<'_>, function: &str) -> Option<(Chain, Range<usize>)> {
    let last = function.rsplit('.').next()?;
    Chain::all(&place.tokens, place.on_line())
        .into_iter()
        .find_map(|chain| {
            let callee = chain
                .callees()
                .find(|callee| place.tokens[callee.end() - 1].text == last)?;
            let count = callee.steps.len() + 1;
            let whole = chain.start..chain.end_of(count);
            Some((callee, whole))
        })
}

/// The tokens of the first of the message's words in backticks that is written there: as a key, a name or a text.
fn quoted(place: &Place<'_>, message: &str, within: Range<usize>) -> Option<Range<usize>> {
    let tokens = &place.tokens;
    message.split('`').skip(1).step_by(2).find_map(|word| {
        let word = word.trim_matches('"');
        let is_key = |at: &usize| tokens[*at].text == word && tokens.get(at + 1).is_some_and(|next| next.is("="));
        let is_it = |at: &usize| tokens[*at].text == word && tokens[*at].kind == Kind::Word;
        let is_text = |at: &usize| tokens[*at].string().is_some_and(|text| text == word);
        let found = within.clone().find(is_key).or_else(|| within.clone().find(is_text));
        let at = found.or_else(|| within.clone().find(is_it))?;
        let is_option = tokens.get(at + 1).is_some_and(|next| next.is("="));
        // A wrong value is marked with its option.
        let end = if is_option && !message.contains("unknown option") {
            value_end(place, at + 2)
        } else {
            at + 1
        };
        Some(at..end)
    })
}

/// The token after the value that begins at `at`, when that is on the same line.
fn value_end(place: &Place<'_>, at: usize) -> usize {
    let tokens = &place.tokens;
    let mut end = at;
    while end < tokens.len() && ![",", ";", "}"].iter().any(|mark| tokens[end].is(mark)) {
        end = close(tokens, end).max(end + 1);
    }
    let one_line = tokens
        .get(at)
        .is_some_and(|first| tokens[at..end].iter().all(|token| token.line == first.line));
    if one_line { end.max(at) } else { at - 1 }
}

/// `http:get(…)` gives the module as the first argument.
fn colon(place: &Place<'_>, message: &str) -> Option<Advice> {
    let chains = Chain::all(&place.tokens, place.on_line());
    if message.contains("call it with a colon") {
        let json = |callee: &Chain| place.tokens[callee.end() - 1].text == "json";
        let callee = chains.iter().find_map(|chain| chain.callees().find(json))?;
        return Some(place.about(&callee, None));
    }
    let (function, what) = message.split_once(": ")?;
    let last = function.rsplit('.').next()?;
    if !what.contains("got a table") {
        return None;
    }
    let by_method = |callee: &Chain| matches!(callee.steps.last(), Some((Step::Method(name), _)) if place.tokens[*name].text == last);
    let callee = chains.iter().find_map(|chain| chain.callees().find(by_method))?;
    let dotted = place.text(&callee).replace(':', ".");
    let hint = format!("call it with a dot: `{dotted}(…)`; the colon hands the module itself over as first argument");
    Some(place.about(&callee, hint))
}

/// A request at the top of the file, often where a function was meant.
fn too_early(place: &Place<'_>, message: &str) -> Advice {
    let function = message.split(' ').next().unwrap_or_default();
    let found = callee(place, function);
    let mut before = found.as_ref().map_or(0, |(callee, _)| callee.start).checked_sub(2);
    if let Some(at) = before
        && !place.tokens[at + 1].is("=")
    {
        before = None;
    }
    let key = before.map(|at| place.tokens[at].text);
    let call = found.as_ref().map(|(_, whole)| {
        let text = &place.source[place.tokens[whole.start].start..place.tokens[whole.end - 1].end()];
        if text.len() <= 60 && !text.contains('\n') {
            text.to_owned()
        } else {
            format!("{function}(…)")
        }
    });
    let hint = match (key, call) {
        (Some(key @ ("exec" | "setup" | "teardown" | "vu_init")), Some(call)) => Some(format!(
            "`{key}` takes a function, not what it returns: `{key} = function() {call} end`"
        )),
        _ => None,
    };
    Advice {
        span: found.and_then(|(_, whole)| Span::of(&place.tokens[whole])),
        hint,
    }
}

/// How a path is written as the name of a module.
fn module_name(message: &str) -> Option<String> {
    let rest = message.strip_prefix("require: `")?;
    let (path, _) = rest.split_once("` is not a module name")?;
    let name = path.trim_start_matches("./").trim_end_matches(".lua").replace('/', ".");
    let sound = !name.is_empty() && !name.contains("..") && !name.starts_with('.');
    sound.then(|| format!("a file beside the script is required as `require \"{name}\"`"))
}
