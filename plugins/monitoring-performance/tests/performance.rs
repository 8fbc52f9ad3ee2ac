//! Agreement with scikit-learn on fixed rows (see `data/reference.py`),
//! findings, and bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::monitoring::Report;
use modelyard_sdk::prelude::*;
use monitoring_performance::Performance;
use serde_json::Value;

fn table(columns: Vec<Column>) -> Reader {
    Reader::from_table(Table::new(columns).unwrap())
}

/// A fixed sequence of numbers from 0 to 1.
fn uniform(seed: u64, rows: usize) -> Vec<f64> {
    let mut x = seed;
    let next = || {
        x = (1_103_515_245 * x + 12_345) % (1 << 31);
        x as f64 / f64::from(1_u32 << 31)
    };
    std::iter::repeat_with(next).take(rows).collect()
}

/// Probabilities, and labels that come true with them, less so as `noise`
/// rises; `offset` is added to the predicted ones.
fn binary(seed: u64, rows: usize, noise: f64, offset: f64) -> Reader {
    let (p, u, v) = (uniform(seed, rows), uniform(seed + 1000, rows), uniform(seed + 2000, rows));
    let truth = (0..rows).map(|i| if v[i] < noise { u[i] < 0.5 } else { u[i] < p[i] });
    let truth: Vec<bool> = truth.collect();
    let score: Vec<f64> = p.iter().map(|p| (p + offset).clamp(0.0, 1.0)).collect();
    table(vec![Column::boolean("late", truth), Column::f64("score", score)])
}

fn numeric(seed: u64, rows: usize, noise: f64, offset: f64) -> Reader {
    let (y, e) = (uniform(seed, rows), uniform(seed + 1000, rows));
    let predicted: Vec<f64> = y.iter().zip(&e).map(|(y, e)| 10.0 * y + noise * (e - 0.5) + offset).collect();
    let truth: Vec<f64> = y.iter().map(|y| 10.0 * y).collect();
    table(vec![Column::f64("delay", truth), Column::f64("predicted", predicted)])
}

const BINARY: &str = r#"{"truth": "late", "prediction": "score"}"#;
const NUMERIC: &str = r#"{"task": "regression", "truth": "delay", "prediction": "predicted"}"#;

fn check(parameters: &str, reference: &Reader, current: &Reader) -> Report {
    Performance::check(parameters, reference, current).unwrap()
}

fn value(report: &Report, name: &str) -> f64 {
    report
        .metrics
        .iter()
        .find(|m| m.name == name && m.slice.is_none())
        .unwrap_or_else(|| panic!("no {name}"))
        .value
}

fn found(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|f| f.metric.as_str()).collect()
}

#[test]
fn metrics_match_scikit_learn() {
    let reference: Value = serde_json::from_str(include_str!("data/reference.json")).unwrap();
    let reports = [
        ("binary", check(BINARY, &binary(1, 500, 0.0, 0.0), &binary(5, 700, 0.3, 0.1))),
        ("regression", check(NUMERIC, &numeric(1, 500, 2.0, 0.0), &numeric(5, 700, 5.0, 0.5))),
    ];
    for (task, report) in reports {
        for (name, theirs) in reference[task].as_object().unwrap() {
            let (ours, theirs) = (value(&report, name), theirs.as_f64().unwrap());
            assert!((ours - theirs).abs() < 1e-9, "{name}: {ours} is not {theirs}");
        }
    }
}

#[test]
fn a_healthy_model_gives_no_finding() {
    let report = check(BINARY, &binary(1, 5000, 0.0, 0.0), &binary(9, 3000, 0.0, 0.0));
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(value(&report, "labelled_share"), 1.0);
    let before = report.metrics.iter().filter(|m| m.slice.as_deref() == Some("window=reference")).count();
    assert_eq!(before, 5);
    assert!(check(NUMERIC, &numeric(1, 5000, 2.0, 0.0), &numeric(9, 3000, 2.0, 0.0)).findings.is_empty());
}

