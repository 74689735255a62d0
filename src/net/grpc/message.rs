//! Messages as gRPC frames them: a flag, a length, the bytes. What is in them is the caller's.

use bytes::{BufMut, Bytes, BytesMut};

use super::Code;
use super::progress::Ended;
use crate::net::body::{self, Codec};
use crate::net::http2::SMALL;
use crate::net::{ErrorKind, NetError, decode};

/// How much memory is set aside on a server's word alone.
const TRUSTED: usize = 1 << 20;

/// How messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
}

/// The flag and the length before each message.
pub(super) const PREFIX: usize = 5;

/// An encoded message that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Bytes);

impl Message {
    /// The message that `write` appends to the buffer, in which it is sent.
    pub fn write<E>(write: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<Self, E> {
        let mut buffer = BytesMut::with_capacity(128);
        buffer.put_bytes(0, PREFIX);
        write(&mut buffer)?;
        let length = u32::try_from(buffer.len() - PREFIX).unwrap_or(u32::MAX);
        buffer[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        Ok(Self(buffer.freeze()))
    }

    /// The encoded message.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.slice(PREFIX..)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() - PREFIX
    }

    /// Whether it is the empty message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&[u8]> for Message {
    /// Copies an encoded message; [`Message::write`] does without.
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = BytesMut::with_capacity(PREFIX + bytes.len());
        buffer.put_u8(0);
        buffer.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        buffer.put_slice(bytes);
        Self(buffer.freeze())
    }
}

impl Compression {
    /// The token in `grpc-encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
        }
    }
}

impl Message {
    /// The framed bytes as they are sent.
    ///
    /// # Errors
    /// It is larger than `limit`.
    pub(super) fn framed(self, compression: Option<Compression>, limit: usize) -> Result<Bytes, Ended> {
        if self.len() > limit {
            let message = format!(
                "the message of {} bytes is larger than {limit} (max_send_size)",
                self.len()
            );
            return Err(NetError::new(ErrorKind::BodyTooLarge, message).into());
        }
        let Some(Compression::Gzip) = compression else {
            return Ok(self.0);
        };
        let packed = body::compress(Codec::Gzip, &self.0[PREFIX..]);
        let packed =
            packed.map_err(|error| Ended::with(Code::Internal, NetError::new(ErrorKind::Other, error.to_string())))?;
        let mut framed = Self::from(&*packed).0.to_vec();
        framed[0] = 1;
        Ok(framed.into())
    }
}

/// Takes messages out of what arrives.
#[derive(Debug)]
pub(super) struct Inbox {
    /// What has arrived last, as far as it is not read.
    chunk: Bytes,
    /// A message of several chunks.
    gathered: BytesMut,
    /// The largest message.
    limit: usize,
    /// What messages may be packed with.
    pub packing: Option<Compression>,
    /// Messages are dropped.
    discard: bool,
}

impl Inbox {
    pub fn new(limit: usize, discard: bool) -> Self {
        Self {
            chunk: Bytes::new(),
            gathered: BytesMut::new(),
            limit,
            packing: None,
            discard,
        }
    }

    /// Some bytes have arrived.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() && self.gathered.is_empty() {
            self.chunk = chunk;
            return;
        }
        if self.gathered.is_empty() {
            self.gathered
                .reserve(self.wanted(&self.chunk).max(self.chunk.len() + chunk.len()));
            self.gathered.extend_from_slice(&std::mem::take(&mut self.chunk));
        }
        self.gathered.extend_from_slice(&chunk);
    }

    /// How many bytes to make room for, seeing the beginning of a message.
    fn wanted(&self, seen: &[u8]) -> usize {
        length(seen).map_or(0, |length| length.min(self.limit).saturating_add(PREFIX).min(TRUSTED))
    }

    /// Whether there is a message that has not arrived whole.
    pub fn is_cut(&self) -> bool {
        !self.chunk.is_empty() || !self.gathered.is_empty()
    }

    /// The next message that has arrived whole; empty where messages are dropped.
    ///
    /// # Errors
    /// It is too large or broken.
    pub fn next(&mut self) -> Result<Option<Bytes>, Ended> {
        let seen = if self.gathered.is_empty() {
            &self.chunk[..]
        } else {
            &self.gathered[..]
        };
        let Some(length) = length(seen) else {
            return Ok(None);
        };
        if length > self.limit {
            return Err(self.too_large(&format!("of {length} bytes")));
        }
        if seen.len() < PREFIX + length {
            return Ok(None);
        }
        let flag = seen[0];
        let whole = match self.gathered.is_empty() {
            true => self.chunk.split_to(PREFIX + length),
            false => self.gathered.split_to(PREFIX + length).freeze(),
        };
        match flag {
            _ if self.discard => Ok(Some(Bytes::new())),
            // Small ones are copied: as parts of the connection's buffer they would hold all of it.
            0 if length <= SMALL => Ok(Some(Bytes::copy_from_slice(&whole[PREFIX..]))),
            0 => Ok(Some(whole.slice(PREFIX..))),
            1 => self.unpacked(&whole[PREFIX..]).map(Some),
            flag => Err(Ended::broken(
                Code::Internal,
                format!("a message with the flag {flag}, which nobody knows"),
            )),
        }
    }

    fn unpacked(&self, packed: &[u8]) -> Result<Bytes, Ended> {
        if self.packing.is_none() {
            return Err(Ended::broken(
                Code::Internal,
                "a compressed message, but no `grpc-encoding` that says how",
            ));
        }
        let data = decode::undo(Codec::Gzip, packed, self.limit as u64).map_err(|error| {
            let message = format!("cannot decompress a message (gzip): {error}");
            Ended::with(Code::Internal, NetError::new(ErrorKind::Decompression, message))
        })?;
        match data.len() > self.limit {
            true => Err(self.too_large("when decompressed")),
            false => Ok(data.into()),
        }
    }

    fn too_large(&self, what: &str) -> Ended {
        let message = format!("a message {what}, larger than {} (max_receive_size)", self.limit);
        NetError::new(ErrorKind::BodyTooLarge, message).into()
    }
}

