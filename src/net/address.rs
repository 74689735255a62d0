//! Where a request goes: a URL of which only what a request needs is worked out. Most addresses of a run are a plain path
//! below a known origin; those cost no parsing and two allocations, or none where the same was joined lately. Everything
//! else is the `url` crate's. No sockets.

use std::cell::{Cell, OnceCell, RefCell};
use std::hash::Hasher as _;
use std::rc::Rc;

use http::HeaderValue;
use rustc_hash::FxHasher;
use url::{ParseError, Position, Url};

use super::auth;
use super::body::append;
use super::target::Target;

#[cfg(test)]
mod tests;

/// An absolute URL, cheap to clone, without userinfo: user and password become a header and are shown nowhere.
#[derive(Clone)]
pub struct Address(Rc<Inner>);

struct Inner {
    /// As the `url` crate writes it.
    text: Box<str>,
    /// Where the path begins, and where path and query end.
    path_at: usize,
    path_end: usize,
    target_end: usize,
    relative: bool,
    origin: Rc<Origin>,
    url: OnceCell<Box<Url>>,
}

/// What the addresses of one origin have in common, and of one user in it.
pub(super) struct Origin {
    userinfo: Option<Box<Userinfo>>,
    /// Whether the scheme is http or https and there is a host.
    is_http: bool,
    /// What [`super::Shared`] made of it; with the number of that, because options differ.
    target: RefCell<Option<Rc<Target>>>,
    shared: Cell<u64>,
}

struct Userinfo {
    username: String,
    password: Option<String>,
    header: HeaderValue,
}

/// How many are kept by [`Recent`]; a power of two.
const RECENT: usize = 64;

/// Addresses that were joined last, by their texts: most requests of a run go to a few paths again and again.
pub(super) struct Recent([Option<Address>; RECENT]);

impl Default for Recent {
    fn default() -> Self {
        Self([const { None }; RECENT])
    }
}

impl Recent {
    /// What `base` and `text` give; `base` is always the same.
    ///
    /// # Errors
    /// Those of [`Url::join`].
    pub(super) fn join(&mut self, base: &Address, text: &str) -> Result<Address, ParseError> {
        let mut hasher = FxHasher::default();
        hasher.write(text.as_bytes());
        let place = usize::try_from(hasher.finish() >> 32).unwrap_or_default() % RECENT;
        if let Some(known) = &self.0[place]
            && known.0.text[known.0.path_at..] == *text
        {
            return Ok(known.clone());
        }
        let joined = base.join(text)?;
        // Only what needed no parsing, and so is of this origin.
        if Rc::ptr_eq(&joined.0.origin, &base.0.origin) {
            self.0[place] = Some(joined.clone());
        }
        Ok(joined)
    }
}

