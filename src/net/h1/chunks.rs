//! Takes chunked bodies apart (RFC 9112, section 7.1), whatever way their bytes are cut.

use super::head::MAX_HEADERS;
use super::malformed;
use crate::net::NetError;

/// Extensions of all chunks of a body together.
const MAX_EXTENSIONS: usize = 16 << 10;
/// Trailers, which nobody asks for.
const MAX_TRAILERS: usize = 16 << 10;

/// Where in a chunked body we are.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// The size of a chunk as far as it was read, or what is left of it.
    left: u64,
    extensions: usize,
    trailers: Vec<u8>,
    trailer_lines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Start,
    Size,
    /// Blanks after a size.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a line after the last chunk.
    LastLine,
    Trailer,
    TrailerLf,
    LastLf,
}

impl Chunks {
    pub fn new() -> Self {
        Self {
            state: State::Start,
            left: 0,
            extensions: 0,
            trailers: Vec::new(),
            trailer_lines: 0,
        }
    }

    /// Takes bytes in and hands out data. Gives the rest after the end of the body; None if it has not come yet.
    ///
    /// # Errors
    /// What is there is no chunked body, or one with too much beside its data; what `data` fails with.
    pub fn feed<'a>(
        &mut self,
        mut bytes: &'a [u8],
        mut data: impl FnMut(&[u8]) -> Result<(), NetError>,
    ) -> Result<Option<&'a [u8]>, NetError> {
        while let [byte, rest @ ..] = bytes {
            if self.state == State::Data {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                let (now, later) = bytes.split_at(here);
                data(now)?;
                self.left -= here as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                bytes = later;
                continue;
            }
            bytes = rest;
            let ended = self.state == State::LastLf;
            self.state = self.step(*byte)?;
            if ended {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn step(&mut self, byte: u8) -> Result<State, NetError> {
        match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let size = self
                    .left
                    .checked_mul(16)
                    .and_then(|size| size.checked_add(digit.into()));
                self.left = size.ok_or_else(|| malformed("invalid chunk size: overflow"))?;
                Ok(State::Size)
            }
            (State::Size | State::Blank, b' ' | b'\t') => Ok(State::Blank),
            (State::Size | State::Blank, b';') => Ok(State::Extension),
            (State::Size | State::Blank | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, b'\n') => Err(malformed("invalid chunk extension")),
            (State::Extension, _) => {
                self.extensions += 1;
                if self.extensions >= MAX_EXTENSIONS {
                    return Err(malformed("too many chunk extensions"));
                }
                Ok(State::Extension)
            }
            (State::SizeLf, b'\n') if self.left == 0 => Ok(State::LastLine),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Start),
            (State::LastLine, b'\r') => Ok(State::LastLf),
            (State::LastLine | State::Trailer, _) => {
                self.trailer(byte)?;
                Ok(if byte == b'\r' {
                    State::TrailerLf
                } else {
                    State::Trailer
                })
            }
            (State::TrailerLf, b'\n') => {
                self.trailer(byte)?;
                self.trailer_lines += 1;
                Ok(State::LastLine)
            }
            (State::LastLf, b'\n') => self.check_trailers(),
            (State::Start | State::Size | State::Blank, _) => Err(malformed("invalid chunk size")),
            _ => Err(malformed("invalid chunk")),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<(), NetError> {
        self.trailers.push(byte);
        if self.trailers.len() >= MAX_TRAILERS {
            return Err(malformed("too many trailers"));
        }
        Ok(())
    }

    /// Nobody reads trailers, but a server that sends something else there is broken.
    fn check_trailers(&mut self) -> Result<State, NetError> {
        if !self.trailers.is_empty() {
            self.trailers.extend_from_slice(b"\r\n");
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            // One for each line that ended as it should, so that a bare line feed does not make two of one.
            let fields = &mut headers[..self.trailer_lines.min(MAX_HEADERS)];
            match httparse::parse_headers(&self.trailers, fields) {
                Ok(httparse::Status::Complete(_)) => {}
                Ok(httparse::Status::Partial) => return Err(malformed("invalid trailers")),
                Err(error) => return Err(malformed(error)),
            }
        }
        Ok(State::LastLf)
    }
}
