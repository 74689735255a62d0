//! The head of a response: what it says about its body and its connection (RFC 9112, sections 4, 6.3 and 9.3).

use std::mem::MaybeUninit;
use std::ops::Range;

use http::{Method, Version};

use super::malformed;
use crate::net::NetError;

/// More headers than that are not a response but a fault.
pub(super) const MAX_HEADERS: usize = 100;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes; zero is no body.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// A head that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Where it ends.
    pub len: usize,
    /// Where its header lines are.
    pub lines: Range<usize>,
    /// How many.
    pub count: usize,
    pub status: u16,
    pub version: Version,
    pub framing: Framing,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// Whether there is a `set-cookie`.
    pub sets_cookies: bool,
    /// Whether there is a `content-encoding`.
    pub encoded: bool,
}

/// Reads the head of the response to a request with `method`; None if more bytes are needed.
///
/// # Errors
/// What is there is not the beginning of a response, or nobody can tell where its body ends.
pub(super) fn parse(bytes: &[u8], method: &Method) -> Result<Option<Head>, NetError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let len = match parsed.map_err(malformed)? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(len) => len,
    };
    let status = response.code.unwrap_or_default();
    if status < 100 {
        return Err(malformed("invalid status code"));
    }
    let version = match response.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut said = Said::default();
    for header in &*response.headers {
        said.header(header.name, header.value);
    }
    Ok(Some(Head {
        len,
        lines: lines(bytes, len, response.headers),
        count: response.headers.len(),
        status,
        version,
        framing: said.framing(status, version, method)?,
        keep_alive: said.keeps_alive(version),
        sets_cookies: said.sets_cookies,
        encoded: said.encoded,
    }))
}

/// From the first name to the end of the last line.
fn lines(bytes: &[u8], len: usize, headers: &[httparse::Header<'_>]) -> Range<usize> {
    let Some(first) = headers.first() else {
        return len..len;
    };
    // The name is a part of the bytes, so that this is where it begins.
    let start = (first.name.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    let end = match bytes[..len].strip_suffix(b"\r\n") {
        Some(lines) => lines.len(),
        None => len - 1,
    };
    start..end
}

/// What the headers say that matters here.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    /// Whether it says two lengths, or something else than a length.
    invalid_length: bool,
    transfer_encoding: bool,
    /// Whether the last transfer coding is `chunked`.
    chunked: bool,
    close: bool,
    keep: bool,
    sets_cookies: bool,
    encoded: bool,
}

impl Said {
    fn header(&mut self, name: &str, value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            10 if is("connection") => {
                self.close |= has_token(value, "close");
                self.keep |= has_token(value, "keep-alive");
            }
            10 if is("set-cookie") => self.sets_cookies = true,
            14 if is("content-length") => {
                for part in value.split(|byte| *byte == b',') {
                    let length = digits(part.trim_ascii());
                    self.invalid_length |= length.is_none() || self.length.is_some_and(|known| Some(known) != length);
                    self.length = self.length.or(length);
                }
            }
            16 if is("content-encoding") => self.encoded = true,
            17 if is("transfer-encoding") => {
                self.transfer_encoding = true;
                let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                self.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }

    /// RFC 9112, section 6.3.
    fn framing(&self, status: u16, version: Version, method: &Method) -> Result<Framing, NetError> {
        let is_tunnel = *method == Method::CONNECT && (200..300).contains(&status);
        if status < 200 || matches!(status, 204 | 304) || *method == Method::HEAD || is_tunnel {
            return Ok(Framing::Length(0));
        }
        match (self.transfer_encoding, self.length) {
            (true, _) if version == Version::HTTP_10 => Err(malformed("transfer-encoding in HTTP/1.0")),
            (true, _) if self.chunked => Ok(Framing::Chunked),
            (false, _) if self.invalid_length => Err(malformed("invalid content-length")),
            (true, _) | (false, None) => Ok(Framing::Close),
            (false, Some(length)) => Ok(Framing::Length(length)),
        }
    }

    /// RFC 9112, section 9.3. Who says both length and chunks may mean to smuggle something (section 6.3): what follows on
    /// that connection is not trusted.
    fn keeps_alive(&self, version: Version) -> bool {
        let is_wanted = match version {
            Version::HTTP_10 => self.keep,
            _ => true,
        };
        is_wanted && !self.close && !(self.transfer_encoding && (self.length.is_some() || self.invalid_length))
    }
}

/// Whether a list has a token, in any case of letters.
pub(super) fn has_token(list: &[u8], token: &str) -> bool {
    list.split(|byte| *byte == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// A number without sign that fits.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
