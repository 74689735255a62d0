//! Reads the formats of data files into one text and the places of its rows, so that a set takes about as much memory as its
//! file, and a row costs no allocation. Which file is read is `dataset`'s.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::value::RawValue;

use super::DataError;

/// The rows of a set. Places are 32 bits, because files are far smaller than 4 GiB.
#[derive(Debug)]
pub(super) enum Rows {
    /// JSON texts, one a row; parsed when they are handed out.
    Json { text: String, rows: Vec<Range<u32>> },
    /// Records under the names of the first row: all values without what separates them, and where each ends.
    Csv {
        names: Vec<String>,
        text: String,
        ends: Vec<u32>,
    },
}

const BOM: char = '\u{feff}';

fn malformed(file: &str, line: Option<u64>, reason: &impl ToString) -> DataError {
    DataError::Malformed {
        file: file.to_owned(),
        line,
        reason: reason.to_string(),
    }
}

/// A place in a text. Texts are at most as long as the largest file.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Where `part` stands in the text that it was cut from.
fn span(text: &str, part: &str) -> Range<u32> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    place(start)..place(start + part.len())
}

/// An array of rows.
pub(super) fn json(file: &str, text: String) -> Result<Rows, DataError> {
    let array = text.trim_start_matches(BOM);
    if !array.trim_start().starts_with('[') {
        return Err(malformed(
            file,
            Some(1),
            &"not a JSON array; a data file is `[ row, row, … ]`",
        ));
    }
    let rows: Vec<&RawValue> = serde_json::from_str(array)
        .map_err(|error| malformed(file, Some(error.line() as u64), &format!("not JSON: {error}")))?;
    let rows = rows.iter().map(|row| span(&text, row.get())).collect();
    Ok(Rows::Json { text, rows })
}

/// A row on each line.
pub(super) fn jsonl(file: &str, text: String) -> Result<Rows, DataError> {
    let lines = text.trim_start_matches(BOM).lines().enumerate();
    let rows = lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map(|row: &RawValue| span(&text, row.get()))
                .map_err(|error| malformed(file, Some(number as u64 + 1), &format!("not JSON: {error}")))
        })
        .collect::<Result<_, _>>()?;
    Ok(Rows::Json { text, rows })
}

/// Rows that are JSON texts already.
pub(super) fn values(name: &str, values: &[String]) -> Result<Rows, DataError> {
    let size = values.iter().map(String::len).sum();
    if size as u64 > super::MAX_FILE {
        return Err(DataError::TooLarge {
            file: name.to_owned(),
            size: size as u64,
        });
    }
    let mut text = String::with_capacity(size);
    let mut rows = Vec::with_capacity(values.len());
    for value in values {
        let row: &RawValue = serde_json::from_str(value).map_err(|error| malformed(name, None, &error))?;
        let start = place(text.len());
        text.push_str(row.get());
        rows.push(start..place(text.len()));
    }
    Ok(Rows::Json { text, rows })
}

/// Names in the first row, values below.
pub(super) fn csv(file: &str, text: &str) -> Result<Rows, DataError> {
    let table = text.trim_start_matches(BOM);
    if let Some(line) = open_quote(table) {
        let reason = "a quote opens here that nothing closes; the rest of the file would be one value";
        return Err(malformed(file, Some(line), &reason));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(true)
        .from_reader(table.as_bytes());
    let names: Vec<String> = reader
        .headers()
        .map_err(|error| malformed(file, Some(1), &error))?
        .iter()
        .map(str::to_owned)
        .collect();
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
        let reason = format!("two columns are named `{twice}`; a row could have only one of them");
        return Err(malformed(file, Some(1), &reason));
    }
    let mut values = String::with_capacity(table.len());
    let mut ends = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| ragged(file, table, &error))?
    {
        let start = values.len();
        values.push_str(record.as_slice());
        let ranges = (0..record.len()).filter_map(|column| record.range(column));
        ends.extend(ranges.map(|range| place(start + range.end)));
    }
    values.shrink_to_fit();
    ends.shrink_to_fit();
    Ok(Rows::Csv {
        names,
        text: values,
        ends,
    })
}

/// The line of a quote that only the end of the file closes, which the reader takes for good. As for the reader, a quote opens
/// at the beginning of a field, and two of them in quotes are one of the value.
pub(super) fn open_quote(table: &str) -> Option<u64> {
    let (mut line, mut opened, mut begins) = (1, None, true);
    let mut bytes = table.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match opened {
            None if byte == b'"' && begins => opened = Some(line),
            Some(_) if byte == b'"' && bytes.next_if_eq(&b'"').is_none() => opened = None,
            _ => {}
        }
        begins = opened.is_none() && matches!(byte, b',' | b'\r' | b'\n');
        line += u64::from(byte == b'\n');
    }
    opened
}

fn ragged(file: &str, table: &str, error: &csv::Error) -> DataError {
    // The reader's own line is that of the last row's end, before the line feed of CRLF and before empty lines.
    let line = error.position().map(|position| {
        let rest = table
            .get(usize::try_from(position.byte()).unwrap_or(0)..)
            .unwrap_or_default();
        let row = table.len() - rest.trim_start_matches(['\r', '\n']).len();
        1 + table[..row].bytes().filter(|byte| *byte == b'\n').count() as u64
    });
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the first row has {expected_len}")
        }
        _ => error.to_string(),
    };
    malformed(file, line, &reason)
}
