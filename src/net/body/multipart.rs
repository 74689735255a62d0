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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(name: &str, data: &'static str) -> Part {
        Part {
            name: name.to_owned(),
            data: Bytes::from_static(data.as_bytes()),
            ..Part::default()
        }
    }

    #[test]
    fn as_browsers_write_it() {
        let file = Part {
            filename: Some("a \"b\".png".to_owned()),
            content_type: Some("image/png".to_owned()),
            ..text("file", "PNG")
        };
        let bare = Part {
            filename: Some("x".to_owned()),
            ..text("f", "")
        };
        let form = multipart(&[text("field\r\n", "text"), file, bare], 0xab);
        assert_eq!(
            form.content_type,
            "multipart/form-data; boundary=kingtide-00000000000000ab"
        );
        let expected = "--kingtide-00000000000000ab\r\n\
            content-disposition: form-data; name=\"field%0D%0A\"\r\n\r\ntext\r\n\
            --kingtide-00000000000000ab\r\n\
            content-disposition: form-data; name=\"file\"; filename=\"a %22b%22.png\"\r\n\
            content-type: image/png\r\n\r\nPNG\r\n\
            --kingtide-00000000000000ab\r\n\
            content-disposition: form-data; name=\"f\"; filename=\"x\"\r\n\
            content-type: application/octet-stream\r\n\r\n\r\n\
            --kingtide-00000000000000ab--\r\n";
        assert_eq!(form.body, expected);
    }

    #[test]
    fn a_boundary_that_is_in_the_data_is_not_used() {
        let form = multipart(&[text("a", "x kingtide-0000000000000007 y")], 7);
        assert_eq!(
            form.content_type,
            "multipart/form-data; boundary=kingtide-0000000000000008"
        );
    }

    /// Splits a form as RFC 2046, section 5.1.1 says: name and data of each part.
    fn parse(form: &Multipart) -> Vec<(String, Vec<u8>)> {
        let boundary = form.content_type.split_once("boundary=").unwrap().1;
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        let mut rest = [b"\r\n", &form.body[..]].concat();
        let mut parts = Vec::new();
        loop {
            rest.drain(..delimiter.len());
            if rest == b"--\r\n" {
                return parts;
            }
            let end = rest
                .windows(delimiter.len())
                .position(|window| window == delimiter)
                .unwrap();
            let part: Vec<u8> = rest.drain(..end).collect();
            let head = part.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            let name = String::from_utf8(part[..head].to_vec()).unwrap();
            let name = name.split_once("name=\"").unwrap().1.split_once('"').unwrap().0;
            parts.push((name.to_owned(), part[head + 4..].to_vec()));
        }
    }

    proptest! {
        #[test]
        fn parses_back(
            parts in proptest::collection::vec(("[a-z %]{0,8}", proptest::collection::vec(any::<u8>(), 0..40)), 0..5),
            random: u64,
        ) {
            let encoded: Vec<Part> = parts
                .iter()
                .map(|(name, data)| Part { name: name.clone(), data: Bytes::copy_from_slice(data), ..Part::default() })
                .collect();
            prop_assert_eq!(parse(&multipart(&encoded, random)), parts);
        }
    }
}
