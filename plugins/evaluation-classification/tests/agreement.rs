//! Agreement with scikit-learn, and what is left out or refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use evaluation_classification::plugin::Classification;
use modelyard_sdk::evaluation::Report;
use modelyard_sdk::prelude::*;
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn evaluate(columns: Vec<Column>, parameters: &str) -> Result<Report> {
    Classification::evaluate(parameters, &Reader::from_table(Table::new(columns).unwrap()))
}

/// Every metric of the reference is there and within 1e-9; gives how many.
fn agree(report: &Report, slice: Option<&str>, expected: &Value) -> usize {
    for (name, expected) in expected.as_object().unwrap() {
        let found = report.metrics.iter().find(|m| m.name == *name && m.slice.as_deref() == slice);
        let (value, expected) =
            (found.unwrap_or_else(|| panic!("no {name}")).value, expected.as_f64().unwrap());
        assert!((value - expected).abs() < 1e-9, "{name} {slice:?}: {value} is not {expected}");
    }
    expected.as_object().unwrap().len()
}

fn counts(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

#[test]
fn two_classes_agree_as_a_whole_and_by_slice() {
    let reference = &reference()["binary"];
    let columns = vec![
        Column::s64("late", numbers(&reference["truth"]).iter().map(|v| *v as i64).collect::<Vec<_>>()),
        Column::f64("score", numbers(&reference["score"])),
        Column::utf8("group", texts(&reference["group"])),
    ];
    let parameters = r#"{"truth": "late", "prediction": "score", "threshold": 0.4, "slices": ["group"]}"#;
    let report = evaluate(columns, parameters).unwrap();
    assert_eq!(agree(&report, None, &reference["metrics"]), 25);
    for group in ["a", "b"] {
        agree(&report, Some(&format!("group={group}")), &reference["slices"][group]);
    }
    let confusion = report.confusion.unwrap();
    assert_eq!(
        (confusion.labels, confusion.counts),
        (vec!["0".into(), "1".into()], counts(&reference["confusion"]))
    );
    let calibration = report.curves.iter().find(|c| c.name == "calibration").unwrap();
    for (ours, theirs) in [(&calibration.x, "predicted"), (&calibration.y, "observed")] {
        let theirs = numbers(&reference["calibration"][theirs]);
        assert_eq!(ours.len(), theirs.len());
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-9));
    }
    assert!(report.curves.iter().all(|c| c.x.len() == c.y.len() && c.x.len() <= 200));
    assert_eq!(report.curves.len(), 3);
}

#[test]
fn three_classes_agree() {
    let reference = &reference()["multiclass"];
    let mut columns = vec![Column::utf8("truth", texts(&reference["truth"]))];
    for (name, values) in ["p0", "p1", "p2"].iter().zip(reference["probabilities"].as_array().unwrap()) {
        columns.push(Column::f64(*name, numbers(values)));
    }
    let parameters =
        r#"{"truth": "truth", "prediction": ["p0", "p1", "p2"], "classes": ["high", "low", "mid"]}"#;
    let report = evaluate(columns, parameters).unwrap();
    assert_eq!(agree(&report, None, &reference["metrics"]), 20);
    assert_eq!(report.confusion.unwrap().counts, counts(&reference["confusion"]));
}

