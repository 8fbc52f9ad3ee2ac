//! Agreement with fairlearn 0.15 to 1e-9 (see `data/reference.py`), findings,
//! and bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::monitoring::Report;
use modelyard_sdk::prelude::*;
use monitoring_bias::Bias;
use serde_json::Value;

fn rows() -> Reader {
    let lines = include_str!("data/rows.csv").lines().skip(1);
    let cells: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    let column = |i: usize| cells.iter().map(move |row| row[i]);
    let columns = vec![
        Column::utf8("group", column(0)),
        Column::utf8("sex", column(1)),
        Column::s64("truth", column(2).map(|t| t.parse().unwrap()).collect::<Vec<i64>>()),
        Column::f64("score", column(3).map(|t| t.parse().unwrap()).collect::<Vec<f64>>()),
    ];
    Reader::from_table(Table::new(columns).unwrap())
}

fn find(report: &Report, name: &str, slice: &str) -> Option<f64> {
    report.metrics.iter().find(|m| m.name == name && m.slice.as_deref() == Some(slice)).map(|m| m.value)
}

const PARAMETERS: &str =
    r#"{"groups": ["group", "sex"], "truth": "truth", "prediction": "score", "min_group_rows": 1}"#;

#[test]
fn every_measure_matches_fairlearn() {
    let reference: Value = serde_json::from_str(include_str!("data/reference.json")).unwrap();
    let report = Bias::check(PARAMETERS, &rows(), &rows()).unwrap();
    let mut compared = 0;
    let mut near = |name: &str, slice: &str, theirs: f64| {
        let ours = find(&report, name, slice).unwrap_or_else(|| panic!("no {name} of {slice}"));
        assert!((ours - theirs).abs() < 1e-9, "{name} of {slice}: {ours} is not {theirs}");
        compared += 1;
    };
    for (column, values) in reference.as_object().unwrap() {
        for (name, value) in values.as_object().unwrap() {
            if let Some(value) = value.as_f64() {
                near(name, column, value);
            }
        }
        for (group, values) in values["groups"].as_object().unwrap() {
            for (name, value) in values.as_object().unwrap() {
                near(name, &format!("{column}={group}"), value.as_f64().unwrap());
            }
        }
    }
    assert_eq!(compared, 10 + 4 * 6);
}

#[test]
fn what_crosses_a_bound_is_found() {
    let report = Bias::check(PARAMETERS, &rows(), &rows()).unwrap();
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.metric.as_str(), f.subject.as_deref().unwrap())).collect();
    assert_eq!(
        found,
        [
            ("demographic_parity_difference", "group"),
            ("disparate_impact", "group"),
            ("equal_opportunity_difference", "group"),
            ("equalized_odds_difference", "group")
        ]
    );
    assert_eq!(
        report.findings[1].message,
        "disparate_impact by group is 0.650, below 0.8: 37.6 % of b are selected (442 rows) and 57.8 % of a (780 rows); in the reference it was 0.650"
    );
    assert_eq!((report.findings[1].threshold, report.findings[1].severity), (0.8, Severity::Warning));
    let wide = r#"{"groups": ["group"], "truth": "truth", "prediction": "score", "severity": "critical",
        "bounds": {"demographic_parity_difference": null, "disparate_impact": 0.6, "equal_opportunity_difference": 0.05, "equalized_odds_difference": 0.3}}"#;
    let report = Bias::check(wide, &rows(), &rows()).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].severity, Severity::Critical);
}

#[test]
fn small_groups_are_counted_and_not_compared() {
    // Group d has 61 rows: 34 positive, 27 negative.
    let few = |least: u64| {
        let parameters = format!(
            r#"{{"groups": ["group"], "truth": "truth", "prediction": "score", "min_group_rows": {least}}}"#
        );
        Bias::check(&parameters, &rows(), &rows()).unwrap()
    };
    let all = find(&few(1), "equal_opportunity_difference", "group").unwrap();
    let without = find(&few(40), "equal_opportunity_difference", "group").unwrap();
    assert!(without < all);
    assert_eq!(find(&few(40), "group_rows", "group=d"), Some(61.0));
    assert_eq!(find(&few(100_000), "disparate_impact", "group"), None);
}

