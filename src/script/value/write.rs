//! JSON from a stack: tables are walked where they are, and what JSON cannot hold is told with its place.

use std::io::Write as _;

use super::{ArrayMark, EXACT};
use crate::script::fields::describe_at;
use crate::script::raw::{Kind, Stack};

/// How deep tables may nest, which also ends circular ones.
const MAX_DEPTH: usize = 100;

/// How many values may lie on the stack while an object is written; larger ones are walked twice.
const MOST_ON_STACK: i32 = 2_000;

/// A writer of JSON, whose buffers can be used again.
#[derive(Debug, Default)]
pub struct Json {
    out: Vec<u8>,
    /// The fields of the objects that are being written, one object after another: where on the stack their keys are, with
    /// the values above them.
    fields: Vec<i32>,
    style: Style,
}

/// Who reads the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// A program.
    #[default]
    Plain,
    /// A person: with lines and indents.
    Pretty,
    /// A VM of ours, which takes integers that a double does not count exactly for text: they are written as fractions, so
    /// that they come back as the numbers they were.
    Kept,
}

impl Json {
    /// The value at `index` as text.
    ///
    /// # Errors
    /// What JSON cannot hold, with its place.
    pub fn text(&mut self, stack: &mut Stack<'_>, index: i32, style: Style) -> Result<String, String> {
        let bytes = self.bytes(stack, index, style)?.to_vec();
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }

    /// The value at `index` as the bytes of a text.
    ///
    /// # Errors
    /// What JSON cannot hold, with its place.
    pub fn bytes(&mut self, stack: &mut Stack<'_>, index: i32, style: Style) -> Result<&[u8], String> {
        self.style = style;
        self.out.clear();
        self.fields.clear();
        let top = stack.top();
        let written = self.value(stack, index, 0);
        stack.truncate(top);
        written.map(|()| &*self.out)
    }

    fn value(&mut self, stack: &mut Stack<'_>, index: i32, depth: usize) -> Result<(), String> {
        match stack.kind(index) {
            Kind::String => {
                let text = stack.text(index);
                self.string(text.ok_or("a string is not UTF-8; encode it (base64) first")?)
            }
            Kind::Number => self.number(stack.number(index).unwrap_or_default()),
            Kind::Table => self.table(stack, index, depth),
            Kind::Boolean => {
                let text: &[u8] = if stack.is_true(index) { b"true" } else { b"false" };
                self.out.extend_from_slice(text);
                Ok(())
            }
            Kind::Pointer if !stack.is_null(index) => Err(cannot(stack, index)),
            Kind::Nil | Kind::Pointer => {
                self.out.extend_from_slice(b"null");
                Ok(())
            }
            Kind::Function | Kind::Other => Err(cannot(stack, index)),
        }
    }

