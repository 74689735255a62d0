//! `influx=URL`: the line protocol of InfluxDB over HTTP, one body a second.
//!
//! <https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>

use std::collections::BTreeMap;

use super::push::{Encoder, Parcel};
use super::row::{Row, Run, Value, end_ms, renamed, rows, statistics};
use crate::results::{Header, Interval};

/// The tag that names the run.
const RUN: &str = "run";

/// Lines of a run.
#[derive(Default)]
pub(super) struct Influx {
    /// The tags of all lines, and how each is written.
    common: Vec<(String, String)>,
}

impl Encoder for Influx {
    fn begin(&mut self, header: &Header) {
        let run = Run::of(header);
        let tags = run.tags.into_iter().map(|(key, value)| (renamed(&key, &[RUN]), value));
        let tags: BTreeMap<String, String> = tags.collect();
        let all = [(RUN.to_owned(), run.id)].into_iter().chain(tags);
        let written = all.map(|(key, value)| (tag((&key, &value)), key));
        self.common = written.map(|(text, key)| (key, text)).collect();
    }

    fn interval(&mut self, interval: &Interval) -> Vec<Parcel> {
        let rows = rows(interval);
        let mut body = String::new();
        for row in &rows {
            self.line(row, end_ms(interval), &mut body);
        }
        vec![Parcel {
            body: body.into(),
            records: rows.len() as u64,
        }]
    }
}

impl Influx {
    fn line(&self, row: &Row<'_>, at_ms: u64, to: &mut String) {
        to.push_str(&escaped(&row.family(), &[',', ' ']));
        let own: Vec<_> = row
            .tags
            .iter()
            .map(|(key, value)| (renamed(key, &[RUN]), *value))
            .collect();
        let common = self
            .common
            .iter()
            .filter(|(key, _)| own.iter().all(|(own, _)| own != key));
        to.extend(common.map(|(_, text)| text.as_str()));
        to.extend(own.iter().map(|(key, value)| tag((key, value))));
        to.push_str(&format!(" {} {at_ms}\n", fields(&row.value)));
    }
}

fn fields(value: &Value<'_>) -> String {
    match value {
        Value::Counter(value) | Value::Gauge(value) => format!("value={value}"),
        Value::Rate { passes, total } => format!("passes={passes}i,total={total}i"),
        Value::Trend(trend) => {
            let (count, sum, min, max) = (trend.count, trend.sum, trend.min, trend.max);
            let mut fields = format!("count={count}i,sum={sum},min={min},max={max}");
            for (stat, value) in statistics(trend) {
                fields.push_str(&format!(",{stat}={value}"));
            }
            fields
        }
    }
}

/// `,key=value`; nothing without a value, which the protocol cannot say.
fn tag((key, value): (&str, &str)) -> String {
    if value.is_empty() {
        return String::new();
    }
    let special = [',', '=', ' '];
    let mut value = escaped(value, &special);
    if value.ends_with('\\') {
        // It would escape what follows, and nothing escapes it.
        value.push(' ');
        value.insert(value.len() - 1, '\\');
    }
    format!(",{}={value}", escaped(key, &special))
}

/// With a backslash before each special character. A line break ends a line whatever is before it: it becomes a space.
fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::row::samples;
    use proptest::prelude::*;

    #[test]
    fn lines_of_a_second() {
        let mut influx = Influx::default();
        influx.begin(&samples::header());
        let parcel = influx.interval(&samples::interval(0)).remove(0);
        let body = std::str::from_utf8(&parcel.body).unwrap();
        assert_eq!(body.lines().count() as u64, parcel.records);
        let run = "run=20261120T100000Z-saga,env=stag\\ ing";
        for line in [
            format!("http_reqs,{run} value=10 1795168801000"),
            format!("http_reqs_by_status,{run},status=200 value=10 1795168801000"),
            format!("http_req_failed,{run} passes=1i,total=10i 1795168801000"),
            format!("check,{run},check=ok passes=9i,total=10i 1795168801000"),
        ] {
            assert!(body.lines().any(|known| known == line), "{line} is not in\n{body}");
        }
        let named = format!(
            "http_req_duration_by_name,{run},name=GET\\ \"a\\ b\"\\,\\=\\\\  count=10i,sum=1012,min=0,max=1000,med=1.5"
        );
        assert!(body.contains(&named), "{named} is not in\n{body}");
    }

    #[test]
    fn no_line_has_a_tag_twice() {
        let mut header = samples::header();
        let tags = [("run", "77"), ("name", "nightly"), ("tag_run", "old")];
        header.run.tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let mut influx = Influx::default();
        influx.begin(&header);
        let parcel = influx.interval(&samples::interval(0)).remove(0);
        let body = std::str::from_utf8(&parcel.body).unwrap();
        for line in body.lines() {
            let tags = read(line);
            let mut keys: Vec<_> = tags.iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            assert!(keys.is_sorted_by(|a, b| a < b), "{line}");
            let value = |wanted: &str| {
                tags.iter()
                    .find(|(key, _)| key == wanted)
                    .map(|(_, value)| value.as_str())
            };
            assert_eq!(value("run"), Some("20261120T100000Z-saga"), "{line}");
            assert_eq!(value("tag_run"), Some("old"), "{line}");
            // A part by name is that of its own name.
            assert_eq!(value("name") == Some("nightly"), !line.contains("_by_name"), "{line}");
        }
    }

    /// Reads the tags of a line back, as the protocol says.
    fn read(line: &str) -> Vec<(String, String)> {
        let mut parts = vec![(String::new(), String::new())];
        let mut in_value = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let last = parts.last_mut().unwrap();
            let to = if in_value { &mut last.1 } else { &mut last.0 };
            match c {
                '\\' if chars.peek().is_some_and(|next| [',', '=', ' '].contains(next)) => to.extend(chars.next()),
                ',' => {
                    parts.push((String::new(), String::new()));
                    in_value = false;
                }
                '=' => in_value = true,
                ' ' => break,
                c => to.push(c),
            }
        }
        parts.split_off(1)
    }

    proptest! {
        #[test]
        fn a_tag_is_read_back_as_it_was(key in "[a-z]{1,5}", value in "[a-z ,=\"\\\\]{1,12}") {
            let line = format!("m{} value=1 1", tag((&key, &value)));
            let read = read(&line);
            prop_assert_eq!(read.len(), 1, "{}", line);
            prop_assert_eq!(&read[0].0, &key);
            // A backslash at the end is followed by a space.
            prop_assert_eq!(read[0].1.trim_end_matches(' '), value.trim_end_matches(' '), "{}", line);
        }
    }
}
