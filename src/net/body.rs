//! Request bodies: forms, multipart, compression. No JSON and no files: the caller brings bytes.

mod compress;
mod form;
mod multipart;

pub use compress::{Codec, UnknownCodec, compress};
pub(super) use form::append;
pub use form::{FORM_CONTENT_TYPE, form};
pub use multipart::{Multipart, Part, multipart};
