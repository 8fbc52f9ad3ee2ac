//! Agreement with scikit-learn, rouge_score and SQuAD's official functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use evaluation_text::plugin::TextComparison;
use modelyard_sdk::prelude::*;
use serde_json::Value;

const PARAMETERS: &str = r#"{"truth": "t", "prediction": "p"}"#;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_metric_agrees() {
    let reference: Value = serde_json::from_str(include_str!("data/reference.json")).unwrap();
    let (truth, predicted) = (texts(&reference["truth"]), texts(&reference["predicted"]));
    let table = Table::new([Column::utf8("t", truth), Column::utf8("p", predicted)]).unwrap();
    let report = TextComparison::evaluate(PARAMETERS, &Reader::from_table(table)).unwrap();
    assert_eq!(report.metrics.len(), reference["metrics"].as_object().unwrap().len());
    for metric in report.metrics {
        let expected = reference["metrics"][&metric.name].as_f64().unwrap();
        assert!(
            (metric.value - expected).abs() < 1e-9,
            "{}: {} is not {expected}",
            metric.name,
            metric.value
        );
    }
}

#[test]
fn slices_are_means_of_their_rows() {
    let table = Table::new([
        Column::utf8("t", ["one two", "one two", "three"]),
        Column::utf8("p", ["one two", "nine", "three"]),
        Column::utf8("lang", ["en", "de", "en"]),
    ]);
    let parameters = r#"{"truth": "t", "prediction": "p", "slices": ["lang"]}"#;
    let report = TextComparison::evaluate(parameters, &Reader::from_table(table.unwrap())).unwrap();
    let value = |name: &str, slice: Option<&str>| {
        let found = report.metrics.iter().find(|m| m.name == name && m.slice.as_deref() == slice);
        found.unwrap().value
    };
    assert!((value("exact_match", None) - 2.0 / 3.0).abs() < 1e-12);
    assert!((value("tfidf_cosine", Some("lang=en")) - 1.0).abs() < 1e-12);
    assert_eq!(value("rouge_l", Some("lang=de")), 0.0);
}

#[test]
fn what_can_not_be_compared_is_refused() {
    let refuse = |table: Table, parameters: &str| {
        TextComparison::evaluate(parameters, &Reader::from_table(table)).unwrap_err().message()
    };
    let pair = |t: Column, p: Column| Table::new([t, p]).unwrap();
    let text = |name: &str| Column::utf8(name, ["x"]);
    let none: [&str; 0] = [];
    let empty = pair(Column::utf8("t", none), Column::utf8("p", none));
    assert!(refuse(empty, PARAMETERS).contains("no rows"));
    assert!(refuse(pair(text("t"), Column::f64("p", [1.0])), PARAMETERS).contains("holds f64"));
    let null = pair(text("t"), text("p").with_validity(vec![false]));
    assert!(refuse(null, PARAMETERS).contains("row 0"));
    assert!(refuse(pair(text("t"), text("q")), PARAMETERS).contains("\"p\""));
    assert!(refuse(pair(text("t"), text("p")), r#"{"truth": "t"}"#).contains("prediction"));
    let long = "w ".repeat(20_001);
    assert!(refuse(pair(text("t"), Column::utf8("p", [long])), PARAMETERS).contains("more than 20000 words"));
}
