//! `csv=FILE`: a table with a row for each series and second, written each second.

use std::path::Path;

use super::row::{Row, Value, end_ms, rows};
use super::tally::Tally;
use crate::results::{Interval, PieceFile};

/// The columns; those that a kind of metric does not have are empty.
const COLUMNS: [&str; 20] = [
    "time_ms",
    "second",
    "metric",
    "type",
    "unit",
    "tags",
    "value",
    "passes",
    "total",
    "count",
    "sum",
    "min",
    "avg",
    "med",
    "p90",
    "p95",
    "p99",
    "p99.9",
    "max",
    "duration_ms",
];

/// An open file.
pub(super) struct Csv {
    file: PieceFile,
}

impl Csv {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = PieceFile::open(path).map_err(|error| error.to_string())?;
        Ok(Self { file })
    }

    /// Takes away what the file held, and writes the first line.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn empty(&mut self) -> Result<(), String> {
        self.file.empty().map_err(|error| error.to_string())?;
        let head = text(&[COLUMNS.map(str::to_owned)])?;
        // What the disk does not take now, it is asked for again with the first second, which is counted.
        let _ = self.file.begin(head);
        Ok(())
    }

    /// Writes a second.
    pub(super) fn interval(&mut self, interval: &Interval, tally: &Tally) {
        let records: Vec<_> = rows(interval).iter().map(|row| record(interval, row)).collect();
        let written = text(&records).and_then(|text| self.file.append(&text).map_err(|error| error.to_string()));
        match written {
            Ok(()) => tally.written(records.len() as u64),
            Err(error) => {
                tally.failed(error, false);
                tally.dropped(records.len() as u64);
            }
        }
    }

    /// Makes sure that it is on the disk.
    pub(super) fn end(self, tally: &Tally) {
        if let Err(error) = self.file.sync() {
            tally.failed(error.to_string(), false);
        }
    }
}

/// Records as they stand in the file.
fn text(records: &[[String; COLUMNS.len()]]) -> Result<Vec<u8>, String> {
    let mut to = csv::Writer::from_writer(Vec::new());
    let made = records.iter().try_for_each(|record| to.write_record(record));
    made.map_err(|error| error.to_string())?;
    to.into_inner().map_err(|error| error.to_string())
}

fn record(interval: &Interval, row: &Row<'_>) -> [String; COLUMNS.len()] {
    let mut record: [String; COLUMNS.len()] = Default::default();
    let mut set = |column: &str, value: String| {
        if let Some(at) = COLUMNS.iter().position(|name| *name == column) {
            record[at] = value;
        }
    };
    set("time_ms", end_ms(interval).to_string());
    set("second", interval.second.to_string());
    set("duration_ms", interval.duration_ms.to_string());
    set("metric", row.metric.to_owned());
    set("unit", row.unit.to_owned());
    set("tags", tags(row));
    match &row.value {
        Value::Counter(value) => {
            set("type", "counter".to_owned());
            set("value", value.to_string());
        }
        Value::Gauge(value) => {
            set("type", "gauge".to_owned());
            set("value", value.to_string());
        }
        Value::Rate { passes, total } => {
            set("type", "rate".to_owned());
            set("passes", passes.to_string());
            set("total", total.to_string());
        }
        Value::Trend(trend) => {
            set("type", "trend".to_owned());
            set("count", trend.count.to_string());
            set("sum", trend.sum.to_string());
            set("min", trend.min.to_string());
            set("max", trend.max.to_string());
            let trend = trend.to_metrics();
            let mut maybe = |column, value: Option<f64>| set(column, value.map(|v| v.to_string()).unwrap_or_default());
            maybe("avg", trend.mean());
            for (column, percent) in [
                ("med", 50.0),
                ("p90", 90.0),
                ("p95", 95.0),
                ("p99", 99.0),
                ("p99.9", 99.9),
            ] {
                maybe(column, trend.percentile(percent));
            }
        }
    }
    record
}

/// As selectors are written, without the braces: `name:GET /,status:200`.
fn tags(row: &Row<'_>) -> String {
    let tags: Vec<String> = row.tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    tags.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::row::samples;

    #[test]
    fn a_row_for_each_series_and_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let tally = Tally::default();
        std::fs::write(&path, "old\n".repeat(1_000)).unwrap();
        let mut csv = Csv::open(&path).unwrap();
        csv.empty().unwrap();
        csv.interval(&samples::interval(0), &tally);
        csv.interval(&samples::interval(1), &tally);
        csv.end(&tally);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len() as u64, 1 + tally.report().written);
        assert_eq!(lines[0], COLUMNS.join(","));
        let trend = "1795168801000,0,http_req_duration,trend,ms,\"name:GET \"\"a b\"\",=\\\",,,,10,1012,0,101.2,1.5";
        assert!(lines[2].starts_with(trend), "{}", lines[2]);
        assert!(lines[2].ends_with(",1000,1000"), "{}", lines[2]);
        assert_eq!(lines[3], "1795168801000,0,http_reqs,counter,,,10,,,,,,,,,,,,,1000");
        assert_eq!(lines[5], "1795168801000,0,http_req_failed,rate,,,,1,10,,,,,,,,,,,1000");
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert!(reader.records().all(|record| record.is_ok()));
    }

    #[test]
    fn a_full_disk_is_told_and_counted() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let tally = Tally::new("csv", String::new());
        let mut csv = Csv::open(Path::new("/dev/full")).unwrap();
        csv.empty().unwrap();
        csv.interval(&samples::interval(0), &tally);
        csv.interval(&samples::interval(1), &tally);
        csv.end(&tally);
        let report = tally.report();
        let rows = 2 * rows(&samples::interval(0)).len() as u64;
        assert_eq!(
            (report.written, report.failures, report.dropped),
            (0, 2, rows),
            "{report:?}"
        );
    }
}
