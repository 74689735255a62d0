//! `jsonl=FILE`: a line for each sample, as k6's JSON output has them, compressed when the file's name ends in `.gz`. Samples
//! come through the tap of `metrics`; what it has to drop is counted there.

use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::tally::Tally;
use crate::metrics::{Definition, MetricId, Samples, Tapped, Unit};
use crate::results::PieceFile;

/// Bytes that are written at once; and what is lost at most when that fails.
const PIECE: usize = 256 << 10;

/// An open file, and where its samples come from.
pub(super) struct Jsonl {
    file: PieceFile,
    gzip: Gzip,
    tapped: Tapped,
    lines: Lines,
}

enum Gzip {
    No,
    /// Compresses into memory, so that a piece gets into the file whole or not at all.
    Yes(Box<GzEncoder<Vec<u8>>>),
    /// What was compressed so far cannot be gone on with.
    Broken,
}

impl Jsonl {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn open(path: &Path, tapped: Tapped) -> Result<Self, String> {
        let file = PieceFile::open(path).map_err(|error| error.to_string())?;
        let gzip = match path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")) {
            true => Gzip::Yes(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
            false => Gzip::No,
        };
        Ok(Self {
            file,
            gzip,
            tapped,
            lines: Lines::default(),
        })
    }

    /// Takes away what the file held.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn empty(&self) -> Result<(), String> {
        self.file.empty().map_err(|error| error.to_string())
    }

    pub(super) fn tapped(&self) -> &Tapped {
        &self.tapped
    }

    /// Writes until there are no more samples, or nobody waits for the rest.
    pub(super) fn work(mut self, give_up: &CancellationToken, tally: &Tally) {
        let mut is_whole = true;
        while let Some(samples) = self.tapped.wait() {
            if !give_up.is_cancelled() {
                self.samples(&samples, give_up, tally);
            }
            self.tapped.give_back(samples);
            if is_whole && self.tapped.tap().lost() > 0 {
                is_whole = false;
                let problem = "samples come faster than they can be written; what does not fit is dropped and counted";
                tally.failed(problem.to_owned(), false);
            }
        }
        if !give_up.is_cancelled() {
            self.end(tally);
        }
    }

    fn samples(&mut self, samples: &Samples, give_up: &CancellationToken, tally: &Tally) {
        self.lines.begin(samples);
        let mut count = 0;
        let all = samples.samples();
        for (index, sample) in all.iter().enumerate() {
            let definition = |metric| self.tapped.definition(metric);
            self.lines
                .add(sample.metric, sample.at_us, sample.set, sample.value, definition);
            count += 1;
            if self.lines.text.len() >= PIECE || index + 1 == all.len() {
                if give_up.is_cancelled() {
                    return;
                }
                self.write(count, tally);
                count = 0;
            }
        }
    }

    /// Writes the lines that there are, of so many samples.
    fn write(&mut self, count: u64, tally: &Tally) {
        let written = self.append();
        self.lines.text.clear();
        match written {
            Ok(()) => tally.written(count),
            Err(error) => {
                if matches!(self.gzip, Gzip::Yes(_)) {
                    self.gzip = Gzip::Broken;
                }
                // Metrics that were told in what is lost are told again.
                self.lines.known.clear();
                tally.failed(error.to_string(), false);
            }
        }
    }

    fn append(&mut self) -> io::Result<()> {
        let text = &self.lines.text;
        match &mut self.gzip {
            Gzip::No => self.file.append(text),
            Gzip::Yes(gzip) => {
                gzip.write_all(text)?;
                // What the compressor holds back is in no file, and could not be counted.
                gzip.flush()?;
                let appended = self.file.append(gzip.get_ref());
                gzip.get_mut().clear();
                appended
            }
            Gzip::Broken => Err(io::Error::other("what was compressed before is cut off")),
        }
    }

    /// Says what is missing, and makes sure that all is on the disk.
    fn end(mut self, tally: &Tally) {
        for (metric, lost) in self.tapped.tap().lost_by_metric() {
            if let Some(definition) = self.tapped.definition(metric) {
                let line = json!({ "metric": &*definition.name, "type": "Dropped", "data": { "count": lost } });
                self.lines.text.extend_from_slice(line.to_string().as_bytes());
                self.lines.text.push(b'\n');
            }
        }
        if !self.lines.text.is_empty() {
            self.write(0, tally);
        }
        let ended = match self.gzip {
            Gzip::No => Ok(()),
            Gzip::Yes(gzip) => gzip.finish().and_then(|end| self.file.append(&end)),
            Gzip::Broken => return,
        };
        if let Err(error) = ended.and_then(|()| self.file.sync()) {
            tally.failed(error.to_string(), false);
        }
    }
}

