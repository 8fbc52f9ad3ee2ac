//! What is trained here, as clients of the tracking protocol see it: while it is
//! trained, after, and after a process that was killed.

use std::{collections::BTreeSet, time::Duration};

use modelyard_lifecycle::{
    Platform,
    experiments::{Run, Status, Sweep},
    tracking::store::{self as tracking, LifecycleStage, RunStatus, SearchRuns},
};
use serde_json::{Value, json};

use super::{me, metric, platform, run, spec, swept, trained, trials};

/// The id under which the store has a native run or sweep.
fn id(native: &str) -> String {
    native.replace('-', "")
}

fn shown(platform: &Platform, native: &str) -> tracking::Run {
    platform.tracking.run(&id(native)).unwrap()
}

fn tag<'r>(run: &'r tracking::Run, key: &str) -> Option<&'r str> {
    run.data.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
}

fn value(run: &tracking::Run, key: &str) -> Option<f64> {
    run.data.metrics.iter().find(|metric| metric.key == key).map(|metric| metric.value)
}

/// Steps and values of a metric.
fn history(platform: &Platform, native: &str, key: &str) -> Vec<(i64, f64)> {
    let points = platform.tracking.metric_history(&id(native), key, None, None).unwrap().items;
    points.into_iter().map(|point| (point.step, point.value)).collect()
}

/// Steps and values of a native run's live metric.
fn live(run: &Run, name: &str) -> Vec<(i64, f64)> {
    let points = run.history.iter().filter(|point| point.name == name);
    points.map(|point| (point.step.try_into().unwrap(), point.value)).collect()
}

/// A sweep's trials, found as MLflow's users find them.
fn children(platform: &Platform, sweep: &str) -> Vec<tracking::Run> {
    let experiment = platform.tracking.experiment_by_name("sex").unwrap().experiment_id;
    let search = SearchRuns {
        experiment_ids: vec![experiment],
        filter: format!("tags.\"mlflow.parentRunId\" = '{}'", id(sweep)),
        ..SearchRuns::default()
    };
    platform.tracking.search_runs(&search).unwrap().items
}

