//! Experiments and runs as MLflow's users know them, bad requests included.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{batch, metric, open, param, run, search};
use modelyard_tracking::{
    CreateExperiment, CreateRun, Dataset, DatasetInput, Error, LifecycleStage, LogInputs, ModelInput,
    ModelOutput, RunStatus, Search, Store, Tag, UpdateRun, ViewType,
};

fn code(error: &Error) -> &'static str {
    error.code().as_str()
}

fn named(name: &str) -> CreateExperiment {
    CreateExperiment { name: name.into(), ..CreateExperiment::default() }
}

#[tokio::test]
async fn experiments_live_die_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let default = store.experiment("0").unwrap();
    assert_eq!(
        (default.name.as_str(), default.artifact_location.as_str()),
        ("Default", "mlflow-artifacts:/0")
    );
    let tags = vec![Tag::new("team", "a")];
    let made =
        store.create_experiment(CreateExperiment { tags: tags.clone(), ..named("one") }).await.unwrap();
    assert_eq!((made.experiment_id.as_str(), &made.tags), ("1", &tags));
    assert_eq!(store.experiment_by_name("one").unwrap(), made);
    let error = store.create_experiment(named("one")).await.unwrap_err();
    assert_eq!(code(&error), "RESOURCE_ALREADY_EXISTS");
    assert!(error.to_string().starts_with("Experiment(name=one) already exists"), "{error}");
    store.rename_experiment("1", "uno").await.unwrap();
    assert!(store.experiment_by_name("one").is_err());
    assert_eq!(code(&store.rename_experiment("1", "Default").await.unwrap_err()), "RESOURCE_ALREADY_EXISTS");
    let id = run(&store, "1", 5).await.info.run_id;
    store.delete_experiment("1").await.unwrap();
    assert_eq!(store.experiment("1").unwrap().lifecycle_stage, LifecycleStage::Deleted);
    assert_eq!(store.run(&id).unwrap().info.lifecycle_stage, LifecycleStage::Deleted);
    assert_eq!(code(&store.delete_experiment("1").await.unwrap_err()), "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(code(&store.rename_experiment("1", "x").await.unwrap_err()), "INVALID_STATE");
    let error =
        store.create_run(CreateRun { experiment_id: "1".into(), ..CreateRun::default() }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The experiment 1 must be in the 'active' state. Current state is deleted."
    );
    // A deleted experiment's name stays taken.
    assert_eq!(code(&store.create_experiment(named("uno")).await.unwrap_err()), "RESOURCE_ALREADY_EXISTS");
    store.restore_experiment("1").await.unwrap();
    assert_eq!(store.run(&id).unwrap().info.lifecycle_stage, LifecycleStage::Active);
    store.set_experiment_tag("1", Tag::new("k", "v")).await.unwrap();
    store.delete_experiment_tag("1", "team").await.unwrap();
    assert_eq!(code(&store.delete_experiment_tag("1", "team").await.unwrap_err()), "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(store.experiment("1").unwrap().tags, [Tag::new("k", "v")]);
}

#[tokio::test]
async fn a_run_may_be_given_its_id_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let id = "0198c0de00007000800000000000abcd";
    let given = |id: &str| CreateRun {
        experiment_id: "0".into(),
        run_id: Some(id.into()),
        run_name: Some("mine".into()),
        ..CreateRun::default()
    };
    let store = open(directory.path());
    assert_eq!(store.create_run(given(id)).await.unwrap().info.run_id.as_str(), id);
    for bad in ["", "0198C0DE00007000800000000000ABCD", "0198c0de-0000-7000-8000-00000000abcd"] {
        assert_eq!(code(&store.create_run(given(bad)).await.unwrap_err()), "INVALID_PARAMETER_VALUE");
    }
    store.delete_run(id).await.unwrap();
    assert_eq!(code(&store.create_run(given(id)).await.unwrap_err()), "RESOURCE_ALREADY_EXISTS");
    assert_eq!(code(&store.reopen_run(id).await.unwrap_err()), "INVALID_PARAMETER_VALUE");
    store.restore_run(id).await.unwrap();
    let ended = UpdateRun { status: Some(RunStatus::Killed), end_time: Some(7), ..UpdateRun::default() };
    store.update_run(id, ended).await.unwrap();
    store.reopen_run(id).await.unwrap();
    drop(store);
    let info = open(directory.path()).run(id).unwrap().info;
    assert_eq!((info.status, info.end_time, info.run_name.as_str()), (RunStatus::Running, None, "mine"));
    // A client's request has no say in it.
    let asked = serde_json::json!({"experiment_id": "0", "run_id": "f".repeat(32)});
    assert_eq!(serde_json::from_value::<CreateRun>(asked).unwrap().run_id, None);
}

