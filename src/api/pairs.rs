//! Tables of names with plain values, as headers, fields of a form and tags are: read where they lie on the stack, because
//! requests have several of them.

use crate::metrics::own_tag;
use crate::script::ApiError;
use crate::script::fields::describe_at;
use crate::script::raw::{Kind, Stack};

/// What such a table is for, in messages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// An option of that name, under whose names there may be lists.
    Option(&'a str),
    /// Tags, none of which is the engine's own.
    Tags,
}

/// Names and values, sorted by name, so that what they are for is the same every time; a list under a name repeats it. What
/// is not UTF-8 is replaced.
///
/// # Errors
/// What the table at `index` holds and cannot, as said by the function `owner`.
pub(super) fn pairs(
    owner: &str,
    of: Of<'_>,
    stack: &mut Stack<'_>,
    index: i32,
) -> Result<Vec<(String, String)>, ApiError> {
    pairs_as(lossy, plain, owner, of, stack, index)
}

/// Names and values that need not be UTF-8.
pub(super) type BytePairs = Vec<(Vec<u8>, Vec<u8>)>;

/// As [`pairs`], with names and strings as they are.
///
/// # Errors
/// As [`pairs`].
pub(super) fn byte_pairs(owner: &str, of: Of<'_>, stack: &mut Stack<'_>, index: i32) -> Result<BytePairs, ApiError> {
    pairs_as(<[u8]>::to_vec, bytes, owner, of, stack, index)
}

/// As [`pairs`], with names that `name` makes and values that `read` reads.
///
/// # Errors
/// As [`pairs`].
pub(super) fn pairs_as<N: Ord + Clone, T>(
    named: fn(&[u8]) -> N,
    read: fn(&Stack<'_>, i32) -> Result<T, String>,
    owner: &str,
    of: Of<'_>,
    stack: &mut Stack<'_>,
    index: i32,
) -> Result<Vec<(N, T)>, ApiError> {
    let error = |text: String| ApiError::Text(format!("{owner}: {text}"));
    if stack.kind(index) != Kind::Table {
        let (what, got) = (of.name(), describe_at(stack, index));
        return Err(error(format!("`{what}` must be a table of strings, got {got}")));
    }
    let (top, mut at) = (stack.top(), 0);
    let mut pairs = Vec::new();
    while let Some(next) = stack.next(index, at) {
        let (name, value) = (top + 1, top + 2);
        let Some(text) = stack.bytes(name).map(named) else {
            return Err(error(of.wrong_name(&describe_at(stack, name))));
        };
        if matches!(of, Of::Tags)
            && let Some(why) = stack.lossy(name).and_then(|name| own_tag(&name))
        {
            return Err(error(why));
        }
        let wrong = |stack: &Stack<'_>, got: String| {
            let text = stack.lossy(name).unwrap_or_default();
            error(of.wrong_value(&text, &got))
        };
        match (stack.kind(value), of) {
            (Kind::Table, Of::Option(_)) => {
                let length = stack.list_len(value);
                if stack.entries(value) != length {
                    let got = "a table with names or holes, where a list is wanted";
                    return Err(wrong(stack, got.to_owned()));
                }
                for position in 1..=i32::try_from(length).unwrap_or(i32::MAX) {
                    stack.push_item(value, position);
                    let item = read(stack, value + 1).map_err(|got| wrong(stack, got))?;
                    pairs.push((text.clone(), item));
                    stack.truncate(value);
                }
            }
            _ => {
                let value = read(stack, value).map_err(|got| wrong(stack, got))?;
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

    fn wrong_name(self, got: &str) -> String {
        match self {
            Self::Option(what) => format!("`{what}` must be a table with names as keys, got {got}"),
            Self::Tags => format!("a tag's name must be a string, got {got}"),
        }
    }

    fn wrong_value(self, name: &str, got: &str) -> String {
        match self {
            Self::Option(what) => format!("`{what}.{name}` must be a string, got {got}"),
            Self::Tags => format!("tag `{name}` must be a string, got {got}"),
        }
    }
}

/// A name, with a replacement for what is not UTF-8.
pub(super) fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// A string, or a number or a boolean as it prints.
///
/// # Errors
/// What it is, if it is something else.
pub(super) fn plain(stack: &Stack<'_>, index: i32) -> Result<String, String> {
    match stack.lossy(index) {
        Some(text) => Ok(text.into_owned()),
        None if matches!(stack.kind(index), Kind::Boolean | Kind::Number) => Ok(describe_at(stack, index)),
        None => Err(describe_at(stack, index)),
    }
}

/// As [`plain`], with strings as they are.
///
/// # Errors
/// As [`plain`].
pub(super) fn bytes(stack: &Stack<'_>, index: i32) -> Result<Vec<u8>, String> {
    match stack.bytes(index) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => plain(stack, index).map(String::into_bytes),
    }
}
