//! Bodies as lists of events. What is JSON is an event to be judged; of lines, what is no JSON is skipped without a word,
//! as in the system that this stands for, so that only the `total` of an answer tells.

use axum::http::StatusCode;
use serde_json::Value;

use crate::demo::reply::Reply;

/// What a request brought.
#[derive(Debug, PartialEq)]
pub(super) struct Batch {
    pub events: Vec<Value>,
    /// Lines that are no JSON.
    pub skipped: u64,
}

/// A body's way of holding events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One object.
    One,
    /// A JSON array.
    Array,
    /// A line each; empty lines are none.
    Lines,
    /// An array or lines, whichever the first character says.
    Either,
}

impl Form {
    /// # Errors
    /// The 400 when there is no event in the body.
    pub(super) fn read(self, body: &[u8]) -> Result<Batch, Reply> {
        match self {
            Self::One => whole(body).map(|event| Batch {
                events: vec![event],
                skipped: 0,
            }),
            Self::Array => array(body),
            Self::Lines => lines(body),
            Self::Either => {
                let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
                if first == Some(&b'[') { array(body) } else { lines(body) }
            }
        }
    }
}

fn whole(body: &[u8]) -> Result<Value, Reply> {
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))
}

fn array(body: &[u8]) -> Result<Batch, Reply> {
    match whole(body)? {
        Value::Array(events) if events.is_empty() => Err(bad("the array has no events")),
        Value::Array(events) => Ok(Batch { events, skipped: 0 }),
        _ => Err(bad("the body must be a JSON array of events")),
    }
}

fn lines(body: &[u8]) -> Result<Batch, Reply> {
    let mut batch = Batch {
        events: Vec::new(),
        skipped: 0,
    };
    for line in body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        match serde_json::from_slice(line) {
            Ok(event) => batch.events.push(event),
            Err(_) => batch.skipped += 1,
        }
    }
    if batch.events.is_empty() {
        return Err(bad(format!("no line is JSON: {} were read", batch.skipped)));
    }
    Ok(batch)
}

fn bad(message: impl Into<String>) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_each_form() {
        // form, body, events, skipped
        let table = [
            (Form::One, " {} ", 1, 0),
            (Form::One, "7", 1, 0),
            (Form::Array, "[{}, 5, null]", 3, 0),
            (Form::Lines, "{}\n{}\r\n\n  \n{}", 3, 0),
            (Form::Lines, "{}\n{\nnot json\n[1]\n", 2, 2),
            (Form::Either, "\n [{}, {}]", 2, 0),
            (Form::Either, "{}\n{}\nx", 2, 1),
        ];
        for (form, body, events, skipped) in table {
            let batch = form.read(body.as_bytes()).unwrap();
            assert_eq!(
                (batch.events.len(), batch.skipped),
                (events, skipped),
                "{form:?} {body}"
            );
        }
    }

    #[test]
    fn a_body_without_any_event_is_refused() {
        let table = [
            (Form::One, "", "not JSON"),
            (Form::One, "{} {}", "not JSON"),
            (Form::Array, "{}", "array of events"),
            (Form::Array, "[]", "no events"),
            (Form::Array, "[{}", "not JSON"),
            (Form::Lines, "", "no line is JSON: 0"),
            (Form::Lines, "a\nb\n", "no line is JSON: 2"),
            (Form::Lines, "{\u{0}}", "no line is JSON: 1"),
            (Form::Either, "[", "not JSON"),
            (Form::Either, "", "no line"),
        ];
        for (form, body, part) in table {
            let refused = form.read(body.as_bytes()).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
            let said = refused.body["error"].as_str().unwrap();
            assert!(said.contains(part), "{form:?} {body}: {said}");
        }
    }
}
