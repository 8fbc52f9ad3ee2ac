//! Logged models and evaluation datasets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{batch, experiment, metric, open, param, run};
use modelyard_tracking::{
    CreateDataset, CreateLoggedModel, DatasetScope, LoggedModelStatus, Metric, ModelOrder, NewDatasetRecord,
    Search, SearchLoggedModels, Store, Tag,
};
use serde_json::{Map, Value, json};

async fn model(store: &Store, experiment_id: &str, name: &str) -> String {
    let request = CreateLoggedModel {
        experiment_id: experiment_id.into(),
        name: Some(name.into()),
        params: vec![param("kind", name)],
        tags: vec![Tag::new("team", "a")],
        ..CreateLoggedModel::default()
    };
    store.create_logged_model(request).await.unwrap().info.model_id.to_string()
}

fn names(store: &Store, search: &SearchLoggedModels) -> Vec<String> {
    store.search_logged_models(search).unwrap().items.into_iter().map(|model| model.info.name).collect()
}

#[tokio::test]
async fn a_logged_model_lives_and_dies() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = model(&store, "0", "forest").await;
    let made = store.logged_model(&id).unwrap();
    assert_eq!(made.info.status, LoggedModelStatus::Pending);
    assert_eq!(made.info.artifact_uri, format!("mlflow-artifacts:/0/models/{id}/artifacts"));
    let ready = store.finalize_logged_model(&id, LoggedModelStatus::Ready).await.unwrap();
    assert_eq!(ready.info.status, LoggedModelStatus::Ready);
    store.set_logged_model_tags(&id, vec![Tag::new("a", "1"), Tag::new("a", "2")]).await.unwrap();
    store.delete_logged_model_tag(&id, "team").await.unwrap();
    let error = store.delete_logged_model_tag(&id, "team").await.unwrap_err();
    assert_eq!(error.to_string(), format!("No tag with key 'team' found for model with ID '{id}'."));
    assert_eq!(store.logged_model(&id).unwrap().info.tags, [Tag::new("a", "2")]);
    store.log_logged_model_params(&id, vec![param("depth", "3"), param("kind", "forest")]).await.unwrap();
    assert!(store.log_logged_model_params(&id, vec![param("depth", "4")]).await.is_err());
    store.delete_logged_model(&id).await.unwrap();
    let error = store.logged_model(&id).unwrap_err();
    assert_eq!(error.to_string(), format!("Logged model with ID '{id}' not found."));
    assert_eq!(store.logged_model_any(&id).unwrap().data.params.len(), 2);
    for bad in ["", "a/b", "a.b", "a'b"] {
        let request = CreateLoggedModel {
            experiment_id: "0".into(),
            name: Some(bad.into()),
            ..CreateLoggedModel::default()
        };
        let error = store.create_logged_model(request).await.unwrap_err();
        assert!(error.to_string().contains("Model name must be a non-empty string"), "{error}");
    }
}

#[tokio::test]
async fn models_are_searched_by_metrics_on_data_sets() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let experiment_id = experiment(&store, "models").await;
    let run_id = run(&store, &experiment_id, 1).await.info.run_id;
    let on = |model: &str, value: f64, step: i64, dataset: &str| Metric {
        model_id: Some(model.into()),
        dataset_name: Some(dataset.into()),
        dataset_digest: Some("1".into()),
        ..metric("acc", value, step, step)
    };
    let (a, b, c) = (
        model(&store, &experiment_id, "a").await,
        model(&store, &experiment_id, "b").await,
        model(&store, &experiment_id, "c").await,
    );
    let metrics = vec![
        on(&a, 0.5, 1, "train"),
        on(&a, 0.9, 2, "test"),
        on(&b, 0.7, 1, "train"),
        on(&b, 0.6, 1, "test"),
    ];
    store.log_batch(&run_id, batch(metrics.clone(), vec![], vec![])).await.unwrap();
    store.log_batch(&run_id, batch(metrics, vec![], vec![])).await.unwrap();
    assert_eq!(store.logged_model(&a).unwrap().data.metrics.len(), 2, "the same point is kept once");
    let error = store
        .log_metric(&run_id, Metric { model_id: Some("m-none".into()), ..metric("acc", 1.0, 1, 0) })
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "Logged model with ID 'm-none' not found.");
    let asked =
        |filter: &str, dataset: Option<&str>, order: Option<(&str, Option<&str>, bool)>| SearchLoggedModels {
            experiment_ids: vec![experiment_id.clone()],
            filter: filter.into(),
            datasets: dataset
                .map(|name| DatasetScope { dataset_name: name.into(), dataset_digest: None })
                .into_iter()
                .collect(),
            order_by: order
                .map(|(field, dataset, ascending)| ModelOrder {
                    field_name: field.into(),
                    ascending: Some(ascending),
                    dataset_name: dataset.map(str::to_owned),
                    dataset_digest: None,
                })
                .into_iter()
                .collect(),
            ..SearchLoggedModels::default()
        };
    let by_name = Some(("name", None, true));
    assert_eq!(names(&store, &asked("", None, by_name)), ["a", "b", "c"]);
    assert_eq!(names(&store, &asked("metrics.acc > 0.55", None, by_name)), ["a", "b"]);
    assert_eq!(names(&store, &asked("metrics.acc > 0.55", Some("train"), by_name)), ["b"]);
    assert_eq!(names(&store, &asked("", Some("test"), by_name)), ["a", "b"]);
    assert_eq!(names(&store, &asked("params.kind IN ('b', 'c')", None, by_name)), ["b", "c"]);
    assert_eq!(names(&store, &asked("name ILIKE 'A' AND tags.team = 'a'", None, None)), ["a"]);
    assert_eq!(names(&store, &asked("", None, Some(("metrics.acc", Some("train"), false)))), ["b", "a", "c"]);
    assert_eq!(names(&store, &asked("", None, Some(("metrics.acc", None, false)))), ["a", "b", "c"]);
    assert!(store.search_logged_models(&asked("", None, Some(("params.kind", None, true)))).is_err());
    let mut paged = SearchLoggedModels { max_results: Some(2), ..asked("", None, by_name) };
    let first = store.search_logged_models(&paged).unwrap();
    paged.page_token = first.next_page_token;
    assert_eq!(names(&store, &paged), ["c"]);
    paged.filter = "name != 'x'".into();
    assert!(store.search_logged_models(&paged).is_err());
    // And after a start from disk.
    store.delete_logged_model(&c).await.unwrap();
    drop(store);
    let store = open(directory.path());
    assert_eq!(names(&store, &asked("metrics.acc > 0.55", None, by_name)), ["a", "b"]);
    assert_eq!(names(&store, &asked("", None, by_name)), ["a", "b"]);
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn record(question: &str, answer: Option<&str>) -> NewDatasetRecord {
    NewDatasetRecord {
        inputs: object(json!({ "question": question, "k": 1 })),
        expectations: answer.map(|answer| object(json!({ "answer": answer }))),
        tags: Some(object(json!({ "mlflow.user": "eve" }))),
        ..NewDatasetRecord::default()
    }
}

