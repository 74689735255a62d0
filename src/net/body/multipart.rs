//! `multipart/form-data` (RFC 7578; names quoted as browsers do, WHATWG HTML "multipart/form-data encoding"). No files:
//! the caller brings their bytes.

use bytes::Bytes;

/// One field or file of a form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name; makes it a file.
    pub filename: Option<String>,
    /// The content type; files without one are `application/octet-stream`.
    pub content_type: Option<String>,
    /// The content.
    pub data: Bytes,
}

/// An encoded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The `content-type` header, with the boundary.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

/// Encodes parts in their order. The boundary follows from `random` alone, unless a part contains it, when the next one
/// is taken.
#[must_use]
pub fn multipart(parts: &[Part], random: u64) -> Multipart {
    let mut random = random;
    let mut boundary = format!("kingtide-{random:016x}");
    while parts.iter().any(|part| contains(&part.data, boundary.as_bytes())) {
        random = random.wrapping_add(1);
        boundary = format!("kingtide-{random:016x}");
    }
    let size = parts.iter().map(|part| part.data.len() + 160).sum::<usize>() + 64;
    let mut body = Vec::with_capacity(size);
    for part in parts {
        write_part(&mut body, &boundary, part);
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Multipart {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        body: Bytes::from(body),
    }
}

fn write_part(body: &mut Vec<u8>, boundary: &str, part: &Part) {
    let mut head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"",
        quoted(&part.name)
    );
    if let Some(filename) = &part.filename {
        head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
    }
    let content_type = part.content_type.as_deref();
    if let Some(kind) = content_type.or(part.filename.as_ref().map(|_| "application/octet-stream")) {
        head.push_str("\r\ncontent-type: ");
        // A line break would start a header of its own.
        head.extend(kind.chars().filter(|c| !matches!(c, '\r' | '\n')));
    }
    head.push_str("\r\n\r\n");
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&part.data);
    body.extend_from_slice(b"\r\n");
}

fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn contains(data: &[u8], needle: &[u8]) -> bool {
    data.windows(needle.len()).any(|window| window == needle)
}
