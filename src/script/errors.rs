//! Script errors: from what the VM reports to file, line, message and trace, counted when they repeat. How they look as
//! text is `render`'s.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What kind of end a call into a script had, other than returning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An error was raised.
    Raised,
    /// The file does not parse.
    Syntax,
    /// It ran longer than the CPU limit without yielding.
    Stuck,
    /// The VM's memory limit was reached.
    Memory,
    /// `kt.fail(reason)`.
    Failed,
    /// `kt.run.abort(reason)`.
    Aborted,
    /// Data ran out and the VU takes no further iteration.
    Retired,
    /// The run was interrupted while the script was computing.
    Interrupted,
}

/// One line of a trace, in a user's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The file as it was named.
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// The function, when it has a name.
    pub function: Option<String>,
}

/// A failed call into a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// What kind of end.
    pub kind: Kind,
    /// The message without its position.
    pub message: String,
    /// Where it was raised, in the user's files.
    pub at: Option<Frame>,
    /// The calls that led there, innermost first, in the user's files.
    pub trace: Box<[Frame]>,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

/// How many frames of a trace are kept; a stack overflow has thousands.
const MAX_FRAMES: usize = 12;

impl ScriptError {
    /// From a raised message (`file:line: text`) and a Luau trace (`file:line function name` per line).
    #[must_use]
    pub fn from_message(kind: Kind, text: &str, trace: &str) -> Self {
        let (mut at, mut message) = split_position(text);
        // An error that was raised again has a position for each time; the innermost is where it happened.
        while at.is_some()
            && let (Some(inner), rest) = split_position(&message)
            && !inner.file.contains(' ')
        {
            (at, message) = (Some(inner), rest);
        }
        let trace: Box<[Frame]> = trace.lines().filter_map(parse_frame).take(MAX_FRAMES).collect();
        let at = at.or_else(|| trace.first().cloned());
        let hint = hint_for(&message);
        Self {
            kind,
            message,
            at,
            trace,
            hint,
        }
    }

    /// From an error of the VM itself.
    #[must_use]
    pub fn from_vm(error: &mlua::Error) -> Self {
        match error {
            mlua::Error::SyntaxError { message, .. } => Self::from_message(Kind::Syntax, message, ""),
            mlua::Error::MemoryError(_) => Self::memory(),
            mlua::Error::CallbackError { cause, traceback } => {
                let mut inner = Self::from_vm(cause);
                inner.trace = traceback.lines().filter_map(parse_frame).take(MAX_FRAMES).collect();
                inner.at = inner.at.or_else(|| inner.trace.first().cloned());
                inner
            }
            mlua::Error::RuntimeError(text) => {
                let (message, trace) = text.split_once("\nstack traceback:").unwrap_or((text, ""));
                Self::from_message(Kind::Raised, message, trace)
            }
            other => Self::from_message(Kind::Raised, &other.to_string(), ""),
        }
    }

