//! The cookie jar of one virtual user (RFC 6265). No public suffix list: a test talks to systems that it knows.

use std::cell::RefCell;

use cookie_store::CookieStore;
use http::HeaderValue;
use http::header::COOKIE;

use super::{Address, ErrorKind, HeaderList, Headers, NetError};

/// A jar; costs nothing until a server sets a cookie.
#[derive(Default)]
pub(super) struct Jar {
    store: RefCell<Option<Box<CookieStore>>>,
}

impl Jar {
    /// The value of `cookie` for a request: its own cookies, those of the jar that it does not replace, and those in `cookie`
    /// among the plan's headers that neither does.
    ///
    /// # Errors
    /// A cookie that cannot be sent.
    pub fn header(
        &self,
        own: &[(Vec<u8>, Vec<u8>)],
        plan: &HeaderList,
        address: &Address,
    ) -> Result<Option<HeaderValue>, NetError> {
        let store = self.store.borrow();
        let plan = plan
            .iter()
            .filter_map(|(name, value)| (name == COOKIE).then_some(value));
        if own.is_empty() && store.is_none() {
            let mut plan = plan.clone();
            let first = plan.next();
            if plan.next().is_none() {
                return Ok(first.cloned());
            }
        }
        let mut found = Vec::new();
        if let Some(store) = &*store {
            found = store.matches(address.url());
            // Longer paths first (section 5.4); names after that, so that the order is always the same.
            found.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.name().cmp(b.name())));
        }
        let is_own = |name: &[u8]| own.iter().any(|(own, _)| own == name);
        let mut text = Vec::new();
        let mut push = |pair: &[&[u8]]| {
            let separator: &[u8] = if text.is_empty() { b"" } else { b"; " };
            text.extend_from_slice(separator);
            pair.iter().for_each(|part| text.extend_from_slice(part));
        };
        for (name, value) in own {
            push(&[name, b"=", value]);
        }
        for cookie in &found {
            let (name, value) = (cookie.name().as_bytes(), cookie.value().as_bytes());
            if !is_own(name) {
                push(&[name, b"=", value]);
            }
        }
        for pair in plan.flat_map(|value| value.as_bytes().split(|byte| *byte == b';')) {
            let pair = pair.trim_ascii();
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            let is_known = is_own(name) || found.iter().any(|cookie| cookie.name().as_bytes() == name);
            if !pair.is_empty() && !is_known {
                push(&[pair]);
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        let value = HeaderValue::try_from(text);
        value.map(Some).map_err(|_| {
            NetError::new(
                ErrorKind::BadRequest,
                "a cookie with a line break or a control character",
            )
        })
    }

    /// Keeps what a response sets; what is not a cookie, or not this server's to set, is passed over as browsers do.
    pub fn keep(&self, headers: &Headers, address: &Address) {
        if headers.get("set-cookie").is_none() {
            return;
        }
        let mut store = self.store.borrow_mut();
        let store = store.get_or_insert_default();
        for value in headers.get_all("set-cookie") {
            if let Ok(text) = std::str::from_utf8(value) {
                let _ = store.parse(text, address.url());
            }
        }
    }

    /// Empties the jar.
    pub fn clear(&self) {
        self.store.take();
    }

    /// A jar with all that is in this one, which is empty then.
    pub fn take(&self) -> Self {
        Self {
            store: RefCell::new(self.store.take()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;

    fn jar(at: &str, set: &[&'static str]) -> Jar {
        let jar = Jar::default();
        let mut headers = HeaderMap::new();
        for cookie in set {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        jar.keep(&headers.into(), &Address::parse(at).unwrap());
        jar
    }

    #[test]
    fn who_gets_which_cookie() {
        let jar = jar(
            "http://shop.test/cart/add",
            &[
                "sid=1; Path=/",
                "cart=2",
                "all=3; Domain=shop.test; Path=/",
                "tls=4; Secure; Path=/",
                "old=5; Max-Age=0; Path=/",
                "other=6; Domain=evil.test",
                "not a cookie",
            ],
        );
        for (url, own, expected) in [
            ("http://shop.test/", vec![], Some("all=3; sid=1")),
            ("http://shop.test:8080/cart/x", vec![], Some("cart=2; all=3; sid=1")),
            ("http://a.shop.test/", vec![], Some("all=3")),
            ("http://other.test/", vec![], None),
            ("http://other.test/", vec![("a", "b")], Some("a=b")),
            (
                "http://shop.test/",
                vec![("sid", "9"), ("x", "y")],
                Some("sid=9; x=y; all=3"),
            ),
        ] {
            let own: Vec<(Vec<u8>, Vec<u8>)> = own
                .iter()
                .map(|(k, v): &(&str, &str)| ((*k).into(), (*v).into()))
                .collect();
            let header = jar
                .header(&own, &HeaderList::new(), &Address::parse(url).unwrap())
                .unwrap();
            assert_eq!(header.as_ref().map(|h| h.to_str().unwrap()), expected, "{url} {own:?}");
        }
        jar.clear();
        assert_eq!(
            jar.header(&[], &HeaderList::new(), &Address::parse("http://shop.test/").unwrap())
                .unwrap(),
            None
        );
    }

    #[test]
    fn cookies_of_the_plan_join_the_others_and_give_way_to_them() {
        let plan = |values: &[&'static str]| -> HeaderList {
            let values = values.iter();
            values.map(|value| (COOKIE, HeaderValue::from_static(value))).collect()
        };
        let set = jar("http://shop.test/", &["sid=1", "all=3"]);
        let address = Address::parse("http://shop.test/").unwrap();
        let mine = [(b"sid".to_vec(), b"9".to_vec())];
        for (jar, own, plan, expected) in [
            (&Jar::default(), &[][..], plan(&["a=1;b; sid=0"]), "a=1;b; sid=0"),
            (&Jar::default(), &[], plan(&["a=1", "b=2"]), "a=1; b=2"),
            (&Jar::default(), &mine, plan(&["a=1; sid=0"]), "sid=9; a=1"),
            (&set, &[], plan(&["a=1;b; sid=0;"]), "all=3; sid=1; a=1; b"),
            (&set, &mine, plan(&["all=0", "c=2"]), "sid=9; all=3; c=2"),
        ] {
            let header = jar.header(own, &plan, &address).unwrap();
            assert_eq!(header.unwrap(), expected, "{own:?} {plan:?}");
        }
    }

    #[test]
    fn a_cookie_that_would_start_another_header_is_refused() {
        let own = [(b"a".to_vec(), b"b\r\nx: y".to_vec())];
        let error = Jar::default()
            .header(&own, &HeaderList::new(), &Address::parse("http://h/").unwrap())
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
    }
}
