//! JSON from a stack: tables are walked where they are, and what JSON cannot hold is told with its place.

use std::io::Write as _;

use super::{ArrayMark, EXACT};
use crate::script::raw::{Kind, Stack};

/// How deep tables may nest, which also ends circular ones.
const MAX_DEPTH: usize = 100;

/// A writer of JSON, whose buffers can be used again.
#[derive(Debug, Default)]
pub struct Json {
    out: Vec<u8>,
    /// The keys of the objects that are being written, one after another.
    keys: Vec<u8>,
    entries: Vec<Entry>,
    pretty: bool,
}

/// A field of an object that is being written.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its key, in `keys`.
    start: usize,
    end: usize,
    /// Where the walk through its table finds it.
    at: i32,
}

impl Json {
    /// The value at `index` as text.
    ///
    /// # Errors
    /// What JSON cannot hold, with its place.
    pub fn text(&mut self, stack: &mut Stack<'_>, index: i32, pretty: bool) -> Result<String, String> {
        self.pretty = pretty;
        let bytes = self.bytes(stack, index)?.to_vec();
        self.pretty = false;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }

    /// The value at `index` as the bytes of a text.
    ///
    /// # Errors
    /// What JSON cannot hold, with its place.
    pub fn bytes(&mut self, stack: &mut Stack<'_>, index: i32) -> Result<&[u8], String> {
        self.out.clear();
        self.keys.clear();
        self.entries.clear();
        let top = stack.top();
        let written = self.value(stack, index, 0);
        stack.truncate(top);
        written.map(|()| &*self.out)
    }

    fn value(&mut self, stack: &mut Stack<'_>, index: i32, depth: usize) -> Result<(), String> {
        match stack.kind(index) {
            Kind::Nil => self.out.extend_from_slice(b"null"),
            Kind::Boolean if stack.is_true(index) => self.out.extend_from_slice(b"true"),
            Kind::Boolean => self.out.extend_from_slice(b"false"),
            Kind::Number => self.number(stack.number(index).unwrap_or_default())?,
            Kind::String => {
                let text = stack
                    .text(index)
                    .ok_or("a string is not UTF-8; encode it (base64) first")?;
                self.string(text)?;
            }
            Kind::Table => self.table(stack, index, depth)?,
            Kind::Pointer if stack.is_null(index) => self.out.extend_from_slice(b"null"),
            Kind::Function | Kind::Pointer | Kind::Other => {
                return Err(format!("{} cannot be JSON", article(stack.type_name(index))));
            }
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), String> {
        serde_json::to_writer(&mut self.out, text).map_err(|error| error.to_string())
    }

    /// Numbers without a fraction print as integers, as Lua prints them.
    fn number(&mut self, value: f64) -> Result<(), String> {
        if !value.is_finite() {
            return Err("JSON has no number for NaN or infinity".to_owned());
        }
        #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
        let is_whole = value.fract() == 0.0 && value.abs() <= EXACT as f64;
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
        let (first_entry, first_key) = (self.entries.len(), self.keys.len());
        let length = stack.list_len(table);
        let pairs = self.collect(stack, table, length > 0)?;
        let written = if length > 0 || (pairs == 0 && ArrayMark::is_on(stack, table)) {
            if pairs != length {
                return Err("a table is both a list and a map, or has holes; JSON can be only one".to_owned());
            }
            self.list(stack, table, length, depth)
        } else {
            self.object(stack, table, first_entry, depth)
        };
        self.entries.truncate(first_entry);
        self.keys.truncate(first_key);
        written
    }

    /// Notes the fields of a table, and counts its entries.
    fn collect(&mut self, stack: &mut Stack<'_>, table: i32, is_list: bool) -> Result<usize, String> {
        let top = stack.top();
        let (mut at, mut pairs) = (0, 0);
        while let Some(next) = stack.next(table, at) {
            pairs += 1;
            match (stack.kind(top + 1), stack.bytes(top + 1)) {
                (Kind::Number, _) if is_list => {}
                (_, Some(key)) => {
                    let start = self.keys.len();
                    self.keys.extend_from_slice(key);
                    let end = self.keys.len();
                    self.entries.push(Entry { start, end, at });
                }
                _ => {
                    let key = stack.value(top + 1).and_then(|key| key.to_string()).unwrap_or_default();
                    return Err(format!(
                        "a key is {} `{key}`; JSON objects have string keys",
                        stack.type_name(top + 1)
                    ));
                }
            }
            stack.truncate(top);
            at = next;
        }
        Ok(pairs)
    }

    fn list(&mut self, stack: &mut Stack<'_>, table: i32, length: usize, depth: usize) -> Result<(), String> {
        let top = stack.top();
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

    /// Writes the fields that were noted from `first` on, by key, so that the same table is always the same text.
    fn object(&mut self, stack: &mut Stack<'_>, table: i32, first: usize, depth: usize) -> Result<(), String> {
        let top = stack.top();
        let keys = &self.keys;
        let key_of = |entry: &Entry| &keys[entry.start..entry.end];
        self.entries[first..].sort_unstable_by(|a, b| key_of(a).cmp(key_of(b)));
        let count = self.entries.len() - first;
        self.out.push(b'{');
        for index in first..first + count {
            let entry = self.entries[index];
            self.begin_item(index == first, depth + 1);
            let key = String::from_utf8_lossy(&self.keys[entry.start..entry.end]);
            serde_json::to_writer(&mut self.out, &*key).map_err(|error| error.to_string())?;
            self.out.extend_from_slice(if self.pretty { b": " } else { b":" });
            let _ = stack.next(table, entry.at);
            if let Err(error) = self.value(stack, top + 2, depth + 1) {
                let key = String::from_utf8_lossy(&self.keys[entry.start..entry.end]);
                return Err(format!("{key}: {error}"));
            }
            stack.truncate(top);
        }
        self.end_items(count == 0, depth);
        self.out.push(b'}');
        Ok(())
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
        if self.pretty {
            // Writing to memory cannot fail.
            let _ = write!(self.out, "\n{:width$}", "", width = depth * 2);
        }
    }
}

fn article(name: &str) -> String {
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        format!("an {name}")
    } else {
        format!("a {name}")
    }
}