    fn string(&mut self, text: &str) -> Result<(), String> {
        // Most names and values need no escapes, and are copied as they are.
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.out.reserve(text.len() + 2);
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
            return Ok(());
        }
        serde_json::to_writer(&mut self.out, text).map_err(|error| error.to_string())
    }

    /// Numbers without a fraction print as integers, as Lua prints them.
    fn number(&mut self, value: f64) -> Result<(), String> {
        if !value.is_finite() {
            return Err("JSON has no number for NaN or infinity".to_owned());
        }
        #[expect(clippy::cast_precision_loss, reason = "powers of two are exact")]
        let is_whole = value.fract() == 0.0
            && match self.style {
                Style::Kept => value.abs() <= EXACT as f64,
                Style::Plain | Style::Pretty => value.abs() < -(i64::MIN as f64),
            };
        #[expect(clippy::cast_possible_truncation, reason = "checked to be an exact integer")]
        let written = if is_whole {
            serde_json::to_writer(&mut self.out, &(value as i64))
        } else {
            serde_json::to_writer(&mut self.out, &value)
        };
        written.map_err(|error| error.to_string())
    }

    fn table(&mut self, stack: &mut Stack<'_>, table: i32, depth: usize) -> Result<(), String> {
        if depth >= MAX_DEPTH {
            return Err("tables nest deeper than 100 levels, or one contains itself".to_owned());
        }
        let length = stack.list_len(table);
        if length > 0 {
            return self.list(stack, table, length, depth);
        }
        let (top, first) = (stack.top(), self.fields.len());
        let written = self.object(stack, table, first, depth);
        self.fields.truncate(first);
        stack.truncate(top);
        written
    }

    fn list(&mut self, stack: &mut Stack<'_>, table: i32, length: usize, depth: usize) -> Result<(), String> {
        let top = stack.top();
        let (mut pairs, mut at) = (0, 0);
        while let Some(next) = stack.next(table, at) {
            if stack.number(top + 1).is_none() && stack.bytes(top + 1).is_none() {
                return Err(not_a_name(stack, top + 1));
            }
            stack.truncate(top);
            pairs += 1;
            at = next;
        }
        if pairs != length {
            return Err("a table is both a list and a map, or has holes; JSON can be only one".to_owned());
        }
        self.out.push(b'[');
        for position in 1..=i32::try_from(length).unwrap_or(i32::MAX) {
            self.begin_item(position == 1, depth + 1);
            stack.push_item(table, position);
            self.value(stack, top + 1, depth + 1)?;
            stack.truncate(top);
        }
        self.end_items(length == 0, depth);
        self.out.push(b']');
        Ok(())
    }

    /// Writes a table without a list, its fields by key, so that the same table is always the same text.
    fn object(&mut self, stack: &mut Stack<'_>, table: i32, first: usize, depth: usize) -> Result<(), String> {
        let mut at = 0;
        while let Some(next) = stack.next(table, at) {
            let key = stack.top() - 1;
            if stack.bytes(key).is_none() {
                return Err(not_a_name(stack, key));
            }
            if key > MOST_ON_STACK {
                return self.large_object(stack, table, depth);
            }
            self.fields.push(key);
            at = next;
        }
        let fields = &mut self.fields[first..];
        if fields.is_empty() && ArrayMark::is_on(stack, table) {
            self.out.extend_from_slice(b"[]");
            return Ok(());
        }
        fields.sort_unstable_by(|a, b| stack.bytes(*a).cmp(&stack.bytes(*b)));
        let count = fields.len();
        self.out.push(b'{');
        for index in first..first + count {
            let key = self.fields[index];
            self.begin_item(index == first, depth + 1);
            self.field(stack, key, key + 1, depth)?;
        }
        self.end_items(count == 0, depth);
        self.out.push(b'}');
        Ok(())
    }

    /// The same with room for one field at a time.
    fn large_object(&mut self, stack: &mut Stack<'_>, table: i32, depth: usize) -> Result<(), String> {
        let (mut at, mut keys) = (0, Vec::new());
        let top = stack.top();
        while let Some(next) = stack.next(table, at) {
            let Some(key) = stack.bytes(top + 1) else {
                return Err(not_a_name(stack, top + 1));
            };
            keys.push((key.to_vec(), at));
            stack.truncate(top);
            at = next;
        }
        keys.sort_unstable();
        self.out.push(b'{');
        for (index, (_, at)) in keys.iter().enumerate() {
            self.begin_item(index == 0, depth + 1);
            if stack.next(table, *at).is_some() {
                self.field(stack, top + 1, top + 2, depth)?;
            }
            stack.truncate(top);
        }
        self.end_items(false, depth);
        self.out.push(b'}');
        Ok(())
    }

    fn field(&mut self, stack: &mut Stack<'_>, key: i32, value: i32, depth: usize) -> Result<(), String> {
        self.string(&stack.lossy(key).unwrap_or_default())?;
        self.out
            .extend_from_slice(if self.style == Style::Pretty { b": " } else { b":" });
        let written = self.value(stack, value, depth + 1);
        written.map_err(|error| format!("{}: {error}", stack.lossy(key).unwrap_or_default()))
    }

    fn begin_item(&mut self, is_first: bool, depth: usize) {
        if !is_first {
            self.out.push(b',');
        }
        self.line(depth);
    }

    fn end_items(&mut self, is_empty: bool, depth: usize) {
        if !is_empty {
            self.line(depth);
        }
    }

    fn line(&mut self, depth: usize) {
        if self.style == Style::Pretty {
            // Writing to memory cannot fail.
            let _ = write!(self.out, "\n{:width$}", "", width = depth * 2);
        }
    }
}

fn cannot(stack: &Stack<'_>, index: i32) -> String {
    format!("{} cannot be JSON", describe_at(stack, index))
}

/// Runs no code of the script, which `__tostring` would be: this writer is in use.
fn not_a_name(stack: &Stack<'_>, key: i32) -> String {
    let text = describe_at(stack, key);
    match stack.kind(key) {
        Kind::Boolean | Kind::Number => {
            let kind = stack.type_name(key);
            format!("a key is the {kind} {text}; JSON objects have string keys")
        }
        _ => format!("a key is {text}; JSON objects have string keys"),
    }
}
