//! What a check finds, and what it makes of bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::monitoring::Report;
use modelyard_sdk::prelude::*;
use monitoring_drift::Drift;

fn table(columns: Vec<Column>) -> Reader {
    Reader::from_table(Table::new(columns).unwrap())
}

fn ramp(rows: usize, shift: f64) -> Vec<f64> {
    (0..rows).map(|i| (i * 7919 % 997) as f64 + shift).collect()
}

fn check(parameters: &str, reference: &Reader, current: &Reader) -> Report {
    Drift::check(parameters, reference, current).unwrap()
}

fn refused(parameters: &str, reference: &Reader, current: &Reader) -> String {
    Drift::check(parameters, reference, current).unwrap_err().message()
}

fn value(report: &Report, name: &str, slice: Option<&str>) -> f64 {
    let found = report.metrics.iter().find(|m| m.name == name && m.slice.as_deref() == slice);
    found.unwrap_or_else(|| panic!("no {name}")).value
}

fn texts(rows: usize, of: &[&str]) -> Column {
    Column::utf8("carrier", (0..rows).map(|i| of[i % of.len()]))
}

#[test]
fn the_same_data_does_not_drift() {
    let side = || table(vec![Column::f64("x", ramp(2000, 0.0)), texts(2000, &["UA", "AA", "B6"])]);
    let report = check("", &side(), &side());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(value(&report, "psi", Some("x")), 0.0);
    assert_eq!(value(&report, "drifted", Some("carrier")), 0.0);
    assert_eq!(value(&report, "compared_columns", None), 2.0);
    assert_eq!(value(&report, "drift_share", None), 0.0);
}

#[test]
fn columns_warn_and_the_data_set_is_critical_from_half_on() {
    let reference = table(vec![Column::f64("x", ramp(2000, 0.0)), texts(2000, &["UA", "AA", "B6"])]);
    let current = table(vec![Column::f64("x", ramp(2000, 400.0)), texts(2000, &["UA", "AA", "B6"])]);
    let report = check("", &reference, &current);
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.metric.as_str(), f.subject.as_deref(), f.severity)).collect();
    assert_eq!(
        found,
        [("wasserstein_normed", Some("x"), Severity::Warning), ("drift_share", None, Severity::Critical)]
    );
    assert!(report.findings[1].message.contains("1 of 2 columns do (x)"), "{}", report.findings[1].message);
    let strict = check(r#"{"drift_share": 0.6}"#, &reference, &current);
    assert_eq!(strict.findings.len(), 1);
    let quiet = check(r#"{"severity": "info", "dataset_severity": "warning"}"#, &reference, &current);
    assert_eq!(
        quiet.findings.iter().map(|f| f.severity).collect::<Vec<_>>(),
        [Severity::Info, Severity::Warning]
    );
}

#[test]
fn tests_bounds_and_columns_can_be_chosen() {
    let reference = table(vec![Column::f64("x", ramp(2000, 0.0)), Column::f64("y", ramp(2000, 0.0))]);
    let current = table(vec![Column::f64("x", ramp(2000, 20.0)), Column::f64("y", ramp(2000, 20.0))]);
    assert!(check("", &reference, &current).findings.is_empty());
    let tight = r#"{"columns": ["x"], "per_column": {"x": {"tests": ["wasserstein", "ks"], "bounds": {"wasserstein": 15}, "severity": "critical"}}}"#;
    let report = check(tight, &reference, &current);
    let first = &report.findings[0];
    assert_eq!((first.metric.as_str(), first.threshold), ("wasserstein", 15.0));
    assert!((first.value - 20.0).abs() < 1e-9);
    assert_eq!(first.severity, Severity::Critical);
    assert!(!report.metrics.iter().any(|m| m.slice.as_deref() == Some("y")));
    let ignored = check(r#"{"ignore": ["x"]}"#, &reference, &current);
    assert!(!ignored.metrics.iter().any(|m| m.slice.as_deref() == Some("x")));
}

#[test]
fn missing_values_are_a_measure_of_their_own() {
    let mut gaps = ramp(2000, 0.0);
    gaps.iter_mut().step_by(10).for_each(|v| *v = f64::NAN);
    gaps[1] = f64::INFINITY;
    let reference = table(vec![Column::f64("x", ramp(2000, 0.0))]);
    let validity: Vec<bool> = (0..2000).map(|i| i % 10 != 0).collect();
    for current in [Column::f64("x", gaps), Column::f64("x", ramp(2000, 0.0)).with_validity(validity)] {
        let report = check("", &reference, &table(vec![current]));
        let found = &report.findings[0];
        assert_eq!((found.metric.as_str(), report.findings.len()), ("missing_share", 1));
        assert!((found.value - 0.1).abs() < 0.001 && found.threshold == 0.05);
    }
    let text = |validity| texts(100, &["UA", "AA"]).with_validity(validity);
    let report = check(
        "",
        &table(vec![text(vec![true; 100])]),
        &table(vec![text((0..100).map(|i| i < 50).collect())]),
    );
    assert_eq!(value(&report, "missing_share", Some("carrier")), 0.5);
    assert_eq!(report.findings[0].metric, "missing_share");
}

#[test]
fn columns_without_values_are_not_judged() {
    let nulls = || Column::f64("x", vec![f64::NAN; 100]);
    let report = check("", &table(vec![nulls()]), &table(vec![nulls()]));
    assert!(report.findings.is_empty());
    assert_eq!(value(&report, "compared_columns", None), 0.0);
    let report = check("", &table(vec![Column::f64("x", ramp(100, 0.0))]), &table(vec![nulls()]));
    assert_eq!(report.findings.iter().map(|f| f.metric.as_str()).collect::<Vec<_>>(), ["missing_share"]);
    let constant = || table(vec![Column::f64("x", vec![3.0; 100]), Column::boolean("b", vec![true; 100])]);
    assert!(check("", &constant(), &constant()).findings.is_empty());
}

#[test]
fn a_small_window_is_measured_and_not_judged() {
    let reference = table(vec![Column::f64("x", ramp(2000, 0.0))]);
    let report = check("", &reference, &table(vec![Column::f64("x", ramp(29, 5000.0))]));
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].metric.as_str(), report.findings[0].severity), ("rows", Severity::Info));
    assert!(value(&report, "wasserstein", Some("x")) > 4000.0);
    let empty = check("", &reference, &table(vec![Column::f64("x", vec![])]));
    assert_eq!(empty.findings[0].metric, "rows");
    assert!(refused("", &table(vec![Column::f64("x", vec![])]), &reference).contains("no rows"));
}

