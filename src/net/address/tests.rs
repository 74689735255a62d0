//! Addresses against the `url` crate, whose answers they must give.

use proptest::prelude::*;

use super::*;

fn same(address: &Address, url: &Url) -> Result<(), TestCaseError> {
    let mut shown = url.clone();
    let auth = auth::from_userinfo(url);
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    prop_assert_eq!(address.as_str(), shown.as_str());
    prop_assert_eq!(address.auth(), auth.as_ref());
    prop_assert_eq!(address.url(), &shown);
    prop_assert_eq!(&Url::parse(address.as_str()).unwrap(), &shown);
    prop_assert_eq!(address.path(), shown.path());
    prop_assert_eq!(
        address.origin_form(),
        &shown[Position::BeforePath..Position::AfterQuery]
    );
    prop_assert_eq!(address.absolute_form(), &shown[..Position::AfterQuery]);
    prop_assert_eq!(address.without_query(), &shown[..Position::AfterPath]);
    if address.is_http() {
        let sendable = |byte: u8| byte.is_ascii_graphic();
        prop_assert!(address.absolute_form().bytes().all(sendable), "{}", address.as_str());
    }
    Ok(())
}

/// Texts that look like URLs, and some that do not.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-zA-Z0-9_-]{1,5}",
        8 => Just("/".to_owned()),
        2 => proptest::sample::select(vec![
            ".", "..", "%2e", "%2E%2e", "//", "?", "#", "%", "%41", "\\", ":", "@", "&", "=", "+", "~", "'", "\"", "<",
            "{", "}", "|", "^", "`", "[", "]", " ", "\t", "\n", "é", "http:", "https://", "http://h", "u:p@", "c:", ";",
            "!", "$", "(", ")", "*", ",", "\u{7f}", "\0",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn joining_is_the_url_crates(text in text(), slash in any::<bool>(), base in 0..6_usize) {
        let base = [
            "http://127.0.0.1:8080/", "https://shop.test/base/x?q=1#f", "http://u:p%40@[::1]:81/a/", "http://h",
            "data:text/plain,x", "ftp://h/x",
        ][base];
        let text = if slash { format!("/{text}") } else { text };
        let base = Url::parse(base).unwrap();
        match (Address::from(base.clone()).join(&text), base.join(&text)) {
            (Ok(address), Ok(url)) => {
                same(&address, &url)?;
                let relative = matches!(Url::parse(&text), Err(ParseError::RelativeUrlWithoutBase));
                prop_assert_eq!(address.is_relative(), relative);
            }
            (address, url) => prop_assert_eq!(address.err(), url.err()),
        }
    }

    #[test]
    fn queries_are_the_url_crates(
        text in text(),
        base in 0..4_usize,
        pairs in proptest::collection::vec((".{0,4}", ".{0,4}"), 1..4),
    ) {
        let base = [
            "http://127.0.0.1:8080/", "https://shop.test/base/x?q=1", "http://u:p%40@[::1]:81/a/#f", "data:text/plain,x",
        ][base];
        let base = Url::parse(base).unwrap();
        if let (Ok(address), Ok(mut url)) = (Address::from(base.clone()).join(&text), base.join(&text)) {
            url.query_pairs_mut().extend_pairs(&pairs);
            let with_query = address.with_query(&pairs);
            same(&with_query, &url)?;
            prop_assert_eq!(with_query.is_relative(), address.is_relative());
        }
    }

    #[test]
    fn recent_ones_are_as_if_joined_again(
        texts in proptest::collection::vec((text(), 0..4_usize), 1..12),
        base in 0..3_usize,
    ) {
        let base = Address::parse(["http://127.0.0.1:8080/", "https://u:p@shop.test/base/x?q=1#f", "ftp://h/x"][base]).unwrap();
        let mut recent = Recent::default();
        // Each comes twice, and what is an origin of its own in front of the same paths in between.
        for (text, front) in texts.iter().chain(&texts) {
            let text = format!("{}{text}", ["", "/", "//other.test/", "http://other.test/"][*front]);
            match (recent.join(&base, &text), base.join(&text)) {
                (Ok(address), Ok(joined)) => {
                    prop_assert_eq!(address.as_str(), joined.as_str());
                    prop_assert_eq!(address.is_relative(), joined.is_relative());
                    prop_assert_eq!(address.auth(), joined.auth());
                }
                (address, joined) => prop_assert_eq!(address.err(), joined.err()),
            }
        }
    }

    #[test]
    fn parsing_is_the_url_crates(text in text(), front in 0..6_usize) {
        let front = ["", "http://", "https://h/", "http://u@h.test:80/", "HTTP://H:8080/", "http://a:1/"][front];
        let text = format!("{front}{text}");
        let shared = crate::net::Shared::new(crate::net::HttpConfig::default()).unwrap();
        // The second time, the origin is known.
        for _ in 0..2 {
            match (shared.address(&text, None), Url::parse(&text)) {
                (Ok(address), Ok(url)) => same(&address, &url)?,
                (address, url) => prop_assert_eq!(address.err(), url.err()),
            }
        }
    }
}

#[test]
fn plain_paths_are_not_parsed() {
    // text, where its path ends
    let table = [
        ("/", Some(1)),
        ("/api/orders/17", Some(14)),
        ("/a?b=c%20d/../e?f", Some(2)),
        ("/a:b@c;d=e,f", Some(12)),
        ("/a/b./c..d/", Some(11)),
        ("", None),
        ("a", None),
        ("//h/", None),
        ("/./a", None),
        ("/a/..", None),
        ("/.well-known", None),
        ("/%2e%2e/a", None),
        ("/a b", None),
        ("/a#b", None),
        ("/a?b#c", None),
        ("/a\\b", None),
        ("/é", None),
        ("/a?b='c'", None),
    ];
    for (text, expected) in table {
        assert_eq!(plain_path(text), expected, "{text}");
    }
    assert_eq!(plain_absolute("http://h:1/a?b"), Some(("http://h:1", "/a?b", 2)));
    for text in [
        "http://h",
        "ftp://h/",
        "HTTP://h/",
        "http:/h/",
        "https:///a",
        "http://h/a b",
        "http://u@h/",
        "http://h?q=/a",
    ] {
        assert_eq!(plain_absolute(text), None, "{text}");
    }
}

#[test]
fn names_leave_the_query_out_and_the_place_of_a_relative_address() {
    let base = Address::parse("http://u:p@shop.test:8080/x").unwrap();
    // text, name
    let table = [
        ("/a/b?c=d", "/a/b"),
        ("c d?e#f", "/c%20d"),
        ("http://other/a?b", "http://other/a"),
    ];
    for (text, expected) in table {
        assert_eq!(base.join(text).unwrap().name(), expected, "{text}");
    }
    assert_eq!(base.name(), "http://shop.test:8080/x");
}

#[test]
fn pairs_are_added_to_a_query() {
    let base = Address::parse("http://u:p@h/").unwrap();
    let pairs = [("a b".to_owned(), "c&d".to_owned())];
    let address = base.join("/x?y=1#z").unwrap().with_query(&pairs);
    assert_eq!(address.as_str(), "http://h/x?y=1&a+b=c%26d#z");
    assert_eq!((address.name(), address.auth()), ("/x", base.auth()));
    for (text, expected) in [("/x", "http://h/x?a=%FF"), ("/x#z", "http://h/x?a=%FF#z")] {
        let address = base.join(text).unwrap().with_query(&[("a", b"\xFF")]);
        assert_eq!(address.as_str(), expected);
    }
    assert_eq!(base.with_query::<&str, &str>(&[]), base);
}
