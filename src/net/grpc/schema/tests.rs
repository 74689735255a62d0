//! Schemas from files, sets and each other, and what is said of those that are wrong.

use prost::Message as _;
use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

const EVENT: &str = r#"
syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "types/kind.proto";
message Event { string id = 1; types.Kind kind = 2; google.protobuf.Timestamp at = 3; map<string, string> payload = 4; }
message Done { bool ok = 1; }
service EventService {
  rpc OnMessage(Event) returns (Done);
  rpc Watch(Event) returns (stream Done);
  rpc Push(stream Event) returns (Done);
  rpc Talk(stream Event) returns (stream Done);
}
"#;
const KIND: &str = "syntax = \"proto3\"; package types; enum Kind { NONE = 0; LOGIN = 1; }";

#[test]
fn files_compile_with_imports_and_well_known_types() {
    let dir = folder(&[("event.proto", EVENT), ("types/kind.proto", KIND)]);
    let file = dir.path().join("event.proto");
    let schemas = [
        // Its own folder is where its imports are.
        Schema::compile(std::slice::from_ref(&file), &[]),
        // Relative to an import path, as in an `import`.
        Schema::compile(&["event.proto".into()], &[dir.path().to_owned()]),
    ];
    for schema in schemas {
        let schema = schema.unwrap();
        let files: Vec<&Path> = schema.files().collect();
        assert_eq!(files, [dir.path().join("types/kind.proto"), file.clone()]);
        for name in [
            "EventService/OnMessage",
            "/EventService/OnMessage",
            "EventService.OnMessage",
        ] {
            let method = schema.method(name).unwrap();
            assert_eq!(method.path(), "/EventService/OnMessage");
            assert_eq!((method.service(), method.name()), ("EventService", "OnMessage"));
            assert_eq!(method.descriptor().input().full_name(), "Event");
        }
        let kinds = ["OnMessage", "Watch", "Push", "Talk"].map(|name| {
            let method = schema.method(&format!("EventService/{name}")).unwrap();
            (method.is_client_streaming(), method.is_server_streaming())
        });
        assert_eq!(kinds, [(false, false), (false, true), (true, false), (true, true)]);
        assert!(schema.pool().get_message_by_name("google.protobuf.Timestamp").is_some());
    }
}

#[test]
fn an_import_path_finds_files_elsewhere() {
    let dir = folder(&[
        (
            "a/main.proto",
            "syntax = \"proto3\"; import \"kind.proto\"; message M { types.Kind k = 1; }",
        ),
        ("b/kind.proto", KIND),
    ]);
    let (file, include) = (dir.path().join("a/main.proto"), dir.path().join("b"));
    assert!(Schema::compile(std::slice::from_ref(&file), &[include]).is_ok());
    let error = Schema::compile(&[file], &[]).unwrap_err().to_string();
    assert!(
        error.contains("main.proto:1:20") && error.contains("import 'kind.proto' not found"),
        "{error}"
    );
}

#[test]
fn what_does_not_compile_is_told_with_its_place() {
    let dir = folder(&[
        ("syntax.proto", "syntax = \"proto3\";\nmessage A {\n  string x 1;\n}\n"),
        ("type.proto", "syntax = \"proto3\";\nmessage A {\n  Missing x = 1;\n}\n"),
        (
            "twice.proto",
            "syntax = \"proto3\";\nmessage A { string x = 1; string y = 1; }\n",
        ),
    ]);
    for (name, place, text) in [
        ("syntax.proto", "syntax.proto:3:12", "expected"),
        ("type.proto", "type.proto:3:3", "Missing"),
        ("twice.proto", "twice.proto:2:", "number"),
        ("none.proto", "none.proto", "not found in the import paths"),
    ] {
        let error = Schema::compile(&[dir.path().join(name)], &[]).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(text), "{error}");
    }
}

#[test]
fn unknown_names_name_the_nearest() {
    let text = "syntax = \"proto3\"; package shop.v1; message M {} service Inventory { rpc Check(M) returns (M); rpc Reserve(M) returns (M); }";
    let dir = folder(&[("a.proto", text)]);
    let schema = Schema::compile(&[dir.path().join("a.proto")], &[]).unwrap();
    for (name, expected) in [
        (
            "shop.v1.Inventory/Chek",
            "service \"shop.v1.Inventory\" has no method \"Chek\"; did you mean \"Check\"?",
        ),
        (
            "shop.v1.Inventory/Delete",
            "service \"shop.v1.Inventory\" has no method \"Delete\"; there is Check, Reserve",
        ),
        (
            "Inventory/Check",
            "there is no service \"Inventory\"; did you mean \"shop.v1.Inventory\"?",
        ),
        (
            "shop.v1.Inventry/Check",
            "there is no service \"shop.v1.Inventry\"; did you mean \"shop.v1.Inventory\"?",
        ),
        (
            "Reserve",
            "\"Reserve\" is not a method: write it as \"pkg.Service/Method\"; did you mean \"shop.v1.Inventory/Reserve\"?",
        ),
    ] {
        assert_eq!(schema.method(name).unwrap_err().to_string(), expected);
    }
    assert_eq!(schema.services().collect::<Vec<_>>(), ["shop.v1.Inventory"]);
}

#[test]
fn descriptor_sets_and_merging() {
    let dir = folder(&[("event.proto", EVENT), ("types/kind.proto", KIND)]);
    let event = Schema::compile(&[dir.path().join("event.proto")], &[]).unwrap();
    let whole = event.pool().encode_to_vec();
    assert_eq!(
        Schema::from_descriptor_set(&whole)
            .unwrap()
            .method("EventService/Talk")
            .unwrap()
            .path(),
        "/EventService/Talk"
    );
    // As protoc writes it without `--include_imports`, but for our own import.
    let mut set = prost_reflect::prost_types::FileDescriptorSet::decode(&*whole).unwrap();
    set.file.retain(|file| !file.name().starts_with("google/"));
    assert!(Schema::from_descriptor_set(&set.encode_to_vec()).is_ok());
    set.file.retain(|file| file.name() == "event.proto");
    for (bytes, text) in [
        (set.encode_to_vec(), "types/kind.proto"),
        (Vec::new(), "no file"),
        (b"nonsense".to_vec(), ""),
    ] {
        let error = Schema::from_descriptor_set(&bytes).unwrap_err().to_string();
        assert!(
            error.starts_with("not a usable descriptor set: ") && error.contains(text),
            "{error}"
        );
    }

    let other = folder(&[(
        "b.proto",
        "syntax = \"proto3\"; package b; import \"google/protobuf/timestamp.proto\"; message M { google.protobuf.Timestamp at = 1; } service S { rpc Do(M) returns (M); }",
    )]);
    let other = Schema::compile(&[other.path().join("b.proto")], &[]).unwrap();
    let both = event.merge(&other).unwrap().merge(&event).unwrap();
    assert!(both.method("b.S/Do").is_ok() && both.method("EventService/Push").is_ok());
    assert_eq!(both.files().count(), 3);
    let clash = folder(&[("c.proto", "syntax = \"proto3\"; message Event {}")]);
    let clash = Schema::compile(&[clash.path().join("c.proto")], &[]).unwrap();
    let error = event.merge(&clash).unwrap_err().to_string();
    assert!(error.contains("Event"), "{error}");
}
