//! Why an expression may be nil: a name that is not there, a field that its table has not, an index from 0, a call that
//! returned nothing. Which expression it is, is found next door.

use super::chain::{Chain, Step};
use super::names::{GLOBALS, Origin, definitions, keys, last_value};
use super::{Place, list};
use crate::script::fields::suggest;
use crate::script::tokens::Token;

/// One sentence on why the value of `chain` is nil.
pub(super) fn why(place: &Place<'_>, chain: &Chain) -> String {
    let tokens = &place.tokens;
    let text = place.text(chain);
    match chain.steps.last() {
        None => name(place, chain.start),
        Some((Step::Field(field), _)) => {
            let owner = chain.first(chain.steps.len() - 1);
            absent(place, &owner, tokens[*field].text)
        }
        Some((Step::Index(index), _)) => {
            let list = place.text(&chain.first(chain.steps.len() - 1)).to_owned();
            match tokens[index.clone()] {
                [zero] if zero.text == "0" => {
                    format!("lists begin at 1 in Lua: the first entry is `{list}[1]`")
                }
                _ => format!("`{text}` is nil: `{list}` has no such entry (lists go from 1 to `#{list}`)"),
            }
        }
        Some((Step::Call(_), _)) if is_json(tokens, chain) => {
            let owner = place.text(&chain.first(chain.steps.len() - 2)).to_owned();
            format!(
                "`{text}` is nil: the body has nothing there, or is not JSON; look at `{owner}.status` and `{owner}.body`, \
                 and `check` them before"
            )
        }
        Some((Step::Call(args), _)) if tokens[chain.end_of(chain.steps.len() - 1) - 1].text == "env" => {
            let name = tokens[args.clone()]
                .iter()
                .find_map(Token::string)
                .unwrap_or_else(|| "NAME".to_owned());
            format!(
                "`{text}` is nil: the variable is not set; give it by `-e {name}=…`, or a default as second argument"
            )
        }
        Some((Step::Call(_), _)) => format!("`{text}` is nil: it returned nothing"),
        Some((Step::Method(_), _)) => format!("`{text}` is nil"),
    }
}

/// Whether the last two steps are `:json(…)`.
fn is_json(tokens: &[Token<'_>], chain: &Chain) -> bool {
    matches!(&chain.steps[..], [.., (Step::Method(name), _), (Step::Call(_), _)] if tokens[*name].text == "json")
}

/// That a table has no such field, with those that it has.
pub(super) fn absent(place: &Place<'_>, owner: &Chain, field: &str) -> String {
    let text = place.text(owner);
    if text == "os" {
        return "of `os` only clock, date, difftime and time exist here; `kt.env` reads variables".to_owned();
    }
    match keys(place, owner) {
        Some(known) if !known.contains(field) => {
            let hint = suggest(field, known.iter().map(String::as_str));
            format!(
                "`{text}` has no `{field}`; it has {}{hint}",
                list(known.iter().map(String::as_str))
            )
        }
        _ => format!("`{text}.{field}` is nil: `{text}` has no such field at this place"),
    }
}

fn name(place: &Place<'_>, at: usize) -> String {
    let (name, line) = (place.tokens[at].text, place.tokens[at].line);
    if let Some(advice) = foreign(name) {
        return advice.to_owned();
    }
    if name == "self" {
        return "`self` is nil: a function with `self` is called with a colon, as `object:method()`".to_owned();
    }
    let all = definitions(&place.tokens);
    let own: Vec<_> = all.iter().filter(|definition| definition.name == name).collect();
    let above = own
        .iter()
        .rev()
        .find(|definition| definition.at < at || definition.origin == Origin::Global);
    match (above, own.first()) {
        (Some(definition), _) if definition.origin == Origin::Argument => {
            let given = definition.line;
            format!(
                "`{name}` is nil: it is an argument of the function in line {given}, and the caller gave none; a journey is given what `setup` returns"
            )
        }
        (Some(definition), _) => match last_value(&place.tokens, at) {
            Some((given, value)) => {
                let text = place.text(&value);
                let why = why(place, &value);
                let because = why.strip_prefix(&format!("`{text}` ")).unwrap_or(&why);
                let because = because.strip_prefix("is nil: ").unwrap_or(because);
                format!("`{name}` is nil: line {given} gave it `{text}`: {because}")
            }
            None => format!(
                "`{name}` is nil here: it is from line {}, and nothing was assigned to it",
                definition.line
            ),
        },
        (None, Some(below)) => {
            format!(
                "`{name}` is a local of line {}, and locals can be used below their definition only: move it above line {line}",
                below.line
            )
        }
        (None, None) => {
            let known = all.iter().filter(|other| other.line <= line).map(|other| other.name);
            let hint = suggest(name, known.chain(GLOBALS));
            format!("there is no variable or function `{name}` here{hint}")
        }
    }
}

/// What Lua calls that which other languages call so.
fn foreign(name: &str) -> Option<&'static str> {
    Some(match name {
        "kt" => "everything comes from `require`: write `local kt = require \"kt\"` at the top of the file",
        "http" => "write `local http = require(\"kt\").http` at the top of the file, or `kt.http` here",
        "check" => "write `local check = require(\"kt\").check` at the top of the file, or `kt.check` here",
        "test" | "recorded" | "raises" => "only test files have it, which `kingtide test` runs",
        "null" | "undefined" | "None" => "Lua's word for it is `nil`; a null in JSON is written `kt.json.null`",
        "this" => "Lua's word for it is `self`, in functions that are called with a colon",
        "console" => "lines are written by `print(…)` or `kt.log.info(…)`",
        "JSON" => "JSON is read by `kt.json.decode(text)` or `res:json()`, and written by `kt.json.encode(value)`",
        "__ENV" => "variables are read by `kt.env \"NAME\"`, and given by `-e NAME=value`",
        "__VU" => "the number of the virtual user is `kt.vu.id`",
        "__ITER" => "the number of the iteration is `kt.vu.iteration`",
        "io" => "there is no `io` here, files are out of reach: `kt.data.array` reads rows, `kt.log.info` writes lines",
        "load" | "loadstring" | "dofile" | "loadfile" => {
            "code is loaded by `require \"name\"` only, from a file beside the script"
        }
        _ => return None,
    })
}
