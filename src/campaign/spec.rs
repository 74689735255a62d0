//! How levels and ranges are written: `api=50,100 events=100,500` and `rate=100..20000`. Whether a script has what they name
//! is found when it is loaded.

use super::strategy::Range;
use crate::results::Axis;

/// Why levels or a range are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// Nothing is named.
    #[error("there are no levels; write for example \"api=50,100,200 events=100,500,1000\"")]
    Empty,
    /// Not `NAME=…`.
    #[error("`{0}` is not NAME=LEVEL,LEVEL,…; write for example \"api=50,100,200 events=100,500,1000\"")]
    Axis(String),
    /// Not a range.
    #[error("`{0}` is not NAME=LOW..HIGH; write for example \"rate=100..20000\"")]
    Range(String),
    /// Not a number above zero.
    #[error("{name}: `{text}` is no level; a level is a number above zero, without separators")]
    Number {
        /// Whose it is.
        name: String,
        /// What was written.
        text: String,
    },
    /// The same name twice.
    #[error("`{0}` is named twice; put all of its levels into one list")]
    Twice(String),
    /// Lists of different lengths, taken together.
    #[error(
        "levels are taken together, the first of each name, then the second, so all names need as many: {0}; --grid takes each with every other"
    )]
    Lengths(String),
    /// Levels that do not rise.
    #[error("{name}: {next} comes after {before}; levels rise, because the first that is not held ends the search")]
    Order {
        /// Whose they are.
        name: String,
        /// A level.
        before: f64,
        /// The one after it.
        next: f64,
    },
    /// The same levels for all names again.
    #[error("the levels number {0} and {1} are the same for all names")]
    Same(usize, usize),
    /// A range without room.
    #[error("{name}: {low}..{high} has no room; the low end comes first")]
    Room {
        /// Whose it is.
        name: String,
        /// Its low end.
        low: f64,
        /// Its high end.
        high: f64,
    },
}

/// Reads levels. Without `grid` they are taken together, and have to be equally many.
///
/// # Errors
/// [`SpecError`] naming the part that is wrong.
pub fn levels(text: &str, grid: bool) -> Result<Vec<Axis>, SpecError> {
    let mut axes: Vec<Axis> = Vec::new();
    for part in text.split_whitespace() {
        let (name, list) = part.split_once('=').ok_or_else(|| SpecError::Axis(part.to_owned()))?;
        if name.is_empty() || list.is_empty() {
            return Err(SpecError::Axis(part.to_owned()));
        }
        if axes.iter().any(|axis| axis.name == name) {
            return Err(SpecError::Twice(name.to_owned()));
        }
        let values = list
            .split(',')
            .map(|text| number(name, text))
            .collect::<Result<Vec<_>, _>>()?;
        axes.push(Axis {
            name: name.to_owned(),
            values,
        });
    }
    let first = axes.first().ok_or(SpecError::Empty)?;
    let count = first.values.len();
    if !grid && axes.iter().any(|axis| axis.values.len() != count) {
        let counts: Vec<String> = axes
            .iter()
            .map(|axis| format!("{} has {}", axis.name, axis.values.len()))
            .collect();
        return Err(SpecError::Lengths(counts.join(", ")));
    }
    for axis in &axes {
        rises(axis, grid || axes.len() == 1)?;
    }
    if !grid {
        let same = |at: &usize| axes.iter().all(|axis| is_same(axis.values[*at - 1], axis.values[*at]));
        if let Some(at) = (1..count).find(same) {
            return Err(SpecError::Same(at, at + 1));
        }
    }
    Ok(axes)
}

/// Reads a range.
///
/// # Errors
/// [`SpecError`] naming the part that is wrong.
pub fn range(text: &str, tolerance: f64) -> Result<Range, SpecError> {
    let wrong = || SpecError::Range(text.to_owned());
    let (name, ends) = text.trim().split_once('=').ok_or_else(wrong)?;
    let (low, high) = ends.split_once("..").ok_or_else(wrong)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(wrong());
    }
    let (low, high) = (number(name, low)?, number(name, high)?);
    if low >= high {
        let name = name.to_owned();
        return Err(SpecError::Room { name, low, high });
    }
    Ok(Range {
        name: name.to_owned(),
        low,
        high,
        tolerance,
        whole: false,
    })
}

fn number(name: &str, text: &str) -> Result<f64, SpecError> {
    let number = text.trim().parse::<f64>().ok();
    let fits = number.filter(|number| number.is_finite() && *number > 0.0);
    fits.ok_or_else(|| SpecError::Number {
        name: name.to_owned(),
        text: text.to_owned(),
    })
}

/// Of levels that are taken together some may stay while others rise.
fn rises(axis: &Axis, strictly: bool) -> Result<(), SpecError> {
    let falls = |pair: &&[f64]| pair[1] < pair[0] || (strictly && is_same(pair[0], pair[1]));
    match axis.values.windows(2).find(falls) {
        Some(pair) => Err(SpecError::Order {
            name: axis.name.clone(),
            before: pair[0],
            next: pair[1],
        }),
        None => Ok(()),
    }
}

#[expect(clippy::float_cmp, reason = "levels as they were written")]
fn is_same(a: f64, b: f64) -> bool {
    a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_their_order() {
        let read = levels(" api=50,100.5  events=100,100 ", false).unwrap();
        let read: Vec<_> = read
            .iter()
            .map(|axis| (axis.name.as_str(), axis.values.clone()))
            .collect();
        assert_eq!(read, [("api", vec![50.0, 100.5]), ("events", vec![100.0, 100.0])]);
        assert_eq!(levels("a=1,2,3 b=1", true).unwrap().len(), 2);
        let range = range("rate=100..20000", 0.05).unwrap();
        assert_eq!((range.name.as_str(), range.low, range.high), ("rate", 100.0, 20_000.0));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_fit() {
        let table: [(&str, bool, &str); 12] = [
            (" ", false, "there are no levels"),
            ("api", false, "`api` is not NAME=LEVEL"),
            ("=5", false, "is not NAME=LEVEL"),
            ("api=", false, "is not NAME=LEVEL"),
            ("api=5,x", false, "api: `x` is no level"),
            ("api=5,-1", false, "`-1` is no level"),
            ("api=1,000", false, "`000` is no level"),
            ("api=5 api=6", false, "`api` is named twice"),
            ("api=5,6 events=1,2,3", false, "api has 2, events has 3; --grid takes"),
            ("api=5,4", false, "api: 4 comes after 5; levels rise"),
            ("api=5,5 events=1,1", false, "number 1 and 2 are the same"),
            ("api=5,5 events=1,2", true, "api: 5 comes after 5"),
        ];
        for (text, grid, part) in table {
            let error = levels(text, grid).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let table = [
            ("rate", "is not NAME=LOW..HIGH"),
            ("rate=5", "is not NAME=LOW..HIGH"),
            ("=1..2", "is not NAME=LOW..HIGH"),
            ("a=1..2 b=1..2", "`2 b=1..2` is no level"),
            ("rate=x..2", "`x` is no level"),
            ("rate=0..2", "`0` is no level"),
            ("rate=5..5", "has no room"),
        ];
        for (text, part) in table {
            let error = range(text, 0.05).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
