//! Mistakes of grammar: the compiler's message has a line and at most a word, and habits from other languages explain most.

use super::{Advice, Place};
use crate::plan::duration;
use crate::script::tokens::{Kind, Span, Token};

/// Advice, if the message is one of the compiler's.
pub(super) fn explain(place: &Place<'_>, message: &str) -> Option<Advice> {
    if message.ends_with("got <eof>") || message.contains(", got <eof>;") {
        return Some(unclosed(place, message));
    }
    if message.starts_with("Expected 'end'") || message.starts_with("Expected '") && message.contains("to close") {
        let advice = got(place, message)?;
        return Some(Advice {
            span: advice.span.or_else(|| opened_at_column(place, message)),
            hint: advice.hint.or_else(|| else_if(place)),
        });
    }
    if message.starts_with("Incomplete statement") {
        return Some(incomplete(place));
    }
    if message.starts_with("Malformed string") {
        let line = place.on_line();
        let open = line.clone().rev().find(|at| place.tokens[*at].kind == Kind::Text)?;
        return Some(place.at(
            open,
            Some("text ends with the quote that it began with, on the same line"),
        ));
    }
    if message.starts_with("Malformed number") {
        let unit = |at: &usize| is_duration(&place.tokens[*at]);
        let at = place.on_line().find(unit)?;
        let text = place.tokens[at].text;
        return Some(place.at(at, Some(&format!("a duration is text: `\"{text}\"`"))));
    }
    if message.starts_with("Expected ',' after table constructor element") {
        let first = place.on_line().next()?;
        return Some(place.at(first, Some("the entry above needs a comma at its end")));
    }
    if message.starts_with("Expected") || message.starts_with("Unexpected") {
        return got(place, message);
    }
    None
}

/// The word that the compiler stumbled over.
fn got(place: &Place<'_>, message: &str) -> Option<Advice> {
    let quoted = if message.starts_with("Unexpected") {
        message.split('\'').nth(1)
    } else {
        message
            .split(", got ")
            .nth(1)
            .map(|rest| rest.split("; ").next().unwrap_or(rest).trim_matches('\''))
    };
    let word = quoted?;
    if let Some(advice) = pairs(place, message, word) {
        return Some(advice);
    }
    let tokens = &place.tokens;
    let found: Vec<usize> = place.on_line().filter(|at| tokens[*at].text == word).collect();
    let hint = habit(place, message, word);
    if message.contains("method name") && hint.is_some() {
        let colon = place.on_line().find(|at| tokens[*at].is(":"))?;
        return Some(place.at(colon, hint.as_deref()));
    }
    match found[..] {
        [only] => Some(place.at(only, hint.as_deref())),
        [first, ..] if hint.is_some() => Some(place.at(first, hint.as_deref())),
        _ => Some(Advice { span: None, hint }),
    }
}

/// A number with a unit, as `1000ms`.
fn is_duration(token: &Token<'_>) -> bool {
    let unit = token.text.ends_with(|c: char| c.is_ascii_alphabetic());
    token.kind == Kind::Number && unit && duration::parse(token.text).is_ok()
}

/// Signs of other languages that the compiler stumbles over in their middle.
fn pairs(place: &Place<'_>, message: &str, word: &str) -> Option<Advice> {
    let tokens = &place.tokens;
    let touch = |at: usize| tokens[at].end() == tokens[at + 1].start;
    let pair = |fits: &dyn Fn(&Token<'_>, &Token<'_>) -> bool| {
        let line = place.on_line();
        (line.start..line.end.saturating_sub(1)).find(|at| fits(&tokens[*at], &tokens[*at + 1]))
    };
    let (at, last, hint) = match word {
        "+" => {
            let at = place.on_line().find(|at| tokens[*at].is("++"))?;
            let advice = counted(place, at, "++");
            return Some(Advice {
                hint: advice.hint.map(|hint| format!("{hint}, in a line of its own")),
                ..advice
            });
        }
        "=" => {
            let at = pair(&|a, b| a.is("==") && b.is("=")).filter(|at| touch(*at))?;
            (at, at + 1, "two values are compared by `==`".to_owned())
        }
        ":" if message.contains("'}'") => {
            let at = pair(&|a, b| a.kind == Kind::Text && b.is(":"))?;
            let key = tokens[at].text;
            (
                at,
                at + 1,
                format!("the keys of a table are set by `=`: `[{key}] = value`"),
            )
        }
        "<" => {
            let at = pair(&|a, b| a.is("<") && (b.is("const") || b.is("close")))?;
            let name = tokens[at + 1].text;
            let end = (at + 2).min(tokens.len() - 1);
            (at, end, format!("there is no `<{name}>` here: leave it out"))
        }
        _ => return None,
    };
    Some(Advice {
        span: Span::of(&tokens[at..=last]),
        hint: Some(hint),
    })
}

/// `n++` and `n--`, with the name that ends before the token at `at`. Fields of what is computed are in no replacement, as that
/// would compute twice.
fn counted(place: &Place<'_>, at: usize, operator: &str) -> Advice {
    let tokens = &place.tokens;
    let sign = &operator[..1];
    let is_name = |at: usize| at.checked_sub(1).is_some_and(|before| tokens[before].is_name());
    let mut first = at;
    if is_name(at) {
        first = at - 1;
        while first.checked_sub(1).is_some_and(|dot| tokens[dot].is(".")) && is_name(first - 1) {
            first -= 2;
        }
    }
    let inside = first
        .checked_sub(1)
        .is_some_and(|before| tokens[before].is(".") || tokens[before].is(":"));
    let hint = if first == at || inside {
        format!("Lua has no `{operator}`: `{sign}= 1` after a name or a field does it")
    } else {
        let name = &place.source[tokens[first].start..tokens[at - 1].end()];
        format!("Lua has no `{operator}`: write `{name} = {name} {sign} 1`")
    };
    let last = if operator == "++" { at + 1 } else { at };
    Advice {
        span: Span::of(&tokens[first..last]),
        hint: Some(hint),
    }
}

