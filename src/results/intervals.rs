//! `intervals.jsonl`: a header and a line for each second. What a line holds is in `interval`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::interval::{Header, Interval};
use super::store::StoreError;

/// Reads the file back; nothing when there is none. A last line without its end, which a killed run leaves, is not there.
pub(super) fn read(path: &Path) -> Result<(Option<Header>, Vec<Interval>), StoreError> {
    let failed = |source| StoreError::new("read", path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, Vec::new())),
        Err(error) => return Err(failed(error)),
    };
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let (mut header, mut intervals, mut line, mut number) = (None, Vec::new(), Vec::new(), 0_u64);
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(failed)?;
        if line.last() != Some(&b'\n') {
            return Ok((header, intervals));
        }
        number += 1;
        let read = if number == 1 {
            serde_json::from_slice(&line).map(|read| header = Some(read))
        } else {
            serde_json::from_slice(&line).map(|read| intervals.push(read))
        };
        read.map_err(|error| {
            let text = format!("line {number}: {error}");
            failed(io::Error::new(io::ErrorKind::InvalidData, text))
        })?;
    }
}
