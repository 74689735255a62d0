//! Protobuf's wire format: varints, fixed widths, lengths and keys, read from bytes and written to them. What a field means
//! is `shape.rs`'.

use bytes::{BufMut as _, BytesMut};

/// How a value is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Start = 3,
    End = 4,
    Fixed32 = 5,
}

/// The largest number of a field.
const MAX_NUMBER: u64 = (1 << 29) - 1;

/// How deep groups nest that are skipped.
const MAX_GROUPS: usize = 100;

/// Bytes that are read from the front.
#[derive(Debug, Clone)]
pub(super) struct Wire<'a>(&'a [u8]);

type Read<T> = Result<T, &'static str>;

const SHORT: &str = "it ends in the middle of a field";

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number of up to 64 bits.
    #[inline]
    pub(super) fn varint(&mut self) -> Read<u64> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for (n, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * n);
            if *byte < 0x80 {
                self.0 = &self.0[n + 1..];
                // The tenth byte holds one bit.
                return if n == 9 && *byte > 1 {
                    Err("a number has more than 64 bits")
                } else {
                    Ok(value)
                };
            }
        }
        Err(if self.0.len() < 10 {
            SHORT
        } else {
            "a number has more than 64 bits"
        })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn fixed32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn fixed64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Bytes with their length before them.
    #[inline]
    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The number of a field, and how its value is delimited.
    #[inline]
    pub(super) fn key(&mut self) -> Read<(u32, WireType)> {
        let key = self.varint()?;
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            3 => WireType::Start,
            4 => WireType::End,
            5 => WireType::Fixed32,
            _ => return Err("a field has an unknown wire type"),
        };
        let number = key >> 3;
        if number == 0 || number > MAX_NUMBER {
            return Err("a field has an impossible number");
        }
        // Checked to have 29 bits.
        Ok((u32::try_from(number).unwrap_or(u32::MAX), wire_type))
    }

    /// Passes over the value of a field that nobody knows.
    pub(super) fn skip(&mut self, number: u32, wire_type: WireType) -> Read<()> {
        self.skip_below(number, wire_type, MAX_GROUPS)
    }

    fn skip_below(&mut self, number: u32, wire_type: WireType, depth: usize) -> Read<()> {
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Fixed32 => self.fixed32().map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::End => Err("a group ends that has not begun"),
            WireType::Start => {
                let deeper = depth.checked_sub(1).ok_or("groups nest too deep")?;
                loop {
                    match self.key()? {
                        (end, WireType::End) if end == number => return Ok(()),
                        (inner, wire_type) => self.skip_below(inner, wire_type, deeper)?,
                    }
                }
            }
        }
    }
}

/// Writes a number.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(super) fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Writes bytes with their length before them.
pub(super) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Makes room for the length of what is written next: one byte, which is enough mostly. [`end_nested`] fills it.
pub(super) fn begin_nested(out: &mut BytesMut) -> usize {
    out.put_u8(0);
    out.len()
}

/// Writes the length of what was written since `start`.
pub(super) fn end_nested(out: &mut BytesMut, start: usize) {
    let length = out.len() - start;
    if let Ok(length @ 0..0x80) = u8::try_from(length) {
        out[start - 1] = length;
        return;
    }
    let mut prefix = BytesMut::with_capacity(10);
    put_varint(&mut prefix, length as u64);
    let more = prefix.len() - 1;
    out.put_bytes(0, more);
    out.copy_within(start..start + length, start + more);
    out[start - 1..start + more].copy_from_slice(&prefix);
}

/// A signed number as an unsigned one that is small when it is near zero.
#[expect(clippy::cast_sign_loss, reason = "the bits are what counts")]
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The other way round.
#[expect(clippy::cast_possible_wrap, reason = "the bits are what counts")]
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