#[test]
fn decay_is_found() {
    let report = check(BINARY, &binary(1, 5000, 0.0, 0.0), &binary(9, 3000, 0.6, 0.0));
    assert!(found(&report).starts_with(&["roc_auc"]), "{:?}", report.findings);
    let first = &report.findings[0];
    assert!(first.value < first.threshold && first.message.contains("standard error"), "{first:?}");
    let report = check(NUMERIC, &numeric(1, 5000, 2.0, 0.0), &numeric(9, 3000, 4.0, 0.0));
    assert_eq!(found(&report), ["rmse", "mae", "r2"]);
    // Better than the reference is no finding.
    let better = check(BINARY, &binary(9, 3000, 0.6, 0.0), &binary(1, 5000, 0.0, 0.0));
    assert!(!found(&better).contains(&"roc_auc"));
}

#[test]
fn a_small_window_does_not_alarm() {
    let rules = r#"{"truth": "late", "prediction": "score", "min_rows": 10, "metrics": {"roc_auc": {"max_drop": 0.02}}, "calibration_shift": null}"#;
    let reference = binary(1, 5000, 0.0, 0.0);
    // Of windows without decay many are worse by more than the bound by chance,
    // and hardly any is a finding.
    let (mut worse, mut alarms) = (0, 0);
    for seed in 0..60 {
        let report = check(rules, &reference, &binary(10_000 + 77 * seed, 60, 0.0, 0.0));
        let old = report.metrics.iter().find(|m| m.name == "roc_auc" && m.slice.is_some()).unwrap().value;
        worse += u32::from(old - value(&report, "roc_auc") > 0.02);
        alarms += u32::from(!report.findings.is_empty());
    }
    assert!(worse >= 10, "{worse}");
    assert!(alarms <= 7 && alarms < worse, "{alarms} of {worse}");
    let few = check(BINARY, &reference, &binary(9, 199, 0.9, 0.3));
    assert_eq!(found(&few), ["labelled_rows"]);
    assert_eq!(few.findings[0].severity, Severity::Info);
}

#[test]
fn a_shifted_calibration_is_concept_drift() {
    let report = check(BINARY, &binary(1, 5000, 0.0, 0.0), &binary(9, 3000, 0.0, 0.15));
    assert!(found(&report).contains(&"calibration_gap"), "{:?}", report.findings);
    let finding = report.findings.iter().find(|f| f.metric == "calibration_gap").unwrap();
    assert!(finding.message.starts_with("the concept drifts"), "{}", finding.message);
    let off = r#"{"truth": "late", "prediction": "score", "calibration_shift": null}"#;
    assert!(
        !found(&check(off, &binary(1, 5000, 0.0, 0.0), &binary(9, 3000, 0.0, 0.15)))
            .contains(&"calibration_gap")
    );
    let report = check(NUMERIC, &numeric(1, 5000, 2.0, 0.0), &numeric(9, 3000, 2.0, -0.3));
    assert!(found(&report).contains(&"calibration_gap"));
}

#[test]
fn limits_and_severities_hold_by_metric() {
    let rules = r#"{"truth": "late", "prediction": "score", "severity": "critical", "calibration_shift": null,
        "metrics": {"roc_auc": {"limit": 0.9, "severity": "info"}, "log_loss": {"limit": 0.2}}}"#;
    let report = check(rules, &binary(1, 5000, 0.0, 0.0), &binary(9, 3000, 0.0, 0.0));
    let all: Vec<_> = report.findings.iter().map(|f| (f.metric.as_str(), f.threshold, f.severity)).collect();
    assert_eq!(all, [("roc_auc", 0.9, Severity::Info), ("log_loss", 0.2, Severity::Critical)]);
}

#[test]
fn late_labels_and_missing_predictions_are_counted() {
    let truth = Column::s64("late", vec![1, 0, 1, 0]).with_validity(vec![true, true, false, true]);
    let side = || table(vec![truth.clone(), Column::f64("score", vec![0.9, 0.2, 0.5, f64::NAN])]);
    let report = check(BINARY, &side(), &side());
    assert_eq!((value(&report, "labelled_share"), value(&report, "unscored_rows")), (0.5, 1.0));
    assert_eq!(value(&report, "accuracy"), 1.0);
}

