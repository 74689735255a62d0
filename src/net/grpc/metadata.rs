//! Metadata: what goes with a call besides its messages. Names that end in `-bin` have values of any bytes, which travel as
//! base64; all others are printable ASCII.

use std::borrow::Cow;

use crate::net::{HeaderList, Headers};

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
        let _ = (name, value);
        unimplemented!()
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

/// Metadata as it came.
#[derive(Debug, Clone, Default)]
pub struct Fields(Headers);

impl Fields {
    /// Names, and values; those of names that end in `-bin` are decoded. Repeated names come one by one. `grpc-status` and
    /// `grpc-message` are not among them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
        self.0.iter().map(|(name, value)| (name, Cow::Borrowed(value)))
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}
