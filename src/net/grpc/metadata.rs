//! Metadata: what goes with a call besides its messages. Names that end in `-bin` have values of any bytes, which travel as
//! base64; all others are printable ASCII.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::net::{HeaderList, Headers};

/// Padding is not sent, and accepted.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What ends the names of values that are bytes.
const BINARY: &str = "-bin";

/// Metadata to send, in its order; a name may stand there several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(HeaderList);

/// Metadata that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// A name with other letters.
    #[error("metadata name {0:?}: only a-z, 0-9, `_`, `-` and `.`")]
    Name(String),
    /// A name that the protocol keeps for itself.
    #[error("metadata {name:?} is not the caller's to set{hint}")]
    Reserved {
        /// The name.
        name: String,
        /// What to use in its place.
        hint: &'static str,
    },
    /// A text that is not printable ASCII.
    #[error("metadata {0:?}: the value must be printable ASCII; names that end in \"-bin\" take any bytes")]
    Value(String),
}

impl Metadata {
    /// None, without an allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self(HeaderList::new())
    }

    /// Adds a value, beside those of the same name. The name may be in any case of letters; the value of a name that ends in
    /// `-bin` is bytes, and base64 on the wire.
    ///
    /// # Errors
    /// A name or a value that cannot be sent.
    pub fn append(&mut self, name: &str, value: &[u8]) -> Result<(), MetadataError> {
        let name = name.to_ascii_lowercase();
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(MetadataError::Name(name));
        }
        if let Some(hint) = reserved(&name) {
            return Err(MetadataError::Reserved { name, hint });
        }
        let unfit = || MetadataError::Value(name.clone());
        let value = match name.ends_with(BINARY) {
            true => HeaderValue::try_from(BASE64.encode(value)).map_err(|_| unfit())?,
            // The server may take away spaces at the ends.
            false if value.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
                HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| unfit())?
            }
            false => return Err(unfit()),
        };
        let header = HeaderName::try_from(name.as_str()).map_err(|_| MetadataError::Name(name))?;
        self.0.append(header, value);
        Ok(())
    }

    /// Adds it to a message, and of `common` what has no name of this one's.
    pub(super) fn write(&self, common: &Self, headers: &mut HeaderMap) {
        let inherited = common.0.iter().filter(|(name, _)| !self.0.contains(name));
        for (name, value) in inherited.chain(&self.0) {
            headers.append(name.clone(), value.clone());
        }
    }

    /// The first value of a header, as it is sent.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0.get(name)
    }

    /// What is sent where `common` is sent too: names, and values as they are on the wire.
    pub fn with<'a>(&'a self, common: &'a Self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let inherited = common.0.iter().filter(|(name, _)| !self.0.contains(name));
        let shown = |(name, value): &'a (HeaderName, HeaderValue)| (name.as_str(), value.as_bytes());
        inherited.chain(&self.0).map(shown)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What to use in the place of a name that is the protocol's own.
fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("; the option `authority` is"),
        "user-agent" => Some("; the option `user_agent` is"),
        "grpc-timeout" => Some("; the option `timeout` is"),
        "grpc-encoding" | "grpc-accept-encoding" => Some("; the option `compress` is"),
        "content-type" | "content-length" | "te" | "connection" | "keep-alive" | "proxy-connection"
        | "transfer-encoding" | "upgrade" => Some(""),
        _ if name.starts_with("grpc-") && name != "grpc-trace-bin" && name != "grpc-tags-bin" => Some(""),
        _ => None,
    }
}

/// Metadata as it came.
#[derive(Debug, Clone, Default)]
pub struct Fields(Headers);

impl Fields {
    /// A copy, without what tells the status.
    pub(super) fn copied(map: &HeaderMap) -> Self {
        Self(Headers::copied(map))
    }

    /// Names, and values; those of names that end in `-bin` are decoded. Repeated names come one by one, as do the parts of a
    /// binary value with commas. `grpc-status` and `grpc-message` are not among them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
        let own = |(name, _): &(&str, &[u8])| !matches!(*name, "grpc-status" | "grpc-message");
        self.0.iter().filter(own).flat_map(|(name, value)| {
            let (text, encoded) = match name.ends_with(BINARY) {
                true => (None, Some(value)),
                false => (Some(Cow::Borrowed(value)), None),
            };
            let parts = encoded.into_iter().flat_map(|value| value.split(|byte| *byte == b','));
            let decoded = parts.map(|part| {
                let part = part.trim_ascii();
                // What is no base64 is told as it came.
                BASE64.decode(part).map_or(Cow::Borrowed(part), Cow::Owned)
            });
            text.into_iter().chain(decoded).map(move |value| (name, value))
        })
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(metadata: &Metadata) -> Fields {
        let mut map = HeaderMap::new();
        metadata.write(&Metadata::new(), &mut map);
        Fields::copied(&map)
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5)) {
            let mut metadata = Metadata::new();
            for value in &values {
                metadata.append("x-Bin", value).unwrap();
            }
            let back: Vec<Vec<u8>> = sent(&metadata).iter().map(|(_, value)| value.into_owned()).collect();
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (name, value, expected) in [
            ("a b", "x", "only a-z"),
            ("", "x", "only a-z"),
            (":path", "x", "only a-z"),
            ("\u{e4}", "x", "only a-z"),
            ("x", "\u{e4}", "end in \"-bin\""),
            ("x", "a\nb", "printable ASCII"),
            ("Host", "x", "`authority`"),
            ("grpc-timeout", "1S", "`timeout`"),
            ("grpc-status", "1", "not the caller's"),
            ("te", "gzip", "not the caller's"),
        ] {
            let error = Metadata::new().append(name, value.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn padding_commas_and_nonsense_are_read() {
        let mut map = HeaderMap::new();
        for value in ["YQ==", "YWI,YWJj", "no base64!"] {
            map.append("a-bin", HeaderValue::from_static(value));
        }
        map.append("b", HeaderValue::from_static("YQ=="));
        map.append("grpc-status", HeaderValue::from_static("0"));
        let fields = Fields::copied(&map);
        let all: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(&value)))
            .collect();
        assert_eq!(all, ["a-bin=a", "a-bin=ab", "a-bin=abc", "a-bin=no base64!", "b=YQ=="]);
        assert_eq!(fields.get("A-Bin").as_deref(), Some(&b"a"[..]));
        assert_eq!(fields.get("grpc-status"), None);
    }

    #[test]
    fn a_calls_own_metadata_replaces_the_clients() {
        let (mut common, mut own) = (Metadata::new(), Metadata::new());
        for (name, value) in [("a", "1"), ("b", "2"), ("b", "3")] {
            common.append(name, value.as_bytes()).unwrap();
        }
        own.append("b", b"4").unwrap();
        let mut map = HeaderMap::new();
        own.write(&common, &mut map);
        assert_eq!(
            (map.len(), &map["a"], &map["b"]),
            (2, &HeaderValue::from_static("1"), &HeaderValue::from_static("4"))
        );
    }
}