#[tokio::test]
async fn dataset_records_are_merged_by_their_inputs() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let request = CreateDataset {
        name: "qa".into(),
        experiment_ids: vec!["0".into()],
        tags: object(json!({ "mlflow.user": "adam" })),
        ..CreateDataset::default()
    };
    let made = store.create_dataset(request).await.unwrap();
    let id = made.dataset_id.as_str();
    assert_eq!((made.created_by.as_deref(), made.schema.as_ref()), (Some("adam"), None));
    let records = vec![record("a", None), record("b", Some("x")), record("a", Some("y"))];
    let done = store.upsert_dataset_records(id, records).await.unwrap();
    assert_eq!((done.inserted, done.updated), (2, 1));
    let mut again = record("b", Some("z"));
    // The same inputs in another order are the same inputs.
    again.inputs = object(json!({ "k": 1, "question": "b" }));
    let done = store.upsert_dataset_records(id, vec![again]).await.unwrap();
    assert_eq!((done.inserted, done.updated), (0, 1));
    let page = store.dataset_records(id, None, None).unwrap().items;
    let answers: Vec<&str> =
        page.iter().map(|r| r.expectations.as_ref().unwrap()["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["y", "z"]);
    let dataset = store.dataset(id).unwrap();
    assert_eq!(dataset.profile.as_deref(), Some("{\"num_records\":2}"));
    let schema: Value = serde_json::from_str(dataset.schema.as_ref().unwrap()).unwrap();
    assert_eq!(schema["inputs"], json!({ "question": "string", "k": "integer" }));
    assert_eq!(dataset.last_updated_by.as_deref(), Some("eve"));
    let first = store.dataset_records(id, Some(1), None).unwrap();
    let rest = store.dataset_records(id, Some(1), first.next_page_token.as_deref()).unwrap();
    assert_eq!((rest.items.len(), rest.next_page_token), (1, None));
    let gone = vec![page[0].dataset_record_id.clone(), "dr-none".into()];
    assert_eq!(store.delete_dataset_records(id, gone).await.unwrap(), 1);
    // Deleted inputs can be added anew.
    let done = store.upsert_dataset_records(id, vec![record("a", None)]).await.unwrap();
    assert_eq!(done.inserted, 1);
    store.delete_dataset(id).await.unwrap();
    store.delete_dataset(id).await.unwrap();
    assert_eq!(
        store.dataset(id).unwrap_err().to_string(),
        format!("Evaluation dataset with id '{id}' not found")
    );
}

#[tokio::test]
async fn datasets_are_searched_and_belong_to_experiments() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let experiment_id = experiment(&store, "eval").await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let request = CreateDataset {
            name: name.into(),
            tags: object(json!({ "size": name.len().to_string() })),
            ..CreateDataset::default()
        };
        ids.push(store.create_dataset(request).await.unwrap().dataset_id);
    }
    let found = |experiments: &[String], filter: &str| {
        let search = Search { filter: filter.into(), order_by: vec!["name".into()], ..Search::default() };
        let page = store.search_datasets(experiments, &search).unwrap();
        page.items.into_iter().map(|dataset| dataset.name).collect::<Vec<_>>()
    };
    assert_eq!(found(&[], "tags.size = '3'"), ["one", "two"]);
    assert_eq!(found(&[], "name IN ('two', 'three') AND created_time > 0"), ["three", "two"]);
    let only = [experiment_id.clone()];
    assert!(found(&only, "").is_empty());
    store.add_dataset_to_experiments(&ids[2], only.to_vec()).await.unwrap();
    assert_eq!(found(&only, ""), ["three"]);
    let error = store.add_dataset_to_experiments(&ids[2], vec!["77".into()]).await.unwrap_err();
    assert_eq!(error.to_string(), "No Experiment with id=77 exists");
    store.remove_dataset_from_experiments(&ids[2], only.to_vec()).await.unwrap();
    assert!(found(&only, "").is_empty());
    let tags = store.set_dataset_tags(&ids[0], object(json!({ "n": 5, "none": null }))).await.unwrap().tags;
    assert_eq!(tags, object(json!({ "size": "3", "n": "5" })));
    store.delete_dataset_tag(&ids[0], "n").await.unwrap();
    store.delete_dataset_tag(&ids[0], "n").await.unwrap();
}
