//! What names a file gives, where, and which keys its tables have, as far as that can be read from the text.

use std::collections::BTreeSet;

use super::super::locate::{entries, plan, table_at};
use super::super::tokens::{Token, tokens};
use super::Place;
use super::chain::{Chain, Step};

/// How a name came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// `local x`, or a variable of a loop.
    Local,
    /// `local function x`.
    LocalFunction,
    /// An argument of a function.
    Argument,
    /// Assigned without `local`, or `function x`.
    Global,
}

/// A name and the token that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Definition<'a> {
    pub name: &'a str,
    pub origin: Origin,
    pub line: u32,
    pub at: usize,
}

/// What Lua itself has. Names that only test files have are among them.
pub(super) const GLOBALS: [&str; 37] = [
    "assert",
    "bit32",
    "buffer",
    "coroutine",
    "debug",
    "error",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "print",
    "raises",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "recorded",
    "require",
    "select",
    "setmetatable",
    "string",
    "table",
    "test",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "vector",
    "xpcall",
    "_G",
    "_VERSION",
    "self",
];

/// Functions of `string`, which are methods of text.
pub(super) const STRING: [&str; 17] = [
    "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "rep", "reverse",
    "split", "sub", "unpack", "upper",
];

/// Every name that a file gives, in order.
pub(super) fn definitions<'a>(tokens: &[Token<'a>]) -> Vec<Definition<'a>> {
    let mut all = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let mut add = |at: usize, origin| {
            let token = &tokens[at];
            all.push(Definition {
                name: token.text,
                origin,
                line: token.line,
                at,
            });
        };
        let next = tokens.get(at + 1);
        if token.is("local") && next.is_some_and(|next| next.is("function")) {
            if tokens.get(at + 2).is_some_and(Token::is_name) {
                add(at + 2, Origin::LocalFunction);
            }
        } else if token.is("local") || token.is("for") {
            list(tokens, at + 1).for_each(|name| add(name, Origin::Local));
        } else if token.is("function") {
            let named = next.is_some_and(Token::is_name);
            let simple = named && tokens.get(at + 2).is_some_and(|after| after.is("("));
            let local = at.checked_sub(1).is_some_and(|before| tokens[before].is("local"));
            if simple && !local {
                add(at + 1, Origin::Global);
            }
            let open = (at + 1..tokens.len()).take(6).find(|at| tokens[*at].is("("));
            list(tokens, open.map_or(tokens.len(), |open| open + 1)).for_each(|name| add(name, Origin::Argument));
        } else if token.is_name() && next.is_some_and(|next| next.is("=")) && starts_statement(tokens, at) {
            add(at, Origin::Global);
        }
    }
    all
}

/// The names of `a, b, c` from a token on.
fn list<'t>(tokens: &'t [Token<'_>], from: usize) -> impl Iterator<Item = usize> + 't {
    let mut at = from;
    std::iter::from_fn(move || {
        tokens.get(at).filter(|token| token.is_name())?;
        let name = at;
        at += if tokens.get(at + 1).is_some_and(|next| next.is(",")) {
            2
        } else {
            tokens.len()
        };
        Some(name)
    })
}

/// Whether an assignment to the name at `at` is a statement, not an entry of a table.
fn starts_statement(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| &tokens[before]) else {
        return true;
    };
    let goes_on = ["{", ",", ".", ":", "(", "[", "=", "local", "for"];
    !goes_on.iter().any(|mark| before.is(mark))
}

