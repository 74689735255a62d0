//! Puts a response together from bytes as they arrive, whatever way they are cut. No sockets, so that anything can be fed
//! to it.

use bytes::Bytes;
use http::{Method, Version};

use super::chunks::Chunks;
use super::head::{Framing, Head};
use super::heads::Heads;
use super::malformed;
use crate::net::error::too_large;
use crate::net::{ErrorKind, Headers, NetError};

/// The largest head, what came before it (status 1xx) not counted.
const MAX_HEAD: usize = 256 << 10;
/// How much memory is set aside on a server's word alone.
const TRUSTED: u64 = 1 << 20;

/// What the response answers, and how much of it is wanted.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) struct Rules<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The largest body in bytes.
    pub limit: u64,
    /// Reads the body and drops it, whatever its size.
    pub discard: bool,
}

/// A complete response.
#[derive(Debug)]
pub(in crate::net) struct Received {
    pub status: u16,
    pub version: Version,
    /// The body is behind their lines, where it has no place of its own.
    pub headers: Headers,
    pub body: Option<Bytes>,
    /// Whether there is a `set-cookie`.
    pub sets_cookies: bool,
    /// Whether there is a `content-encoding`.
    pub encoded: bool,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}

impl Received {
    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_else(|| self.headers.behind())
    }
}

/// A response that is being received.
pub(super) struct Reception<'a> {
    rules: Rules<'a>,
    state: State,
    /// The header lines, where other answers have the same ones.
    lines: Option<Bytes>,
    /// What came of a head that is not complete; after it, header lines and body, or the body alone.
    bytes: Vec<u8>,
}

enum State {
    Head,
    /// So many bytes are missing.
    Length(Final, u64),
    Chunked(Final, Box<Chunks>),
    Close(Final),
    Over,
}

/// What is kept of the final head.
#[derive(Clone, Copy)]
struct Final {
    /// The length of its lines in `bytes`.
    lines: usize,
    count: usize,
    status: u16,
    version: Version,
    sets_cookies: bool,
    encoded: bool,
    keep_alive: bool,
}

impl<'a> Reception<'a> {
    pub fn new(rules: Rules<'a>) -> Self {
        Self {
            rules,
            state: State::Head,
            lines: None,
            bytes: Vec::new(),
        }
    }

