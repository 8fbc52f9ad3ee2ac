//! Runs held against each other: what differs, and whether the difference means
//! anything.

use modelyard_lifecycle::{
    Code, Platform,
    experiments::{CompareSpec, Run, RunComparison, Test},
};
use serde_json::json;

use super::{metric, platform, trained};

async fn compared(platform: &Platform, runs: &[&str]) -> RunComparison {
    let spec = CompareSpec::of(runs.iter().map(|run| (*run).to_owned()).collect());
    platform.experiments().compare(&spec).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_held_against_each_other_on_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let good = trained(&platform, json!({})).await;
    let poor = trained(
        &platform,
        json!({"/features": null, "/ignore": ["Date Egg", "Species", "Island", "length", "depth", "mass"],
        "/training/parameters": {"rounds": 1, "max_leaves": 2, "report_every": 1}}),
    )
    .await;
    let twin = trained(&platform, json!({})).await;
    let bare = trained(
        &platform,
        json!({"/features": null, "/ignore": ["Date Egg", "Species", "mass"],
        "/evaluation/parameters": {"slices": ["Island"]}}),
    )
    .await;
    let found = compared(&platform, &[&good.id, &poor.id, &twin.id, &bare.id]).await;

    let parameters: Vec<&str> = found.parameters.iter().map(|differing| &*differing.name).collect();
    assert!(
        parameters.contains(&"training.parameters.rounds") && parameters.contains(&"features.plugin"),
        "{parameters:?}"
    );
    assert!(!parameters.contains(&"target"), "{parameters:?}");
    let rounds = found.parameters.iter().find(|of| of.name == "training.parameters.rounds").unwrap();
    assert_eq!(rounds.values, [json!(20), json!(1), json!(20), json!(20)]);
    let auc = found.metrics.iter().find(|of| of.name == "roc_auc").unwrap();
    assert_eq!(auc.values[0], json!(metric(&good, "roc_auc")));
    assert!(found.slices.iter().any(|of| of.slice.as_deref() == Some("Island=Biscoe")), "{:?}", found.slices);
    let history = found.histories.iter().find(|of| of.name == "validation_log_loss").unwrap();
    assert_eq!(history.runs.iter().map(Vec::len).collect::<Vec<_>>(), [20, 1, 20, 20]);

    let pair = |left: &Run, right: &Run| {
        let pair = found.pairs.iter().find(|pair| pair.left == left.id && pair.right == right.id).unwrap();
        assert_eq!((pair.reason.as_ref(), pair.rows), (None, good.rows.get("test").copied()));
        &pair.tests
    };
    assert_eq!(found.pairs.len(), 6);
    // On all rows the tests' metrics are those of the evaluation plugin.
    for (left, right) in [(&good, &poor), (&good, &bare)] {
        let mut names = Vec::new();
        for test in pair(left, right) {
            match test {
                Test::PairedBootstrap {
                    metric: name,
                    left: a,
                    right: b,
                    difference,
                    low,
                    high,
                    resamples,
                    ..
                } => {
                    assert!((a - metric(left, name)).abs() < 1e-9, "{name}: {a}, not {}", metric(left, name));
                    assert!(
                        (b - metric(right, name)).abs() < 1e-9,
                        "{name}: {b}, not {}",
                        metric(right, name)
                    );
                    assert!(low <= difference && difference <= high && *resamples == 1000);
                    names.push(name.as_str());
                }
                Test::Mcnemar { left_only, right_only, exact, p_value, .. } => {
                    assert_eq!(*exact, left_only + right_only < 25);
                    assert!((0.0..=1.0).contains(p_value));
                    let rows = good.rows["test"] as f64;
                    let difference = (*left_only as f64 - *right_only as f64) / rows;
                    let accuracy = metric(left, "accuracy") - metric(right, "accuracy");
                    assert!((difference - accuracy).abs() < 1e-9);
                    names.push("mcnemar");
                }
            }
        }
        assert_eq!(names, ["roc_auc", "log_loss", "accuracy", "mcnemar"]);
    }
    let significant = |test: &Test| match test {
        Test::PairedBootstrap { metric, significant, .. } => (metric.clone(), *significant),
        Test::Mcnemar { significant, .. } => ("mcnemar".into(), *significant),
    };
    let told: Vec<_> = pair(&good, &poor).iter().map(significant).collect();
    assert!(told.contains(&("log_loss".into(), true)), "{told:?}");
    assert!(pair(&good, &twin).iter().all(|test| !significant(test).1), "a model doesn't differ from itself");
    assert_eq!(found.methods.len(), 2);
    // The same again gives the same.
    let again = compared(&platform, &[&good.id, &poor.id, &twin.id, &bare.id]).await;
    assert_eq!(json!(again.pairs), json!(found.pairs));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_cannot_be_compared_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let one = trained(&platform, json!({})).await;
    let seeded = trained(&platform, json!({"/seed": 8})).await;
    let mass = trained(
        &platform,
        json!({"/task": "regression", "/target": "mass",
        "/evaluation": {"plugin": "evaluation-regression"}}),
    )
    .await;
    let other =
        trained(&platform, json!({"/task": "regression", "/target": "flipper", "/evaluation": null})).await;
    let failed = trained(&platform, json!({"/training/parameters": {"rounds": "x"}})).await;
    let reason = async |left: &Run, right: &Run| {
        let found = compared(&platform, &[&left.id, &right.id]).await;
        assert!(found.pairs[0].tests.is_empty());
        found.pairs[0].reason.clone().unwrap()
    };
    assert!(reason(&one, &seeded).await.contains("other rows"));
    assert!(reason(&one, &mass).await.contains("they learn other things"));
    assert!(reason(&mass, &other).await.contains("they learn other things"));
    assert!(reason(&one, &failed).await.contains("has no predictions: it is failed"));
    let refused = async |spec: CompareSpec| {
        let error = platform.experiments().compare(&spec).await.map(drop).unwrap_err();
        (error.code, error.location.field)
    };
    let two = CompareSpec::of(vec![one.id.clone(), seeded.id.clone()]);
    let unknown = CompareSpec { metrics: vec!["rmse".into()], ..two.clone() };
    assert_eq!(refused(unknown).await, (Code::InvalidInput, Some("metric".into())));
    let missing = CompareSpec::of(vec![one.id.clone(), "nothing".into()]);
    assert_eq!(refused(missing).await.0, Code::NotFound);
    // Numbers are compared by their errors.
    let plain = trained(
        &platform,
        json!({"/task": "regression", "/target": "mass", "/evaluation": null,
        "/training": {"plugin": "training-linear"}}),
    )
    .await;
    let found = compared(&platform, &[&mass.id, &plain.id]).await;
    let metrics: Vec<_> = found.pairs[0]
        .tests
        .iter()
        .map(|test| match test {
            Test::PairedBootstrap { metric: name, left, right, .. } => {
                assert!(
                    (left - metric(&mass, name)).abs() < 1e-9 && (right - metric(&plain, name)).abs() < 1e-9
                );
                name.as_str()
            }
            Test::Mcnemar { .. } => "mcnemar",
        })
        .collect();
    assert_eq!(metrics, ["rmse", "mae"], "{:?}", found.pairs[0].reason);
}
