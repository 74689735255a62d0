//! `latency.hlog`: the durations of each second as HdrHistogram's interval log, version 1.3, with histograms in its V2
//! compressed encoding, which its own tools and libraries open. In nanoseconds, as they expect; a line's tag is the metric.
//!
//! The formats are those of `HistogramLogWriter` and `AbstractHistogram` of <https://github.com/HdrHistogram/HdrHistogram>.

use std::cell::RefCell;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::interval::{Header, Interval, Series, Trend, Values};
use crate::metrics::buckets;

/// Why a log cannot be written.
pub type HlogError = io::Error;

/// Nanoseconds of each unit of a duration.
const NANOS: u64 = 100;

/// The longest duration that a distribution takes, in nanoseconds: 24 hours.
const HIGHEST: u64 = 24 * 3_600 * 1_000_000_000;

/// Writes a log second by second.
#[derive(Debug)]
pub struct Hlog<W> {
    into: W,
    start_ms: u64,
}

impl<W: Write> Hlog<W> {
    /// Writes the head of the log.
    ///
    /// # Errors
    /// What writing gives.
    pub fn new(mut into: W, header: &Header) -> Result<Self, HlogError> {
        let start_ms = header.run.started_at_ms;
        let seconds = seconds(start_ms);
        let head = format!(
            "#[Histogram log format version 1.3]\n#[BaseTime: {seconds} (seconds since epoch)]\n\
             #[StartTime: {seconds} (seconds since epoch), {}]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
            header.run.started_at
        );
        into.write_all(head.as_bytes())?;
        Ok(Self { into, start_ms })
    }

    /// Goes on with a log that has its head.
    pub fn resume(into: W, header: &Header) -> Self {
        let start_ms = header.run.started_at_ms;
        Self { into, start_ms }
    }

    /// Writes a line for each metric that is a duration and has samples, in one piece.
    ///
    /// # Errors
    /// What writing gives.
    pub fn interval(&mut self, interval: &Interval) -> Result<(), HlogError> {
        let mut lines = String::new();
        for (series, trend) in durations(interval) {
            let from = seconds(interval.at_ms.saturating_sub(self.start_ms));
            let (length, max) = (seconds(interval.duration_ms), trend.max);
            let histogram = encode(trend)?;
            lines.push_str(&format!("Tag={},{from},{length},{max:.6},{histogram}\n", series.metric));
        }
        self.into.write_all(lines.as_bytes())
    }

    /// How many lines [`Hlog::interval`] writes.
    #[must_use]
    pub fn lines(interval: &Interval) -> u64 {
        durations(interval).count() as u64
    }

    /// What was written into.
    pub fn into_inner(self) -> W {
        self.into
    }
}

/// The metrics that are durations, each as a whole.
fn durations(interval: &Interval) -> impl Iterator<Item = (&Series, &Trend)> {
    interval.series.iter().filter_map(|series| match &series.values {
        Values::Trend(trend) if series.unit.as_deref() == Some("ms") && series.tags.is_empty() => Some((series, trend)),
        _ => None,
    })
}

/// Milliseconds as the log writes times.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// A histogram of nanoseconds with 3 significant digits, compressed, in base64.
fn encode(trend: &Trend) -> io::Result<String> {
    const COOKIE: u32 = 0x1c84_9303 | 0x10;
    const COMPRESSED_COOKIE: u32 = 0x1c84_9304 | 0x10;
    let counts = counts(&nanos(trend));
    let length = u32::try_from(counts.len()).map_err(io::Error::other)?;
    let mut plain = Vec::with_capacity(40 + counts.len());
    plain.extend(COOKIE.to_be_bytes());
    plain.extend(length.to_be_bytes());
    // Normalizing index offset, significant digits, lowest discernible value, highest trackable value, ratio to doubles.
    plain.extend(0_u32.to_be_bytes());
    plain.extend(3_u32.to_be_bytes());
    plain.extend(1_u64.to_be_bytes());
    plain.extend(HIGHEST.to_be_bytes());
    plain.extend(1_f64.to_be_bytes());
    plain.extend(counts);
    let deflated = deflate(&plain)?;
    let length = u32::try_from(deflated.len()).map_err(io::Error::other)?;
    let mut whole = COMPRESSED_COOKIE.to_be_bytes().to_vec();
    whole.extend(length.to_be_bytes());
    whole.extend(deflated);
    Ok(STANDARD.encode(whole))
}

thread_local! {
    // Making one fills 300 kB, which would be most of the work of a line.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), true));
}

fn deflate(plain: &[u8]) -> io::Result<Vec<u8>> {
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        let mut deflated = Vec::with_capacity(plain.len() + 64);
        loop {
            #[expect(clippy::cast_possible_truncation, reason = "not more than `plain` is long")]
            let rest = &plain[deflate.total_in() as usize..];
            if deflate.compress_vec(rest, &mut deflated, FlushCompress::Finish)? == Status::StreamEnd {
                return Ok(deflated);
            }
            deflated.reserve(deflated.len().max(64));
        }
    })
}

/// Our buckets as those of nanoseconds: what was in one stays in one, within 0.1 % of where it was.
fn nanos(trend: &Trend) -> Vec<(u32, u64)> {
    let mut nanos: Vec<(u32, u64)> = Vec::with_capacity(trend.buckets.len());
    for &(index, count) in &trend.buckets {
        let units = buckets::middle(index).saturating_mul(NANOS).min(HIGHEST);
        let index = buckets::index(units);
        match nanos.last_mut() {
            Some((last, sum)) if *last == index => *sum += count,
            _ => nanos.push((index, count)),
        }
    }
    nanos
}

/// Counts by index, and runs of zeros as their negative length; `ZigZag` in LEB128, of at most 9 bytes.
fn counts(buckets: &[(u32, u64)]) -> Vec<u8> {
    let (mut bytes, mut next) = (Vec::new(), 0);
    for &(index, count) in buckets {
        let zeros = i64::from(index) - next;
        if zeros > 0 {
            // One zero is itself, more are their number.
            put(if zeros == 1 { 0 } else { -zeros }, &mut bytes);
        }
        put(i64::try_from(count).unwrap_or(i64::MAX), &mut bytes);
        next = i64::from(index) + 1;
    }
    bytes
}

fn put(value: i64, bytes: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    for _ in 0..8 {
        if rest < 0x80 {
            break;
        }
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    // The ninth byte has all that is left.
    bytes.push((rest & 0xff) as u8);
}
