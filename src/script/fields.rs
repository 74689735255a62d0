//! Reads tables of options strictly: every key is known, every type is right, or the message says what was meant. Which
//! options there are is the business of each caller.

use std::collections::BTreeMap;
use std::time::Duration;

use mlua::{Table, Value};

use super::face::Face;
use super::raw::{Kind, Stack};
use crate::plan::duration;

/// A mistake in a table of options, with the path to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// The keys that lead to the mistake, outermost first.
    pub path: Vec<String>,
    /// The whole message, naming the path.
    pub message: String,
}

/// One table of options being read.
#[derive(Debug, Clone)]
pub struct Fields {
    /// How messages begin: `http.get` or `scenarios.sagas`.
    owner: String,
    path: Vec<String>,
    table: Table,
}

/// ` (did you mean …?)` for the nearest of `known`, or nothing.
#[must_use]
pub fn suggest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(text, known)
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// The nearest of `known` to `text`, when it is near enough to be meant.
#[must_use]
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                strsim::jaro_winkler(&lower, name),
                name,
            )
        })
        .filter(|(edits, likeness, name)| *edits <= 1 + name.len().min(text.len()) / 4 || *likeness > 0.88)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, name)| name)
}

/// How a value is named in messages: `"text"`, `12`, `nil`, `a table`.
#[must_use]
pub fn describe(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        value if *value == Value::NULL => "kt.json.null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => quoted(&text.to_string_lossy()),
        other => format!("a {}", other.type_name()),
    }
}

/// As [`describe`], for the value at `index` on a stack.
#[must_use]
pub fn describe_at(stack: &Stack<'_>, index: i32) -> String {
    if stack.is_null(index) {
        return "kt.json.null".to_owned();
    }
    match stack.kind(index) {
        Kind::Nil => "nil".to_owned(),
        Kind::Boolean => stack.is_true(index).to_string(),
        // Zero has no sign.
        Kind::Number => (stack.number(index).unwrap_or_default() + 0.0).to_string(),
        Kind::String => quoted(&stack.lossy(index).unwrap_or_default()),
        _ => match stack.object::<Face>(index) {
            Some(face) => format!("a {}", face.what),
            None => format!("a {}", stack.type_name(index)),
        },
    }
}

/// The beginning of a text in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.chars().take(60).collect::<String>())
}

/// Why something is no name of an option.
#[must_use]
pub fn not_a_name(owner: &str, got: &str, known: &[&str]) -> String {
    format!("{owner}: {got} is not an option name; the options are {}", list(known))
}

/// What an option that is not known may have been meant to be.
#[must_use]
pub fn unknown(owner: &str, name: &str, known: &[&str]) -> String {
    let hint = match suggest(name, known.iter().copied()) {
        hint if hint.is_empty() => format!("; known are {}", list(known)),
        hint => hint,
    };
    format!("{owner}: unknown option `{name}`{hint}")
}

/// What a text may have been meant to be that is none of `names`.
#[must_use]
pub fn not_a_choice(text: &str, names: &[&str]) -> String {
    let hint = suggest(text, names.iter().copied());
    format!("is \"{text}\"; it must be one of {}{hint}", list(names))
}

impl Fields {
    /// The options in `value`, all of whose keys must be in `known`. Nil is an empty table.
    ///
    /// # Errors
    /// When it is no table, or for the first unknown key.
    pub fn new(owner: &str, path: Vec<String>, value: &Value, known: &[&str]) -> Result<Option<Self>, FieldError> {
        let table = match value {
            Value::Nil => return Ok(None),
            Value::Table(table) => table.clone(),
            other => {
                return Err(FieldError {
                    path,
                    message: format!("{owner} must be a table, got {}", describe(other)),
                });
            }
        };
        let fields = Self {
            owner: owner.to_owned(),
            path,
            table,
        };
        fields.check_keys(known)?;
        Ok(Some(fields))
    }