#[tokio::test]
async fn bad_experiments_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for (name, part) in [
        ("", "Invalid experiment name: ''"),
        (&"x".repeat(501), "'name' exceeds the maximum length of 500 characters"),
    ] {
        assert!(store.create_experiment(named(name)).await.unwrap_err().to_string().contains(part));
    }
    let located = CreateExperiment { artifact_location: Some("runs:/x".into()), ..named("a") };
    assert!(
        store.create_experiment(located).await.unwrap_err().to_string().contains("cannot be a runs:/ URI")
    );
    assert_eq!(code(&store.experiment("17").unwrap_err()), "RESOURCE_DOES_NOT_EXIST");
    assert_eq!(store.experiment("17").unwrap_err().to_string(), "No Experiment with id=17 exists");
    assert_eq!(
        store.experiment("abc").unwrap_err().to_string(),
        "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."
    );
    for id in ["-1", "99999999999999999999999999"] {
        assert_eq!(code(&store.experiment(id).unwrap_err()), "RESOURCE_DOES_NOT_EXIST");
    }
}

#[tokio::test]
async fn experiments_are_searched() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for name in (0..12).map(|n| format!("exp-{n}")) {
        let tags = vec![Tag::new("even", (name.len() % 2).to_string())];
        store.create_experiment(CreateExperiment { tags, ..named(&name) }).await.unwrap();
    }
    let names = |store: &Store, filter: &str, order: &[&str]| -> Vec<String> {
        let search = Search {
            filter: filter.into(),
            order_by: order.iter().map(|o| (*o).to_owned()).collect(),
            ..Search::default()
        };
        let page = store.search_experiments(&search, ViewType::ActiveOnly).unwrap();
        page.items.into_iter().map(|experiment| experiment.name).collect()
    };
    assert_eq!(names(&store, "name LIKE 'exp-1%'", &["name"]), ["exp-1", "exp-10", "exp-11"]);
    assert_eq!(names(&store, "name ILIKE 'EXP-1_'", &["experiment_id DESC"]), ["exp-11", "exp-10"]);
    assert_eq!(names(&store, "experiment_id IN ('2', '11')", &["experiment_id"]), ["exp-1", "exp-10"]);
    assert_eq!(names(&store, "tags.even = '0' AND name != 'exp-10'", &[]), ["exp-11"]);
    assert_eq!(names(&store, "tags.nope IS NULL", &["name"]).len(), 13);
    let mut paged = Search { max_results: Some(5), order_by: vec!["name".into()], ..Search::default() };
    let mut all = Vec::new();
    loop {
        let page = store.search_experiments(&paged, ViewType::All).unwrap();
        all.extend(page.items.into_iter().map(|experiment| experiment.name));
        let Some(token) = page.next_page_token else { break };
        paged.page_token = Some(token);
    }
    assert_eq!(all.len(), 13);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn a_runs_name_stands_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let request = |name: Option<&str>, tag: Option<&str>| CreateRun {
        experiment_id: "0".into(),
        run_name: name.map(str::to_owned),
        tags: tag.map(|tag| Tag::new("mlflow.runName", tag)).into_iter().collect(),
        ..CreateRun::default()
    };
    let tag = |run: &modelyard_tracking::Run| {
        run.data.tags.iter().find(|tag| tag.key == "mlflow.runName").unwrap().value.to_string()
    };
    for (name, tagged, expected) in
        [(Some("a"), None, "a"), (None, Some("b"), "b"), (Some("c"), Some("c"), "c")]
    {
        let run = store.create_run(request(name, tagged)).await.unwrap();
        assert_eq!((run.info.run_name.as_str(), tag(&run).as_str()), (expected, expected));
    }
    let error = store.create_run(request(Some("a"), Some("b"))).await.unwrap_err();
    assert!(error.to_string().contains("run_name='a', mlflow.runName='b'"), "{error}");
    let random = store.create_run(request(None, None)).await.unwrap();
    assert_eq!(random.info.run_name.split('-').count(), 3);
    let id = &random.info.run_id;
    store.set_tag(id, Tag::new("mlflow.runName", "tagged")).await.unwrap();
    assert_eq!(store.run(id).unwrap().info.run_name, "tagged");
    let change = UpdateRun { run_name: Some("changed".into()), ..UpdateRun::default() };
    assert_eq!(store.update_run(id, change).await.unwrap().run_name, "changed");
    assert_eq!(tag(&store.run(id).unwrap()), "changed");
    assert_eq!(random.info.artifact_uri.as_str(), format!("mlflow-artifacts:/0/{id}/artifacts"));
}

