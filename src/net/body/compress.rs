//! Compression of request bodies. Decoding of responses is `decode`'s.

use std::io::Write;
use std::str::FromStr;

use bytes::Bytes;

/// A content coding; [`Codec::name`] is its token in `content-encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// RFC 1950 (zlib), which is what HTTP means by it.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Codec {
    /// All codings.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Deflate, Self::Brotli, Self::Zstd];

    /// The token in `content-encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// A content coding that nobody here knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?}; known are gzip, deflate, br and zstd")]
pub struct UnknownCodec(pub String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        let token = text.trim();
        let known = Self::ALL
            .into_iter()
            .find(|codec| token.eq_ignore_ascii_case(codec.name()));
        match known {
            None if token.eq_ignore_ascii_case("x-gzip") => Ok(Self::Gzip),
            None => Err(UnknownCodec(token.to_owned())),
            Some(codec) => Ok(codec),
        }
    }
}

/// Compresses `data` with the codec's usual level.
///
/// # Errors
/// None that a buffer in memory can cause; the encoders' own are passed on.
pub fn compress(codec: Codec, data: &[u8]) -> std::io::Result<Bytes> {
    let out = Vec::with_capacity(data.len() / 2 + 64);
    let out = match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            encoder.write_all(data)?;
            encoder.finish()?
        }
        Codec::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::default());
            encoder.write_all(data)?;
            encoder.finish()?
        }
        Codec::Brotli => {
            // Quality 5 and a 4 MiB window: what servers use for content made on the fly.
            let mut encoder = brotli::CompressorWriter::new(out, 4096, 5, 22);
            encoder.write_all(data)?;
            encoder.flush()?;
            encoder.into_inner()
        }
        Codec::Zstd => zstd::stream::encode_all(data, zstd::DEFAULT_COMPRESSION_LEVEL)?,
    };
    Ok(Bytes::from(out))
}