/// Lines in the making.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// By metric: how its lines begin, once it was told.
    known: Vec<Option<Vec<u8>>>,
    /// The ends of lines, by set of tags.
    sets: Vec<Vec<u8>>,
    /// A second, and how its times begin.
    second: Option<(u64, String)>,
}

impl Lines {
    /// The samples that follow are these.
    fn begin(&mut self, samples: &Samples) {
        self.sets.clear();
        for set in samples.sets() {
            let tags: serde_json::Map<String, serde_json::Value> =
                set.map(|(key, value)| (key.to_owned(), value.into())).collect();
            let mut end = b",\"tags\":".to_vec();
            end.extend(serde_json::Value::from(tags).to_string().bytes());
            end.extend(b"}}\n");
            self.sets.push(end);
        }
    }

    fn add(
        &mut self,
        metric: MetricId,
        at_us: u64,
        set: u32,
        value: f64,
        definition: impl Fn(MetricId) -> Option<Definition>,
    ) {
        let index = metric.index() as usize;
        if self.known.len() <= index {
            self.known.resize(index + 1, None);
        }
        if self.known[index].is_none() {
            let Some(definition) = definition(metric) else { return };
            self.known[index] = Some(tell(&definition, &mut self.text));
        }
        if let Some(begin) = &self.known[index] {
            self.text.extend_from_slice(begin);
        }
        self.time(at_us);
        self.text.extend_from_slice(b"\",\"value\":");
        number(value, &mut self.text);
        if let Some(end) = self.sets.get(set as usize) {
            self.text.extend_from_slice(end);
        }
    }

    /// As RFC 3339 has it, in UTC.
    fn time(&mut self, at_us: u64) {
        let (second, micros) = (at_us / 1_000_000, at_us % 1_000_000);
        if self.second.as_ref().is_none_or(|(known, _)| *known != second) {
            let at = Timestamp::from_second(i64::try_from(second).unwrap_or_default()).unwrap_or_default();
            self.second = Some((second, at.strftime("%Y-%m-%dT%H:%M:%S.").to_string()));
        }
        if let Some((_, begin)) = &self.second {
            self.text.extend_from_slice(begin.as_bytes());
        }
        let mut rest = micros;
        let mut digits = *b"000000Z";
        for digit in digits[..6].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        self.text.extend_from_slice(&digits);
    }
}

/// Writes the line that tells of a metric, and gives the beginning of those of its samples.
fn tell(definition: &Definition, text: &mut Vec<u8>) -> Vec<u8> {
    let name = &*definition.name;
    let contains = match definition.unit {
        Unit::Ms => "time",
        Unit::Bytes => "data",
        Unit::None | Unit::Custom(_) => "default",
    };
    let mut data = json!({ "name": name, "type": definition.kind.name(), "contains": contains });
    if !definition.unit.name().is_empty() {
        data["unit"] = definition.unit.name().into();
    }
    // By hand: the order of keys is k6's, and a metric's name needs no escapes.
    text.extend(format!("{{\"metric\":\"{name}\",\"type\":\"Metric\",\"data\":{data}}}\n").bytes());
    format!("{{\"metric\":\"{name}\",\"type\":\"Point\",\"data\":{{\"time\":\"").into_bytes()
}

/// A value that is finite, the shortest way.
fn number(value: f64, text: &mut Vec<u8>) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a small whole number"
    )]
    if (0.0..1e15).contains(&value) && value.fract() == 0.0 {
        let mut digits = [0; 16];
        let (mut rest, mut at) = (value as u64, digits.len());
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        text.extend_from_slice(&digits[at..]);
        return;
    }
    // Writing into a vector does not fail.
    let _ = serde_json::to_writer(text, &value);
}

#[cfg(test)]
mod tests;