/// The value that the name at `start` was last given before it, with the line.
pub(super) fn last_value(tokens: &[Token<'_>], start: usize) -> Option<(u32, Chain)> {
    let name = tokens[start].text;
    let (at, place) = (0..start).rev().filter(|at| tokens[*at].is("=")).find_map(|at| {
        let place = targets(tokens, at)
            .iter()
            .position(|target| tokens[*target].text == name)?;
        Some((at, place))
    })?;
    let mut value = Chain::at(tokens, at + 1)?;
    for _ in 0..place {
        tokens.get(value.end()).filter(|comma| comma.is(","))?;
        value = Chain::at(tokens, value.end() + 1)?;
    }
    let next = tokens.get(value.end());
    let whole = next.is_none_or(|next| next.is(",") || next.line > tokens[value.end() - 1].line);
    whole.then_some((tokens[at].line, value))
}

/// The names that a `=` gives values to: one, or those after `local`.
fn targets(tokens: &[Token<'_>], equals: usize) -> Vec<usize> {
    let Some(last) = equals.checked_sub(1).filter(|last| tokens[*last].is_name()) else {
        return Vec::new();
    };
    let mut first = last;
    while first >= 2 && tokens[first - 1].is(",") && tokens[first - 2].is_name() {
        first -= 2;
    }
    let before = |at: usize, word: &str| at.checked_sub(1).is_some_and(|before| tokens[before].is(word));
    if before(first, "local") {
        (first..=last).step_by(2).collect()
    } else if [",", ".", ":"].iter().any(|mark| before(last, mark)) {
        Vec::new()
    } else {
        vec![last]
    }
}

/// The keys of the table that a chain of fields stands for, when the text tells them.
pub(super) fn keys(place: &Place<'_>, chain: &Chain) -> Option<BTreeSet<String>> {
    let tokens = &place.tokens;
    let mut open = None;
    let name = tokens[chain.start].text;
    if chain.steps.is_empty()
        && let Some((_, value)) = last_value(tokens, chain.start)
        && let [(Step::Call(args), _)] = &value.steps[..]
        && tokens[value.start].is("require")
    {
        let module = tokens[args.clone()].iter().find_map(Token::string)?;
        return module_keys(&(place.module)(&module)?);
    }
    for count in 0..=chain.steps.len() {
        open = Some(match (open, count.checked_sub(1).map(|step| &chain.steps[step].0)) {
            (None, _) => table_at_name(tokens, chain.start)?,
            (Some(open), Some(Step::Field(field))) => {
                let wanted = tokens[*field].text;
                let entry = entries(tokens, open).into_iter().find(|entry| entry.name == wanted)?;
                table_at(tokens, entry.value.start)?
            }
            _ => return None,
        });
    }
    let mut found: BTreeSet<String> = named(tokens, open?).collect();
    if chain.steps.is_empty() {
        found.extend(added(tokens, name));
    }
    Some(found).filter(|keys| !keys.is_empty())
}

fn table_at_name(tokens: &[Token<'_>], start: usize) -> Option<usize> {
    let name = tokens[start].text;
    let assigned = |at: &usize| tokens[*at].text == name && tokens.get(at + 1).is_some_and(|next| next.is("="));
    let at = (0..start).rev().find(assigned)?;
    table_at(tokens, at + 2)
}

fn named(tokens: &[Token<'_>], open: usize) -> impl Iterator<Item = String> {
    entries(tokens, open)
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| !name.starts_with('['))
}

/// Keys that are put into a table after it was made: `t.x = …`, `function t.x()`, `function t:x()`.
fn added<'t>(tokens: &'t [Token<'_>], name: &'t str) -> impl Iterator<Item = String> + 't {
    tokens.windows(4).enumerate().filter_map(move |(at, four)| {
        let field = four[0].text == name && (four[1].is(".") || four[1].is(":")) && four[2].is_name();
        let function = at.checked_sub(1).is_some_and(|before| tokens[before].is("function"));
        (field && (four[3].is("=") || function)).then(|| four[2].text.to_owned())
    })
}

/// The keys of what a module returns.
fn module_keys(source: &str) -> Option<BTreeSet<String>> {
    let tokens = tokens(source);
    let open = plan(&tokens)?;
    let mut found: BTreeSet<String> = named(&tokens, open).collect();
    let returned = tokens.iter().rposition(|token| token.is("return"))?;
    if let Some(name) = tokens.get(returned + 1).filter(|token| token.is_name()) {
        found.extend(added(&tokens, name.text));
    }
    Some(found).filter(|keys| !keys.is_empty())
}