async fn eventually(what: &str, so: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !so().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come to be");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A trial that was stopped early ended as it should, and says how.
pub(super) fn is_pruned(platform: &Platform, native: &str) {
    let seen = shown(platform, native);
    assert_eq!((seen.info.status, tag(&seen, "modelyard.status")), (RunStatus::Finished, Some("stopped")));
    assert!(tag(&seen, "modelyard.error").unwrap().contains("stopped early"));
}

/// The live metrics of the folds stand beside those of the whole training.
pub(super) fn has_folds(platform: &Platform, native: &Run, folds: usize) {
    let whole = live(native, "train_log_loss").len();
    for fold in 1..=folds {
        assert_eq!(history(platform, &native.id, &format!("fold-{fold}/train_log_loss")).len(), whole);
    }
    assert_eq!(history(platform, &native.id, "train_log_loss").len(), whole);
}

/// Trains for long enough that somebody can look on.
fn slow() -> Value {
    json!({"rounds": 10_000, "min_data_in_leaf": 1, "max_leaves": 64, "report_every": 10})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_a_run_of_the_tracking_store() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let one = trained(&platform, json!({})).await;
    let seen = shown(&platform, &one.id);
    assert_eq!((seen.info.status, seen.info.user_id.as_str()), (RunStatus::Finished, "local"));
    assert!(seen.info.run_name.starts_with("training-gbdt-"), "{}", seen.info.run_name);
    assert_eq!(platform.tracking.experiment(&seen.info.experiment_id).unwrap().name, "sex");
    let milliseconds = |at: modelyard_clock::Timestamp| at.micros() / 1000;
    assert_eq!(seen.info.start_time, milliseconds(one.created_at));
    assert_eq!(seen.info.end_time, one.finished_at.map(milliseconds));
    let params: Vec<String> =
        seen.data.params.iter().map(|param| format!("{}={}", param.key, param.value)).collect();
    for param in ["rounds=20", "plugin=training-gbdt", "features.plugin=features-standard", "seed=7"] {
        assert!(params.iter().any(|known| known == param), "{param}: {params:?}");
    }
    for (key, expected) in [
        ("modelyard.run", one.id.as_str()),
        ("modelyard.status", "finished"),
        ("mlflow.source.type", "JOB"),
        ("mlflow.user", "local"),
    ] {
        assert_eq!(tag(&seen, key), Some(expected));
    }
    assert_eq!(tag(&seen, "mlflow.parentRunId"), None);
    assert_eq!(value(&seen, "roc_auc"), Some(metric(&one, "roc_auc")));
    let losses = history(&platform, &one.id, "validation_log_loss");
    assert_eq!(losses.len(), 20);
    assert_eq!(losses, live(&one, "validation_log_loss"));
    let input = &seen.inputs.dataset_inputs[0].dataset;
    assert_eq!((input.name.as_str(), input.digest.len()), ("penguins", 32));
    // The same data has the same digest.
    let two = trained(&platform, json!({"/seed": 8})).await;
    assert_eq!(&shown(&platform, &two.id).inputs.dataset_inputs[0].dataset, input);

    let failed = trained(&platform, json!({"/training/parameters": {"rounds": "x"}})).await;
    let seen = shown(&platform, &failed.id);
    assert_eq!((seen.info.status, tag(&seen, "modelyard.status")), (RunStatus::Failed, Some("failed")));
    assert_eq!(tag(&seen, "modelyard.error"), failed.error.as_deref());

    // Whoever deletes the experiment there sees no more of it; the training goes on.
    platform.tracking.delete_experiment(&seen.info.experiment_id).await.unwrap();
    let unseen = trained(&platform, json!({})).await;
    assert_eq!(unseen.status, Status::Finished);
    assert!(platform.tracking.run(&id(&unseen.id)).is_err());
    platform.tracking.restore_experiment(&seen.info.experiment_id).await.unwrap();
    let again = trained(&platform, json!({})).await;
    assert_eq!(shown(&platform, &again.id).info.lifecycle_stage, LifecycleStage::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweeps_trials_are_seen_while_they_run_and_nothing_is_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let wanted = json!({"experiment": "sex", "metric": "roc_auc", "strategy": "random", "max_runs": 3,
        "parallel": 2, "folds": {"count": 3}, "trainers": [{"plugin": "training-gbdt", "parameters": slow(),
            "search": {"learning_rate": {"low": 0.0001, "high": 0.001}}}]});
    let (sweep, job) = platform.experiments().start_sweep(&me(), spec(wanted)).await.unwrap();
    eventually("a trial under way with live metrics", async || {
        platform.tracking.run(&id(&sweep.id)).is_ok()
            && children(&platform, &sweep.id).iter().any(|child| {
                child.info.status == RunStatus::Running && value(child, "fold-1/train_log_loss").is_some()
            })
    })
    .await;
    let parent = shown(&platform, &sweep.id);
    assert_eq!((parent.info.status, parent.info.end_time), (RunStatus::Running, None));
    for (key, expected) in
        [("modelyard.strategy", "random"), ("modelyard.metric", "roc_auc"), ("modelyard.status", "running")]
    {
        assert_eq!(tag(&parent, key), Some(expected));
    }
    platform.jobs().cancel(&job.id).await.unwrap();
    platform.jobs().wait(&job.id).await.unwrap_err();
    assert_eq!(shown(&platform, &sweep.id).info.status, RunStatus::Killed);
    let mut broken_off = 0;
    for trial in trials(&platform, &sweep.id).await {
        let (native, seen) = (run(&platform, &trial.run).await, shown(&platform, &trial.run));
        let finished = native.status == Status::Finished;
        assert_eq!(seen.info.status, if finished { RunStatus::Finished } else { RunStatus::Killed });
        assert!(seen.info.end_time.is_some());
        broken_off += usize::from(!finished);
    }
    assert!(broken_off > 0, "{:?}", trials(&platform, &sweep.id).await);

    // Gone on with: the same runs again, each step once.
    let (_, job) = platform.experiments().resume_sweep(&me(), &sweep.id).await.unwrap();
    eventually("the sweep's run at work again", async || {
        shown(&platform, &sweep.id).info.status == RunStatus::Running
    })
    .await;
    platform.jobs().wait(&job.id).await.unwrap();
    ended(&platform, &platform.experiments().sweep(&sweep.id).await.unwrap()).await;
}

/// A sweep that is through is shown as its records say.
async fn ended(platform: &Platform, sweep: &Sweep) {
    let parent = shown(platform, &sweep.id);
    assert_eq!(
        (parent.info.status, tag(&parent, "modelyard.status")),
        (RunStatus::Finished, Some("finished"))
    );
    assert_eq!(tag(&parent, "modelyard.best_run").map(str::to_owned), sweep.best.as_deref().map(id));
    assert_eq!(value(&parent, &format!("best_{}", sweep.spec.metric)), sweep.best_value);
    assert_eq!(tag(&parent, "modelyard.error"), None);
    let children = children(platform, &sweep.id);
    assert_eq!(children.len(), sweep.runs.len());
    for trial in trials(platform, &sweep.id).await {
        let (native, seen) = (run(platform, &trial.run).await, shown(platform, &trial.run));
        assert_eq!(seen.info.run_name.as_str(), format!("trial-{}", trial.number));
        assert_eq!(tag(&seen, "modelyard.sweep"), Some(sweep.id.as_str()));
        assert_eq!((seen.info.status, tag(&seen, "modelyard.error")), (RunStatus::Finished, None));
        assert_eq!(value(&seen, &sweep.spec.metric), Some(metric(&native, &sweep.spec.metric)));
        let steps = |key: &str| -> Vec<i64> {
            history(platform, &trial.run, key).into_iter().map(|(step, _)| step).collect()
        };
        let expected: Vec<i64> = live(&native, "train_log_loss").into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps("train_log_loss"), expected);
        // Of a fold, too, each step is there once, however often it was begun.
        let fold = steps("fold-1/train_log_loss");
        assert!(!fold.is_empty());
        assert_eq!(fold.iter().collect::<BTreeSet<_>>().len(), fold.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_left_is_put_right_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let first = platform(dir.path()).await;
    let (sweep, trials) =
        swept(&first, json!({"experiment": "sex", "metric": "roc_auc", "parameters": {"rounds": [2, 3]}}))
            .await;
    let (done, left) = (trained(&first, json!({})).await, trained(&first, json!({"/seed": 8})).await);
    let before = history(&first, &done.id, "validation_log_loss");
    // Killed between the two records of an end, and in the middle of a training.
    for native in [&done.id, &left.id, &sweep.id, &trials[0].run] {
        first.tracking.reopen_run(&id(native)).await.unwrap();
    }
    let under_way = |run: &mut Run| {
        run.status = Status::Running;
        run.finished_at = None;
    };
    first.catalog.table::<Run>().update(&left.id, under_way).await.unwrap();
    // And one that was not yet written there.
    let unseen =
        Run { id: "0198c0de-0000-7000-8000-00000000abcd".into(), status: Status::Pending, ..left.clone() };
    first.catalog.table().insert(&unseen).await.unwrap();
    // A client's own run is its own business.
    let theirs = tracking::CreateRun { experiment_id: "0".into(), ..Default::default() };
    let theirs = first.tracking.create_run(theirs).await.unwrap().info.run_id;
    drop(first);

    let second = platform(dir.path()).await;
    for (native, status) in [
        (&done.id, RunStatus::Finished),
        (&sweep.id, RunStatus::Finished),
        (&trials[0].run, RunStatus::Finished),
        (&left.id, RunStatus::Failed),
        (&unseen.id, RunStatus::Failed),
    ] {
        let seen = shown(&second, native);
        assert_eq!(seen.info.status, status);
        assert!(seen.info.end_time.is_some());
        let error = tag(&seen, "modelyard.error").unwrap_or_default();
        assert_eq!(error.contains("the server stopped"), status == RunStatus::Failed, "{error}");
    }
    assert_eq!(second.tracking.run(&theirs).unwrap().info.status, RunStatus::Running);
    assert_eq!(history(&second, &done.id, "validation_log_loss"), before);
    assert_eq!(history(&second, &done.id, "roc_auc").len(), 1);
    assert_eq!(history(&second, &sweep.id, "best_roc_auc").len(), 1);

    // A run that somebody deleted there stays deleted, and nothing breaks.
    second.tracking.delete_run(&id(&done.id)).await.unwrap();
    second.catalog.table::<Run>().update(&done.id, under_way).await.unwrap();
    drop(second);
    let third = platform(dir.path()).await;
    assert_eq!(run(&third, &done.id).await.status, Status::Failed);
    assert_eq!(shown(&third, &done.id).info.lifecycle_stage, LifecycleStage::Deleted);
}
