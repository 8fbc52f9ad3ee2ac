#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn finding(metric: &str, severity: Severity) -> Finding {
    Finding::new(metric, 0.7, 0.5, format!("{metric} crossed its bound")).severity(severity)
}

fn situation(findings: Vec<Finding>) -> Situation {
    Situation {
        model: "delays".to_owned(),
        version: 3,
        findings,
        metrics: Vec::new(),
        labels: 5000,
        days_since_retrained: Some(30.0),
    }
}

fn decide(parameters: &str, situation: Situation) -> Vec<Action> {
    RetrainOnFindings::decide(parameters, situation).unwrap()
}

fn refused(parameters: &str) -> String {
    RetrainOnFindings::decide(parameters, situation(vec![])).unwrap_err().message()
}

#[test]
fn a_critical_finding_retrains() {
    let actions = decide(
        r#"{"window_days": 90}"#,
        situation(vec![finding("psi", Severity::Warning), finding("drift_share", Severity::Critical)]),
    );
    let [Action::Retrain(retrain)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(retrain.reason, "delays version 3: drift_share crossed its bound");
    assert_eq!((retrain.window_days, retrain.propose_challenger), (Some(90), true));
}

#[test]
fn nothing_to_do_is_an_empty_list() {
    assert_eq!(decide("", situation(vec![])), []);
    assert_eq!(decide("", situation(vec![finding("psi", Severity::Info)])), []);
}

#[test]
fn a_warning_is_told() {
    let findings = vec![
        finding("psi", Severity::Warning),
        finding("ks", Severity::Warning),
        finding("z", Severity::Info),
    ];
    let actions = decide("", situation(findings.clone()));
    assert_eq!(
        actions,
        [Action::Notify("delays version 3: psi crossed its bound (and one more finding)".to_owned())]
    );
    assert_eq!(decide(r#"{"notify_on": null}"#, situation(findings)), []);
}

#[test]
fn the_cool_down_holds_a_retraining_back() {
    let mut now = situation(vec![finding("drift_share", Severity::Critical)]);
    now.days_since_retrained = Some(6.9);
    let actions = decide("", now.clone());
    let [Action::Notify(message)] = &actions[..] else { panic!("{actions:?}") };
    assert!(
        message.ends_with(
            "not retrained: the last retraining was 6.9 days ago, and 7 days must lie between two"
        )
    );
    now.days_since_retrained = Some(7.0);
    assert!(matches!(decide("", now.clone())[..], [Action::Retrain(_)]));
    now.days_since_retrained = None;
    assert!(matches!(decide("", now)[..], [Action::Retrain(_)]));
}

#[test]
fn too_few_labels_hold_a_retraining_back() {
    let mut now = situation(vec![finding("drift_share", Severity::Critical)]);
    now.labels = 999;
    let actions = decide("", now.clone());
    let [Action::Notify(message)] = &actions[..] else { panic!("{actions:?}") };
    assert!(message.contains("999 labels have come"));
    assert!(matches!(decide(r#"{"min_labels": 999}"#, now)[..], [Action::Retrain(_)]));
}

#[test]
fn only_the_named_metrics_and_enough_of_them_count() {
    let findings = vec![finding("psi", Severity::Critical), finding("roc_auc", Severity::Critical)];
    let one = decide(r#"{"metrics": ["roc_auc"]}"#, situation(findings.clone()));
    assert!(matches!(&one[..], [Action::Retrain(r)] if r.reason.ends_with("roc_auc crossed its bound")));
    let other = decide(r#"{"metrics": ["rmse"]}"#, situation(findings.clone()));
    assert!(matches!(&other[..], [Action::Notify(_)]));
    let both = decide(r#"{"min_findings": 2}"#, situation(findings.clone()));
    assert!(
        matches!(&both[..], [Action::Retrain(r)] if r.reason.contains("2 findings, the latest: roc_auc"))
    );
    assert!(matches!(decide(r#"{"min_findings": 3}"#, situation(findings))[..], [Action::Notify(_)]));
}

#[test]
fn a_retraining_is_due_by_the_calendar() {
    let actions = decide(r#"{"retrain_every_days": 30}"#, situation(vec![]));
    assert!(matches!(&actions[..], [Action::Retrain(r)] if r.reason.contains("due every 30 days")));
    assert_eq!(decide(r#"{"retrain_every_days": 31}"#, situation(vec![])), []);
}

fn metrics(champion: f64, challenger: f64, rows: u64) -> Vec<Metric> {
    vec![
        Metric::new("roc_auc", champion, rows),
        Metric::new("roc_auc", challenger, rows).slice("role=challenger"),
    ]
}

#[test]
fn a_better_challenger_is_promoted_and_nothing_retrained() {
    let mut now = situation(vec![finding("drift_share", Severity::Critical)]);
    now.metrics = metrics(0.70, 0.72, 2000);
    let rule = r#"{"promote": {"metric": "roc_auc", "min_gain": 0.01}}"#;
    let actions = decide(rule, now.clone());
    assert!(matches!(&actions[..], [Action::Promote(r)] if r.contains("0.7200 on 2000 rows")), "{actions:?}");
    // Not without the rule, not for less than asked, not on too few rows.
    assert!(matches!(decide("", now.clone())[..], [Action::Retrain(_)]));
    now.metrics = metrics(0.70, 0.705, 2000);
    assert!(matches!(decide(rule, now.clone())[..], [Action::Retrain(_)]));
    now.metrics = metrics(0.70, 0.72, 999);
    assert!(matches!(decide(rule, now.clone())[..], [Action::Retrain(_)]));
    now.metrics = metrics(0.70, f64::NAN, 2000);
    assert!(matches!(decide(rule, now.clone())[..], [Action::Retrain(_)]));
    now.metrics = metrics(0.70, 0.70, 2000);
    assert!(matches!(decide(r#"{"promote": {"metric": "roc_auc"}}"#, now)[..], [Action::Retrain(_)]));
}

#[test]
fn lower_errors_are_better() {
    let mut now = situation(vec![]);
    now.metrics =
        vec![Metric::new("log_loss", 0.5, 2000), Metric::new("log_loss", 0.4, 2000).slice("role=challenger")];
    assert!(matches!(
        decide(r#"{"promote": {"metric": "log_loss"}}"#, now.clone())[..],
        [Action::Promote(_)]
    ));
    assert_eq!(decide(r#"{"promote": {"metric": "log_loss", "higher_is_better": true}}"#, now), []);
}

#[test]
fn bad_parameters_are_named() {
    for (parameters, part) in [
        (r#"{"min_finding": 1}"#, "min_finding"),
        (r#"{"min_findings": 0}"#, "/min_findings"),
        (r#"{"cool_down_days": -1}"#, "/cool_down_days"),
        (r#"{"retrain_every_days": 0}"#, "/retrain_every_days"),
        (r#"{"window_days": 0}"#, "/window_days"),
        (r#"{"retrain_on": "high"}"#, "/retrain_on"),
        (r#"{"promote": {}}"#, "metric"),
        (r#"{"promote": {"metric": "f1", "min_gain": -0.1}}"#, "/promote/min_gain"),
        (r#"{"promote": {"metric": "f1", "min_rows": 0}}"#, "/promote/min_rows"),
        ("7", "invalid type"),
        ("{", "not valid JSON"),
    ] {
        let message = refused(parameters);
        assert!(message.contains(part), "{parameters}: {message}");
    }
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(&RetrainOnFindings::describe().parameters).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