#[tokio::test]
async fn params_are_set_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = run(&store, "0", 1).await.info.run_id;
    store.log_param(&id, param("depth", "3")).await.unwrap();
    store.log_param(&id, param("depth", "3")).await.unwrap();
    let error = store.log_param(&id, param("depth", "5")).await.unwrap_err();
    assert_eq!(code(&error), "INVALID_PARAMETER_VALUE");
    assert_eq!(
        error.to_string(),
        format!(
            "Changing param values is not allowed. Param with key='depth' was already logged with value='3' for \
             run ID='{id}'. Attempted logging new value '5'."
        )
    );
    let both = batch(vec![metric("m", 1.0, 1, 0)], vec![param("new", "1"), param("depth", "5")], vec![]);
    let error = store.log_batch(&id, both).await.unwrap_err();
    assert!(error.to_string().contains("[{'key': 'depth', 'old_value': '3', 'new_value': '5'}]"), "{error}");
    let run = store.run(&id).unwrap();
    assert_eq!((run.data.params.len(), run.data.metrics.len()), (1, 0), "nothing of a refused batch is kept");
}

#[tokio::test]
async fn batches_keep_mlflows_limits() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = run(&store, "0", 1).await.info.run_id;
    let metrics = |n: usize| (0..n).map(|k| metric(&format!("m{k}"), 1.0, 1, 0)).collect::<Vec<_>>();
    let params = |n: usize| (0..n).map(|k| param(&format!("p{k}"), "v")).collect::<Vec<_>>();
    let tags = |n: usize| (0..n).map(|k| Tag::new(format!("t{k}"), "v")).collect::<Vec<_>>();
    for (batch, part) in [
        (batch(metrics(1001), vec![], vec![]), "at most 1000 metrics. Got 1001 metrics."),
        (batch(vec![], params(101), vec![]), "at most 100 params. Got 101 params."),
        (batch(vec![], vec![], tags(101)), "at most 100 tags. Got 101 tags."),
        (batch(metrics(900), params(100), tags(1)), "at most 1000 metrics, params, and tags. Got 1001"),
        (
            batch(vec![], vec![param("a", "1"), param("a", "1")], vec![]),
            "Duplicate parameter keys have been submitted: ['a']",
        ),
        (
            batch(vec![metric(&"k".repeat(251), 1.0, 1, 0)], vec![], vec![]),
            "'Metric name' exceeds the maximum length of 250",
        ),
        (
            batch(vec![metric("a", 1.0, -1, 0)], vec![], vec![]),
            "Invalid value -1 for parameter 'metrics[0].timestamp'",
        ),
        (
            batch(vec![], vec![param("../x", "1")], vec![]),
            "'params[0].key' supplied: Names may be treated as files",
        ),
        (
            batch(vec![], vec![], vec![Tag::new("t", "v".repeat(8001))]),
            "'tags[0].value' exceeds the maximum length of 8000",
        ),
    ] {
        let error = store.log_batch(&id, batch).await.unwrap_err();
        assert_eq!(code(&error), "INVALID_PARAMETER_VALUE");
        assert!(error.to_string().contains(part), "{error}");
    }
    store.log_batch(&id, batch(metrics(800), params(100), tags(100))).await.unwrap();
    let data = store.run(&id).unwrap().data;
    assert_eq!((data.metrics.len(), data.params.len(), data.tags.len()), (800, 100, 101));
}

