//! Folders of searches: who has them, and which one a search goes on from.

use std::time::Duration;

use super::*;
use crate::campaign::{Search, Strategy, levels};

fn asked(levels: &str) -> Asked {
    Asked {
        kind: "levels".to_owned(),
        levels: self::levels(levels, false).unwrap(),
        tolerance: None,
        stop: Vec::new(),
        settle_ms: 5_000,
        measure_ms: 20_000,
        drain_ms: 5_000,
        rest_ms: 5_000,
        confirm: 1,
        allow_suspect: false,
        scenarios: Vec::new(),
        tags: std::collections::BTreeMap::new(),
        demo: false,
        threads: 1,
        script_hash: "one".to_owned(),
        env_hash: "two".to_owned(),
    }
}

fn document(asked: &Asked, script: &str) -> Capacity {
    let strategy = Strategy::Levels(asked.levels.clone());
    let search = Search::new(strategy, asked.clone(), script.to_owned(), 7, String::new());
    search.document().clone()
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_168_800)
}

/// A new search that is written down once; its lock is given, too.
fn begun(results: &Path, asked: &Asked, script: &str) -> Journal {
    let journal = Journal::create(results, Path::new(script), start()).unwrap();
    journal.write(&document(asked, script)).unwrap();
    journal
}

#[test]
fn two_searches_at_once_have_folders_of_their_own() {
    let results = tempfile::tempdir().unwrap();
    let asked = asked("api=1,2");
    let (a, b) = (
        begun(results.path(), &asked, "a.lua"),
        begun(results.path(), &asked, "a.lua"),
    );
    assert_ne!(a.folder(), b.folder());
    assert!(a.folder().ends_with("20261120T100000Z-a-capacity"), "{:?}", a.folder());
    // Both go on somewhere: nobody else can.
    let busy = Journal::resume(results.path(), "a.lua", &asked, None).unwrap_err();
    assert!(matches!(busy, Refused::Busy(_)), "{busy}");
    let first = a.folder().to_owned();
    drop(a);
    let (resumed, document) = Journal::resume(results.path(), "a.lua", &asked, None).unwrap();
    assert_eq!((resumed.folder(), document.seed), (first.as_path(), 7));
}

#[test]
fn the_newest_that_asked_for_the_same_goes_on() {
    let results = tempfile::tempdir().unwrap();
    let (one, other) = (asked("api=1,2"), asked("api=1,3"));
    let first = begun(results.path(), &one, "a.lua").folder().to_owned();
    let finished = begun(results.path(), &one, "a.lua");
    let mut done = document(&one, "a.lua");
    done.finished = true;
    finished.write(&done).unwrap();
    drop(finished);
    begun(results.path(), &other, "a.lua");
    begun(results.path(), &one, "b.lua");
    std::fs::create_dir(results.path().join("some-run")).unwrap();
    std::fs::write(results.path().join("file"), "").unwrap();
    // What the script is, is known later.
    let loaded = Asked {
        script_hash: String::new(),
        env_hash: String::new(),
        ..one.clone()
    };
    let (journal, document) = Journal::resume(results.path(), "a.lua", &loaded, Some(7)).unwrap();
    assert_eq!((journal.folder(), document.finished), (first.as_path(), false));
    journal.same(&document, &one).unwrap();
    let edited = Asked {
        script_hash: "edited".to_owned(),
        ..one
    };
    let refused = journal.same(&document, &edited).unwrap_err().to_string();
    assert!(
        refused.contains("the script or its data have changed; give the same"),
        "{refused}"
    );
}

#[test]
fn a_script_is_the_same_however_its_path_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (script, results) = (folder.path().join("a.lua"), folder.path().join("results"));
    for name in ["a.lua", "b.lua"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let one = asked("api=1,2");
    drop(begun(&results, &one, &script.display().to_string()));
    let other_way = folder.path().join("results/../a.lua").display().to_string();
    let (_journal, document) = Journal::resume(&results, &other_way, &one, None).unwrap();
    assert_eq!(document.script, script.display().to_string());
    let another = folder.path().join("results/../b.lua").display().to_string();
    let refused = Journal::resume(&results, &another, &one, None).unwrap_err();
    assert!(matches!(refused, Refused::None { .. }), "{refused}");
}

#[test]
fn what_differs_is_named() {
    let results = tempfile::tempdir().unwrap();
    let one = asked("api=1,2");
    let none = Journal::resume(results.path(), "a.lua", &one, None)
        .unwrap_err()
        .to_string();
    assert!(none.contains("no search with a.lua is in"), "{none}");
    begun(results.path(), &one, "a.lua");
    let settle = Asked {
        settle_ms: 6_000,
        stop: vec!["http_req_failed: rate<0.5".to_owned()],
        ..one.clone()
    };
    let refused = Journal::resume(results.path(), "a.lua", &settle, None)
        .unwrap_err()
        .to_string();
    for part in [
        "`settle` was 5000, now 6000",
        "`stop` was [], now [\"http_req_failed: rate<0.5\"]",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    let refused = Journal::resume(results.path(), "a.lua", &one, Some(8))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("`seed` was 7, now 8"), "{refused}");
}
