//! Sweeps and comparisons on a small real data set (the Palmer penguins), with
//! the built-in plugins, in one process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod compared;
mod tracked;

use std::{collections::BTreeSet, path::Path, time::Duration};

use modelyard_clock::Clock;
use modelyard_lifecycle::{
    Code, Options, Platform,
    experiments::{Run, Status, Sweep, SweepSpec, Trial, TrialStatus},
    governance::Actor,
    progress::Progress,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn spec<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/penguins").canonicalize().unwrap()
}

fn me() -> Actor {
    Actor::local()
}

/// A platform with the penguins and an experiment on their sex.
async fn platform(dir: &Path) -> Platform {
    let mut options = Options::at(dir);
    options.ingestion.roots = vec![data()];
    let platform = Platform::open(options, Clock::simulated("2010-01-01".parse().unwrap())).await.unwrap();
    let source = json!({
        "name": "penguins", "plugin": "ingestion-csv",
        "parameters": {"url": format!("file://{}", data().join("penguins-raw.csv").display()),
                       "columns": {"Date Egg": "timestamp"}},
        "event_time": "Date Egg",
    });
    platform.ingestion().put_source(&me(), spec(source)).await.unwrap();
    platform.ingestion().pull(&me(), "penguins", &Progress::default()).await.unwrap();
    platform.experiments().put(&me(), spec(experiment())).await.unwrap();
    platform
}

fn experiment() -> Value {
    json!({
        "name": "sex", "task": "binary_classification",
        "spine": {"sql": "SELECT \"Date Egg\", \"Species\", \"Island\", \"Culmen Length (mm)\" AS length, \
                  \"Culmen Depth (mm)\" AS depth, \"Flipper Length (mm)\" AS flipper, \
                  \"Body Mass (g)\" AS mass, \"Sex\" = 'MALE' AS male FROM penguins \
                  WHERE \"Sex\" IS NOT NULL ORDER BY \"Date Egg\", length, mass",
                  "event_time": "Date Egg"},
        "target": "male", "ignore": ["Date Egg"],
        "features": {"plugin": "features-standard", "parameters": {"steps": [
            {"do": "one-hot", "columns": ["Species", "Island"]}]}},
        "training": {"plugin": "training-gbdt",
                     "parameters": {"rounds": 20, "min_data_in_leaf": 5, "report_every": 1}},
        "evaluation": {"plugin": "evaluation-classification", "parameters": {"slices": ["Island"]}},
        "seed": 7,
    })
}

/// A sweep of it, to its end.
async fn swept(platform: &Platform, sweep: Value) -> (Sweep, Vec<Trial>) {
    let (sweep, job) = platform.experiments().start_sweep(&me(), spec(sweep)).await.unwrap();
    if let Err(error) = platform.jobs().wait(&job.id).await {
        panic!("{error}: {:?}", trials(platform, &sweep.id).await);
    }
    (platform.experiments().sweep(&sweep.id).await.unwrap(), trials(platform, &sweep.id).await)
}

async fn trials(platform: &Platform, sweep: &str) -> Vec<Trial> {
    platform.experiments().trials(sweep, 500, None).await.unwrap().items
}

async fn run(platform: &Platform, id: &str) -> Run {
    platform.experiments().run(id).await.unwrap()
}