#[test]
fn kinds_are_by_type_or_as_said() {
    let hours = |shift: i64| Column::s64("hour", (0..3000).map(|i| (i + shift) % 24).collect::<Vec<_>>());
    let times = Column::timestamp("at", vec![0; 3000]);
    let (reference, current) = (table(vec![hours(0), times.clone()]), table(vec![hours(5), times]));
    let report = check(r#"{"per_column": {"hour": {"kind": "categorical"}}}"#, &reference, &current);
    assert!(!report.metrics.iter().any(|m| m.name == "wasserstein" || m.slice.as_deref() == Some("at")));
    let asked = check(r#"{"columns": ["at"]}"#, &reference, &current);
    assert_eq!(value(&asked, "wasserstein", Some("at")), 0.0);
    // A number may be whole on one side and not on the other.
    let mixed =
        check("", &table(vec![Column::s64("x", vec![1; 50])]), &table(vec![Column::f64("x", vec![1.0; 50])]));
    assert!(mixed.findings.is_empty());
}

#[test]
fn keys_are_not_compared() {
    let keys = |from: usize| Column::utf8("key", (from..from + 50).map(|i| i.to_string()));
    let report = check(r#"{"max_categories": 60}"#, &table(vec![keys(0)]), &table(vec![keys(50)]));
    assert_eq!(report.findings.len(), 1);
    assert_eq!(
        (report.findings[0].metric.as_str(), report.findings[0].severity),
        ("distinct_values", Severity::Info)
    );
    let report = check("", &table(vec![keys(0)]), &table(vec![keys(50)]));
    assert!(report.findings.iter().any(|f| f.metric == "chi_square_p_value" && f.value == 0.0));
    assert!(report.metrics.iter().all(|m| m.value.is_finite()));
}

#[test]
fn passes_give_the_same_as_one_read() {
    let columns = |shift: f64| {
        (0..6).map(|i| Column::f64(format!("c{i}"), ramp(30_000, shift * f64::from(i)))).collect::<Vec<_>>()
    };
    let (reference, current) = (table(columns(0.0)), table(columns(30.0)));
    let whole = check("", &reference, &current);
    // 480,000 bytes a column: two of them in a megabyte.
    assert_eq!(check(r#"{"memory_mb": 1}"#, &reference, &current), whole);
}

#[test]
fn a_caller_can_stop_it() {
    let side = || table(vec![Column::f64("x", ramp(100, 0.0))]);
    progress::testing::cancel(true);
    let result = Drift::check("", &side(), &side());
    progress::testing::cancel(false);
    assert_eq!(result.unwrap_err(), Error::Cancelled);
}

#[test]
fn bad_input_is_named() {
    let x = || table(vec![Column::f64("x", ramp(100, 0.0))]);
    let text = || table(vec![Column::utf8("x", vec!["a"; 100])]);
    for (parameters, part) in [
        (r#"{"column": []}"#, "unknown field `column`"),
        (r#"{"columns": ["z"]}"#, "/columns: there is no column `z`: the columns are x"),
        (r#"{"ignore": ["z"]}"#, "/ignore"),
        (r#"{"ignore": ["x"]}"#, "no column is left"),
        (r#"{"per_column": {"z": {}}}"#, "/per_column"),
        (r#"{"tests": []}"#, "/tests"),
        (r#"{"tests": ["mmd"]}"#, "/tests/0"),
        (r#"{"tests": ["wasserstein"]}"#, "no default bound"),
        (r#"{"bounds": {"ks": 0}}"#, "/bounds/ks"),
        (r#"{"bounds": {"ks": 1.5}}"#, "/bounds/ks"),
        (r#"{"bounds": {"psi": -1}}"#, "/bounds/psi"),
        (r#"{"bounds": {"missing_share": 2}}"#, "/bounds/missing_share"),
        (r#"{"per_column": {"x": {"bounds": {"psi": 0}}}}"#, "/per_column/x/bounds/psi"),
        (r#"{"per_column": {"x": {"kind": "categorical", "tests": ["ks"]}}}"#, "ks needs numbers"),
        (r#"{"drift_share": 0}"#, "/drift_share"),
        (r#"{"min_rows": 0}"#, "/min_rows"),
        (r#"{"severity": "high"}"#, "/severity"),
        ("[1]", "invalid type"),
        ("{", "not valid JSON"),
    ] {
        let message = refused(parameters, &x(), &x());
        assert!(message.contains(part), "{parameters}: {message}");
    }
    assert!(
        refused(r#"{"per_column": {"x": {"kind": "numeric"}}}"#, &text(), &text()).contains("holds text")
    );
    assert!(refused("", &x(), &text()).contains("column `x` is f64 in the reference and utf8"));
    assert!(refused("", &x(), &table(vec![Column::f64("y", ramp(10, 0.0))])).contains("has no column `x`"));
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(&Drift::describe().parameters).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