#[tokio::test]
async fn histories_are_whole_ordered_and_paged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = run(&store, "0", 1).await.info.run_id;
    let points = [
        metric("m", f64::NAN, 3, 1),
        metric("m", f64::INFINITY, 2, 2),
        metric("m", 0.5, 2, 2),
        metric("m", -0.5, 1, -4),
        metric("m", 0.5, 2, 2),
        metric("mm", 9.0, 2, 2),
    ];
    store.log_batch(&id, batch(points.to_vec(), vec![], vec![])).await.unwrap();
    store.log_metric(&id, metric("m", 0.5, 2, 2)).await.unwrap();
    let history = store.metric_history(&id, "m", None, None).unwrap();
    let read: Vec<(i64, i64, f64)> = history.items.iter().map(|m| (m.timestamp, m.step, m.value)).collect();
    assert_eq!(read[..3], [(1, -4, -0.5), (2, 2, 0.5), (2, 2, f64::MAX)]);
    assert!(read[3].2.is_nan() && read.len() == 4 && history.next_page_token.is_none());
    let latest = store.run(&id).unwrap().data.metrics;
    assert_eq!((latest[0].step, latest[0].value), (2, f64::MAX));
    let first = store.metric_history(&id, "m", Some(3), None).unwrap();
    let token = first.next_page_token.unwrap();
    let rest = store.metric_history(&id, "m", Some(3), Some(&token)).unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next_page_token), (3, 1, None));
    assert!(store.metric_history(&id, "mm", Some(3), Some(&token)).is_err());
    assert!(store.metric_history(&id, "m", Some(0), None).is_err());
    assert!(store.metric_history(&id, "never", None, None).unwrap().items.is_empty());
    let other = run(&store, "0", 1).await.info.run_id;
    let steps: Vec<_> = (0..100).map(|step| metric("m", 1.0, step, step)).collect();
    store.log_batch(&other, batch(steps, vec![], vec![])).await.unwrap();
    let ids = [other.to_string(), id.to_string()];
    assert_eq!(store.metric_history_bulk(&ids, "m", 1000).unwrap().len(), 104);
    assert_eq!(store.metric_history_bulk(&ids, "m", 7).unwrap().len(), 7);
    let sampled = store.metric_history_interval(&ids[..1], "m", Some((10, 50)), 5).unwrap();
    assert_eq!(sampled.iter().map(|m| m.step).collect::<Vec<_>>(), [10, 20, 30, 40, 50]);
}

#[tokio::test]
async fn deleted_runs_refuse_writes_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = run(&store, "0", 1).await.info.run_id;
    store.delete_run(&id).await.unwrap();
    store.delete_run(&id).await.unwrap();
    let expected = format!("The run {id} must be in the 'active' state. Current state is deleted.");
    for error in [
        store.log_metric(&id, metric("m", 1.0, 1, 0)).await.unwrap_err(),
        store.log_param(&id, param("a", "b")).await.unwrap_err(),
        store.set_tag(&id, Tag::new("a", "b")).await.unwrap_err(),
        store.update_run(&id, UpdateRun::default()).await.unwrap_err(),
    ] {
        assert_eq!((code(&error), error.to_string()), ("INVALID_PARAMETER_VALUE", expected.clone()));
    }
    store.restore_run(&id).await.unwrap();
    let end = UpdateRun { status: Some(RunStatus::Finished), end_time: Some(9), run_name: None };
    let info = store.update_run(&id, end).await.unwrap();
    assert_eq!((info.status, info.end_time), (RunStatus::Finished, Some(9)));
    let error = store.delete_tag(&id, "none").await.unwrap_err();
    assert_eq!(error.to_string(), format!("No tag with name: none in run with id {id}"));
    for missing in ["", "abc", "../../etc/passwd", &"f".repeat(32), &"F".repeat(32)] {
        assert_eq!(store.run(missing).unwrap_err().to_string(), format!("Run with id={missing} not found"));
    }
}

#[tokio::test]
async fn inputs_and_outputs_are_kept_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = run(&store, "0", 1).await.info.run_id;
    let input = |name: &str, context: &str| DatasetInput {
        tags: vec![Tag::new("mlflow.data.context", context)],
        dataset: Dataset {
            name: name.into(),
            digest: "d".into(),
            source_type: "local".into(),
            source: "{}".into(),
            schema: Some("{\"a\":1}".into()),
            profile: None,
        },
    };
    for context in ["train", "eval"] {
        let inputs = LogInputs {
            datasets: vec![input("a", context), input("b", context), input("a", "again")],
            models: vec![ModelInput { model_id: "m-1".into() }],
        };
        store.log_inputs(&id, inputs).await.unwrap();
        let output = ModelOutput { model_id: "m-2".into(), step: 3 };
        store.log_outputs(&id, vec![output]).await.unwrap();
    }
    let run = store.run(&id).unwrap();
    assert_eq!(run.inputs.dataset_inputs, [input("a", "train"), input("b", "train")]);
    assert_eq!((run.inputs.model_inputs.len(), run.outputs.model_outputs.len()), (1, 1));
    let found =
        store.search_runs(&search("0", "datasets.name = 'b' AND datasets.context = 'train'", &[])).unwrap();
    assert_eq!(found.items.len(), 1);
    let summaries = store.dataset_summaries(&["0".into()]).unwrap();
    assert_eq!(summaries.len(), 2);
    assert_eq!(summaries[0].context.as_deref(), Some("train"));
    let long =
        DatasetInput { dataset: Dataset { digest: "d".repeat(37), ..input("a", "x").dataset }, tags: vec![] };
    let error = store.log_inputs(&id, LogInputs { datasets: vec![long], models: vec![] }).await.unwrap_err();
    assert_eq!(error.to_string(), "'digest' exceeds the maximum length of 36 characters");
}
