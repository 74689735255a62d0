//! `hlog=FILE`: HdrHistogram's interval log of all durations as it grows, second by second. Its format is `results`'.

use std::path::Path;
use std::sync::Arc;

use super::tally::Tally;
use crate::results::{Header, Hlog, Interval, PieceFile};

/// An open file.
pub(super) struct HlogFile {
    file: PieceFile,
    /// Of a run whose load has begun.
    header: Option<Arc<Header>>,
}

impl HlogFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = PieceFile::open(path).map_err(|error| error.to_string())?;
        Ok(Self { file, header: None })
    }

    /// Takes away what the file held.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn empty(&self) -> Result<(), String> {
        self.file.empty().map_err(|error| error.to_string())
    }

    /// Writes the head.
    pub(super) fn begin(&mut self, header: Arc<Header>, tally: &Tally) {
        let mut head = Vec::new();
        let made = Hlog::new(&mut head, &header).map(|_| ());
        if let Err(error) = made.and_then(|()| self.file.begin(head)) {
            tally.failed(error.to_string(), false);
        }
        self.header = Some(header);
    }

    /// Writes the durations of a second, each as a line.
    pub(super) fn interval(&mut self, interval: &Interval, tally: &Tally) {
        let lines = Hlog::<Vec<u8>>::lines(interval);
        let Some(header) = &self.header else {
            return tally.dropped(lines);
        };
        let mut text = Vec::new();
        let made = Hlog::resume(&mut text, header).interval(interval);
        match made.and_then(|()| self.file.append(&text)) {
            Ok(()) => tally.written(lines),
            Err(error) => {
                tally.failed(error.to_string(), false);
                tally.dropped(lines);
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