    fn check_keys(&self, known: &[&str]) -> Result<(), FieldError> {
        for pair in self.table.pairs::<Value, Value>() {
            let Ok((key, _)) = pair else { continue };
            let name = match &key {
                Value::String(name) => name.to_string_lossy(),
                other => {
                    return Err(FieldError {
                        path: self.path.clone(),
                        message: not_a_name(&self.owner, &describe(other), known),
                    });
                }
            };
            if !known.contains(&name.as_str()) {
                return Err(FieldError {
                    path: self.path_to(&name),
                    message: unknown(&self.owner, &name, known),
                });
            }
        }
        Ok(())
    }

    /// Whose options these are, as messages call it.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The keys that lead here, with `key` at the end.
    #[must_use]
    pub fn path_to(&self, key: &str) -> Vec<String> {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        path
    }

    /// An error about option `key`.
    #[must_use]
    pub fn error(&self, key: &str, what: &str) -> FieldError {
        FieldError {
            path: self.path_to(key),
            message: format!("{}: `{key}` {what}", self.owner),
        }
    }

    /// The raw value, nil when absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Value {
        self.table.get(key).unwrap_or(Value::Nil)
    }

    /// Whether the option is given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.get(key) != Value::Nil
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn string(&self, key: &str) -> Result<Option<String>, FieldError> {
        match self.get(key) {
            Value::Nil => Ok(None),
            Value::String(text) => Ok(Some(text.to_string_lossy())),
            other => Err(self.error(key, &format!("must be a string, got {}", describe(&other)))),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, key: &str) -> Result<Option<f64>, FieldError> {
        match self.get(key) {
            Value::Nil => Ok(None),
            #[expect(clippy::cast_precision_loss, reason = "Luau integers come from doubles")]
            Value::Integer(value) => Ok(Some(value as f64)),
            Value::Number(value) => Ok(Some(value)),
            other => Err(self.error(key, &format!("must be a number, got {}", describe(&other)))),
        }
    }

    /// A whole number of at least `least`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn count(&self, key: &str, least: u64) -> Result<Option<u64>, FieldError> {
        const MOST: f64 = 9e15;
        let Some(value) = self.number(key)? else {
            return Ok(None);
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked first"
        )]
        if value.fract() == 0.0 && (0.0..MOST).contains(&value) && value as u64 >= least {
            return Ok(Some(value as u64));
        }
        if value >= MOST {
            return Err(self.error(key, &format!("must be a whole number below {MOST:e}, got {value:e}")));
        }
        Err(self.error(key, &format!("must be a whole number of at least {least}, got {value}")))
    }

    /// A duration: `"1m30s"` or a number of seconds.
    ///
    /// # Errors
    /// When it is neither.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, FieldError> {
        let parsed = match self.get(key) {
            Value::Nil => return Ok(None),
            other => to_duration(&other),
        };
        parsed
            .map(Some)
            .map_err(|what| self.error(key, &format!("is wrong: {what}")))
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is something else.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, FieldError> {
        match self.get(key) {
            Value::Nil => Ok(None),
            Value::Boolean(value) => Ok(Some(value)),
            other => Err(self.error(key, &format!("must be true or false, got {}", describe(&other)))),
        }
    }

    /// One of `names`, and which.
    ///
    /// # Errors
    /// When it is none of them, with the nearest.
    pub fn choice(&self, key: &str, names: &[&'static str]) -> Result<Option<&'static str>, FieldError> {
        let Some(text) = self.string(key)? else { return Ok(None) };
        match names.iter().find(|name| **name == text) {
            Some(name) => Ok(Some(name)),
            None => Err(self.error(key, &not_a_choice(&text, names))),
        }
    }

    /// A table of texts; numbers and booleans are taken as they print.
    ///
    /// # Errors
    /// For other keys or values.
    pub fn strings(&self, key: &str) -> Result<BTreeMap<String, String>, FieldError> {
        let table = match self.get(key) {
            Value::Nil => return Ok(BTreeMap::new()),
            Value::Table(table) => table,
            other => return Err(self.error(key, &format!("must be a table of strings, got {}", describe(&other)))),
        };
        let mut map = BTreeMap::new();
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair.map_err(|error| self.error(key, &error.to_string()))?;
            let text = match &value {
                Value::String(text) => text.to_string_lossy(),
                Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => describe(&value),
                other => return Err(self.error(key, &format!("holds {} where a string is wanted", describe(other)))),
            };
            match name {
                Value::String(name) => map.insert(name.to_string_lossy(), text),
                other => return Err(self.error(key, &format!("must have names as keys, got {}", describe(&other)))),
            };
        }
        Ok(map)
    }

    /// A list of texts, or one text.
    ///
    /// # Errors
    /// For anything else.
    pub fn list(&self, key: &str) -> Result<Vec<String>, FieldError> {
        let wrong = |value: &Value| self.error(key, &format!("must be a list of strings, got {}", describe(value)));
        match self.get(key) {
            Value::Nil => Ok(Vec::new()),
            Value::String(text) => Ok(vec![text.to_string_lossy()]),
            Value::Table(table) => items(&table)
                .map_err(|what| self.error(key, what))?
                .iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text.to_string_lossy()),
                    other => Err(wrong(other)),
                })
                .collect(),
            other => Err(wrong(&other)),
        }
    }

    /// The option `key` as a table of options of its own.
    ///
    /// # Errors
    /// As [`Fields::new`].
    pub fn inner(&self, key: &str, known: &[&str]) -> Result<Option<Self>, FieldError> {
        let owner = if self.owner.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.owner)
        };
        Self::new(&owner, self.path_to(key), &self.get(key), known)
    }
}