fn metric(run: &Run, name: &str) -> f64 {
    let found = run.metrics.iter().rev().find(|metric| metric.name == name && metric.slice.is_none());
    found.unwrap_or_else(|| panic!("{name}: {:?}", run.metrics)).value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_parameters_and_features_are_compared_in_one_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let (sweep, trials) = swept(
        &platform,
        json!({
            "experiment": "sex", "metric": "roc_auc",
            "trainers": [
                {"name": "trees", "plugin": "training-gbdt", "parameters": {"min_data_in_leaf": 5},
                 "search": {"rounds": [2, 20]}},
                {"plugin": "training-linear", "search": {"l2": [0.1]}},
            ],
            "feature_sets": [
                {"name": "all"},
                {"name": "plain", "features": null},
                {"name": "bill", "features": null,
                 "ignore": ["Date Egg", "Species", "Island", "flipper", "mass"]},
            ],
        }),
    )
    .await;
    // Two and one sets of parameters, each with three feature sets.
    assert_eq!((trials.len(), sweep.runs.len()), (9, 9));
    let tried: BTreeSet<_> = trials
        .iter()
        .map(|trial| {
            (trial.trainer.as_str(), trial.feature_set.as_deref(), json!(trial.parameters).to_string())
        })
        .collect();
    assert_eq!(tried.len(), 9, "{tried:?}");
    assert!(tried.contains(&("training-linear", Some("bill"), r#"{"l2":0.1}"#.into())), "{tried:?}");
    for trial in &trials {
        let run = run(&platform, &trial.run).await;
        assert_eq!((run.sweep.as_ref(), run.status), (Some(&sweep.id), Status::Finished));
        assert_eq!(trial.value, Some(metric(&run, "roc_auc")));
        // The experiment's parameters are not those of another plugin.
        let parameters = json!({"min_data_in_leaf": 5, "rounds": trial.parameters.get("rounds")});
        let expected = if trial.trainer == "trees" { parameters } else { json!({"l2": 0.1}) };
        let mut found = run.spec.training.parameters.clone();
        found.sort_all_objects();
        assert_eq!(found, expected);
        let columns: Vec<&str> = run.columns.names().collect();
        assert_eq!(run.features.is_some(), trial.feature_set.as_deref() == Some("all"));
        if trial.feature_set.as_deref() == Some("bill") {
            assert_eq!(columns, ["length", "depth"]);
        }
    }
    let best = trials.iter().map(|trial| trial.value.unwrap()).fold(f64::MIN, f64::max);
    assert_eq!(sweep.best_value, Some(best));
    assert!(best > 0.9, "{best}");

    // Of equals the one that was proposed first is the best, whichever ends first.
    let same = json!({"plugin": "training-gbdt", "search": {"rounds": [2]}});
    let trainers: Vec<Value> = ["slow", "b", "c", "d"]
        .into_iter()
        .map(|name| {
            let mut trainer = same.clone();
            trainer["name"] = json!(name);
            // One leaf, however many rounds: nothing is learnt, but it takes longer where rows are drawn anew.
            trainer["parameters"] = json!({"min_data_in_leaf": 100_000, "bagging_fraction": 0.9});
            trainer["search"] = json!({"rounds": [if name == "slow" { 10_000 } else { 1 }]});
            trainer
        })
        .collect();
    let ties = json!({"experiment": "sex", "metric": "roc_auc", "parallel": 4, "trainers": trainers});
    let (sweep, trials) = swept(&platform, ties).await;
    assert!(trials.iter().all(|trial| trial.value == trials[0].value), "{trials:?}");
    assert_eq!(sweep.best.as_ref(), Some(&trials[0].run));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_based_sweep_repeats_with_its_seed_and_stops_what_falls_behind() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let wanted = json!({
        "experiment": "sex", "metric": "log_loss", "maximize": false, "strategy": "tpe", "seed": 3,
        "max_runs": 18, "parallel": 1, "tpe": {"startup": 6},
        "parameters": {"learning_rate": {"low": 0.001, "high": 0.5, "log": true},
                       "max_leaves": {"low": 2, "high": 16}, "lambda_l2": [0, 1]},
        "halving": {"metric": "validation_log_loss", "eta": 2, "first_step": 4},
    });
    let (sweep, trials) = swept(&platform, wanted.clone()).await;
    let (again, repeated) = swept(&platform, wanted).await;
    let places = |trials: &[Trial]| trials.iter().map(|trial| trial.place.clone()).collect::<Vec<_>>();
    assert_eq!(trials.len(), 18);
    assert_eq!(places(&trials), places(&repeated));
    assert_eq!(sweep.best_value, again.best_value);
    assert!(sweep.notes.is_empty(), "{:?}", sweep.notes);
    let different: BTreeSet<String> = trials.iter().map(|trial| format!("{:?}", trial.place)).collect();
    assert_eq!(different.len(), 18, "nothing is tried twice");

    let stopped: Vec<_> = trials.iter().filter(|trial| trial.status == TrialStatus::Stopped).collect();
    let finished = trials.iter().filter(|trial| trial.status == TrialStatus::Finished).count();
    assert_eq!(finished + stopped.len(), 18, "{trials:?}");
    assert!((3..=16).contains(&stopped.len()), "{} of 18 were stopped", stopped.len());
    for trial in &stopped {
        let (rung, run) = (trial.rungs.last().unwrap(), run(&platform, &trial.run).await);
        assert!([4, 8, 16].contains(&rung.step), "{trial:?}");
        assert_eq!((run.status, run.artifact), (Status::Cancelled, None));
        // Nothing was trained beyond the rung.
        let steps = run.history.iter().filter(|point| point.name == "validation_log_loss");
        assert_eq!(steps.map(|point| point.step).max(), Some(rung.step));
        assert!(run.error.unwrap().contains(&format!("stopped early at step {}", rung.step)));
        tracked::is_pruned(&platform, &trial.run);
    }
    // Whoever was let through a rung was among the best half of those that had come to it.
    for step in [4, 8, 16] {
        let mut came: Vec<f64> = Vec::new();
        for trial in &trials {
            let Some(rung) = trial.rungs.iter().find(|rung| rung.step == step) else { continue };
            let before = came.iter().filter(|value| **value <= rung.value).count();
            came.push(rung.value);
            let went_on = trial.status == TrialStatus::Finished || trial.rungs.last().unwrap().step > step;
            assert_eq!(went_on, before < (came.len() / 2).max(1), "{trial:?}");
        }
    }

    // A live metric that nobody reports stops nobody, and that is said.
    let (sweep, trials) = swept(
        &platform,
        json!({"experiment": "sex", "metric": "roc_auc", "parameters": {"rounds": [2, 3]},
               "halving": {"metric": "validation_rmse"}}),
    )
    .await;
    assert!(trials.iter().all(|trial| trial.status == TrialStatus::Finished));
    assert!(
        sweep.notes[0].contains("reported were") && sweep.notes[0].contains("validation_log_loss"),
        "{sweep:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folds_decide_without_the_test_rows() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let (sweep, trials) = swept(
        &platform,
        json!({"experiment": "sex", "metric": "roc_auc", "parameters": {"rounds": [1, 10]},
               "folds": {"count": 3, "gap_seconds": 86_400}}),
    )
    .await;
    for trial in &trials {
        assert_eq!((trial.status, trial.folds.len()), (TrialStatus::Finished, 3), "{trial:?}");
        let mean = trial.folds.iter().sum::<f64>() / 3.0;
        assert!((trial.value.unwrap() - mean).abs() < 1e-12);
        let run = run(&platform, &trial.run).await;
        assert_eq!(metric(&run, "cv_roc_auc_mean"), trial.value.unwrap());
        assert!(metric(&run, "cv_roc_auc_std") > 0.0);
        assert_ne!(metric(&run, "roc_auc"), trial.value.unwrap(), "the test rows are others");
        assert!(run.component.is_some(), "a model that can be registered");
        tracked::has_folds(&platform, &run, 3);
    }
    assert!(
        sweep.best_value
            > trials.iter().map(|trial| trial.value).min_by(|a, b| a.partial_cmp(b).unwrap()).unwrap()
    );
    // More folds than there are days.
    let many = json!({"experiment": "sex", "metric": "roc_auc", "parameters": {"rounds": [1]},
        "folds": {"count": 50}});
    let (sweep, job) = platform.experiments().start_sweep(&me(), spec(many)).await.unwrap();
    let error = platform.jobs().wait(&job.id).await.unwrap_err();
    assert_eq!(
        (error.code, error.location.field.as_deref()),
        (Code::InvalidInput, Some("folds.count")),
        "{error}"
    );
    assert_eq!(platform.experiments().sweep(&sweep.id).await.unwrap().status, Status::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_goes_on_where_it_was_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let wanted: SweepSpec =
        spec(json!({"experiment": "sex", "metric": "roc_auc", "strategy": "random", "max_runs": 8,
        "parallel": 2, "parameters": {"learning_rate": {"low": 0.01, "high": 0.3}, "rounds": [150]}}));
    let (sweep, job) = platform.experiments().start_sweep(&me(), wanted.clone()).await.unwrap();
    let ended = |trials: &[Trial]| {
        let ended = trials.iter().filter(|trial| trial.status == TrialStatus::Finished);
        ended.cloned().collect::<Vec<_>>()
    };
    while ended(&trials(&platform, &sweep.id).await).len() < 2 {
        // A trial under way is a run that can be looked at.
        for trial in trials(&platform, &sweep.id).await {
            let run = run(&platform, &trial.run).await;
            assert_eq!(run.sweep.as_ref(), Some(&sweep.id));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    platform.jobs().cancel(&job.id).await.unwrap();
    assert_eq!(platform.jobs().wait(&job.id).await.unwrap_err().code, Code::Cancelled);
    let before = trials(&platform, &sweep.id).await;
    let kept = ended(&before);
    assert!(before.len() < 8 && kept.len() < 8, "{before:?}");
    assert!(before.iter().all(|trial| trial.status.is_settled() || trial.status == TrialStatus::Interrupted));
    let mut ends = Vec::new();
    for trial in &kept {
        ends.push(run(&platform, &trial.run).await.artifact);
    }
    let (_, job) = platform.experiments().resume_sweep(&me(), &sweep.id).await.unwrap();
    platform.jobs().wait(&job.id).await.unwrap();
    let after = trials(&platform, &sweep.id).await;
    assert_eq!(ended(&after).len(), 8);
    for (trial, end) in kept.iter().zip(&ends) {
        let now = after.iter().find(|now| now.number == trial.number).unwrap();
        assert_eq!((now.value, now.seconds), (trial.value, trial.seconds), "it was not run again");
        assert_eq!(run(&platform, &trial.run).await.artifact, *end);
    }
    let sweep = platform.experiments().sweep(&sweep.id).await.unwrap();
    assert_eq!((sweep.status, sweep.runs.len()), (Status::Finished, 8));
    let error = platform.experiments().resume_sweep(&me(), &sweep.id).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict);
    // The same sweep without a break tries the same.
    let (_, whole) = swept(&platform, serde_json::to_value(&wanted).unwrap()).await;
    let values =
        |trials: &[Trial]| trials.iter().map(|trial| (trial.place.clone(), trial.value)).collect::<Vec<_>>();
    assert_eq!(values(&whole), values(&after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_cannot_be_meant_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let base = json!({"experiment": "sex", "metric": "roc_auc", "parameters": {"rounds": [1, 2]}});
    let range = json!({"rounds": {"low": 1, "high": 5}});
    let gbdt = json!({"plugin": "training-gbdt"});
    for (change, field) in [
        (json!({"parameters": {}}), "parameters"),
        (json!({"parameters": {"rounds": []}}), "parameters.rounds"),
        (json!({"parameters": {"rounds": "many"}}), "parameters.rounds"),
        (json!({"parameters": {"rouns": [1]}}), "parameters"),
        (json!({"parameters": {"rounds": [1, "two"]}}), "parameters/rounds"),
        (json!({"parameters": range}), "parameters.rounds"),
        (json!({"strategy": "tpe", "parameters": {"rounds": {"low": 0, "high": 5}}}), "parameters/rounds"),
        (json!({"strategy": "tpe", "parameters": {"rounds": {"low": 5, "high": 5}}}), "parameters.rounds"),
        (
            json!({"strategy": "tpe", "parameters": {"rounds": {"low": 1, "high": 5, "lgo": true}}}),
            "parameters.rounds",
        ),
        (
            json!({"strategy": "tpe", "parameters": {"lambda_l2": {"low": 0, "high": 5, "log": true}}}),
            "parameters.lambda_l2",
        ),
        (json!({"max_runs": 1}), "max_runs"),
        (json!({"max_runs": 0}), "max_runs"),
        (json!({"parallel": 1000}), "parallel"),
        (json!({"trainers": [gbdt]}), "parameters"),
        (json!({"parameters": {}, "trainers": [gbdt, gbdt]}), "trainers"),
        (json!({"parameters": {}, "trainers": [{"plugin": "scoring-gbdt"}]}), "trainers[0].plugin"),
        (
            json!({"parameters": {}, "trainers": [{"plugin": "training-gbdt", "search": {"x": [1]}}]}),
            "trainers[0].search",
        ),
        (json!({"feature_sets": [{"name": "a"}, {"name": "a"}]}), "feature_sets"),
        (
            json!({"feature_sets": [{"name": "a", "features": {"plugin": "nothing"}}]}),
            "feature_sets[0].features.plugin",
        ),
        (json!({"tpe": {}}), "tpe"),
        (json!({"strategy": "tpe", "tpe": {"gamma": 1.0}}), "tpe.gamma"),
        (json!({"halving": {"metric": "m", "eta": 1}}), "halving.eta"),
        (json!({"halving": {"metric": "m", "first_step": 0}}), "halving.first_step"),
        (json!({"folds": {"count": 0}}), "folds.count"),
        (json!({"experiment": ""}), "experiment"),
    ] {
        let mut wanted = base.clone();
        for (name, value) in change.as_object().unwrap() {
            wanted[name] = value.clone();
        }
        let error = platform.experiments().start_sweep(&me(), spec(wanted)).await.map(drop).unwrap_err();
        assert_eq!(error.code, Code::InvalidInput, "{change}: {error}");
        assert_eq!(error.location.field.as_deref(), Some(field), "{change}: {error}");
    }
    assert!(platform.experiments().sweeps(10, None).await.unwrap().items.is_empty());
    let mut named = experiment();
    named["name"] = json!("sweeps");
    let error = platform.experiments().put(&me(), spec(named)).await.unwrap_err();
    assert_eq!(error.location.field.as_deref(), Some("name"));
}

/// One run of an experiment with other fields.
async fn trained(platform: &Platform, change: Value) -> Run {
    let mut wanted = experiment();
    for (path, value) in change.as_object().unwrap() {
        *wanted.pointer_mut(path).unwrap() = value.clone();
    }
    let (run, job) = platform.experiments().start(&me(), spec(wanted)).await.unwrap();
    let _ = platform.jobs().wait(&job.id).await;
    self::run(platform, &run.id).await
}
