//! A file that grows by whole pieces while a run lasts. What the pieces are is for who writes them.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// An open file: what was written of a piece that failed is taken back.
#[derive(Debug)]
pub struct PieceFile {
    file: File,
    /// How much of it is good.
    length: u64,
    /// What the file begins with, as long as it is not there.
    head: Vec<u8>,
}

impl PieceFile {
    /// Goes on with a file that is empty.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self {
            file,
            length: 0,
            head: Vec::new(),
        }
    }

    /// Opens a file, or makes it, and leaves what it holds, for who is not sure yet to write to it.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(path: &Path) -> io::Result<Self> {
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        opened.map(Self::new)
    }

    /// Takes away what the file held when it was opened. A pipe or a device holds nothing.
    ///
    /// # Errors
    /// What the system said.
    pub fn empty(&self) -> io::Result<()> {
        match self.file.metadata()?.is_file() {
            true => self.file.set_len(0),
            false => Ok(()),
        }
    }

    /// Writes what the file begins with. What follows cannot be read without it: if this fails, it is tried again before
    /// each piece.
    ///
    /// # Errors
    /// What the system said; nothing of it is in the file then.
    pub fn begin(&mut self, head: impl Into<Vec<u8>>) -> io::Result<()> {
        self.head = head.into();
        self.append(&[])
    }

    /// Appends a piece in one call: a process that is killed leaves at most one half written.
    ///
    /// # Errors
    /// What the system said; nothing of the piece is in the file then.
    pub fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.head.is_empty() {
            return self.write(piece);
        }
        let whole = [&self.head, piece].concat();
        self.write(&whole)?;
        self.head.clear();
        Ok(())
    }

    /// Whether the file has what it begins with.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.head.is_empty()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        match written {
            Ok(()) => self.length += bytes.len() as u64,
            // Should this fail too, the next piece begins in the middle of a line. A pipe cannot be cut, and has a reader who
            // is gone.
            Err(_) => {
                let cut = self.file.set_len(self.length);
                let _ = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            }
        }
        written
    }

    /// Makes sure that it is on the disk. A pipe cannot be synced, and has nothing to be.
    ///
    /// # Errors
    /// What the system said.
    pub fn sync(&self) -> io::Result<()> {
        match self.file.metadata()?.is_file() {
            true => self.file.sync_all(),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_begins_with_comes_before_the_first_piece_that_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        File::create(&path).unwrap();
        // Into what is open for reading nothing can be written, as onto a disk that is full.
        let mut pieces = PieceFile::new(File::open(&path).unwrap());
        assert!(pieces.begin("head\n").is_err() && !pieces.has_begun());
        assert!(pieces.append(b"1\n").is_err());
        pieces.file = File::options().write(true).open(&path).unwrap();
        pieces.append(b"2\n").unwrap();
        pieces.append(b"3\n").unwrap();
        assert!(pieces.has_begun());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "head\n2\n3\n");
    }

    /// A file that may not grow takes a part of what would make it, as a disk that is almost full does.
    #[cfg(target_os = "linux")]
    #[test]
    fn nothing_is_left_of_a_piece_that_does_not_fit() {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        use std::io::Read as _;
        let memory = memfd_create("pieces", MemfdFlags::ALLOW_SEALING).unwrap();
        let mut file = File::from(memory);
        file.set_len(8_192).unwrap();
        fcntl_add_seals(&file, SealFlags::GROW).unwrap();
        let mut pieces = PieceFile::new(file.try_clone().unwrap());
        pieces.append(&[1; 5_000]).unwrap();
        assert!(pieces.append(&[2; 5_000]).is_err());
        let mut left = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut left).unwrap();
        assert_eq!(left, [1; 5_000]);
    }
}