#[test]
fn without_labels_only_selection_is_compared() {
    let report = Bias::check(r#"{"groups": ["sex"], "prediction": "score"}"#, &rows(), &rows()).unwrap();
    assert!(find(&report, "disparate_impact", "sex").is_some());
    assert!(find(&report, "equal_opportunity_difference", "sex").is_none());
    assert!(find(&report, "true_positive_rate", "sex=f").is_none());
}

fn table(columns: Vec<Column>) -> Reader {
    Reader::from_table(Table::new(columns).unwrap())
}

#[test]
fn classes_and_gaps_are_read() {
    let data = || {
        table(vec![
            Column::utf8("g", ["a", "a", "b", "b", "b"]).with_validity(vec![true, true, true, true, false]),
            Column::utf8("decision", ["yes", "no", "yes", "yes", "no"]),
            Column::boolean("flag", vec![true, false, true, true, false]),
            Column::f64("score", vec![0.9, 0.1, f64::NAN, 0.9, 0.9]),
        ])
    };
    let run = |parameters: &str| Bias::check(parameters, &data(), &data()).unwrap();
    let text = run(r#"{"groups": ["g"], "prediction": "decision", "positive": "yes", "min_group_rows": 1}"#);
    assert_eq!(find(&text, "disparate_impact", "g"), Some(0.5));
    let flags = run(r#"{"groups": ["g"], "prediction": "flag", "min_group_rows": 1}"#);
    assert_eq!(find(&flags, "disparate_impact", "g"), Some(0.5));
    let scores = run(r#"{"groups": ["g"], "prediction": "score", "min_group_rows": 1}"#);
    assert_eq!(find(&scores, "group_rows", "g=b"), Some(1.0));
    let none = run(r#"{"groups": ["g"], "prediction": "score", "threshold": 2, "min_group_rows": 1}"#);
    assert_eq!(find(&none, "disparate_impact", "g"), None);
    assert_eq!(find(&none, "demographic_parity_difference", "g"), Some(0.0));
}

#[test]
fn empty_tables_give_nothing() {
    let empty = || table(vec![Column::utf8("g", Vec::<String>::new()), Column::f64("p", vec![])]);
    let report = Bias::check(r#"{"groups": ["g"], "prediction": "p"}"#, &empty(), &empty()).unwrap();
    assert!(report.metrics.is_empty() && report.findings.is_empty());
}

#[test]
fn bad_input_is_named() {
    let data = || {
        table(vec![
            Column::utf8("g", (0..5).map(|i| i.to_string())),
            Column::utf8("t", ["a"; 5]),
            Column::f64("p", vec![0.5; 5]),
            Column::s64("y", vec![0, 1, 2, 0, 1]),
        ])
    };
    for (parameters, part) in [
        ("", "groups"),
        (r#"{"groups": ["g"]}"#, "prediction"),
        (r#"{"groups": [], "prediction": "p"}"#, "/groups"),
        (r#"{"groups": ["z"], "prediction": "p"}"#, "no column `z`"),
        (r#"{"groups": ["g"], "prediction": "z"}"#, "no column `z`"),
        (r#"{"groups": ["g"], "prediction": "p", "truth": "z"}"#, "no column `z`"),
        (r#"{"groups": ["g"], "prediction": "t"}"#, "/positive"),
        (r#"{"groups": ["g"], "prediction": "p", "truth": "y"}"#, "row 2"),
        (r#"{"groups": ["g"], "prediction": "p", "positive": []}"#, "/positive"),
        (r#"{"groups": ["g"], "prediction": "p", "max_groups": 3}"#, "more than 3 groups"),
        (r#"{"groups": ["g"], "prediction": "p", "max_groups": 1}"#, "/max_groups"),
        (r#"{"groups": ["g"], "prediction": "p", "min_group_rows": 0}"#, "/min_group_rows"),
        (
            r#"{"groups": ["g"], "prediction": "p", "bounds": {"disparate_impact": 1.2}}"#,
            "/bounds/disparate_impact",
        ),
        (r#"{"groups": ["g"], "prediction": "p", "bounds": {"parity": 1}}"#, "unknown field `parity`"),
    ] {
        let message = Bias::check(parameters, &data(), &data()).unwrap_err().message();
        assert!(message.contains(part), "{parameters}: {message}");
    }
}

#[test]
fn the_schema_is_json() {
    let schema: Value = serde_json::from_str(&Bias::describe().parameters).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