/// The items of a list in order; names besides them are left out.
///
/// # Errors
/// When some would be lost behind a nil.
pub fn items(list: &Table) -> Result<Vec<Value>, &'static str> {
    let items = 1..=list.raw_len();
    let items: Vec<Value> = items.map(|place| list.raw_get(place).unwrap_or(Value::Nil)).collect();
    let pairs = list.pairs::<Value, Value>().flatten();
    let places = pairs.filter(|(key, _)| matches!(key, Value::Integer(_) | Value::Number(_)));
    if items.contains(&Value::Nil) || places.count() != items.len() {
        return Err("has a hole: an item is nil, as from `x and y or nil`");
    }
    Ok(items)
}

/// A duration from `"1m30s"` or a number of seconds.
///
/// # Errors
/// What is wrong with it.
pub fn to_duration(value: &Value) -> Result<Duration, String> {
    let parsed = match value {
        #[expect(clippy::cast_precision_loss, reason = "Luau integers come from doubles")]
        Value::Integer(seconds) => duration::from_seconds(*seconds as f64),
        Value::Number(seconds) => duration::from_seconds(*seconds),
        Value::String(text) => duration::parse(&text.to_string_lossy()),
        other => return Err(not_a_duration(&describe(other))),
    };
    parsed.map_err(|error| error.to_string())
}

/// As [`to_duration`], for the value at `index` on a stack.
///
/// # Errors
/// What is wrong with it.
pub fn duration_at(stack: &Stack<'_>, index: i32) -> Result<Duration, String> {
    let parsed = match (stack.number(index), stack.lossy(index)) {
        (Some(seconds), _) => duration::from_seconds(seconds),
        (None, Some(text)) => duration::parse(&text),
        (None, None) => return Err(not_a_duration(&describe_at(stack, index))),
    };
    parsed.map_err(|error| error.to_string())
}

/// Why something is no duration.
#[must_use]
pub fn not_a_duration(got: &str) -> String {
    format!("a duration is a string as \"1m30s\" or a number of seconds, got {got}")
}

