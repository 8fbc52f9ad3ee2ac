//! One model's whole life on a small real data set (the Palmer penguins), with
//! the built-in plugins, in one process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

use modelyard_clock::Clock;
use modelyard_lifecycle::{
    Code, Options, Platform,
    deployment::Request,
    feedback::LabelInput,
    governance::{Actor, Outcome},
    progress::Progress,
    registry::VersionStatus,
    runtime::types::{Tensor, TensorData},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn spec<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/penguins").canonicalize().unwrap()
}

async fn platform(dir: &Path) -> Platform {
    let mut options = Options::at(dir);
    options.ingestion.roots = vec![data()];
    Platform::open(options, Clock::simulated("2010-01-01".parse().unwrap())).await.unwrap()
}

fn me() -> Actor {
    Actor::local()
}

/// Ingests the penguins.
async fn ingest(platform: &Platform) {
    let source = json!({
        "name": "penguins", "plugin": "ingestion-csv",
        "parameters": {"url": format!("file://{}", data().join("penguins-raw.csv").display()),
                       "columns": {"Date Egg": "timestamp"}},
        "event_time": "Date Egg",
    });
    platform.ingestion().put_source(&me(), spec(source)).await.unwrap();
    let pulled = platform.ingestion().pull(&me(), "penguins", &Progress::default()).await.unwrap();
    assert_eq!((pulled.rows, pulled.rejected, pulled.version), (344, 0, 1));
    // A second pull finds nothing new and writes nothing.
    let again = platform.ingestion().pull(&me(), "penguins", &Progress::default()).await.unwrap();
    assert_eq!((again.rows, again.version), (0, 1));
}

fn experiment() -> Value {
    json!({
        "name": "sex", "task": "binary_classification",
        "spine": {"sql": "SELECT \"Individual ID\", \"Date Egg\", \"Species\", \"Island\", \"Culmen Length (mm)\", \
                  \"Culmen Depth (mm)\", \"Flipper Length (mm)\", \"Body Mass (g)\", \"Sex\" = 'MALE' AS male \
                  FROM penguins WHERE \"Sex\" IS NOT NULL", "event_time": "Date Egg"},
        "target": "male", "ignore": ["Individual ID", "Date Egg"],
        "features": {"plugin": "features-standard", "parameters": {"steps": [
            {"do": "impute", "with": "median", "columns": ["Culmen Length (mm)", "Culmen Depth (mm)",
                "Flipper Length (mm)", "Body Mass (g)"]},
            {"do": "one-hot", "columns": ["Species", "Island"]}]}},
        "training": {"plugin": "training-gbdt", "parameters": {"rounds": 40, "learning_rate": 0.1, "min_data_in_leaf": 5}},
        "seed": 7,
    })
}

/// Trains and registers one version.
async fn train(platform: &Platform, value: Value) -> u32 {
    let experiment = platform.experiments().put(&me(), spec(value)).await.unwrap();
    let (run, job) = platform.experiments().start(&me(), experiment.spec).await.unwrap();
    if let Err(error) = platform.jobs().wait(&job.id).await {
        let run = platform.experiments().run(&run.id).await.unwrap();
        panic!("{error}\n{:?}", run.log);
    }
    platform.registry().register(&me(), "sex", &run.id).await.unwrap().version
}

fn text(name: &str, value: &str) -> Tensor {
    Tensor { name: name.into(), shape: vec![1], data: TensorData::Bytes(vec![value.into()]) }
}

fn number(name: &str, value: f64) -> Tensor {
    Tensor { name: name.into(), shape: vec![1], data: TensorData::Fp64(vec![value]) }
}

fn penguin(mass: f64) -> Request {
    let inputs = vec![
        text("Species", "Gentoo penguin (Pygoscelis papua)"),
        text("Island", "Biscoe"),
        number("Culmen Length (mm)", 49.0),
        number("Culmen Depth (mm)", 15.5),
        number("Flipper Length (mm)", 222.0),
        number("Body Mass (g)", mass),
    ];
    Request { inputs, ..Request::default() }
}

