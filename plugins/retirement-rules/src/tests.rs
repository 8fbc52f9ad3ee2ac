#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn usage() -> Usage {
    Usage {
        model: "delays".to_owned(),
        version: 2,
        age_days: 100.0,
        deployed: true,
        calls_30d: 5000,
        days_since_last_call: Some(0.5),
        metrics: vec![Metric::new("roc_auc", 0.71, 1000), Metric::new("rmse", 9.0, 1000).slice("carrier=UA")],
        days_since_superseded: None,
        days_to_expiry: None,
    }
}

fn assess(parameters: &str, usage: Usage) -> Verdict {
    Rules::assess(parameters, usage).unwrap()
}

#[test]
fn a_used_version_is_kept() {
    assert_eq!(assess("", usage()), Verdict::Keep);
}

#[test]
fn age_warns_and_then_retires() {
    let aged = |days| assess("", Usage { age_days: days, ..usage() });
    assert_eq!(aged(364.9), Verdict::Keep);
    assert_eq!(
        aged(365.0),
        Verdict::Warn(vec!["delays version 2 is 365 days old, and 365 days is the bound.".into()])
    );
    assert!(matches!(aged(730.0), Verdict::Retire(r) if r.len() == 1));
    let old = Usage { age_days: 5000.0, ..usage() };
    assert_eq!(assess(r#"{"age_days": null}"#, old), Verdict::Keep);
}

#[test]
fn silence_warns_and_then_retires() {
    let idle = |days| assess("", Usage { days_since_last_call: Some(days), ..usage() });
    assert_eq!(idle(29.0), Verdict::Keep);
    assert!(matches!(idle(30.0), Verdict::Warn(_)));
    assert_eq!(
        idle(90.0),
        Verdict::Retire(vec![
            "delays version 2 was last called 90 days ago, and 90 days is the bound.".into()
        ])
    );
    let never = assess("", Usage { days_since_last_call: None, ..usage() });
    assert!(matches!(never, Verdict::Retire(r) if r[0].contains("never called in the 100 days")));
}

#[test]
fn a_young_version_is_not_judged_by_its_traffic() {
    let young = Usage { age_days: 13.0, days_since_last_call: None, calls_30d: 0, ..usage() };
    let rules = r#"{"calls_30d": {"warn": 100}, "idle_days": {"warn": 5}}"#;
    assert_eq!(assess(rules, young.clone()), Verdict::Keep);
    assert!(matches!(assess(rules, Usage { age_days: 14.0, ..young }), Verdict::Warn(r) if r.len() == 2));
}

#[test]
fn few_calls_count_only_while_deployed() {
    let rules = r#"{"calls_30d": {"warn": 10000, "retire": 5000}}"#;
    assert!(matches!(assess(rules, usage()), Verdict::Warn(r) if r[0].contains("called 5000 times")));
    assert!(matches!(assess(rules, Usage { calls_30d: 4999, ..usage() }), Verdict::Retire(_)));
    assert_eq!(assess(rules, Usage { deployed: false, ..usage() }), Verdict::Keep);
}

#[test]
fn performance_has_floors_and_ceilings() {
    let floor = r#"{"performance": [{"metric": "roc_auc", "warn_below": 0.75, "retire_below": 0.7}]}"#;
    assert_eq!(
        assess(floor, usage()),
        Verdict::Warn(vec!["roc_auc of delays version 2 is 0.7100 over 1000 rows, below 0.75.".into()])
    );
    let ceiling = r#"{"performance": [{"metric": "rmse", "slice": "carrier=UA", "retire_above": 8}]}"#;
    assert!(
        matches!(assess(ceiling, usage()), Verdict::Retire(r) if r[0].contains("rmse of delays version 2 on carrier=UA is 9"))
    );
    let rows = r#"{"performance": [{"metric": "roc_auc", "retire_below": 0.9, "min_rows": 1001}]}"#;
    assert_eq!(assess(rows, usage()), Verdict::Keep);
    let unknown = r#"{"performance": [{"metric": "f1", "retire_below": 0.9}]}"#;
    assert_eq!(assess(unknown, usage()), Verdict::Keep);
    let nan = Usage { metrics: vec![Metric::new("roc_auc", f64::NAN, 1000)], ..usage() };
    assert_eq!(assess(floor, nan), Verdict::Keep);
}

#[test]
fn a_superseded_version_goes_once_nothing_routes_to_it() {
    let old = Usage { days_since_superseded: Some(60.0), ..usage() };
    assert_eq!(assess("", old.clone()), Verdict::Keep);
    let drained = Usage { deployed: false, ..old };
    assert!(
        matches!(assess("", drained.clone()), Verdict::Retire(r) if r[0].contains("superseded 60 days ago"))
    );
    assert!(matches!(assess("", Usage { days_since_superseded: Some(59.0), ..drained }), Verdict::Warn(_)));
}

#[test]
fn expiry_warns_and_then_retires() {
    let expiring = |days| assess("", Usage { days_to_expiry: Some(days), ..usage() });
    assert_eq!(expiring(31.0), Verdict::Keep);
    assert!(matches!(expiring(30.0), Verdict::Warn(r) if r[0].contains("expires in 30 days")));
    assert_eq!(
        expiring(-3.0),
        Verdict::Retire(vec!["delays version 2 passed its expiry date 3 days ago.".into()])
    );
}

#[test]
fn retire_gives_the_reasons_of_the_rules_that_say_so() {
    let verdict = assess(
        "",
        Usage { age_days: 800.0, days_to_expiry: Some(0.0), days_since_last_call: Some(40.0), ..usage() },
    );
    assert!(matches!(verdict, Verdict::Retire(r) if r.len() == 2));
}

#[test]
fn bad_parameters_are_named() {
    for (parameters, part) in [
        (r#"{"age": {}}"#, "/age"),
        (r#"{"age_days": {"warn": -1}}"#, "/age_days"),
        (r#"{"age_days": {"warn": 10, "retire": 5}}"#, "/age_days"),
        (r#"{"calls_30d": {"warn": 10, "retire": 50}}"#, "/calls_30d"),
        (r#"{"expiry_days": {"warn": 0, "retire": 30}}"#, "/expiry_days"),
        (r#"{"grace_days": -2}"#, "/grace_days"),
        (r#"{"performance": [{"metric": "f1"}]}"#, "/performance/0"),
        (r#"{"performance": [{"metric": "f1", "warn_below": 0.5, "retire_below": 0.6}]}"#, "/performance/0"),
        (r#"{"performance": [{"warn_below": 0.5}]}"#, "metric"),
        ("7", "invalid type"),
    ] {
        let message = Rules::assess(parameters, usage()).unwrap_err().message();
        assert!(message.contains(part), "{parameters}: {message}");
    }
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(&Rules::describe().parameters).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
