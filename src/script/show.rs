//! Lua values as a person reads them at the prompt: text in quotes, tables much as they are written, answers by their
//! status. Not a format that anything reads back.

use std::fmt::Write as _;

use mlua::{Table, Value};

/// How deep tables are shown, how many entries of each, and how long a text.
const DEEPEST: usize = 6;
const MOST_ENTRIES: usize = 50;
const MOST_CHARS: usize = 2_000;

/// A table that fits is written in one line.
const ONE_LINE: usize = 100;

/// A value as text, in one line or more.
#[must_use]
pub fn show(value: &Value) -> String {
    at_depth(value, 0)
}

fn at_depth(value: &Value, depth: usize) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        value if *value == Value::NULL => "kt.json.null".to_owned(),
        Value::String(text) => quoted(&text.as_bytes()),
        Value::Table(table) => match response(table) {
            Some(text) => text,
            None => of_table(table, depth),
        },
        Value::Function(function) => {
            let info = function.info();
            let name = info.name.unwrap_or_default();
            let place = info
                .short_src
                .filter(|file| file.ends_with(".lua"))
                .zip(info.line_defined);
            let place = place
                .map(|(file, line)| format!(" ({file}:{line})"))
                .unwrap_or_default();
            format!("function {name}{place}").trim_end().to_owned()
        }
        other => other.to_string().unwrap_or_else(|_| other.type_name().to_owned()),
    }
}

fn quoted(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return format!("(text of {} bytes that is not UTF-8)", bytes.len());
    };
    let shown: String = text.chars().take(MOST_CHARS).collect();
    let quoted = serde_json::to_string(&shown).unwrap_or(shown.clone());
    if shown.len() < text.len() {
        format!("{quoted}… ({} bytes)", bytes.len())
    } else {
        quoted
    }
}

/// `200, 1234 bytes, application/json, in 3.2ms` for the answer to a request.
fn response(table: &Table) -> Option<String> {
    if !matches!(table.raw_get("__answer"), Ok(Value::UserData(_))) {
        return None;
    }
    let status: u16 = table.get("status").ok()?;
    if let Ok(Some(error)) = table.get::<Option<String>>("error") {
        return Some(format!("response: no answer, {error}"));
    }
    let length = table
        .get::<Option<mlua::LuaString>>("body")
        .ok()?
        .map_or(0, |body| body.as_bytes().len());
    let headers: Table = table.get("headers").ok()?;
    let kind: Option<String> = headers.get("content-type").ok().flatten();
    let timings: Table = table.get("timings").ok()?;
    let duration: f64 = timings.get("duration").ok()?;
    let kind = kind.map(|kind| format!(", {kind}")).unwrap_or_default();
    Some(format!("response: {status}, {length} bytes{kind}, in {duration:.1}ms"))
}

fn of_table(table: &Table, depth: usize) -> String {
    let mut entries = entries(table, depth);
    if entries.is_empty() {
        return "{}".to_owned();
    }
    if depth >= DEEPEST {
        return "{…}".to_owned();
    }
    let more = entries.len().saturating_sub(MOST_ENTRIES);
    entries.truncate(MOST_ENTRIES);
    if more > 0 {
        entries.push(format!("… {more} more"));
    }
    let line = format!("{{ {} }}", entries.join(", "));
    if line.chars().count() + 2 * depth <= ONE_LINE && !line.contains('\n') {
        return line;
    }
    let indent = "  ".repeat(depth + 1);
    let mut text = "{\n".to_owned();
    for entry in entries {
        let _ = writeln!(text, "{indent}{entry},");
    }
    text + &"  ".repeat(depth) + "}"
}

/// The list part in order, then names in alphabetical order.
fn entries(table: &Table, depth: usize) -> Vec<String> {
    if depth >= DEEPEST {
        return vec![String::new()];
    }
    let length = table.raw_len();
    let mut list: Vec<String> = (1..=length.min(MOST_ENTRIES + 1))
        .map(|place| table.raw_get(place).unwrap_or(Value::Nil))
        .map(|value| at_depth(&value, depth + 1))
        .collect();
    let beyond = length.saturating_sub(list.len());
    list.extend((0..beyond).map(|_| String::new()));
    let mut named: Vec<(String, String)> = Vec::new();
    for (key, value) in table.pairs::<Value, Value>().flatten() {
        let in_list = match &key {
            Value::Integer(index) => usize::try_from(*index).is_ok_and(|index| (1..=length).contains(&index)),
            _ => false,
        };
        if !in_list {
            named.push((name(&key), at_depth(&value, depth + 1)));
        }
    }
    named.sort();
    list.into_iter()
        .chain(named.into_iter().map(|(key, value)| format!("{key} = {value}")))
        .collect()
}

/// A key as it is written in a table.
fn name(key: &Value) -> String {
    if let Value::String(text) = key {
        let text = text.to_string_lossy();
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain && !text.starts_with(|c: char| c.is_ascii_digit()) {
            return text;
        }
    }
    format!("[{}]", at_depth(key, DEEPEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlua::Lua;

    #[test]
    fn values_look_as_they_are_written() {
        let lua = Lua::new();
        // Lua, as shown
        let table = [
            ("nil", "nil"),
            ("5", "5"),
            ("1.5", "1.5"),
            ("true", "true"),
            ("'a\"b\\n'", "\"a\\\"b\\n\""),
            ("'\\255'", "(text of 1 bytes that is not UTF-8)"),
            ("{}", "{}"),
            ("{ 1, 2, nil, 4 }", "{ 1, 2, nil, 4 }"),
            (
                "{ 1, 'x', b = true, a = { c = 1 } }",
                "{ 1, \"x\", a = { c = 1 }, b = true }",
            ),
            (
                "{ ['a b'] = 1, [5] = 2, [true] = 3 }",
                "{ [\"a b\"] = 1, [5] = 2, [true] = 3 }",
            ),
            (
                "(function() local t = {} t.t = t return t end)()",
                "{ t = { t = { t = { t = { t = { t = {…} } } } } } }",
            ),
        ];
        for (code, shown) in table {
            let value: Value = lua.load(code).eval().unwrap();
            assert_eq!(show(&value), shown, "{code}");
        }
    }

    #[test]
    fn long_tables_take_lines_and_are_cut() {
        let lua = Lua::new();
        let value: Value = lua
            .load("local t = {} for i = 1, 60 do t[i] = 'row ' .. i end return { rows = t }")
            .eval()
            .unwrap();
        let text = show(&value);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1], lines[2]), ("{", "  rows = {", "    \"row 1\","));
        assert_eq!(lines[lines.len() - 3..], ["    … 10 more,", "  },", "}"]);
    }
}
