//! How mistakes in scripts are shown, all of them in one form: message, place, the line with the part marked, hint, and the
//! calls that led there. What a message means at its place is `explain`'s.

use std::fmt::Write as _;
use std::path::Path;

use super::errors::{Frame, ScriptError};
use super::explain::{Advice, explain};
use super::fields::FieldError;
use super::loader::Sources;
use super::locate;
use super::tokens::{Span, tokens};

/// How many characters of a line are shown.
const WIDEST: usize = 140;

impl ScriptError {
    /// The error as people read it.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = format!("error: {}", self.message);
        let mut hint = self.hint.map(str::to_owned);
        if let Some(at) = &self.at {
            let source = sources.get(&at.file);
            let folder = Path::new(&at.file).parent().unwrap_or(Path::new(""));
            let module = |name: &str| sources.module(name, folder).ok().map(|source| source.text.to_string());
            let advice = match &source {
                Some(source) => explain(&self.message, source, at.line, &module),
                None => Advice::default(),
            };
            let line = advice.span.as_ref().map_or(at.line, |span| span.line);
            place(&mut text, &at.file, line, source.as_deref(), advice.span.as_ref());
            hint = advice.hint.or(hint);
        }
        if let Some(hint) = hint {
            let _ = write!(text, "\n     = hint: {hint}");
        }
        trace(&mut text, self.at.as_ref(), &self.trace);
        text
    }
}

impl FieldError {
    /// A mistake in the plan of `script` as people read it.
    #[must_use]
    pub fn render(&self, script: &Path, sources: &Sources) -> String {
        let mut text = format!("error: {}", self.message);
        let name = script.display().to_string();
        let source = sources.read(script).ok().map(|source| source.text);
        let found = source.as_deref().and_then(|source| locate::find(source, &self.path));
        match (&found, source.as_deref()) {
            (Some(found), Some(source)) => {
                place(&mut text, &name, found.key.line, Some(source), Some(&found.key));
                if let Some(hint) = self.hint(source, found) {
                    let _ = write!(text, "\n     = hint: {hint}");
                }
            }
            _ => {
                let _ = write!(text, "\n  --> {name}");
                if let Some(plan) = source.as_deref().filter(|_| self.path.is_empty()).and_then(unreturned) {
                    let _ = write!(text, "\n     = hint: end the file with `return {plan}`");
                }
            }
        }
        text
    }

    /// What to do about a value that is not what it looks like.
    fn hint(&self, source: &str, found: &locate::Found) -> Option<String> {
        let value = &source[found.value.as_ref()?.bytes.clone()];
        if self.message.contains("is nil") && value.ends_with(')') && !value.contains("function") {
            let name = value.split('(').next().unwrap_or(value);
            return Some(format!(
                "`{value}` calls the function here, and gives what it returned; without the brackets, `{name}` is the function itself"
            ));
        }
        let key = self.path.last()?;
        let inside = value.strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
        let number = self.message.contains("must be a number") || self.message.contains("must be a whole number");
        (number && inside.parse::<f64>().is_ok())
            .then(|| format!("without the quotes it is a number: `{key} = {inside}`"))
    }
}

/// The table of a file without `return` that looks like a plan.
fn unreturned(source: &str) -> Option<&str> {
    let all = tokens(source);
    if all.last().is_none_or(|last| !last.is("}")) || all.iter().any(|token| token.is("return")) {
        return None;
    }
    (0..all.len()).rev().find_map(|at| {
        let assigned = at >= 2 && all[at].is("{") && all[at - 1].is("=") && all[at - 2].is_name();
        let plan = assigned && locate::entries(&all, at).iter().any(|entry| entry.name == "scenarios");
        plan.then(|| all[at - 2].text)
    })
}

/// The place, and its line with the marked part underlined.
fn place(text: &mut String, file: &str, line: u32, source: Option<&str>, span: Option<&Span>) {
    let _ = write!(text, "\n  --> {file}:{line}");
    let Some((start, content)) = source.and_then(|source| line_of(source, line)) else {
        return;
    };
    let content = content.trim_end();
    let marked = span.filter(|span| span.line == line).map(|span| {
        let from = span.bytes.start.saturating_sub(start).min(content.len());
        let to = span.bytes.end.saturating_sub(start).min(content.len());
        (from, to.max(from))
    });
    let (from, to) = marked.unwrap_or((0, 0));
    let (Some(before), Some(inside)) = (content.get(..from), content.get(from..to)) else {
        return;
    };
    let (mut before, mut content) = (before.to_owned(), content.to_owned());
    let mut width = inside.chars().count();
    if content.chars().count() > WIDEST {
        let skipped = before.chars().count().saturating_sub(WIDEST / 3);
        let cut = |text: &str| text.chars().skip(skipped).take(WIDEST).collect::<String>();
        let (head, tail) = (if skipped > 0 { "…" } else { "" }, "…");
        let ends = skipped + WIDEST >= content.chars().count();
        before = format!("{head}{}", cut(&before));
        content = format!("{head}{}{}", cut(&content), if ends { "" } else { tail });
        width = width.min(content.chars().count() - before.chars().count());
    }
    let _ = write!(text, "\n{line:>4} | {content}");
    if width > 0 {
        let indent: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let _ = write!(text, "\n     | {indent}{}", "^".repeat(width));
    }
}

/// Where a line (1-based) begins in a source, and its text.
fn line_of(source: &str, line: u32) -> Option<(usize, &str)> {
    let mut start = 0;
    for (number, text) in (1..).zip(source.split_inclusive('\n')) {
        if number == line {
            return Some((start, text));
        }
        start += text.len();
    }
    None
}

/// The calls that led to a place, other than the place itself.
fn trace(text: &mut String, at: Option<&Frame>, trace: &[Frame]) {
    let here = |frame: &&Frame| at.is_some_and(|at| (&at.file, at.line) == (&frame.file, frame.line));
    for frame in trace.iter().skip_while(here) {
        let function = frame
            .function
            .as_ref()
            .map(|name| format!(" in `{name}`"))
            .unwrap_or_default();
        let _ = write!(text, "\n     called from {}:{}{function}", frame.file, frame.line);
    }
}
