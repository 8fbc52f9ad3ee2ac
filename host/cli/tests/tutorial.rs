//! The tutorial, word for word: its `sh` blocks are run as they stand, and its
//! `text` blocks are looked for in what the block before printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BINARY: &str = env!("CARGO_BIN_EXE_modelyard");

/// Commands, where they stand, and what must be seen of them.
#[derive(Debug, PartialEq)]
struct Block {
    /// The first line of the commands, counted from 1.
    line: usize,
    commands: String,
    /// Lines of which `…` stands for anything.
    expected: Vec<String>,
}

/// The blocks below a heading, up to the next of its level.
fn blocks(text: &str, heading: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    let mut fence: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        if fence.is_none() && line.starts_with("## ") {
            inside = line == heading;
        }
        match (line.strip_prefix("```"), fence) {
            (Some(language), None) => {
                fence = Some(language);
                if inside && language == "sh" {
                    blocks.push(Block { line: number + 2, commands: String::new(), expected: Vec::new() });
                }
            }
            (Some(_), Some(_)) => fence = None,
            (None, Some("sh")) if inside => {
                let block = blocks.last_mut().unwrap();
                block.commands.push_str(line);
                block.commands.push('\n');
            }
            (None, Some("text")) if inside => {
                blocks.last_mut().expect("a text block follows commands").expected.push(line.to_owned());
            }
            _ => {}
        }
    }
    blocks
}

/// Whether a line holds all that is between the `…` of a pattern, in order.
/// Spaces count as one, so that a table may grow.
fn matches(line: &str, pattern: &str) -> bool {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = spaced(line);
    let mut rest = line.as_str();
    pattern.split('…').map(spaced).filter(|part| !part.is_empty()).all(|part| match rest.find(&part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// A free port. Another process may take it before the server does, which then
/// says so in its log.
fn free_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn mark(block: &Block) -> String {
    format!("=== docs/tutorial.md:{}", block.line)
}

fn run(heading: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/tutorial.md")).unwrap();
    let blocks = blocks(&text, heading);
    assert!(blocks.len() > 12, "{heading} has {} blocks", blocks.len());
    let directory = tempfile::tempdir().unwrap();
    fs::copy(root.join("examples/penguins/penguins-raw.csv"), directory.path().join("penguins-raw.csv"))
        .unwrap();

    // One shell, so that what a block sets is there in the next. Whatever ends
    // it, the server that it started ends as well.
    let mut script = "exec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n".to_owned();
    for block in &blocks {
        script.push_str(&format!("echo '{}'\n{}", mark(block), block.commands));
    }
    let mut path = PathBuf::from(BINARY).parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(directory.path())
        .env("PATH", path)
        .env("MODELYARD_SERVER", free_server())
        .env_remove("MODELYARD_TOKEN")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let log = || fs::read_to_string(directory.path().join("server.log")).unwrap_or_default();
    if !output.status.success() {
        let last = printed.rfind("=== docs/tutorial.md:").unwrap_or(0);
        panic!("{}: {}\nserver.log:\n{}", output.status, &printed[last..], log());
    }
    for (number, block) in blocks.iter().enumerate() {
        let from = printed.find(&format!("{}\n", mark(block))).unwrap();
        let to = blocks
            .get(number + 1)
            .map_or(printed.len(), |next| printed.find(&format!("{}\n", mark(next))).unwrap());
        let shown = &printed[from..to];
        for pattern in &block.expected {
            assert!(
                shown.lines().any(|line| matches(line, pattern)),
                "no line is like {pattern:?} in\n{shown}"
            );
        }
    }
}

#[test]
fn twelve_stages_by_command_line() {
    run("## With the command line");
}

#[test]
fn twelve_stages_by_http() {
    run("## With HTTP");
}

#[test]
fn blocks_are_found_and_lines_compared() {
    let text = "## A\n```sh\none\ntwo\n```\nsee\n```text\n… two\n```\n## B\n```sh\nthree\n```\n";
    let expected = Block { line: 3, commands: "one\ntwo\n".into(), expected: vec!["… two".into()] };
    assert_eq!(blocks(text, "## A"), [expected]);
    assert_eq!(blocks(text, "## B").len(), 1);
    assert!(matches(" rows      344", "… rows 344") && matches("a 1 b 2", "a … b …"));
    assert!(!matches("rows 345", "… rows 344") && !matches("b a", "a … b"));
}
