//! Tables of names with plain values, as headers, fields of a form and tags are: read where they lie on the stack, because
//! requests have several of them.

use std::borrow::Cow;

use crate::script::ApiError;
use crate::script::fields::describe;
use crate::script::raw::{Kind, Stack};

/// What such a table is for, in messages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// An option of that name, under whose names there may be lists.
    Option(&'a str),
    /// Tags.
    Tags,
}

/// Names and values, sorted by name, so that what they are for is the same every time; a list under a name repeats it.
///
/// # Errors
/// What the table at `index` holds and cannot, as said by the function `owner`.
pub(super) fn pairs(
    owner: &str,
    of: Of<'_>,
    stack: &mut Stack<'_>,
    index: i32,
) -> Result<Vec<(String, String)>, ApiError> {
    let error = |text: String| ApiError::Text(format!("{owner}: {text}"));
    if stack.kind(index) != Kind::Table {
        let (what, got) = (of.name(), describe(&stack.value(index)?));
        return Err(error(format!("`{what}` must be a table of strings, got {got}")));
    }
    let (top, mut at) = (stack.top(), 0);
    let mut pairs = Vec::new();
    while let Some(next) = stack.next(index, at) {
        let (name, value) = (top + 1, top + 2);
        let Some(text) = stack.lossy(name).map(Cow::into_owned) else {
            let got = describe(&stack.value(name)?);
            return Err(error(match of {
                Of::Option(what) => format!("`{what}` must be a table with names as keys, got {got}"),
                Of::Tags => format!("a tag's name must be a string, got {got}"),
            }));
        };
        let wrong = |got: String| {
            error(match of {
                Of::Option(what) => format!("`{what}.{text}` must be a string, got {got}"),
                Of::Tags => format!("tag `{text}` must be a string, got {got}"),
            })
        };
        match (stack.kind(value), of) {
            (Kind::Table, Of::Option(_)) => {
                for position in 1..=i32::try_from(stack.list_len(value)).unwrap_or(i32::MAX) {
                    stack.push_item(value, position);
                    let item = plain(stack, value + 1)?.map_err(wrong)?;
                    pairs.push((text.clone(), item));
                    stack.truncate(value);
                }
            }
            _ => {
                let value = plain(stack, value)?.map_err(wrong)?;
                pairs.push((text, value));
            }
        }
        stack.truncate(top);
        at = next;
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(pairs)
}

impl<'a> Of<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Option(name) => name,
            Self::Tags => "tags",
        }
    }
}

/// A string, or a number or a boolean as it prints; otherwise what it is.
///
/// # Errors
/// When the VM is out of memory.
pub(super) fn plain(stack: &Stack<'_>, index: i32) -> Result<Result<String, String>, ApiError> {
    if let Some(text) = stack.lossy(index) {
        return Ok(Ok(text.into_owned()));
    }
    Ok(match (stack.kind(index), stack.number(index)) {
        (Kind::Boolean, _) => Ok(stack.is_true(index).to_string()),
        // Zero has no sign.
        (_, Some(number)) => Ok((number + 0.0).to_string()),
        _ => Err(describe(&stack.value(index)?)),
    })
}