#[test]
fn labels_are_measured_without_scores() {
    let columns =
        vec![Column::boolean("t", [true, false, true]), Column::utf8("p", ["true", "true", "false"])];
    let report = evaluate(columns, r#"{"truth": "t", "prediction": "p"}"#).unwrap();
    let names: Vec<&str> = report.metrics.iter().map(|m| m.name.as_str()).collect();
    assert!(names.contains(&"f1") && !names.contains(&"roc_auc"));
    assert!(report.curves.is_empty());
    assert_eq!(report.confusion.unwrap().counts, [0, 1, 1, 1]);
}

#[test]
fn the_second_of_the_named_classes_is_the_positive_one() {
    let columns = || vec![Column::utf8("t", ["yes", "no", "yes"]), Column::f64("p", [0.9, 0.1, 0.2])];
    let recall = |parameters: &str| {
        let report = evaluate(columns(), parameters).unwrap();
        report.metrics.iter().find(|m| m.name == "recall").unwrap().value
    };
    assert_eq!(recall(r#"{"truth": "t", "prediction": "p"}"#), 0.5);
    assert_eq!(recall(r#"{"truth": "t", "prediction": "p", "classes": ["yes", "no"]}"#), 0.0);
}

#[test]
fn one_class_leaves_out_what_is_not_defined() {
    let columns = vec![Column::s64("t", [0, 0, 0]), Column::f64("p", [0.1, 0.2, 0.3])];
    let report = evaluate(columns, r#"{"truth": "t", "prediction": "p"}"#).unwrap();
    let names: Vec<&str> = report.metrics.iter().map(|m| m.name.as_str()).collect();
    assert!(names.contains(&"log_loss") && names.contains(&"accuracy"));
    assert!(!names.contains(&"roc_auc") && !names.contains(&"precision") && !names.contains(&"recall"));
    assert!(report.metrics.iter().all(|m| m.value.is_finite()));
}

#[test]
fn scores_outside_0_to_1_have_areas_and_no_losses() {
    let columns = vec![Column::s64("t", [0, 1, 1]), Column::f64("p", [-3.0, 0.5, 7.0])];
    let report = evaluate(columns, r#"{"truth": "t", "prediction": "p"}"#).unwrap();
    assert!(report.metrics.iter().any(|m| m.name == "roc_auc" && m.value == 1.0));
    assert!(report.metrics.iter().all(|m| m.name != "log_loss" && m.name != "brier"));
}

#[test]
fn what_can_not_be_measured_is_refused() {
    let refuse =
        |columns: Vec<Column>, parameters: &str| evaluate(columns, parameters).unwrap_err().message();
    let pair = r#"{"truth": "t", "prediction": "p"}"#;
    let truth = || Column::s64("t", [0, 1]);
    assert!(refuse(vec![Column::s64("t", []), Column::f64("p", [])], pair).contains("no rows"));
    let nan = refuse(vec![truth(), Column::f64("p", [0.5, f64::NAN])], pair);
    assert!(nan.contains("\"p\", row 1") && nan.contains("NaN"), "{nan}");
    let null = refuse(vec![truth().with_validity(vec![false, true]), Column::f64("p", [0.5, 0.5])], pair);
    assert!(null.contains("\"t\", row 0"), "{null}");
    let three = vec![Column::s64("t", [0, 1, 2]), Column::f64("p", [0.5, 0.5, 0.5])];
    assert!(refuse(three, pair).contains("two classes"));
    let missing = refuse(vec![truth(), Column::f64("q", [0.5, 0.5])], pair);
    assert!(missing.contains("\"p\""), "{missing}");
    let scores = || Column::f64("p", [0.5, 0.5]);
    let unknown = r#"{"truth": "t", "prediction": "p", "classes": ["0", "2"]}"#;
    assert!(refuse(vec![truth(), scores()], unknown).contains("none of the classes"));
    let slice = r#"{"truth": "t", "prediction": "p", "slices": ["where"]}"#;
    assert!(refuse(vec![truth(), scores()], slice).contains("where"));
    let several = r#"{"truth": "t", "prediction": ["p", "p"]}"#;
    assert!(refuse(vec![truth(), scores()], several).contains("/classes"));
    let field = r#"{"truth": "t", "prediction": "p", "treshold": 1}"#;
    assert!(refuse(vec![truth(), scores()], field).contains("treshold"));
    let time = vec![Column::timestamp("t", [0, 1]), scores()];
    assert!(refuse(time, pair).contains("times"));
}