    /// Takes bytes in; gives the response when it is complete. What comes after it makes the connection useless: nobody
    /// has asked for it. `passed` hears of each head before the response's (status 1xx) that is passed over, and whether
    /// these bytes go on behind it. `heads` are those of whoever reads, all its connections together.
    ///
    /// # Errors
    /// What arrives is no response, or more than is wanted.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        heads: &mut Heads,
        passed: impl FnMut(bool),
    ) -> Result<Option<Received>, NetError> {
        if !matches!(self.state, State::Head) {
            return self.body(bytes);
        }
        if self.bytes.is_empty() {
            return self.head(bytes, heads, passed);
        }
        let mut all = std::mem::take(&mut self.bytes);
        all.extend_from_slice(bytes);
        self.head(&all, heads, passed)
    }

    /// The stream has ended, which is the end of some responses.
    ///
    /// # Errors
    /// This one was not complete.
    pub fn end(&mut self) -> Result<Received, NetError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Close(head) => Ok(self.finish(head, true)),
            _ => Err(NetError::new(ErrorKind::Closed, ErrorKind::Closed.text())),
        }
    }

    fn head(
        &mut self,
        mut bytes: &[u8],
        heads: &mut Heads,
        mut passed: impl FnMut(bool),
    ) -> Result<Option<Received>, NetError> {
        while !bytes.is_empty() {
            match heads.parse(bytes, self.rules.method)? {
                None if bytes.len() >= MAX_HEAD => return Err(malformed("the head is too large")),
                None => {
                    self.bytes.extend_from_slice(bytes);
                    break;
                }
                Some((Head { status: 101, .. }, _)) => {
                    return Err(malformed("status 101, but nobody asked for an upgrade"));
                }
                // RFC 9110, section 15.2: any number of these may come before the response.
                Some((head, _)) if head.status < 200 => {
                    bytes = &bytes[head.len..];
                    passed(!bytes.is_empty());
                }
                Some((head, text)) => return self.begin(&head, text, bytes),
            }
        }
        Ok(None)
    }

    /// The final head is there, and perhaps its text for others to have it too.
    fn begin(&mut self, head: &Head, text: Option<Bytes>, bytes: &[u8]) -> Result<Option<Received>, NetError> {
        self.lines = text.map(|text| text.slice(head.lines.clone()));
        let lines = match &self.lines {
            Some(_) => &[],
            None => &bytes[head.lines.clone()],
        };
        let body = match head.framing {
            Framing::Length(length) if !self.rules.discard => {
                if length > self.rules.limit {
                    return Err(too_large(self.rules.limit));
                }
                usize::try_from(length.min(TRUSTED)).unwrap_or_default()
            }
            _ => 0,
        };
        self.bytes = Vec::with_capacity(lines.len() + body);
        self.bytes.extend_from_slice(lines);
        let kept = Final {
            lines: lines.len(),
            count: head.count,
            status: head.status,
            version: head.version,
            sets_cookies: head.sets_cookies,
            encoded: head.encoded,
            keep_alive: head.keep_alive && *self.rules.method != Method::CONNECT,
        };
        self.state = match head.framing {
            Framing::Length(length) => State::Length(kept, length),
            Framing::Chunked => State::Chunked(kept, Box::new(Chunks::new())),
            Framing::Close => State::Close(kept),
        };
        self.body(&bytes[head.len..])
    }

    fn body(&mut self, bytes: &[u8]) -> Result<Option<Received>, NetError> {
        let (all, rules) = (&mut self.bytes, self.rules);
        let mut keep = |lines: usize, data: &[u8]| {
            if rules.discard {
                return Ok(());
            }
            if (all.len() - lines + data.len()) as u64 > rules.limit {
                return Err(too_large(rules.limit));
            }
            all.extend_from_slice(data);
            Ok(())
        };
        let (head, rest) = match &mut self.state {
            State::Length(head, left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, rest) = bytes.split_at(here);
                keep(head.lines, data)?;
                *left -= here as u64;
                if *left > 0 {
                    return Ok(None);
                }
                (*head, rest)
            }
            State::Chunked(head, chunks) => {
                let lines = head.lines;
                match chunks.feed(bytes, |data| keep(lines, data))? {
                    None => return Ok(None),
                    Some(rest) => (*head, rest),
                }
            }
            State::Close(head) => {
                keep(head.lines, bytes)?;
                return Ok(None);
            }
            State::Head | State::Over => return Ok(None),
        };
        let is_clean = rest.is_empty();
        self.state = State::Over;
        Ok(Some(self.finish(head, !is_clean)))
    }

    fn finish(&mut self, head: Final, is_last: bool) -> Received {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let (text, lines, body) = match self.lines.take() {
            Some(text) => {
                let lines = text.len();
                (text, lines, Some(bytes).filter(|body| !body.is_empty()))
            }
            None => (bytes, head.lines, None),
        };
        Received {
            status: head.status,
            version: head.version,
            headers: Headers::from_lines(text, lines, head.count),
            body,
            sets_cookies: head.sets_cookies,
            encoded: head.encoded,
            keep_alive: head.keep_alive && !is_last,
        }
    }
}

/// What comes of these pieces, and whether all of them were needed; without an error, more is. For those who have no connection.
pub(in crate::net) fn outcome(
    rules: Rules<'_>,
    pieces: &[&[u8]],
    ends: bool,
) -> Result<(Received, bool), Option<ErrorKind>> {
    let (mut reception, mut heads) = (Reception::new(rules), Heads::default());
    let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
    while let Some(piece) = pieces.next() {
        if let Some(received) = reception.feed(piece, &mut heads, |_| ()).map_err(|error| error.kind)? {
            return Ok((received, pieces.next().is_none()));
        }
    }
    if !ends {
        return Err(None);
    }
    let received = reception.end().map_err(|error| error.kind)?;
    Ok((received, true))
}

#[cfg(test)]
impl Reception<'_> {
    /// The bytes that it has set aside.
    pub fn memory_for_test(&self) -> usize {
        self.bytes.capacity()
    }
}
