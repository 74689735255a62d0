//! What an error means at the place where it happened: which part of the line it is about, and what to do. Guesses from the
//! text of the file, for people; the layout of messages is `render`'s.

mod chain;
mod names;
mod nil;
mod options;
mod syntax;
mod values;

use super::tokens::{Span, Token, tokens};

use self::chain::Chain;

/// Finds the source of a module by the name that `require` was given.
pub type Module<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What can be said about an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// What it is about.
    pub span: Option<Span>,
    /// What to do.
    pub hint: Option<String>,
}

/// A line of a file, with what is known of the file.
pub(super) struct Place<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    line: u32,
    module: &'a Module<'a>,
}

impl<'a> Place<'a> {
    fn text(&self, chain: &Chain) -> &'a str {
        chain.text(self.source, &self.tokens)
    }

    /// The tokens of the line.
    fn on_line(&self) -> std::ops::Range<usize> {
        let start = self.tokens.partition_point(|token| token.line < self.line);
        start..self.tokens.partition_point(|token| token.line <= self.line)
    }

    /// Advice about the tokens of a chain.
    fn about(&self, chain: &Chain, hint: impl Into<Option<String>>) -> Advice {
        Advice {
            span: Span::of(&self.tokens[chain.start..chain.end()]),
            hint: hint.into(),
        }
    }

    /// Advice about one token.
    fn at(&self, token: usize, hint: Option<&str>) -> Advice {
        Advice {
            span: Span::of(&self.tokens[token..=token]),
            hint: hint.map(str::to_owned),
        }
    }
}

/// Looks at the place of an error. Where nothing better is known the whole line is marked.
#[must_use]
pub fn explain(message: &str, source: &str, line: u32, module: &Module<'_>) -> Advice {
    let place = Place {
        source,
        tokens: tokens(source),
        line,
        module,
    };
    let advice = syntax::explain(&place, message)
        .or_else(|| values::explain(&place, message))
        .or_else(|| options::explain(&place, message))
        .unwrap_or_default();
    Advice {
        span: advice.span.or_else(|| raised(&place)),
        ..advice
    }
}

/// The call that raises on purpose, or all of the line.
fn raised(place: &Place<'_>) -> Option<Span> {
    let calls = Chain::all(&place.tokens, place.on_line());
    let raising = calls.iter().find(|chain| {
        let name = place.tokens[chain.start].text;
        ["error", "assert"].contains(&name) && !chain.steps.is_empty()
    });
    match raising {
        Some(call) => place.about(call, None).span,
        None => Span::of(&place.tokens[place.on_line()]),
    }
}

/// `a`, `b` and so on, up to a dozen.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let more = if all.len() > MOST { ", …" } else { "" };
    format!("{}{more}", all[..all.len().min(MOST)].join(", "))
}