    /// The VM is full.
    #[must_use]
    pub fn memory() -> Self {
        let mut error = Self::from_message(Kind::Memory, "the script used more memory than its VM may have", "");
        error.hint = Some("raise `limits = { memory = \"…\" }` in the plan, or keep less in tables and strings");
        error
    }
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{}:{}: {}", at.file, at.line, self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ScriptError {}

/// Splits `file:line: message`; our own chunks (`kt:…`) are not the user's files.
fn split_position(text: &str) -> (Option<Frame>, String) {
    let text = text.strip_prefix("runtime error: ").unwrap_or(text);
    let mut from = 0;
    while let Some(colon) = text[from..].find(':').map(|i| i + from) {
        let rest = &text[colon + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && rest[digits..].starts_with(':') && is_file(&text[..colon]) {
            let line = rest[..digits].parse().unwrap_or(0);
            let message = rest[digits + 1..].trim_start().to_owned();
            return (
                Some(Frame {
                    file: text[..colon].to_owned(),
                    line,
                    function: None,
                }),
                message,
            );
        }
        from = colon + 1;
    }
    (None, text.to_owned())
}

fn is_file(name: &str) -> bool {
    name.ends_with(".lua") || name.ends_with(".luau")
}

/// Reads `file:line function name`, `file:line`, or mlua's `\tfile:line: in function 'name'`.
fn parse_frame(line: &str) -> Option<Frame> {
    let line = line.trim();
    let (place, rest) = match line.split_once(char::is_whitespace) {
        Some((place, rest)) => (place.trim_end_matches(':'), rest.trim()),
        None => (line, ""),
    };
    let (file, number) = place.rsplit_once(':')?;
    let number = number.parse().ok()?;
    let function = rest
        .strip_prefix("in ")
        .unwrap_or(rest)
        .strip_prefix("function ")
        .map(|name| name.trim_matches('\'').to_owned());
    is_file(file).then(|| Frame {
        file: file.to_owned(),
        line: number,
        function: function.filter(|name| !name.is_empty()),
    })
}

/// What the VM's own messages mean, for people who do not know its words.
fn hint_for(message: &str) -> Option<&'static str> {
    let hint = if message.starts_with("attempt to index nil with") {
        "the value before the dot (or bracket) is nil at this place: a field that is not there, or a call that returned nothing"
    } else if message.starts_with("attempt to call a nil value") {
        "there is no function of that name here; check the spelling and that its module is required"
    } else if message.starts_with("attempt to call a table value") {
        "this is a module or a table, not a function; call one of its functions"
    } else if message.starts_with("attempt to") && message.contains("nil") {
        "a value on this line is nil: a field that is not there, or a call that returned nothing"
    } else if message.contains("attempt to modify a readonly table") {
        "tables that all virtual users share are frozen; copy what you want to change"
    } else if is_about(message, "data set") {
        "a data set is no table: go through it by `for index, row in rows:each() do`, or use `#rows`, `rows[1]` and `rows:random()`"
    } else if is_about(message, "pool") {
        "a pool is no table: its rows are claimed by `pool:claim()` and given back by `pool:release(row)`"
    } else if message.contains("stack overflow") {
        "a function calls itself without end"
    } else if message.ends_with("got <eof>") {
        "something above is not closed: each `function`, `if`, `for` and `do` needs its `end`, each bracket its partner"
    } else if message.starts_with("Incomplete statement: expected assignment or a function call") {
        "a statement is an assignment or a call; a lone value or name does nothing"
    } else {
        return None;
    };
    Some(hint)
}

/// Whether a message says that something of that kind is where something else is wanted.
fn is_about(message: &str, what: &str) -> bool {
    let (before, after) = message.split_once(what).unwrap_or_default();
    before.ends_with("got ") || before.ends_with("got a ") || after.starts_with(" cannot be JSON")
}

/// Uncaught errors of a run: the first of each kind is told, repeats are counted.
#[derive(Debug, Default)]
pub struct ErrorLog {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    order: Vec<(ScriptError, u64)>,
    index: HashMap<(String, Option<Frame>), usize>,
    beyond: u64,
}

/// How many different errors are kept; the rest is counted together.
const MAX_DISTINCT: usize = 200;

impl ErrorLog {
    /// Counts `error`; true when it is the first of its kind.
    pub fn add(&self, error: &ScriptError) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (error.message.clone(), error.at.clone());
        if let Some(&index) = seen.index.get(&key) {
            seen.order[index].1 += 1;
            return false;
        }
        if seen.order.len() == MAX_DISTINCT {
            seen.beyond += 1;
            return false;
        }
        let index = seen.order.len();
        seen.index.insert(key, index);
        seen.order.push((error.clone(), 1));
        true
    }

    /// Each error with how often it happened, in order of first sight, and the number of those that were not kept.
    #[must_use]
    pub fn all(&self) -> (Vec<(ScriptError, u64)>, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.order.clone(), seen.beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_position_in_a_message() {
        let table = [
            ("a/b.lua:12: boom", Some(("a/b.lua", 12)), "boom"),
            ("runtime error: b.lua:1: x: y:3: z", Some(("b.lua", 1)), "x: y:3: z"),
            ("http://h:80: refused", None, "http://h:80: refused"),
            ("C:/x/a.lua:7: boom", Some(("C:/x/a.lua", 7)), "boom"),
            ("kt:33: inner", None, "kt:33: inner"),
            ("plain", None, "plain"),
            ("a.lua:4: b.lua:2: boom", Some(("b.lua", 2)), "boom"),
            (
                "a.lua:4: cannot read b.lua:2: boom",
                Some(("a.lua", 4)),
                "cannot read b.lua:2: boom",
            ),
        ];
        for (text, place, message) in table {
            let error = ScriptError::from_message(Kind::Raised, text, "");
            assert_eq!(error.at.as_ref().map(|at| (at.file.as_str(), at.line)), place, "{text}");
            assert_eq!(error.message, message, "{text}");
        }
    }

    #[test]
    fn a_trace_keeps_the_users_files_only() {
        let trace = "a.lua:3 function inner\nkt:12\n[C]\na.lua:9\n\ta.lua:11: in function 'main'\n";
        let error = ScriptError::from_message(Kind::Raised, "no place", trace);
        let lines: Vec<_> = error
            .trace
            .iter()
            .map(|frame| (frame.line, frame.function.as_deref()))
            .collect();
        assert_eq!(lines, [(3, Some("inner")), (9, None), (11, Some("main"))]);
        assert_eq!(
            error.at.unwrap().line,
            3,
            "without a position in the message, the innermost frame is the place"
        );
    }

    #[test]
    fn repeats_are_counted_and_told_once() {
        let log = ErrorLog::default();
        let one = ScriptError::from_message(Kind::Raised, "a.lua:1: boom", "");
        let two = ScriptError::from_message(Kind::Raised, "a.lua:2: boom", "");
        assert!(log.add(&one) && log.add(&two) && !log.add(&one));
        let (all, beyond) = log.all();
        assert_eq!((all[0].1, all[1].1, beyond), (2, 1, 0));
    }
}