fn probability(outputs: &[Tensor]) -> f64 {
    let found = outputs.iter().find(|output| output.name == "probability").unwrap();
    match &found.data {
        TensorData::Fp64(values) => values[0],
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_lives_through_its_stages_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    ingest(&platform).await;
    let version = train(&platform, experiment()).await;
    assert_eq!(version, 1);

    // Evaluation and registry.
    let registered = platform.registry().version("sex", 1).await.unwrap();
    let auc =
        registered.metrics.iter().find(|metric| metric.name == "roc_auc" && metric.slice.is_none()).unwrap();
    assert!(auc.value > 0.85, "{auc:?}");
    assert!(registered.capabilities.is_empty(), "a model is pure");
    assert_eq!(registered.datasets, ["penguins@1"]);

    // Governance: a policy that can't be met denies, with reasons.
    let policy = json!({"name": "strict", "parameters": {"metrics": [{"metric": "roc_auc", "min": 0.9999}], "card": null}});
    platform.governance().put_policy(&me(), spec(policy)).await.unwrap();
    let typo = json!({"name": "typo", "parameters": {"metrics": [{"metrik": "roc_auc"}]}});
    let error = platform.governance().put_policy(&me(), spec(typo)).await.unwrap_err();
    assert_eq!(error.location.field.as_deref(), Some("parameters/metrics/0"), "{error}");
    let deployment = json!({"name": "sex", "model": "sex", "routes": [{"version": 1}]});
    let denied = platform.deployment().deploy(&me(), spec(deployment.clone()), "first").await.unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    assert!(!denied.details.is_empty());
    platform.governance().delete_policy(&me(), "strict").await.unwrap();

    // Deployment and inference.
    platform.deployment().deploy(&me(), spec(deployment), "first").await.unwrap();
    let heavy = platform.deployment().infer("sex", penguin(6000.0)).await.unwrap();
    let light = platform.deployment().infer("sex", penguin(4200.0)).await.unwrap();
    assert!(probability(&heavy.outputs) > probability(&light.outputs));
    let mut wrong = penguin(1.0);
    wrong.inputs[0].name = "Spezies".into();
    let error = platform.deployment().infer("sex", wrong).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidInput);
    assert!(error.message.contains("Spezies"), "{error}");

    // Feedback.
    let labels = vec![
        LabelInput { prediction_id: heavy.prediction_id.to_string(), label: json!(true), at: None },
        LabelInput { prediction_id: uuid::Uuid::now_v7().to_string(), label: json!(true), at: None },
    ];
    let taken = platform.feedback().label(labels).await.unwrap();
    assert_eq!((taken.added, taken.unknown.len()), (1, 1));

    // Documentation.
    let (media, card) = platform.documentation().document("sex", 1, "README.md").await.unwrap();
    assert_eq!(media, "text/markdown");
    assert!(String::from_utf8_lossy(&card).contains("roc_auc"));

    // A second version, a rollback, what served when.
    let mut other = experiment();
    other["training"] = json!({"plugin": "training-linear"});
    assert_eq!(train(&platform, other).await, 2);
    let comparison = platform.registry().compare("sex", "1", "2").await.unwrap();
    assert!(comparison.differences.iter().any(|difference| difference.what == "plugins.training"));
    let before = platform.clock.now();
    platform.clock.advance_to(before + std::time::Duration::from_secs(60)).unwrap();
    platform.feedback().promote_version(&me(), "sex", 2, "trying").await.unwrap();
    let served = platform.deployment().served_at("sex", before).await.unwrap().unwrap();
    assert_eq!(served.spec.routes[0].version, "1");
    assert_eq!(platform.deployment().infer("sex", penguin(6000.0)).await.unwrap().version, 2);
    platform.clock.advance_to(before + std::time::Duration::from_secs(120)).unwrap();
    platform.deployment().rollback(&me(), "sex", None).await.unwrap();
    assert_eq!(platform.deployment().infer("sex", penguin(6000.0)).await.unwrap().version, 1);

    // Retirement: not while it is the champion, then archived, then restored.
    assert_eq!(platform.retirement().archive(&me(), "sex", 2, "old").await.unwrap_err().code, Code::Conflict);
    platform.registry().set_alias(&me(), "sex", "champion", "1", "back").await.unwrap();
    let archived = platform.retirement().archive(&me(), "sex", 2, "old").await.unwrap();
    assert_eq!(archived.status, VersionStatus::Archived);
    let deploy = json!({"name": "sex", "model": "sex", "routes": [{"version": 2}]});
    assert!(platform.deployment().deploy(&me(), spec(deploy), "no").await.is_err());
    platform.retirement().restore(&me(), "sex", 2).await.unwrap();

    // The audit trail is whole.
    let verified = platform.governance().verify_audit().await.unwrap();
    assert!(verified.intact && verified.entries > 10, "{verified:?}");

    // Erasure, with a receipt.
    let receipt = platform.governance().erase(&me(), "Individual ID", &json!("N1A1")).await.unwrap();
    assert!(receipt.datasets["penguins"] >= 1);
    assert_eq!(receipt.trained_versions, ["sex@1", "sex@2"]);
    let (_, left) = platform
        .ingestion()
        .query("SELECT count(*) AS n FROM penguins WHERE \"Individual ID\" = 'N1A1'", 1)
        .await
        .unwrap();
    let left = modelyard_lifecycle::tables::from_batch(left[0].clone()).unwrap();
    assert_eq!(left[0].value(0).as_f64(), Some(0.0));

    // A restart brings it all back.
    platform.tables.predictions().flush().await.unwrap();
    drop(platform);
    let platform = self::platform(dir.path()).await;
    assert_eq!(platform.deployment().infer("sex", penguin(6000.0)).await.unwrap().version, 1);
    assert!(platform.governance().verify_audit().await.unwrap().intact);
    let reviews = platform.governance().reviews(Some(Outcome::Denied), 10, None).await.unwrap();
    assert_eq!(reviews.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_done_once_under_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let digest = platform.blobs.put("id,x\n1,2\n2,3\n".into()).await.unwrap();
    let upload = async |platform: &Platform, key: Option<&'static str>| {
        let ingestion = platform.ingestion();
        let (me, policy) = (me(), modelyard_lifecycle::ingestion::SchemaPolicy::default());
        ingestion.upload(&me, "rows", "ingestion-csv", json!({}), policy, &digest, key).await.unwrap()
    };
    let first = upload(&platform, Some("a")).await;
    assert_eq!((first.version, first.rows), (1, 2));
    // What a crash before the answer was kept leads to: the same again, also by another process.
    drop(platform);
    let platform = self::platform(dir.path()).await;
    let again = upload(&platform, Some("a")).await;
    assert_eq!((again.version, again.rows), (1, 2));
    assert_eq!(platform.ingestion().dataset("rows").await.unwrap().rows, 2);
    // Another request with the same bytes, or one without a key, adds them.
    assert_eq!(upload(&platform, Some("b")).await.version, 2);
    assert_eq!(upload(&platform, None).await.version, 3);
    assert_eq!(platform.ingestion().dataset("rows").await.unwrap().rows, 6);
}
