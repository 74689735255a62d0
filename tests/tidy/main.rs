//! Reads the repository and fails when its structure, its documents and its code disagree. Each rule is a pure function
//! over a [`repo::Repo`], has one test here, and has a self-test beside it that shows it failing on a small bad sample.
//! Not here: anything that rustfmt, clippy or cargo-deny already say.

mod api;
mod exceptions;
mod imports;
mod links;
mod repo;
mod rust;
mod sizes;
mod words;

use exceptions::EXCEPTIONS;
use repo::{Finding, Repo};

/// One rule: its name as the exceptions use it, and how it reads the repository.
type Rule = (&'static str, fn(&Repo) -> Vec<Finding>);

const IMPORTS: Rule = ("imports", imports::direction);
const PACKAGES: Rule = ("packages", imports::packages);
const FILE_LENGTH: Rule = ("file-length", sizes::files);
const FUNCTION_LENGTH: Rule = ("function-length", sizes::functions);
const HEADER: Rule = ("header", sizes::headers);
const API_FILES: Rule = ("api-files", api::stems);
const API_NAMES: Rule = ("api-names", api::names);
const LINKS: Rule = ("links", links::dead);
const UNSAFE: Rule = ("unsafe", words::unsafe_code);
const ALLOW: Rule = ("allow", words::allow_attributes);
const UNWRAP: Rule = ("unwrap", words::unwraps);
const WORDS: Rule = ("words", words::banned);

/// Every rule, so that an exception which no rule needs any more is found.
const RULES: &[Rule] = &[
    IMPORTS,
    PACKAGES,
    FILE_LENGTH,
    FUNCTION_LENGTH,
    HEADER,
    API_FILES,
    API_NAMES,
    LINKS,
    UNSAFE,
    ALLOW,
    UNWRAP,
    WORDS,
];

/// Applies a rule to this repository and fails with one line for each finding that is not excepted.
fn assert_clean((name, check): Rule) {
    let found: Vec<String> = check(&Repo::read())
        .iter()
        .filter(|finding| !EXCEPTIONS.iter().any(|exception| exception.covers(name, finding)))
        .map(ToString::to_string)
        .collect();
    assert!(
        found.is_empty(),
        "{} × {name} (reasoned exceptions go into tests/tidy/exceptions.rs):\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn imports_point_down() {
    assert_clean(IMPORTS);
}

#[test]
fn packages_stay_at_home() {
    assert_clean(PACKAGES);
}

#[test]
fn files_stay_under_the_hard_cap() {
    for (path, lines) in sizes::over_the_soft_cap(&Repo::read()) {
        println!("{path}: {lines} lines, over the soft cap of {}", sizes::SOFT_CAP);
    }
    assert_clean(FILE_LENGTH);
}

#[test]
fn functions_stay_short() {
    assert_clean(FUNCTION_LENGTH);
}

#[test]
fn every_module_says_what_it_is_for() {
    assert_clean(HEADER);
}

#[test]
fn api_modules_have_their_three_files() {
    assert_clean(API_FILES);
}

#[test]
fn api_functions_are_tested() {
    assert_clean(API_NAMES);
}

#[test]
fn documents_name_what_exists() {
    assert_clean(LINKS);
}

#[test]
fn there_is_no_unsafe_code() {
    assert_clean(UNSAFE);
}

#[test]
fn lints_are_expected_not_allowed() {
    assert_clean(ALLOW);
}

#[test]
fn nothing_unwraps_outside_tests() {
    assert_clean(UNWRAP);
}

#[test]
fn text_holds_no_leftovers() {
    assert_clean(WORDS);
}

#[test]
fn exceptions_are_reasoned_and_still_needed() {
    let repo = Repo::read();
    for exception in EXCEPTIONS {
        assert!(exception.reason.len() > 20, "{exception:?} needs its reason");
        let (name, check) = RULES
            .iter()
            .find(|(name, _)| *name == exception.rule)
            .unwrap_or_else(|| panic!("{exception:?} names no rule"));
        assert!(
            check(&repo).iter().any(|finding| exception.covers(name, finding)),
            "{exception:?} is not needed any more"
        );
    }
}