#[test]
fn one_class_and_no_rows_are_no_error() {
    let one = || table(vec![Column::s64("late", vec![1; 300]), Column::f64("score", vec![0.7; 300])]);
    let report = check(BINARY, &one(), &one());
    assert!(!report.metrics.iter().any(|m| m.name == "roc_auc"));
    assert!(report.metrics.iter().all(|m| m.value.is_finite()));
    let none = || table(vec![Column::s64("late", vec![]), Column::f64("score", vec![])]);
    assert_eq!(found(&check(BINARY, &none(), &none())), ["labelled_rows"]);
    let constant =
        || table(vec![Column::f64("delay", vec![2.0; 300]), Column::f64("predicted", vec![2.0; 300])]);
    let report = check(NUMERIC, &constant(), &constant());
    assert!(report.findings.is_empty() && !report.metrics.iter().any(|m| m.name == "r2"));
}

#[test]
fn classes_can_be_texts() {
    let side = |wrong: usize| {
        let truth = (0..300).map(|i| ["red", "green", "blue"][i % 3]);
        let class = (0..300).map(|i| if i < wrong { "none" } else { ["red", "green", "blue"][i % 3] });
        table(vec![
            Column::utf8("truth", truth),
            Column::utf8("class", class),
            Column::f64("p", vec![0.5; 300]),
        ])
    };
    let many = r#"{"task": "multiclass", "truth": "truth", "prediction": "class"}"#;
    let report = check(many, &side(0), &side(90));
    assert_eq!((value(&report, "accuracy"), found(&report)), (0.7, vec!["accuracy"]));
    let one = r#"{"truth": "truth", "prediction": "p", "positive": "red"}"#;
    assert!((value(&check(one, &side(0), &side(0)), "mean_truth") - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn bad_input_is_named() {
    let side = || {
        table(vec![
            Column::s64("late", vec![0, 1, 2]),
            Column::utf8("text", ["a", "b", "c"]),
            Column::f64("score", vec![0.1, 0.2, 1.2]),
            Column::boolean("flag", vec![true, false, true]),
        ])
    };
    for (parameters, part) in [
        ("", "truth"),
        (r#"{"truth": "late"}"#, "prediction"),
        (r#"{"truth": "z", "prediction": "score"}"#, "no column `z`"),
        (r#"{"truth": "late", "prediction": "score"}"#, "row 2"),
        (r#"{"truth": "flag", "prediction": "score"}"#, "1.2 in `score` is no probability"),
        (r#"{"truth": "text", "prediction": "score"}"#, "/positive"),
        (r#"{"truth": "flag", "prediction": "text"}"#, "holds text"),
        (r#"{"task": "regression", "truth": "text", "prediction": "score"}"#, "holds text"),
        (r#"{"task": "ranking", "truth": "flag", "prediction": "score"}"#, "/task"),
        (r#"{"truth": "flag", "prediction": "score", "confidence": 1}"#, "/confidence"),
        (r#"{"truth": "flag", "prediction": "score", "min_rows": 1}"#, "/min_rows"),
        (r#"{"truth": "flag", "prediction": "score", "calibration_shift": 0}"#, "/calibration_shift"),
        (r#"{"truth": "flag", "prediction": "score", "positive": {}}"#, "/positive"),
        (
            r#"{"truth": "flag", "prediction": "score", "metrics": {"rmse": {"max_drop": 1}}}"#,
            "/metrics/rmse",
        ),
        (r#"{"truth": "flag", "prediction": "score", "metrics": {"f1": {}}}"#, "/metrics/f1"),
        (r#"{"truth": "flag", "prediction": "score", "metrics": {"f1": {"max_drop": -1}}}"#, "/metrics/f1"),
    ] {
        let message = Performance::check(parameters, &side(), &side()).unwrap_err().message();
        assert!(message.contains(part), "{parameters}: {message}");
    }
}

#[test]
fn the_schema_is_json() {
    let schema: Value = serde_json::from_str(&Performance::describe().parameters).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
