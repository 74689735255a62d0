//! URLs as people write them in plans and on command lines, and what is wrong with those that cannot be requested.

use url::Url;

/// Reads a URL that begins with http:// or https://.
///
/// # Errors
/// What is wrong with it, without what may be secret in the text.
pub fn http_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        // `localhost:8080/x` reads as scheme and path.
        _ if is_host(text) => {
            let shown = if text.contains(['@', '?']) { "…" } else { text };
            Err(format!("it has no scheme; write http://{shown}"))
        }
        Ok(url) => Err(format!(
            "`{}` is not spoken here; write http:// or https://",
            url.scheme()
        )),
        Err(error) => Err(format!("{error}; write it as http://host:port/path")),
    }
}

/// As [`http_url`], for one that relative URLs start from.
///
/// # Errors
/// Likewise, and for what relative URLs do not keep.
pub fn base_url(text: &str) -> Result<Url, String> {
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment, which relative URLs do not keep; leave it out".to_owned());
    }
    Ok(url)
}

/// Whether a text would be a URL, if it had a scheme.
fn is_host(text: &str) -> bool {
    !text.contains("://") && !text.starts_with(['/', '.', '-']) && Url::parse(&format!("http://{text}")).is_ok()
}

/// Whether a text begins with a host and a port, as `localhost:8080/x` does: neither an absolute nor a relative URL that
/// anybody means.
#[must_use]
pub fn begins_with_host(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    text[..end].rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_what_is_wrong_with_them() {
        let table = [
            ("http://127.0.0.1:8080/a?b=c", None),
            ("HTTPS://example.com", None),
            ("localhost:8080/a", Some("no scheme; write http://localhost:8080/a")),
            ("127.0.0.1:8080", Some("no scheme; write http://127.0.0.1:8080")),
            ("[::1]:8080", Some("no scheme; write http://[::1]:8080")),
            ("example.com/a", Some("no scheme; write http://example.com/a")),
            ("me:secret@example.com", Some("no scheme; write http://…")),
            ("example.com?token=secret", Some("no scheme; write http://…")),
            ("ftp://example.com/", Some("`ftp` is not spoken here")),
            ("http://", Some("empty host")),
            ("http://a b/", Some("write it as http://host:port/path")),
            ("/path", Some("write it as http://host:port/path")),
            ("", Some("write it as http://host:port/path")),
        ];
        for (text, wrong) in table {
            match (http_url(text), wrong) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => {
                    assert!(error.contains(part) && !error.contains("secret"), "{text}: {error}")
                }
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_base_has_a_path_at_most() {
        let table = [
            ("http://h", true),
            ("https://h:1/api/v1", true),
            ("http://h/?a=b", false),
            ("http://h/#a", false),
            ("h:1", false),
        ];
        for (text, is_base) in table {
            assert_eq!(base_url(text).is_ok(), is_base, "{text}");
        }
    }

    #[test]
    fn a_host_with_a_port_is_told_from_a_path() {
        let hosts = [
            "127.0.0.1:1/x",
            "localhost:8080",
            "[::1]:80/",
            "a.test:443?b=c",
            "me:pw@h:1",
        ];
        let others = [
            "",
            "/",
            "/a:1",
            "?at=12:30",
            "#:1",
            "echo",
            "echo/a:1",
            ":80",
            "a:",
            "a:b",
            "http://h:80/",
            "http:",
            "h:1a/",
        ];
        assert!(hosts.into_iter().all(begins_with_host));
        for text in others {
            assert!(!begins_with_host(text), "{text}");
        }
    }
}
