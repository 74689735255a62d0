//! Headers as they are given to a request and as they came with a response. What a header means is other files'.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

/// Headers whose values are credentials, or lists of them.
pub static CREDENTIALS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    HeaderName::from_static("x-api-key"),
];

/// The headers of a request, in order; a name may stand there several times. Few, so that a list is searched faster than
/// a map is made; one, a body's `content-type` mostly, without an allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderList(SmallVec<[(HeaderName, HeaderValue); 1]>);

impl HeaderList {
    /// An empty list, without an allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self(SmallVec::new_const())
    }

    /// Adds a header, beside those of the same name.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Sets a header, in the place of those of the same name.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        self.remove(&name);
        self.append(name, value);
    }

    /// Removes all headers of a name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.0.retain(|(other, _)| other != name);
    }

    /// Whether there is a header of that name.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// The first header of that name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// All of them in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (HeaderName, HeaderValue)> {
        self.0.iter()
    }

    /// How many there are.
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

impl FromIterator<(HeaderName, HeaderValue)> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a HeaderList {
    type Item = &'a (HeaderName, HeaderValue);
    type IntoIter = std::slice::Iter<'a, (HeaderName, HeaderValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The headers of a response. Those of HTTP/1.1 stay the bytes that arrived and are searched when somebody asks, because
/// most scripts never do.
#[derive(Clone)]
pub struct Headers(Repr);

#[derive(Clone)]
enum Repr {
    /// Header lines that have been checked, the status line and the empty line left out.
    Lines {
        /// The lines; and behind them the body, where other responses do not have the same lines.
        text: Bytes,
        /// How many bytes of it are lines.
        len: u32,
        count: u32,
    },
    Map(Box<HeaderMap>),
}

impl Headers {
    /// `count` headers from checked lines, each with its end, in the first `len` bytes of `text`, at most 4 GB.
    pub(super) fn from_lines(text: impl Into<Bytes>, len: usize, count: usize) -> Self {
        let small = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Self(Repr::Lines {
            text: text.into(),
            len: small(len),
            count: small(count),
        })
    }

    /// What came behind the lines.
    pub(super) fn behind(&self) -> &[u8] {
        self.halves().1
    }

    /// The same as one more owner of its memory.
    pub(super) fn share_behind(&self) -> Bytes {
        match &self.0 {
            Repr::Lines { text, len, .. } => text.slice((*len as usize).min(text.len())..),
            Repr::Map(_) => Bytes::new(),
        }
    }

    /// The lines, and what came behind them.
    fn halves(&self) -> (&[u8], &[u8]) {
        match &self.0 {
            Repr::Lines { text, len, .. } => text.split_at_checked(*len as usize).unwrap_or((text, &[])),
            Repr::Map(_) => (&[], &[]),
        }
    }

    /// The first value of a name, in any case of letters.
    #[must_use]
    pub fn get(&self, name: impl AsRef<str>) -> Option<&[u8]> {
        let name = name.as_ref();
        match &self.0 {
            Repr::Lines { .. } => Lines(self.halves().0)
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, v)| v),
            Repr::Map(map) => map.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// All values of a name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fits = move |(found, _): &(&str, _)| found.eq_ignore_ascii_case(name);
        self.iter().filter(fits).map(|(_, value)| value)
    }

    /// Names as received, and values. Repeated ones come one by one.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let map = match &self.0 {
            Repr::Lines { .. } => None,
            Repr::Map(map) => Some(map.iter()),
        };
        let map = map.into_iter().flatten();
        Lines(self.halves().0).chain(map.map(|(name, value)| (name.as_str(), value.as_bytes())))
    }

    /// How many there are, repeated ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Lines { count, .. } => *count as usize,
            Repr::Map(map) => map.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self(Repr::Map(Box::new(map)))
    }
}

impl Headers {
    /// Copies of headers that are parts of a connection's buffers, which would stay as long as these.
    pub(super) fn copied(map: &HeaderMap) -> Self {
        let size = map
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 2)
            .sum();
        let mut lines = Vec::with_capacity(size);
        for (name, value) in map {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        Self::from_lines(lines, size, map.len())
    }
}

impl Default for Headers {
    fn default() -> Self {
        Self::from_lines(Bytes::new(), 0, 0)
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(shown).finish()
    }
}

/// Walks over checked header lines.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let colon = self.0.iter().position(|byte| *byte == b':')?;
        let (name, rest) = (&self.0[..colon], &self.0[colon + 1..]);
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (value, rest) = rest.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        // Checked lines are tokens before the colon, which are ASCII.
        Some((std::str::from_utf8(name).unwrap_or_default(), value.trim_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_answer_alike() {
        let lines = "Server: x\r\nSet-Cookie: a=1\nset-cookie:b=2 \r\nEmpty:\r\nx-time:  12:30:00\t\r\n";
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("server", "x"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("empty", ""),
            ("x-time", "12:30:00"),
        ] {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let lines = Headers::from_lines(Bytes::from_static(lines.as_bytes()), lines.len(), 5);
        for headers in [lines, Headers::copied(&map), map.into()] {
            assert_eq!((headers.len(), headers.is_empty()), (5, false));
            assert_eq!(headers.get("SERVER"), Some(&b"x"[..]));
            assert_eq!(headers.get("Set-cookie"), Some(&b"a=1"[..]));
            assert_eq!(headers.get(http::header::SERVER), Some(&b"x"[..]));
            assert_eq!(headers.get("empty"), Some(&b""[..]));
            assert_eq!(headers.get("x-time"), Some(&b"12:30:00"[..]));
            assert_eq!(headers.get("serve"), None);
            assert_eq!(headers.get("no name"), None);
            assert_eq!(headers.get_all("set-cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
            let names: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            assert_eq!(names, ["server", "set-cookie", "set-cookie", "empty", "x-time"]);
        }
        assert!(Headers::default().is_empty());
    }

    #[test]
    fn a_list_keeps_order_and_repeated_names() {
        use http::header::{ACCEPT, COOKIE};
        let mut list = HeaderList::new();
        for (name, value) in [(ACCEPT, "1"), (COOKIE, "2"), (ACCEPT, "3")] {
            list.append(name, HeaderValue::from_static(value));
        }
        assert_eq!((list.len(), list.get(&ACCEPT).unwrap().to_str().unwrap()), (3, "1"));
        list.insert(ACCEPT, HeaderValue::from_static("4"));
        let values: Vec<&str> = list.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(values, ["2", "4"]);
        list.remove(&COOKIE);
        assert!(!list.contains(&COOKIE) && list.contains(&ACCEPT) && !list.is_empty());
    }
}