impl Address {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// Those of [`Url::parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Url::parse(text).map(Self::from)
    }

    /// Resolves a text against this address, as [`Url::join`] does.
    ///
    /// # Errors
    /// Those of [`Url::join`].
    pub fn join(&self, text: &str) -> Result<Self, ParseError> {
        if self.is_http()
            && let Some(path_end) = plain_path(text)
        {
            return Ok(self.plain(text, path_end, true));
        }
        let relative = matches!(Url::parse(text), Err(ParseError::RelativeUrlWithoutBase));
        self.with_userinfo().join(text).map(|url| Self::new(url, relative))
    }

    /// The same origin with another path and query that need no parsing, as [`plain_path`] says.
    pub(super) fn plain(&self, target: &str, path_end: usize, relative: bool) -> Self {
        let prefix = &self.0.text[..self.0.path_at];
        let mut text = String::with_capacity(prefix.len() + target.len());
        text.push_str(prefix);
        text.push_str(target);
        Self(Rc::new(Inner {
            path_at: prefix.len(),
            path_end: prefix.len() + path_end,
            target_end: text.len(),
            text: text.into_boxed_str(),
            relative,
            origin: Rc::clone(&self.0.origin),
            url: OnceCell::new(),
        }))
    }

    fn new(mut url: Url, relative: bool) -> Self {
        let origin = Origin {
            userinfo: take_userinfo(&mut url).map(Box::new),
            is_http: matches!(url.scheme(), "http" | "https") && url.has_host(),
            target: RefCell::default(),
            shared: Cell::default(),
        };
        Self(Rc::new(Inner {
            text: url.as_str().into(),
            path_at: url[..Position::BeforePath].len(),
            path_end: url[..Position::AfterPath].len(),
            target_end: url[..Position::AfterQuery].len(),
            relative,
            origin: Rc::new(origin),
            url: OnceCell::from(Box::new(url)),
        }))
    }

    /// Adds pairs to the query, encoded as forms are.
    #[must_use]
    pub fn with_query<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, pairs: &[(K, V)]) -> Self {
        let Inner {
            path_at,
            path_end,
            relative,
            ..
        } = *self.0;
        if pairs.is_empty() {
            return self.clone();
        }
        let pairs = pairs.iter().map(|(name, value)| (name, value));
        if !self.is_http() || self.0.target_end < self.0.text.len() {
            // Behind the query there is a fragment, or the path is none.
            let mut url = self.with_userinfo();
            let mut query = url.query().unwrap_or_default().to_owned();
            append(&mut query, 0, pairs);
            url.set_query(Some(&query));
            return Self::new(url, relative);
        }
        let mut text = String::with_capacity(self.0.text.len() + 24 * pairs.len());
        text.push_str(&self.0.text);
        if path_end == text.len() {
            text.push('?');
        }
        append(&mut text, path_end + 1, pairs);
        Self(Rc::new(Inner {
            path_at,
            path_end,
            target_end: text.len(),
            text: text.into_boxed_str(),
            relative,
            origin: Rc::clone(&self.0.origin),
            url: OnceCell::new(),
        }))
    }

    /// The whole URL, fragment included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The path, without query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.text[self.0.path_at..self.0.path_end]
    }

    /// Scheme, host, port and path.
    #[must_use]
    pub fn without_query(&self) -> &str {
        &self.0.text[..self.0.path_end]
    }

    /// Whether it came from a text that was relative to another.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.0.relative
    }

    /// What its requests are called if nobody names them: without query; of an address that was given as relative only the
    /// path, which is the same wherever the system runs.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.0.relative {
            self.path()
        } else {
            self.without_query()
        }
    }

    /// Whether it is an http or https URL with a host.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.0.origin.is_http
    }

    /// The URL, parsed when somebody asks for the first time.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a property test says that it never does")]
    pub fn url(&self) -> &Url {
        let parse = || Box::new(Url::parse(&self.0.text).expect("an address is the text of a URL"));
        self.0.url.get_or_init(parse)
    }

    /// Path and query: the request target in origin form (RFC 9112, section 3.2.1).
    pub(super) fn origin_form(&self) -> &str {
        &self.0.text[self.0.path_at..self.0.target_end]
    }

    /// All but the fragment: the request target in absolute form (RFC 9112, section 3.2.2).
    pub(super) fn absolute_form(&self) -> &str {
        &self.0.text[..self.0.target_end]
    }

    /// `authorization` of its user and password.
    pub(super) fn auth(&self) -> Option<&HeaderValue> {
        self.0.origin.userinfo.as_ref().map(|userinfo| &userinfo.header)
    }

    /// What it stands for under the options that `shared` numbers; worked out by `find` at most once for an origin.
    pub(super) fn target<E>(&self, shared: u64, find: impl FnOnce() -> Result<Rc<Target>, E>) -> Result<Rc<Target>, E> {
        let origin = &self.0.origin;
        if origin.shared.get() == shared
            && let Some(target) = &*origin.target.borrow()
        {
            return Ok(Rc::clone(target));
        }
        let target = find()?;
        origin.shared.set(shared);
        origin.target.replace(Some(Rc::clone(&target)));
        Ok(target)
    }

    fn with_userinfo(&self) -> Url {
        let mut url = self.url().clone();
        if let Some(userinfo) = &self.0.origin.userinfo {
            // They fail for URLs without host, which have no userinfo either.
            let _ = url.set_username(&userinfo.username);
            let _ = url.set_password(userinfo.password.as_deref());
        }
        url
    }
}

impl From<Url> for Address {
    fn from(url: Url) -> Self {
        Self::new(url, false)
    }
}

/// Addresses are equal when their URLs are.
impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Address {}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.as_str()).finish()
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Takes user and password out of a URL.
fn take_userinfo(url: &mut Url) -> Option<Userinfo> {
    let header = auth::from_userinfo(url)?;
    let taken = Userinfo {
        // Setting them again gives the same: a percent sign is not encoded in userinfo.
        username: url.username().to_owned(),
        password: url.password().map(str::to_owned),
        header,
    };
    // They fail for URLs without host, which cannot have userinfo either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(taken)
}

/// Where the path of a text ends, if the text is an absolute path with an optional query that the `url` crate would keep
/// as it is, byte for byte, whatever the base: no dot segments, nothing to encode, no authority.
pub(super) fn plain_path(text: &str) -> Option<usize> {
    const PATH: u8 = 1;
    const QUERY: u8 = 2;
    const CLASSES: [u8; 256] = {
        let mut classes = [0; 256];
        let both = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&()*+,;=:@/.";
        let mut at = 0;
        while at < both.len() {
            classes[both[at] as usize] = PATH | QUERY;
            at += 1;
        }
        classes[b'%' as usize] = QUERY;
        classes[b'?' as usize] = QUERY;
        classes
    };
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'/') || bytes.get(1) == Some(&b'/') {
        return None;
    }
    let mut path_end = bytes.len();
    let mut wanted = PATH;
    for (at, byte) in bytes.iter().enumerate() {
        if wanted == PATH {
            match byte {
                b'?' => {
                    path_end = at;
                    wanted = QUERY;
                    continue;
                }
                // A segment that begins with a dot may be `.` or `..`.
                b'/' if bytes.get(at + 1) == Some(&b'.') => return None,
                _ => {}
            }
        }
        if CLASSES[usize::from(*byte)] & wanted == 0 {
            return None;
        }
    }
    Some(path_end)
}

/// Splits `http://authority/path` before the path, if the path is plain; also where that ends.
pub(super) fn plain_absolute(text: &str) -> Option<(&str, &str, usize)> {
    let rest = text
        .strip_prefix("http")
        .map(|rest| rest.strip_prefix('s').unwrap_or(rest))?;
    let authority = rest.strip_prefix("://")?;
    let path_at = text.len() - authority.len() + authority.find('/')?;
    let (origin, path) = text.split_at(path_at);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let host = &authority[..authority.len() - path.len()];
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    Some((origin, path, plain_path(path)?))
}
