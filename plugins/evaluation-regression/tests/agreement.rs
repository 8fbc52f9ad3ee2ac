//! Agreement with scikit-learn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use evaluation_regression::Regression;
use modelyard_sdk::prelude::*;
use serde_json::Value;

const PARAMETERS: &str = r#"{"truth": "t", "prediction": "p"}"#;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn evaluate(columns: Vec<Column>, parameters: &str) -> Result<evaluation::Report> {
    Regression::evaluate(parameters, &Reader::from_table(Table::new(columns).unwrap()))
}

#[test]
fn every_metric_agrees_as_a_whole_and_by_slice() {
    let reference: Value = serde_json::from_str(include_str!("data/reference.json")).unwrap();
    let group = reference["group"].as_array().unwrap().iter().map(|g| g.as_str().unwrap());
    let columns = vec![
        Column::f64("t", numbers(&reference["truth"])),
        Column::f64("p", numbers(&reference["predicted"])),
        Column::utf8("group", group),
    ];
    let report = evaluate(columns, r#"{"truth": "t", "prediction": "p", "slices": ["group"]}"#).unwrap();
    assert_eq!(report.metrics.len(), 24);
    for metric in report.metrics {
        let expected = match metric.slice.as_deref() {
            None => &reference["metrics"],
            Some(slice) => &reference["slices"][slice.strip_prefix("group=").unwrap()],
        };
        let expected = expected[&metric.name].as_f64().unwrap();
        let error = (metric.value - expected).abs() / expected.abs().max(1.0);
        assert!(error < 1e-9, "{} {:?}: {} is not {expected}", metric.name, metric.slice, metric.value);
    }
}

#[test]
fn what_is_not_defined_is_left_out() {
    let columns = vec![Column::s64("t", [0, 0]), Column::f64("p", [1.0, 2.0])];
    let names: Vec<String> =
        evaluate(columns, PARAMETERS).unwrap().metrics.into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["mse", "rmse", "mae", "median_ae", "max_error"]);
}

#[test]
fn what_can_not_be_measured_is_refused() {
    let refuse = |t: Column, p: Column| evaluate(vec![t, p], PARAMETERS).unwrap_err().message();
    assert!(refuse(Column::f64("t", []), Column::f64("p", [])).contains("no rows"));
    let bad = refuse(Column::f64("t", [1.0, 2.0]), Column::f64("p", [1.0, f64::NAN]));
    assert!(bad.contains("\"p\", row 1"), "{bad}");
    assert!(refuse(Column::f64("t", [1.0]), Column::utf8("p", ["x"])).contains("holds text"));
    assert!(refuse(Column::f64("t", [1.0]), Column::f64("q", [1.0])).contains("\"p\""));
}
