//! Messages as gRPC frames them: a flag, a length, the bytes. What is in them is the caller's.

use bytes::{BufMut, Bytes, BytesMut};

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
