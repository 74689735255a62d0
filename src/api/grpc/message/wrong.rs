//! What does not fit a message, told with its field: ``Event.payload` is map<string,string>, got number at key `value``.
//! What fits is decided in `write.rs`.

use super::shape::{Field, Shape};
use crate::script::fields::suggest;
use crate::script::raw::{Kind, Stack};

/// What does not fit, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    /// From the message outwards: `.items[2].name`.
    path: String,
    /// `is int64, got string "x"`.
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            what: what.into(),
        }
    }

    pub(super) fn inside(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }

    pub(super) fn of(self, message: &str) -> String {
        format!("`{message}{}` {}", self.path, self.what)
    }
}

/// Why a value is not of a type: what it is instead, and a word about what to do.
pub(super) struct Got {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Got {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: String::new(),
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Why an element of a field was not written.
pub(super) enum Failed {
    /// It is of another type.
    Got(Got),
    /// Something in it is wrong.
    Inside(Wrong),
}

impl From<Got> for Failed {
    fn from(got: Got) -> Self {
        Self::Got(got)
    }
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        Self::Inside(wrong)
    }
}

/// What a value is, as errors say it.
pub(super) fn got(stack: &Stack<'_>, index: i32) -> Got {
    Got::new(match stack.kind(index) {
        Kind::Pointer if stack.is_null(index) => "kt.json.null",
        _ => stack.type_name(index),
    })
}

/// What a value is, with the value where it is short.
pub(super) fn show(stack: &Stack<'_>, index: i32) -> String {
    match stack.kind(index) {
        Kind::String => format!(
            "\"{}\"",
            stack
                .lossy(index)
                .unwrap_or_default()
                .chars()
                .take(40)
                .collect::<String>()
        ),
        Kind::Number => stack.number(index).unwrap_or_default().to_string(),
        _ => stack.type_name(index).to_owned(),
    }
}

pub(super) fn key_text(stack: &Stack<'_>, key: i32) -> String {
    match stack.kind(key) {
        Kind::String => stack.lossy(key).unwrap_or_default().into_owned(),
        Kind::Boolean => stack.is_true(key).to_string(),
        _ => show(stack, key),
    }
}

pub(super) fn step(name: &str) -> String {
    format!(".{name}")
}

pub(super) fn mismatch(field: &Field, got: &Got, at: &str) -> Wrong {
    Wrong::new(format!("is {}, got {}{at}{}", field.describe(), got.what, got.hint))
}

pub(super) fn told(failed: Failed, field: &Field, at: &str) -> Wrong {
    match failed {
        Failed::Got(got) => mismatch(field, &got, at),
        Failed::Inside(wrong) => wrong,
    }
}

pub(super) fn element(failed: Failed, field: &Field, position: i32) -> Wrong {
    match failed {
        Failed::Got(got) => mismatch(field, &got, &format!(" at index {position}")),
        Failed::Inside(wrong) => wrong.inside(&format!("[{position}]")),
    }
}

#[cold]
pub(super) fn unknown(shape: &Shape, name: &str) -> Wrong {
    let hint = match suggest(name, shape.fields.iter().map(|field| &*field.name)) {
        hint if hint.is_empty() && shape.fields.is_empty() => "; it has none".to_owned(),
        hint if hint.is_empty() => {
            let some: Vec<&str> = shape.fields.iter().take(12).map(|field| &*field.name).collect();
            format!(
                "; it has {}{}",
                some.join(", "),
                if shape.fields.len() > 12 { ", …" } else { "" }
            )
        }
        hint => hint,
    };
    Wrong::new(format!("has no field `{name}`{hint}"))
}