/// A size in bytes from `"16MB"` or a number.
///
/// # Errors
/// What is wrong with it.
pub fn to_size(value: &Value) -> Result<u64, String> {
    let wrong = || {
        format!(
            "a size is a number of bytes or a string as \"16MB\", got {}",
            describe(value)
        )
    };
    let (number, factor) = match value {
        Value::Integer(bytes) => return u64::try_from(*bytes).map_err(|_| wrong()),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range"
        )]
        Value::Number(bytes) if bytes.fract() == 0.0 && (0.0..9e15).contains(bytes) => return Ok(*bytes as u64),
        Value::String(text) => {
            let text = text.to_string_lossy();
            let digits = text
                .trim()
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.trim().len());
            let (number, unit) = text.trim().split_at(digits);
            let factor: u64 = match unit.trim().to_ascii_uppercase().as_str() {
                "" | "B" => 1,
                "K" | "KB" | "KIB" => 1 << 10,
                "M" | "MB" | "MIB" => 1 << 20,
                "G" | "GB" | "GIB" => 1 << 30,
                _ => return Err(wrong()),
            };
            (number.parse::<u64>().map_err(|_| wrong())?, factor)
        }
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlua::Lua;

    fn fields(lua: &Lua, code: &str) -> Result<Fields, FieldError> {
        let value: Value = lua.load(code).eval().unwrap();
        Fields::new(
            "scenarios.x",
            vec!["scenarios".into(), "x".into()],
            &value,
            &["vus", "duration", "tags", "executor"],
        )
        .map(|fields| fields.expect("a table"))
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let lua = Lua::new();
        let error = fields(&lua, "{ durration = 1 }").unwrap_err();
        assert_eq!(error.path, ["scenarios", "x", "durration"]);
        assert!(error.message.contains("did you mean `duration`?"), "{error}");
        let error = fields(&lua, "{ zzz = 1 }").unwrap_err();
        assert!(error.message.contains("known are `vus`"), "{error}");
        let error = fields(&lua, "{ 5 }").unwrap_err();
        assert!(error.message.contains("1 is not an option name"), "{error}");
    }

    #[test]
    fn values_are_read_strictly() {
        let lua = Lua::new();
        let good = fields(&lua, "{ vus = 3, duration = '1m', tags = { a = 'b', n = 1 } }").unwrap();
        assert_eq!(good.count("vus", 1).unwrap(), Some(3));
        assert_eq!(good.duration("duration").unwrap(), Some(Duration::from_secs(60)));
        assert_eq!(good.strings("tags").unwrap()["n"], "1");
        for (code, key, part) in [
            ("{ vus = -1 }", "vus", "at least 1, got -1"),
            ("{ vus = 1.5 }", "vus", "whole number"),
            ("{ vus = 1e18 }", "vus", "whole number below 9e15, got 1e18"),
            ("{ vus = 'x' }", "vus", "must be a number, got \"x\""),
        ] {
            let error = fields(&lua, code).unwrap().count(key, 1).unwrap_err();
            assert!(error.message.contains(part), "{code}: {error}");
        }
        let error = fields(&lua, "{ duration = '5 parsecs' }")
            .unwrap()
            .duration("duration")
            .unwrap_err();
        assert!(error.message.contains("parsecs"), "{error}");
        let error = fields(&lua, "{ executor = 'constant-vu' }")
            .unwrap()
            .choice("executor", &["constant-vus"])
            .unwrap_err();
        assert!(error.message.contains("did you mean `constant-vus`"), "{error}");
    }

    #[test]
    fn a_list_is_read_to_its_end_or_not_at_all() {
        let lua = Lua::new();
        // list, how many items
        let table = [
            ("{}", Some(0)),
            ("{ 1, 2 }", Some(2)),
            ("{ 1, 2, nil }", Some(2)),
            ("{ 1, 2, n = 2 }", Some(2)),
            ("{ 1, nil, 3 }", None),
            ("{ 1, nil, 3, nil }", None),
            ("{ nil, 2 }", None),
            ("{ [0] = 1, 2 }", None),
            ("{ 1, [2.5] = 2 }", None),
        ];
        for (code, count) in table {
            let list: Table = lua.load(code).eval().unwrap();
            assert_eq!(items(&list).ok().map(|items| items.len()), count, "{code}");
        }
        let names = |code: &str| fields(&lua, &format!("{{ tags = {code} }}")).unwrap().list("tags");
        assert_eq!(names("{ 'a', 'b' }").unwrap(), ["a", "b"]);
        assert!(
            names("{ 'a', nil, 'b' }")
                .unwrap_err()
                .message
                .contains("`tags` has a hole")
        );
    }

    #[test]
    fn sizes_have_units() {
        let lua = Lua::new();
        let table = [
            ("'16MB'", Some(16 << 20)),
            ("1024", Some(1024)),
            ("'2 kb'", Some(2048)),
            ("'x'", None),
            ("-1", None),
            ("'99999999999GB'", None),
        ];
        for (code, size) in table {
            let value: Value = lua.load(code).eval().unwrap();
            assert_eq!(to_size(&value).ok(), size, "{code}");
        }
    }
}