/// What a word means in another language, and how Lua writes it.
fn habit(place: &Place<'_>, message: &str, word: &str) -> Option<String> {
    let line = &place.tokens[place.on_line()];
    let pair = |a: &str, b: &str| line.windows(2).any(|two| two[0].is(a) && two[1].is(b));
    let hint = match word {
        "=" if message.contains("if statement") || message.contains("while") || message.contains("until") => {
            "`=` assigns; two values are compared by `==`"
        }
        "==" => "`==` compares; a value is assigned by `=`",
        "//" => "a comment begins with `--`",
        "::" => "there are no labels, as there is no `goto`: `continue` goes on with the next turn of a loop",
        "{" if line
            .windows(3)
            .any(|three| three[0].is("(") && three[1].is(")") && three[2].is("{")) =>
        {
            "bodies have no braces: `function() … end`, `if … then … end`"
        }
        _ if message.contains("method name") && line.windows(2).any(|two| two[0].is_name() && two[1].is(":")) => {
            "the keys of a table are set by `=`: `{ name = value }`"
        }
        "!" => "`not x` is the opposite of x, `~=` is unequal",
        "}" | ")" if line.iter().any(|token| token.is("function")) => "a function ends with `end`: `function() … end`",
        "]" | "[" if line.first().is_some_and(|first| first.is("[")) => "lists are written in braces: `{ 1, 2, 3 }`",
        _ if pair("else", "if") => return else_if(place),
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Where the block that is not closed begins, as the compiler guesses by the indentation.
fn unclosed(place: &Place<'_>, message: &str) -> Advice {
    let guess = message.split("did you forget to close '").nth(1);
    let opened = guess.or_else(|| message.split("(to close '").nth(1));
    let span = opened.and_then(|rest| {
        let (word, rest) = rest.split_once('\'')?;
        let digits: String = rest
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        let line: u32 = digits
            .parse()
            .ok()
            .filter(|_| rest.trim_start().starts_with("at line"))?;
        let of_line = |token: &&Token<'_>| token.line == line && token.text == word;
        let token = place.tokens.iter().find(of_line)?;
        Span::of(std::slice::from_ref(token))
    });
    const ENDS: &str =
        "it is not closed: each `function`, `if`, `for`, `while` and `do` needs its `end`, each bracket its partner";
    Advice {
        span: span.or_else(|| Span::of(place.tokens.last().map(std::slice::from_ref)?)),
        hint: else_if(place).or_else(|| Some(ENDS.to_owned())),
    }
}

/// What is not closed and was opened on the same line.
fn opened_at_column(place: &Place<'_>, message: &str) -> Option<Span> {
    let (_, rest) = message.split_once("' at column ")?;
    let column: usize = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let line = &place.tokens[place.on_line()];
    let start = place.source[..line.first()?.start].rfind('\n').map_or(0, |end| end + 1);
    let opened = line.iter().find(|token| token.start - start + 1 == column)?;
    Span::of(std::slice::from_ref(opened))
}

/// `else if` opens a second block; the most common reason for an `end` too few.
fn else_if(place: &Place<'_>) -> Option<String> {
    let found = place
        .tokens
        .windows(2)
        .find(|two| two[0].is("else") && two[1].is("if") && two[0].line == two[1].line)?;
    let line = found[0].line;
    Some(format!(
        "`else if` in line {line} opens a second `if`, which needs an `end` of its own; `elseif` does not"
    ))
}

fn incomplete(place: &Place<'_>) -> Advice {
    let line = place.on_line();
    if let Some(at) = line.clone().find(|at| place.tokens[*at].is("++")) {
        return counted(place, at, "++");
    }
    let tokens = &place.tokens[line.clone()];
    // What follows is a comment to Lua, and no token.
    let rest = tokens.last().map_or("", |last| &place.source[last.end()..]);
    let rest = rest.lines().next().unwrap_or_default();
    if let Some(rest) = rest.strip_prefix("--")
        && rest.trim_matches([' ', '\t', '\r', ';']).is_empty()
    {
        return counted(place, line.end, "--");
    }
    if let Some(at) = tokens.iter().position(|token| token.is("goto")) {
        return Advice {
            span: Span::of(&tokens[at..tokens.len().min(at + 2)]),
            hint: Some(
                "there is no `goto`: `continue` goes on with the next turn of the loop, `break` leaves it".to_owned(),
            ),
        };
    }
    let first = tokens.first().map_or("", |first| first.text);
    let hint = if ["const", "let", "var"].contains(&first) {
        Some(format!("a variable is declared by `local`, not `{first}`"))
    } else if ["import", "using", "include"].contains(&first) {
        Some("another file is used by `local name = require \"name\"`".to_owned())
    } else if ["def", "fn", "func"].contains(&first) {
        Some("a function is written `local function name() … end`".to_owned())
    } else {
        None
    };
    Advice {
        span: Span::of(tokens),
        hint,
    }
}
