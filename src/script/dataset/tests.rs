//! Data files of every format, good and bad.

use super::*;

fn load(name: &str, text: &[u8]) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    Dataset::load(&path)
}

#[test]
fn files_are_read_by_their_ending_and_refused_with_the_line() {
    let table: [(&str, &[u8], Result<usize, &str>); 21] = [
        ("a.json", b"[1, {\"a\":2}, \"x\"]", Ok(3)),
        ("a.json", b"{\"a\":1}", Err("not a JSON array")),
        ("a.json", b"[1,\n2,\n}", Err("line 3")),
        ("a.json", b"[]", Err("empty")),
        ("a.json", b"  \n", Err("empty")),
        ("a.jsonl", b"1\n\n{\"a\":2}\r\n", Ok(2)),
        ("a.jsonl", b"1\n{a}\n", Err("line 2")),
        (
            "a.csv",
            b"\xef\xbb\xbfid,name\r\n00501,\"a, \"\"b\"\"\nc\"\r\n\r\n7,\xc3\xa9\r\n",
            Ok(2),
        ),
        (
            "a.csv",
            b"id,name\n1,a\n2\n",
            Err("line 3: 1 fields where the first row has 2"),
        ),
        (
            "a.csv",
            b"id,name\r\n\"1\n2\",a\r\n\r\n3,4,5\r\n",
            Err("line 5: 3 fields where the first row has 2"),
        ),
        (
            "a.csv",
            b"id,name,id\n1,a,2\n",
            Err("line 1: two columns are named `id`"),
        ),
        (
            "a.csv",
            b"a,b\n1,x\n2,\"y\n3,z\n4,w\n",
            Err("line 3: a quote opens here that nothing closes"),
        ),
        ("a.csv", b"\"a,b\n1,x\n", Err("line 1: a quote opens here")),
        ("a.csv", b"a,b\n1,5\" pipe\n\"\"\"\",\"\"\n", Ok(2)),
        ("a.csv", b"id,name\n", Err("empty")),
        ("a.csv", b"\xef\xbb\xbfid,name", Err("empty")),
        ("a.csv", b"\xef\xbb\xbf\r\n", Err("empty")),
        ("a.csv", b"id\n\xff\n", Err("line 2: not UTF-8")),
        ("a.txt", b"x", Err(".json")),
        ("a.JSON", b"[1]", Ok(1)),
        ("a", b"x", Err(".json")),
    ];
    for (name, text, expected) in table {
        match (load(name, text), expected) {
            (Ok(set), Ok(rows)) => assert_eq!(set.len(), rows, "{name}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
            (got, wanted) => panic!("{name}: {got:?}, wanted {wanted:?}"),
        }
    }
}

proptest::proptest! {
    /// Where a file ends in quotes, so does what is written below it.
    #[test]
    fn a_quote_is_open_where_it_takes_what_follows(
        parts in proptest::collection::vec(proptest::sample::select(vec!["\"", ",", "\n", "\r\n", "a"]), 0..24),
    ) {
        let text = parts.concat();
        let more = format!("{text}\nx");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(more.as_bytes());
        let last = reader.records().last().unwrap().unwrap();
        let is_open = last.iter().collect::<Vec<_>>() != ["x"];
        proptest::prop_assert_eq!(formats::open_quote(&text).is_some(), is_open);
    }
}

#[test]
fn csv_values_stay_strings() {
    let text = "\u{feff}id,name,\r\n00501,\"a, \"\"b\"\"\nc\",\r\n\r\n\"\",\u{e9}\u{1f600},last";
    let set = load("a.csv", text.as_bytes()).unwrap();
    let wanted = [["00501", "a, \"b\"\nc", ""], ["", "\u{e9}\u{1f600}", "last"]];
    assert_eq!(set.len(), wanted.len());
    for (index, wanted) in wanted.into_iter().enumerate() {
        let Some(Row::Csv(names, record)) = set.row(index) else {
            panic!("a record")
        };
        assert_eq!(names, ["id", "name", ""]);
        assert_eq!(record.iter().collect::<Vec<_>>(), wanted);
        assert_eq!((record.get(1), record.get(3)), (Some(wanted[1]), None));
    }
    assert_eq!(set.row(2), None);
}

#[test]
fn json_rows_are_cut_out_of_their_file() {
    let json = "\u{feff}[ {\"a\": [1, 2]} ,\n \"x]\",null]\n";
    let jsonl = "\u{feff}{\"a\": [1, 2]}\r\n\r\n  \"x]\"  \nnull";
    for (name, text) in [("a.json", json), ("a.jsonl", jsonl)] {
        let set = load(name, text.as_bytes()).unwrap();
        let rows: Vec<_> = (0..4).map(|index| set.row(index)).collect();
        let wanted = ["{\"a\": [1, 2]}", "\"x]\"", "null"].map(|row| Some(Row::Json(row)));
        assert_eq!(rows, [&wanted[..], &[None]].concat(), "{name}");
    }
}

#[test]
fn sets_are_compared_by_their_rows() {
    let csv = |text: &str| load("a.csv", text.as_bytes()).unwrap();
    let first = csv("a,b\n1,23\n");
    assert!(first.has_equal_rows(&csv("a,b\r\n\"1\",23")));
    for other in ["a,b\n12,3\n", "a,c\n1,23\n", "a,b\n1,23\n1,23\n"] {
        assert!(!first.has_equal_rows(&csv(other)), "{other}");
    }
}

#[test]
fn cursors_are_shared_and_end_as_asked() {
    let set = Dataset::from_values("x", vec!["1".into(), "2".into()]).unwrap();
    assert_eq!((0..5).map(|_| set.next()).collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
    assert_eq!(
        [
            set.unique(false),
            set.unique(false),
            set.unique(false),
            set.unique(true)
        ],
        [Some(0), Some(1), None, Some(1)]
    );
}

#[test]
fn a_file_is_loaded_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, "[1]").unwrap();
    let store = DataStore::default();
    let first = store.file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(Arc::ptr_eq(&first, &store.file(&path).unwrap()));
}

#[test]
fn the_rows_of_an_edited_file_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, "[1]").unwrap();
    let store = DataStore::default();
    let first = Arc::downgrade(&store.file(&path).unwrap());
    std::fs::write(&path, "[1, 2]").unwrap();
    let next = store.next();
    drop(store);
    assert!(first.upgrade().is_some(), "it may be wanted as it is");
    assert_eq!(next.file(&path).unwrap().len(), 2);
    assert!(first.upgrade().is_none(), "it is replaced");
}
