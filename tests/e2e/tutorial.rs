//! The tutorial, done as its reader does it: files are saved, commands are called, in the order of the page.

use crate::kit::{Project, root};

/// A fenced block: the words after the fence, and what is inside.
struct Block {
    line: usize,
    info: Vec<String>,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            found.push(Block {
                line: number + 1,
                info: info.split_whitespace().map(str::to_owned).collect(),
                text: inside.map(|line| format!("{line}\n")).collect(),
            });
        }
    }
    found
}

#[tokio::test]
async fn every_step_of_the_tutorial_works() {
    let page = std::fs::read_to_string(root().join("docs/guide/tutorial.md")).expect("the page can be read");
    let project = Project::new();
    let (mut files, mut commands) = (0, 0);
    for block in blocks(&page) {
        match block.info.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [_, name] => {
                project.file(name, &block.text);
                files += 1;
            }
            ["sh"] => {
                for line in block.text.lines() {
                    commands += usize::from(call(&project, line, block.line).await);
                }
            }
            _ => panic!("line {}: what is this block for?", block.line),
        }
    }
    assert!(files >= 4 && commands >= 6, "{files} files, {commands} commands");
}

/// Calls a command that ends by itself. Its comment may tell how it exits.
async fn call(project: &Project, line: &str, at: usize) -> bool {
    let (command, comment) = line.split_once('#').unwrap_or((line, ""));
    let mut words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"kingtide"), "line {at}: {line}");
    if words.contains(&"--watch") {
        // Edits while it runs are what tests/e2e/reload.rs is about.
        return false;
    }
    words.remove(0);
    if words[0] == "run" {
        // Whether this machine is quiet enough is nothing that the page is about.
        words.push("--allow-suspect");
    }
    let expected = comment.trim().strip_prefix("exits ").map_or(0, |code| {
        let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("an exit code")
    });
    let ended = project.call(&words).await;
    assert_eq!(ended.code, Some(expected), "line {at}: {line}: {ended}");
    true
}
