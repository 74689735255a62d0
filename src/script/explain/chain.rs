//! Expressions as people point at them: a name and what is done with it, `config.user[1]:name(x)`. Found by tokens, in the
//! order of the source; arithmetic is not read.

use std::ops::Range;

use super::super::tokens::{Kind, Token, close};

/// What is done with the value before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `.name`, by the token of the name.
    Field(usize),
    /// `:name`, before its call.
    Method(usize),
    /// `[…]`, by the tokens inside.
    Index(Range<usize>),
    /// `(…)`, `"…"` or `{…}`, with its brackets.
    Call(Range<usize>),
}

/// A name, and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// The token of the name.
    pub start: usize,
    /// Each step with the token after it.
    pub steps: Vec<(Step, usize)>,
}

impl Chain {
    /// The chain that begins at a token, if a name is there.
    pub(super) fn at(tokens: &[Token<'_>], start: usize) -> Option<Self> {
        let first = tokens.get(start).filter(|token| token.is_name())?;
        let before = start.checked_sub(1).map(|before| &tokens[before]);
        let inside = before.is_some_and(|token| [".", ":", "function"].iter().any(|mark| token.is(mark)));
        if inside || first.text.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        let mut end = start + 1;
        while let Some((step, next)) = step(tokens, end) {
            steps.push((step, next));
            end = next;
        }
        Some(Self { start, steps })
    }

    /// All chains that begin at these tokens.
    pub(super) fn all(tokens: &[Token<'_>], at: Range<usize>) -> Vec<Self> {
        at.filter_map(|start| Self::at(tokens, start)).collect()
    }

    /// The token after the first `count` steps.
    pub(super) fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(self.start + 1, |last| self.steps[last].1)
    }

    /// The token after it.
    pub(super) fn end(&self) -> usize {
        self.end_of(self.steps.len())
    }

    /// Only its first `count` steps.
    pub(super) fn first(&self, count: usize) -> Self {
        Self {
            start: self.start,
            steps: self.steps[..count].to_vec(),
        }
    }

    /// The chains that are called in it, each without the call and with what is called last.
    pub(super) fn callees(&self) -> impl Iterator<Item = Self> {
        let calls = self.steps.iter().enumerate();
        let calls = calls.filter(|(_, (step, _))| matches!(step, Step::Call(_)));
        calls.map(|(n, _)| self.first(n))
    }

    /// The source of its tokens.
    pub(super) fn text<'a>(&self, source: &'a str, tokens: &[Token<'_>]) -> &'a str {
        &source[tokens[self.start].start..tokens[self.end() - 1].end()]
    }
}

fn step(tokens: &[Token<'_>], at: usize) -> Option<(Step, usize)> {
    let first = tokens.get(at)?;
    let name = tokens.get(at + 1).filter(|token| token.kind == Kind::Word);
    if first.kind == Kind::Text || first.is("{") || first.is("(") {
        let end = if first.kind == Kind::Text {
            at + 1
        } else {
            close(tokens, at)
        };
        return Some((Step::Call(at..end), end));
    }
    if first.is("[") {
        let end = close(tokens, at);
        return Some((Step::Index(at + 1..(end - 1).max(at + 1)), end));
    }
    name?;
    if first.is(".") {
        Some((Step::Field(at + 1), at + 2))
    } else if first.is(":") {
        Some((Step::Method(at + 1), at + 2))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::tokens::tokens;

    #[test]
    fn chains_are_read_with_their_steps() {
        // source, the chains, the callees of the first
        let table: &[(&str, &[&str], &[&str])] = &[
            ("config.usr.name", &["config.usr.name"], &[]),
            ("local x = a.b[1]:c 'd'.e + f()", &["x", "a.b[1]:c 'd'.e", "f()"], &[]),
            (
                "f(g.h, 'x'){}.y(2)",
                &["f(g.h, 'x'){}.y(2)", "g.h"],
                &["f", "f(g.h, 'x')", "f(g.h, 'x'){}.y"],
            ),
            ("if a then b() end", &["a", "b()"], &[]),
            ("x[", &["x["], &[]),
            ("function f() end", &[], &[]),
        ];
        for (source, expected, callees) in table {
            let all = tokens(source);
            let chains = Chain::all(&all, 0..all.len());
            let texts: Vec<&str> = chains.iter().map(|chain| chain.text(source, &all)).collect();
            assert_eq!(texts, *expected, "{source}");
            let first = chains.first();
            let called: Vec<&str> = first
                .into_iter()
                .flat_map(Chain::callees)
                .map(|chain| chain.text(source, &all))
                .collect();
            assert_eq!(called, *callees, "{source}");
        }
    }
}
