//! Agreement with SciPy 1.17 and Evidently 0.7.23 on fixed samples; see
//! `data/reference.py`.
//!
//! Distances and statistics agree to 1e-9. p-values agree to 1e-9 of the value
//! or 1e-14, whichever is more: both sides compute small ones through products
//! of thousands of factors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use modelyard_sdk::prelude::*;
use monitoring_drift::{Drift, ks};
use serde_json::{Value, json};

fn reference() -> Value {
    serde_json::from_str(include_str!("data/reference.json")).unwrap()
}

fn sample(case: &Value, side: &str) -> Vec<f64> {
    let number = |key: &str| case[key].as_f64().unwrap();
    let mut x = case[format!("{side}_seed")].as_u64().unwrap();
    let rows = case[format!("{side}_rows")].as_u64().unwrap();
    let shift = if side == "current" { number("shift") } else { 0.0 };
    (0..rows)
        .map(|_| {
            x = (1_103_515_245 * x + 12_345) % (1 << 31);
            let u = x as f64 / f64::from(1_u32 << 31);
            let value = u * u * number("scale") + shift;
            if case["type"] == "f64" { value } else { value.floor() }
        })
        .collect()
}

fn reader(case: &Value, side: &str) -> Reader {
    let values = sample(case, side);
    let column = match case["type"].as_str().unwrap() {
        "f64" => Column::f64("x", values),
        "s64" => Column::s64("x", values.into_iter().map(|v| v as i64).collect::<Vec<_>>()),
        _ => Column::utf8("x", values.into_iter().map(|v| v.to_string())),
    };
    Reader::from_table(Table::new(vec![column]).unwrap())
}

fn near(what: &str, ours: f64, theirs: f64) {
    let p_value = what.ends_with("p_value");
    let tolerance = if p_value { (1e-9 * theirs).max(1e-14) } else { 1e-9 };
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} is not {theirs}");
}

#[test]
fn every_measure_matches() {
    let mut compared = 0;
    for case in reference()["cases"].as_array().unwrap() {
        let expected = case["expected"].as_object().unwrap();
        let mut tests = vec!["psi"];
        for (metric, test) in [
            ("ks_p_value", "ks"),
            ("chi_square_p_value", "chi_square"),
            ("two_proportion_z_p_value", "two_proportion_z"),
        ] {
            if expected.contains_key(metric) {
                tests.push(test);
            }
        }
        let report = Drift::check(
            &json!({"tests": tests}).to_string(),
            &reader(case, "reference"),
            &reader(case, "current"),
        )
        .unwrap();
        for (name, value) in expected.iter().filter(|(name, _)| !name.starts_with("auto")) {
            let ours =
                report.metrics.iter().find(|m| m.name == *name).unwrap_or_else(|| panic!("{name}: {case}"));
            near(name, ours.value, value.as_f64().unwrap());
            compared += 1;
        }
    }
    assert!(compared > 120, "{compared}");
}

#[test]
fn auto_chooses_and_judges_as_evidently() {
    for case in reference()["cases"].as_array().unwrap() {
        let report = Drift::check("", &reader(case, "reference"), &reader(case, "current")).unwrap();
        let expected = &case["expected"];
        let name = match expected["auto"].as_str().unwrap() {
            "ks" => "ks_p_value",
            "chisquare" => "chi_square_p_value",
            "z" => "two_proportion_z_p_value",
            "jensenshannon" => "jensen_shannon",
            "wasserstein" => "wasserstein_normed",
            other => panic!("{other}"),
        };
        let ours = report.metrics.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("{name}: {case}"));
        near(name, ours.value, expected["auto_score"].as_f64().unwrap());
        let drift = expected["auto_drift"].as_bool().unwrap();
        let finding = report.findings.iter().find(|f| f.subject.as_deref() == Some("x"));
        assert_eq!(finding.map(|f| f.metric.as_str()), drift.then_some(name), "{case}");
    }
}

#[test]
fn large_sample_p_values_match() {
    let reference = reference();
    let grid = reference["asymptotic"].as_array().unwrap();
    assert!(grid.len() > 200);
    for row in grid {
        let at = |i: usize| row[i].as_f64().unwrap();
        let ours = ks::p_value(at(0), at(1) as usize, at(2) as usize);
        assert!((ours - at(3)).abs() <= (1e-7 * at(3)).max(1e-12), "{row}: {ours}");
    }
}
