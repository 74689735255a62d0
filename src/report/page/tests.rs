//! What every page has to keep to. Pages with data, and what a browser makes of them, are in `tests/e2e/page`.

use super::*;

#[test]
fn a_page_asks_nobody_for_anything_and_its_policy_names_what_may_run() {
    let page = live_html();
    assert!(page.len() < 400_000, "{}", page.len());
    for outside in ["http://", "https://", "@import", "url(", " src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("{{"), "a place was not filled");
    for (open, close) in [("<script>", "</script>"), ("<style>", "</style>")] {
        let (_, rest) = page.split_once(open).unwrap();
        let (text, _) = rest.split_once(close).unwrap();
        assert!(page.contains(&format!("'{}'", fingerprint(text))), "{open}");
    }
}

#[test]
fn every_script_says_what_it_is_for() {
    for script in SCRIPTS {
        assert!(script.starts_with("// "), "{:?}", script.lines().next());
        assert!(script.lines().count() <= 400 && !script.contains("</"));
    }
}

#[test]
fn texts_cannot_leave_their_place() {
    assert_eq!(escaped("a<b>&'\""), "a&#60;b&#62;&#38;&#39;&#34;");
    // What is filled in is not looked at again.
    let page = document("{{data}}", "{\"a\":\"{{script}}\"}", "", "");
    assert!(page.contains("<title>{{data}}</title>") && page.contains("{\"a\":\"{{script}}\"}"));
}
