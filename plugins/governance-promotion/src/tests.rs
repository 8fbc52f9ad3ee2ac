#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn change() -> Change {
    let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
    Change {
        action: "promote".to_owned(),
        model: "delays".to_owned(),
        version: 4,
        actor: "anna".to_owned(),
        metrics: vec![
            Metric::new("roc_auc", 0.72, 9000),
            Metric::new("log_loss", 0.41, 9000),
            Metric::new("roc_auc", 0.61, 800).slice("carrier=UA"),
            Metric::new("roc_auc", 0.55, 20).slice("carrier=HA"),
            Metric::new("disparate_impact", 0.85, 9000).slice("origin"),
        ],
        champion_metrics: vec![Metric::new("roc_auc", 0.73, 9000), Metric::new("log_loss", 0.40, 9000)],
        lineage: texts(&["run", "dataset", "features", "plugin", "configuration"]),
        card_gaps: Vec::new(),
        imports: Vec::new(),
    }
}

fn review(parameters: &str, change: Change) -> Decision {
    Promotion::review(parameters, change).unwrap()
}

fn denied(parameters: &str, change: Change) -> Vec<String> {
    match review(parameters, change) {
        Decision::Deny(reasons) => reasons,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_complete_version_is_allowed() {
    assert_eq!(review("", change()), Decision::Allow);
}

#[test]
fn bounds_hold_on_the_whole() {
    let rules = r#"{"metrics": [{"metric": "roc_auc", "min": 0.75}, {"metric": "log_loss", "max": 0.4}]}"#;
    assert_eq!(
        denied(rules, change()),
        [
            "roc_auc is 0.72 over 9000 rows, below the least of 0.75.",
            "log_loss is 0.41 over 9000 rows, above the most of 0.4."
        ]
    );
    let met = r#"{"metrics": [{"metric": "roc_auc", "min": 0.72}, {"metric": "log_loss", "max": 0.41}]}"#;
    assert_eq!(review(met, change()), Decision::Allow);
}

#[test]
fn bounds_hold_on_slices() {
    let one = r#"{"metrics": [{"metric": "roc_auc", "slice": "carrier=UA", "min": 0.65}]}"#;
    assert_eq!(
        denied(one, change()),
        ["roc_auc on carrier=UA is 0.61 over 800 rows, below the least of 0.65."]
    );
    let each = r#"{"metrics": [{"metric": "roc_auc", "slice": "carrier=*", "min": 0.65}]}"#;
    assert_eq!(denied(each, change()).len(), 2);
    let large = r#"{"metrics": [{"metric": "roc_auc", "slice": "carrier=*", "min": 0.65, "min_rows": 100}]}"#;
    assert_eq!(denied(large, change()).len(), 1);
    let all = r#"{"metrics": [{"metric": "roc_auc", "slice": "*", "min": 0.75}]}"#;
    assert_eq!(denied(all, change()).len(), 3);
}

#[test]
fn a_metric_that_is_not_there_is_denied_where_required() {
    let f1 = r#"{"metrics": [{"metric": "f1", "min": 0.5}]}"#;
    assert_eq!(denied(f1, change()), ["f1 was not measured, and at least 0.5 is required."]);
    let optional = r#"{"metrics": [{"metric": "f1", "min": 0.5, "required": false}, {"metric": "f1", "slice": "day=*", "min": 0.5}]}"#;
    assert_eq!(review(optional, change()), Decision::Allow);
    let bias = r#"{"bias": [{"metric": "disparate_impact", "slice": "sex", "min": 0.8, "max": 1, "required": true}]}"#;
    assert_eq!(
        denied(bias, change()),
        ["disparate_impact on sex was not measured, and at least 0.8 and at most 1 is required."]
    );
}

#[test]
fn a_nan_passes_no_bound() {
    let mut nan = change();
    nan.metrics = vec![Metric::new("roc_auc", f64::NAN, 9000)];
    let rules =
        r#"{"metrics": [{"metric": "roc_auc", "min": 0.1}], "not_worse_than_champion": {"roc_auc": 1}}"#;
    assert_eq!(
        denied(rules, nan),
        ["roc_auc is not a number.", "roc_auc was not measured, and the champion has 0.73."]
    );
}

#[test]
fn bias_has_bounds_by_default() {
    let mut unfair = change();
    unfair.metrics.push(Metric::new("disparate_impact", 0.5, 9000).slice("sex"));
    assert_eq!(
        denied("", unfair.clone()),
        ["disparate_impact on sex is 0.5 over 9000 rows, below the least of 0.8."]
    );
    assert_eq!(review(r#"{"bias": []}"#, unfair), Decision::Allow);
}

#[test]
fn a_version_may_be_worse_than_the_champion_only_so_far() {
    let rules = r#"{"not_worse_than_champion": {"roc_auc": 0.005, "log_loss": 0.005}}"#;
    assert_eq!(
        denied(rules, change()),
        [
            "log_loss is 0.41, worse than the champion's 0.4 by 0.01, and 0.005 is the most.",
            "roc_auc is 0.72, worse than the champion's 0.73 by 0.01, and 0.005 is the most."
        ]
    );
    let wide = r#"{"not_worse_than_champion": {"roc_auc": 0.02, "log_loss": 0.02}}"#;
    assert_eq!(review(wide, change()), Decision::Allow);
    let mut first = change();
    first.champion_metrics.clear();
    assert_eq!(review(rules, first), Decision::Allow);
    let unknown = r#"{"not_worse_than_champion": {"f1": 0.02}}"#;
    assert_eq!(denied(unknown, change()).len(), 1);
}

#[test]
fn lineage_card_and_imports_are_checked_and_every_reason_told() {
    let mut bare = change();
    bare.lineage = vec!["run".to_owned()];
    bare.card_gaps = vec!["limitations".to_owned()];
    bare.imports = vec!["log".to_owned()];
    let reasons = denied("", bare.clone());
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert!(reasons.contains(&"The lineage lacks the dataset that the version comes from.".to_owned()));
    assert!(reasons.contains(&"The model card has no content for limitations.".to_owned()));
    assert!(reasons.contains(&"The model imports log, and none is allowed.".to_owned()));
    let waived = r#"{"lineage": ["run"], "card": {"allowed_gaps": ["limitations"]}, "imports": ["log"]}"#;
    assert_eq!(review(waived, bare.clone()), Decision::Allow);
    assert_eq!(review(r#"{"lineage": [], "card": null, "imports": null}"#, bare), Decision::Allow);
}

#[test]
fn risk_asks_a_person() {
    let decision = review(r#"{"risk": "high"}"#, change());
    assert_eq!(
        decision,
        Decision::Ask(vec!["The risk of delays is high, and above limited a person must agree.".to_owned()])
    );
    assert_eq!(review(r#"{"risk": "limited"}"#, change()), Decision::Allow);
    let system = Change { actor: "system".to_owned(), ..change() };
    let rules = r#"{"risk": "high", "ask_for": ["promote"], "ask_when_system": true}"#;
    assert!(matches!(review(rules, system.clone()), Decision::Ask(r) if r.len() == 3));
    // What breaks a rule is denied, not asked about.
    let rules = r#"{"risk": "high", "metrics": [{"metric": "roc_auc", "min": 0.9}]}"#;
    assert!(matches!(review(rules, system), Decision::Deny(r) if r.len() == 1));
}

#[test]
fn other_changes_pass_the_rules_on_promotion() {
    let mut retire = change();
    retire.action = "retire".to_owned();
    retire.lineage.clear();
    assert_eq!(review("", retire.clone()), Decision::Allow);
    assert!(matches!(review(r#"{"ask_for": ["retire"]}"#, retire), Decision::Ask(_)));
}

#[test]
fn bad_parameters_are_named() {
    for (parameters, part) in [
        (r#"{"metric": []}"#, "/metric"),
        (r#"{"metrics": [{"metric": "f1"}]}"#, "/metrics/0"),
        (r#"{"metrics": [{"min": 1}]}"#, "metric"),
        (r#"{"bias": [{"metric": "f1", "min": 1, "max": 0}]}"#, "/bias/0"),
        (r#"{"not_worse_than_champion": {"f1": -1}}"#, "/not_worse_than_champion/f1"),
        (r#"{"actions": ["publish"]}"#, "/actions/0"),
        (r#"{"ask_for": ["deploy", "x"]}"#, "/ask_for/1"),
        (r#"{"lineage": ["weather"]}"#, "/lineage/0"),
        (r#"{"risk": "huge"}"#, "/risk"),
        ("null", "invalid type"),
    ] {
        let message = Promotion::review(parameters, change()).unwrap_err().message();
        assert!(message.contains(part), "{parameters}: {message}");
    }
}

#[test]
fn the_schema_is_json_and_agrees_with_the_defaults() {
    let schema: serde_json::Value = serde_json::from_str(&Promotion::describe().parameters).unwrap();
    let defaults = Parameters::default();
    let lineage: Vec<String> =
        serde_json::from_value(schema["properties"]["lineage"]["default"].clone()).unwrap();
    assert_eq!(lineage, defaults.lineage);
    let bias: Vec<Bound> = serde_json::from_value(schema["properties"]["bias"]["default"].clone()).unwrap();
    let key = |b: &Bound| (b.metric.clone(), b.slice.clone(), b.min, b.max);
    assert_eq!(bias.iter().map(key).collect::<Vec<_>>(), defaults.bias.iter().map(key).collect::<Vec<_>>());
}
