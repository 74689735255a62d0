//! Content codings of responses (RFC 9110, section 8.4), stacked and bounded. Transfer codings are the protocol's.

use std::cell::RefCell;
use std::io::{self, Read};

use bytes::Bytes;
use zstd::zstd_safe::{DCtx, ResetDirective, get_error_name};

use super::body::Codec;
use super::error::too_large;
use super::{ErrorKind, Headers, NetError};

/// More codings on one body are a bomb, not a response.
const MAX_STACKED: usize = 4;

thread_local! {
    /// Making a context costs five times what a short body does; no two bodies of a thread are decoded at once.
    static ZSTD: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// Undoes the codings that the headers name; nothing, if there are none. A coding that nobody here knows leaves the body as
/// it is then.
///
/// # Errors
/// The data is broken or cut short, or larger than `limit` after any step.
pub(super) fn decode(headers: &Headers, body: &[u8], limit: u64) -> Result<Option<Bytes>, NetError> {
    // Nothing to decode: HEAD, 204, 304.
    if body.is_empty() {
        return Ok(None);
    }
    let broken = |message: String| NetError::new(ErrorKind::Decompression, message);
    let mut codings = Vec::new();
    for value in headers.get_all("content-encoding") {
        let value = std::str::from_utf8(value).map_err(|_| broken("content-encoding is not text".to_owned()))?;
        codings.extend(
            value
                .split(',')
                .map(str::trim)
                .filter(|token| !token.is_empty() && !token.eq_ignore_ascii_case("identity")),
        );
    }
    if codings.len() > MAX_STACKED {
        return Err(broken(format!("{} stacked content encodings", codings.len())));
    }
    let mut decoded = None;
    for token in codings.into_iter().rev() {
        let Ok(codec) = token.parse::<Codec>() else {
            break;
        };
        let plain = undo(codec, decoded.as_deref().unwrap_or(body), limit);
        let plain = plain.map_err(|error| broken(format!("cannot decode {}: {error}", codec.name())))?;
        if plain.len() as u64 > limit {
            return Err(too_large(limit));
        }
        decoded = Some(Bytes::from(plain));
    }
    Ok(decoded)
}

/// Decodes at most one byte more than `limit`.
pub(super) fn undo(codec: Codec, data: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let most = limit.saturating_add(1);
    match codec {
        Codec::Gzip => collect(flate2::bufread::MultiGzDecoder::new(data), data.len(), most),
        Codec::Deflate if is_zlib(data) => collect(flate2::bufread::ZlibDecoder::new(data), data.len(), most),
        // Some servers send the bare stream, and browsers take it.
        Codec::Deflate => collect(flate2::bufread::DeflateDecoder::new(data), data.len(), most),
        Codec::Brotli => collect(brotli::Decompressor::new(data, 4096), data.len(), most),
        Codec::Zstd => ZSTD.with_borrow_mut(|context| {
            // Whatever the body before has left.
            let reset = context.reset(ResetDirective::SessionOnly);
            reset.map_err(|code| io::Error::other(get_error_name(code)))?;
            collect(
                zstd::stream::read::Decoder::with_context(data, context),
                data.len(),
                most,
            )
        }),
    }
}

fn collect(decoder: impl Read, encoded: usize, most: u64) -> io::Result<Vec<u8>> {
    let guess = (encoded as u64).saturating_mul(3).min(most);
    let mut out = Vec::with_capacity(usize::try_from(guess).unwrap_or(0));
    decoder.take(most).read_to_end(&mut out)?;
    Ok(out)
}

/// Whether the two bytes of RFC 1950, section 2.2, are there.
fn is_zlib(data: &[u8]) -> bool {
    matches!(data, [cmf, flg, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)).is_multiple_of(31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::body::compress;
    use http::{HeaderMap, HeaderValue, header};
    use proptest::prelude::*;
    use std::io::Write;

    fn headers(values: &[&'static str]) -> Headers {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        headers.into()
    }

    fn encoded(codecs: &[Codec], data: &[u8]) -> Bytes {
        codecs.iter().fold(Bytes::copy_from_slice(data), |data, codec| {
            compress(*codec, &data).unwrap()
        })
    }

    /// The body as a script sees it.
    fn plain(headers: &Headers, body: &[u8], limit: u64) -> Result<Bytes, NetError> {
        let decoded = decode(headers, body, limit)?;
        Ok(decoded.unwrap_or_else(|| Bytes::copy_from_slice(body)))
    }

    proptest! {
        #[test]
        fn decoding_undoes_any_stack(data in proptest::collection::vec(any::<u8>(), 0..2000), stack in proptest::collection::vec(0..4_usize, 0..4)) {
            let codecs: Vec<Codec> = stack.iter().map(|index| Codec::ALL[*index]).collect();
            let names: Vec<&'static str> = codecs.iter().map(|codec| codec.name()).collect();
            let decoded = plain(&headers(&names), &encoded(&codecs, &data), 1 << 20).unwrap();
            prop_assert_eq!(decoded, data);
        }

        #[test]
        fn garbage_never_panics_and_stays_bounded(data in proptest::collection::vec(any::<u8>(), 1..400), index in 0..4_usize) {
            let name = Codec::ALL[index].name();
            if let Ok(decoded) = plain(&headers(&[name]), &data, 1000) {
                prop_assert!(decoded.len() <= 1000);
            }
        }
    }

    #[test]
    fn spellings() {
        let data = b"hello hello hello";
        let gzip = encoded(&[Codec::Gzip], data);
        let both = encoded(&[Codec::Gzip, Codec::Brotli], data);
        for (values, body, expected) in [
            (vec!["GZip"], &gzip, &data[..]),
            (vec!["x-gzip"], &gzip, data),
            (vec!["identity, gzip,"], &gzip, data),
            (vec!["gzip, br"], &both, data),
            (vec!["gzip", "br"], &both, data),
            (vec!["gzip, rot13"], &gzip, &gzip),
            (vec!["identity"], &gzip, &gzip),
        ] {
            assert_eq!(plain(&headers(&values), body, 1 << 20).unwrap(), expected, "{values:?}");
        }
    }

    #[test]
    fn deflate_without_its_wrapper() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"bare").unwrap();
        let bare = Bytes::from(encoder.finish().unwrap());
        assert_eq!(plain(&headers(&["deflate"]), &bare, 100).unwrap(), "bare");
    }

    #[test]
    fn a_gzip_of_several_members() {
        let mut both = encoded(&[Codec::Gzip], b"one ").to_vec();
        both.extend(encoded(&[Codec::Gzip], b"two"));
        assert_eq!(plain(&headers(&["gzip"]), &both, 100).unwrap(), "one two");
    }

    #[test]
    fn bombs_and_cuts_are_errors_of_their_own() {
        let zeros = vec![0; 1 << 20];
        for codec in Codec::ALL {
            let whole = encoded(&[codec], &zeros);
            let names = headers(&[codec.name()]);
            assert_eq!(plain(&names, &whole, 1 << 20).unwrap().len(), 1 << 20, "{codec:?}");
            let error = plain(&names, &whole, (1 << 20) - 1).unwrap_err();
            assert_eq!(error.kind, ErrorKind::BodyTooLarge, "{codec:?}");
            let error = plain(&names, &whole[..whole.len() - 5], 1 << 20).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Decompression, "{codec:?}");
            let again = plain(&names, &whole, 1 << 20).map(|body| body.len());
            assert_eq!(
                again.unwrap(),
                1 << 20,
                "{codec:?}: what is broken spoils nothing after it"
            );
        }
        let error = plain(&headers(&["gzip,gzip,gzip", "gzip,gzip"]), b"x", 10).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Decompression);
    }
}