/// What the prefix says, if that has arrived.
fn length(seen: &[u8]) -> Option<usize> {
    let length: [u8; 4] = seen.get(1..PREFIX)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the bytes are cut: what was sent arrives, in its order.
        #[test]
        fn messages_come_out_whole(
            messages in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..6_000), any::<bool>()), 0..8),
            cuts in proptest::collection::vec(1_usize..3_000, 1..20),
        ) {
            let mut wire = Vec::new();
            for (message, packed) in &messages {
                let framed = Message::from(&message[..]).framed(packed.then_some(Compression::Gzip), usize::MAX).unwrap();
                wire.extend_from_slice(&framed);
            }
            // What does not compress becomes larger.
            let mut inbox = Inbox::new(6_100, false);
            inbox.packing = Some(Compression::Gzip);
            let (mut out, mut rest, mut cuts) = (Vec::new(), Bytes::from(wire), cuts.iter().cycle());
            while !rest.is_empty() {
                let cut = rest.split_to(rest.len().min(*cuts.next().unwrap()));
                inbox.push(cut);
                while let Some(message) = inbox.next().unwrap() {
                    out.push(message.to_vec());
                }
            }
            prop_assert!(!inbox.is_cut());
            prop_assert_eq!(out, messages.into_iter().map(|(message, _)| message).collect::<Vec<_>>());
        }

        #[test]
        fn nonsense_is_an_error_or_not_enough(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut inbox = Inbox::new(100, false);
            inbox.packing = Some(Compression::Gzip);
            inbox.push(bytes.into());
            while let Ok(Some(message)) = inbox.next() {
                prop_assert!(message.len() <= 100);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let bomb = Message::from(&[0; 2_000][..])
            .framed(Some(Compression::Gzip), 2_000)
            .unwrap();
        for (bytes, packing, code, text) in [
            (
                &[0, 0, 0, 4, 1][..],
                true,
                Code::ResourceExhausted,
                "a message of 1025 bytes, larger than 1024 (max_receive_size)",
            ),
            (&bomb, true, Code::ResourceExhausted, "when decompressed"),
            (&bomb, false, Code::Internal, "no `grpc-encoding`"),
            (&[1, 0, 0, 0, 1, 7], true, Code::Internal, "cannot decompress"),
            (&[2, 0, 0, 0, 0], true, Code::Internal, "flag 2"),
        ] {
            let mut inbox = Inbox::new(1_024, false);
            inbox.packing = packing.then_some(Compression::Gzip);
            inbox.push(Bytes::copy_from_slice(bytes));
            let ended = inbox.next().unwrap_err();
            assert_eq!(ended.status.code, code);
            assert!(ended.status.message.contains(text), "{}", ended.status);
        }
        let ended = Message::from(&b"12345"[..]).framed(None, 4).unwrap_err();
        assert_eq!(ended.status.code, Code::ResourceExhausted);
    }

    #[test]
    fn a_message_is_written_in_place() {
        let message = Message::write(|buffer| {
            buffer.put_slice(b"abc");
            Ok::<(), ()>(())
        });
        let message = message.unwrap();
        assert_eq!(message, Message::from(&b"abc"[..]));
        assert_eq!(
            (message.len(), message.bytes(), message.is_empty()),
            (3, Bytes::from_static(b"abc"), false)
        );
        assert_eq!(message.framed(None, 3).unwrap(), &b"\0\0\0\0\x03abc"[..]);
    }
}
