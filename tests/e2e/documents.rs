//! That what the documents show is true: every whole script passes `kingtide check`, every command and option exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::kit::{Project, root};

/// README.md and everything below docs/.
pub fn documents() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    let mut found = vec![root().join("README.md"), root().join("results/README.md")];
    below(&root().join("docs"), &mut found);
    found
}

/// The blocks of a document that are fenced with exactly this word, each with the line where it begins.
pub fn blocks(text: &str, word: &str) -> Vec<(usize, String)> {
    let fence = format!("```{word}");
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim_end() == fence {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            found.push((number + 1, inside.collect::<Vec<_>>().join("\n")));
        }
    }
    found
}

#[tokio::test]
async fn every_whole_script_is_valid() {
    let mut checked = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("the document can be read");
        let scripts = blocks(&text, "lua").into_iter();
        for (line, script) in scripts.filter(|(_, script)| script.starts_with("local kt = require \"kt\"")) {
            let project = Project::new();
            project.file("j.lua", script);
            for data in [
                "customer-ids.json",
                "product-ids.json",
                "customers.json",
                "products.json",
            ] {
                let rows = std::fs::read(root().join("data").join(data)).expect("the data is there");
                project.file(&format!("data/{data}"), rows);
            }
            for (_, proto) in blocks(&text, "proto") {
                project.file("event.proto", proto);
            }
            for (_, trace) in blocks(&text, "jsonl") {
                project.file("data/friday.jsonl", trace);
            }
            let ended = project.call(&["check", "j.lua", "-d", "1s"]).await;
            let ended = if ended.code == Some(104) {
                project.call(&["check", "j.lua"]).await
            } else {
                ended
            };
            assert_eq!(ended.code, Some(0), "{}:{line}: {ended}", document.display());
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} scripts were found");
}

#[tokio::test]
async fn every_test_file_passes() {
    let mut checked = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("the document can be read");
        for (line, tests) in blocks(&text, "lua test") {
            let project = Project::new();
            project.file("doc.test.lua", tests);
            let ended = project.call(&["test", "--demo"]).await;
            assert_eq!(ended.code, Some(0), "{}:{line}: {ended}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no test file was found");
}

/// Every `kingtide …` of the documents' shell blocks and tables parses: its command exists, and so do its options.
#[tokio::test]
async fn every_command_and_option_exists() {
    let mut shown = BTreeSet::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("the document can be read");
        let in_blocks = blocks(&text, "sh")
            .into_iter()
            .flat_map(|(_, block)| block.lines().map(str::to_owned).collect::<Vec<_>>());
        let in_text = text.split('`').skip(1).step_by(2).map(str::to_owned);
        let commands = in_blocks
            .chain(in_text)
            .filter_map(|line| Some(line.strip_prefix("kingtide ")?.to_owned()));
        shown.extend(commands.map(|line| line.split('#').next().unwrap_or_default().trim().to_owned()));
    }
    assert!(shown.len() >= 10, "{shown:?}");
    let project = Project::new();
    for line in shown {
        let words: Vec<&str> = line.split_whitespace().collect();
        let command = if words[0] == "help" { "run" } else { words[0] };
        let help = project.call(&[command, "--help"]).await;
        assert_eq!(help.code, Some(0), "kingtide {line}: {help}");
        let options = words.iter().filter(|word| word.starts_with('-'));
        for option in options.map(|word| word.split('=').next().unwrap_or(word)) {
            let exists = help.stdout.split([' ', ',', '\n', '[']).any(|word| word == option);
            assert!(exists, "kingtide {line}: there is no {option}");
        }
    }
}

#[tokio::test]
async fn every_option_of_the_readme_exists() {
    let text = std::fs::read_to_string(root().join("README.md")).expect("the document can be read");
    let help = Project::new().call(&["run", "--help"]).await.stdout;
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `-")?.split(" | ").next());
    let options: Vec<&str> = rows
        .flat_map(|row| row.split(['`', ' ', ',']))
        .filter(|word| word.starts_with('-'))
        .collect();
    assert!(options.len() >= 8, "{options:?}");
    for option in options {
        assert!(help.contains(option), "there is no {option}");
    }
}

/// The keys in the first column of the table below a heading.
fn keys_of_table(text: &str, heading: &str) -> BTreeSet<String> {
    let section = text.split(heading).nth(1).expect("the heading is there");
    let rows = section
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_run_leaves_what_the_results_page_describes() {
    let project = Project::with("return function() check(nil, { fine = true }) end");
    project.run_script().await.exits(0);
    let mut runs = std::fs::read_dir(project.path("results")).expect("there are results");
    let run = runs.next().expect("a run").expect("the folder can be read").path();
    let page = std::fs::read_to_string(root().join("results/README.md")).expect("the document can be read");
    let json = |name: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(run.join(name)).expect("it was written");
        serde_json::from_str(&text).expect("it is JSON")
    };
    let manifest = json("manifest.json");
    let keys: BTreeSet<String> = manifest.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, keys_of_table(&page, "## manifest.json"));
    let summary = json("summary.json");
    for key in keys_of_table(&page, "## summary.json") {
        assert!(summary.get(&key).is_some(), "the summary has no {key}");
    }
}

#[test]
fn blocks_are_found_by_their_exact_word() {
    let text = "a\n```lua\none\ntwo\n```\n```lua fragment\nthree\n```\n```sh\nfour\n```\n";
    assert_eq!(blocks(text, "lua"), [(2, "one\ntwo".to_owned())]);
    assert_eq!(blocks(text, "sh"), [(9, "four".to_owned())]);
}
