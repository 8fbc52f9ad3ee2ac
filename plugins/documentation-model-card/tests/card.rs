//! The documents as they should be, byte by byte, and bad input. Set
//! `UPDATE_EXPECTED=1` to write the expected files anew, then read the change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use documentation_model_card::ModelCard;
use modelyard_sdk::prelude::*;

const FACTS: &str = include_str!("data/facts.json");
const HOSTILE: &str = include_str!("data/hostile.json");

fn render(facts: &str) -> Documents {
    ModelCard::render("", facts).unwrap()
}

fn expect(case: &str, facts: &str) {
    for document in render(facts).documents {
        let path = format!("{}/tests/data/{case}-{}", env!("CARGO_MANIFEST_DIR"), document.name);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &document.text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        assert!(expected == document.text, "{path} differs; it is now:\n{}", document.text);
    }
}

#[test]
fn a_complete_card_is_as_expected() {
    expect("complete", FACTS);
    let documents = render(FACTS);
    assert!(documents.gaps.is_empty(), "{:?}", documents.gaps);
    let kinds: Vec<_> =
        documents.documents.iter().map(|d| (d.name.as_str(), d.media_type.as_str())).collect();
    assert_eq!(kinds, [("README.md", "text/markdown"), ("card.html", "text/html")]);
}

#[test]
fn an_empty_card_names_its_gaps() {
    expect("empty", "{}");
    let required = [
        "description",
        "owner",
        "licence",
        "intended_use",
        "limitations",
        "training",
        "data",
        "evaluation",
        "signature",
        "lineage",
    ];
    assert_eq!(render("{}").gaps, required);
    assert_eq!(ModelCard::render(r#"{"required": ["monitoring"]}"#, "{}").unwrap().gaps, ["monitoring"]);
    // Blank texts and empty lists are gaps as well.
    let blank = r#"{"model": {"description": " \n", "owner": null}, "lineage": [], "training": {}, "evaluation": {"plugin": "x"}}"#;
    assert_eq!(render(blank).gaps, required);
}

#[test]
fn nothing_in_the_facts_is_markup() {
    expect("hostile", HOSTILE);
    let documents = render(HOSTILE).documents;
    let page = &documents[1].text;
    for tag in ["<script", "<img", "<svg", "<i>", "<b>", "<a>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    let readme = &documents[0].text;
    // The front matter ends once, where it should.
    assert_eq!(readme.lines().filter(|l| *l == "---").count(), 2);
    let (front, body) = readme.split_once("\n---\n").unwrap();
    assert!(
        front.contains(r#"license: "other""#) && front.contains(r#"license_name: "Ours: \"special\"""#),
        "{front}"
    );
    assert!(front.contains(r#"- "\u2028""#));
    assert!(body.contains("\\<script\\>") && !body.replace("\\<", "").contains('<'), "{body}");
    assert!(body.contains("\n\\# no heading\n") && body.contains("\n1\\. no list\n"));
}

#[test]
fn the_page_stands_alone() {
    let page = render(FACTS).documents[1].text.clone();
    for outside in ["http://", "https://", "<script", "<link", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    assert_eq!(render(FACTS), render(FACTS));
}

#[test]
fn long_tables_are_cut() {
    let columns: Vec<String> = (0..1200).map(|i| format!(r#"{{"name": "c{i}"}}"#)).collect();
    let facts = format!(r#"{{"data": {{"columns": [{}]}}}}"#, columns.join(","));
    let readme = render(&facts).documents[0].text.clone();
    assert!(readme.contains("| c49 |") && !readme.contains("| c50 |") && readme.contains("And 1,150 more."));
}

#[test]
fn bad_input_is_named() {
    for (parameters, facts, part) in [
        ("", "", "can't be read"),
        ("", "[]", "must be a JSON object"),
        ("", r#"{"model": {"version": "three"}}"#, "invalid type: string \"three\""),
        (
            "",
            r#"{"evaluation": {"confusion": {"labels": ["a", "b"], "counts": [1]}}}"#,
            "2 labels need 2² counts, and there are 1",
        ),
        (r#"{"require": []}"#, "{}", "unknown field `require`"),
        (r#"{"required": ["data", "weather"]}"#, "{}", "/required/1"),
        (r#"{"max_rows": 0}"#, "{}", "/max_rows"),
        (r#"{"language": "\"><script>"}"#, "{}", "/language"),
    ] {
        let message = ModelCard::render(parameters, facts).unwrap_err().message();
        assert!(message.contains(part), "{parameters} {facts}: {message}");
    }
}

#[test]
fn the_schema_is_json_and_agrees_with_the_defaults() {
    let schema: serde_json::Value = serde_json::from_str(&ModelCard::describe().parameters).unwrap();
    let required: Vec<String> =
        serde_json::from_value(schema["properties"]["required"]["default"].clone()).unwrap();
    assert_eq!(required, render("{}").gaps);
    assert_eq!(
        schema["properties"]["required"]["items"]["enum"],
        serde_json::json!(documentation_model_card::sections::SECTIONS)
    );
}
