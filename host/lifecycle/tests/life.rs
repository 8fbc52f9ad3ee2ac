//! One model's whole life on a small real data set (the Palmer penguins), with
//! the built-in plugins, in one process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeSet, path::Path};

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
    platform.registry().set_alias(&me(), "sex", "champion", "2", "by hand").await.unwrap();
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

/// Two versions of one model, the first deployed by itself.
async fn two_versions(platform: &Platform) {
    ingest(platform).await;
    let mut quick = experiment();
    quick["training"] = json!({"plugin": "training-linear"});
    assert_eq!(train(platform, quick.clone()).await, 1);
    quick["seed"] = json!(8);
    assert_eq!(train(platform, quick).await, 2);
    let deployment = json!({"name": "sex", "model": "sex", "routes": [{"version": 1}]});
    platform.deployment().deploy(&me(), spec(deployment), "first").await.unwrap();
}

fn minute_passes(platform: &Platform) {
    platform.clock.advance_to(platform.clock.now() + std::time::Duration::from_secs(60)).unwrap();
}

/// Lets a minute pass; gives what then serves and what the champion is.
async fn minute(platform: &Platform) -> (u32, Option<u32>) {
    minute_passes(platform);
    let serves = platform.deployment().main_version("sex").await.unwrap().version;
    (serves, platform.registry().model("sex").await.unwrap().aliases.get("champion").copied())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_takes_the_champion_back_if_a_promotion_moved_it() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    two_versions(&platform).await;
    let promote = async |version| {
        platform.feedback().promote_version(&me(), "sex", version, "better").await.unwrap();
    };
    let rollback = async |to| {
        platform.deployment().rollback(&me(), "sex", to).await.unwrap();
    };
    let champion = async |version| {
        platform.registry().set_alias(&me(), "sex", "champion", version, "by hand").await.unwrap();
    };
    assert_eq!(minute(&platform).await, (1, None));

    // There was none before: what serves again is the champion. Rolled back once more, the other.
    promote(2).await;
    assert_eq!(minute(&platform).await, (2, Some(2)));
    rollback(None).await;
    assert_eq!(minute(&platform).await, (1, Some(1)));
    rollback(None).await;
    assert_eq!(minute(&platform).await, (2, Some(2)));
    rollback(Some(1)).await;
    assert_eq!(minute(&platform).await, (1, Some(1)));

    // Another deployment's rollback is none of this one's business.
    let other = json!({"name": "other", "model": "sex", "routes": [{"version": 1}]});
    platform.deployment().deploy(&me(), spec(other.clone()), "first").await.unwrap();
    promote(2).await;
    let mut changed = other;
    changed["routes"] = json!([{"version": 2}]);
    platform.deployment().deploy(&me(), spec(changed), "too").await.unwrap();
    platform.deployment().rollback(&me(), "other", None).await.unwrap();
    assert_eq!(minute(&platform).await, (2, Some(2)));

    // What somebody has named by hand since stays.
    for _ in 0..2 {
        platform.registry().revert_alias(&me(), "sex", "champion").await.unwrap();
    }
    rollback(Some(1)).await;
    assert_eq!(minute(&platform).await, (1, Some(2)));

    // A promotion from before the revision that is gone back to stays too.
    champion("1").await;
    promote(2).await;
    minute(&platform).await;
    let one = json!({"name": "sex", "model": "sex", "routes": [{"version": 1}]});
    let by_hand = platform.deployment().deploy(&me(), spec(one), "by hand").await.unwrap();
    minute(&platform).await;
    let both =
        json!({"name": "sex", "model": "sex", "routes": [{"version": 1}, {"version": 2, "weight": 1}]});
    platform.deployment().deploy(&me(), spec(both), "canary").await.unwrap();
    minute(&platform).await;
    rollback(Some(by_hand.revision)).await;
    assert_eq!(minute(&platform).await, (1, Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sets_the_champion_rolls_it_out_through_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    two_versions(&platform).await;
    let champion = async |version: &str| {
        platform.registry().set_alias(&me(), "sex", "champion", version, "by hand").await
    };
    let gate = async |least: f64| {
        let parameters = json!({"metrics": [{"metric": "roc_auc", "min": least}], "card": null});
        let policy = json!({"name": "gate", "parameters": parameters});
        platform.governance().put_policy(&me(), spec(policy)).await.unwrap();
    };
    gate(1.1).await;
    assert_eq!(champion("2").await.unwrap_err().code, Code::Denied);
    assert_eq!(minute(&platform).await, (1, None));
    gate(0.5).await;
    champion("2").await.unwrap();
    assert_eq!(minute(&platform).await, (2, Some(2)));
    // Again is nothing new.
    champion("latest").await.unwrap();
    let history = platform.deployment().history("sex", 10, None).await.unwrap().items;
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].reason, "version 2 became the champion");
    // It belongs to the deployment: a rollback takes both back.
    platform.deployment().rollback(&me(), "sex", None).await.unwrap();
    assert_eq!(minute(&platform).await, (1, Some(1)));
    // Any other alias moves alone, and so does this one where nothing is deployed.
    platform.registry().set_alias(&me(), "sex", "challenger", "2", "by hand").await.unwrap();
    assert_eq!(minute(&platform).await, (1, Some(1)));
    platform.deployment().stop(&me(), "sex").await.unwrap();
    champion("2").await.unwrap();
    assert_eq!(minute(&platform).await, (1, Some(2)));
    assert_eq!(champion("3").await.unwrap_err().code, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_change_one_model_at_once_and_nothing_is_lost() {
    const TASKS: usize = 16;
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    two_versions(&platform).await;
    platform.deployment().stop(&me(), "sex").await.unwrap();
    let run = platform.registry().version("sex", 1).await.unwrap().run.unwrap();
    let tasks = (0..TASKS).map(|task| {
        let (platform, run) = (platform.clone(), run.clone());
        tokio::spawn(async move {
            let (registry, key) = (platform.registry(), format!("k{task}"));
            registry.set_model_property(&me(), "sex", &key, Some("v")).await?;
            registry.set_version_property(&me(), "sex", 1, &key, Some("v")).await?;
            registry.set_alias(&me(), "sex", &key, "1", "at once").await?;
            registry.set_alias(&me(), "sex", &format!("gone{task}"), "2", "at once").await?;
            registry.remove_alias(&me(), "sex", &format!("gone{task}")).await?;
            // The same run at once is one version of another model, which is made for it.
            registry.register(&me(), "other", &run).await
        })
    });
    for ended in tasks.collect::<Vec<_>>() {
        assert_eq!(ended.await.unwrap().unwrap().version, 1);
    }
    let model = platform.registry().model("sex").await.unwrap();
    let version = platform.registry().registration("sex", 1).await.unwrap();
    let keys: BTreeSet<String> = (0..TASKS).map(|task| format!("k{task}")).collect();
    assert_eq!(model.aliases.keys().cloned().collect::<BTreeSet<_>>(), keys);
    assert_eq!(model.properties.keys().cloned().collect::<BTreeSet<_>>(), keys);
    assert_eq!(version.properties.keys().cloned().collect::<BTreeSet<_>>(), keys);
    assert_eq!(platform.registry().versions("other", 10, None).await.unwrap().items.len(), 1);
    let verified = platform.governance().verify_audit().await.unwrap();
    assert!(verified.intact, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_makes_no_champion_against_the_policies() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    two_versions(&platform).await;
    minute(&platform).await;
    platform.feedback().promote_version(&me(), "sex", 2, "better").await.unwrap();
    minute(&platform).await;
    let strict = json!({"name": "strict", "actions": ["promote"],
        "parameters": {"metrics": [{"metric": "roc_auc", "min": 1.1}], "card": null}});
    platform.governance().put_policy(&me(), spec(strict)).await.unwrap();
    // The traffic goes back whatever they say.
    platform.deployment().rollback(&me(), "sex", None).await.unwrap();
    assert_eq!(minute(&platform).await, (1, None));
    let denied = platform.governance().reviews(Some(Outcome::Denied), 10, None).await.unwrap().items;
    assert_eq!((denied.len(), denied[0].version), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_champion_is_evaluated_once_on_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    two_versions(&platform).await;
    platform.registry().set_alias(&me(), "sex", "champion", "1", "first").await.unwrap();
    let policy =
        json!({"name": "gate", "parameters": {"metrics": [{"metric": "roc_auc", "min": 0.5}], "card": null}});
    platform.governance().put_policy(&me(), spec(policy)).await.unwrap();
    let evaluations = async || {
        let all = platform.evaluation().list(Some("model:sex@1"), 10, None).await.unwrap().items;
        all.into_iter().map(|evaluation| (evaluation.id, evaluation.data)).collect::<Vec<_>>()
    };
    assert!(evaluations().await.is_empty());
    for _ in 0..2 {
        let review = platform.governance().review(&me(), "deploy", "sex", 2).await.unwrap();
        assert_eq!(review.outcome, Outcome::Allowed, "{:?}", review.reasons);
    }
    let first = evaluations().await;
    assert_eq!(first.len(), 1, "{first:?}");

    // Another challenger has other test rows.
    let mut other = experiment();
    other["training"] = json!({"plugin": "training-linear"});
    other["seed"] = json!(9);
    assert_eq!(train(&platform, other).await, 3);
    platform.governance().review(&me(), "deploy", "sex", 3).await.unwrap();
    let both = evaluations().await;
    assert_eq!(both.len(), 2, "{both:?}");
    assert_eq!(both.iter().filter(|one| **one == first[0]).count(), 1, "{both:?}");
    assert_ne!(both[0].1, both[1].1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_defined_brings_its_schedule_and_takes_it_away() {
    let dir = tempfile::tempdir().unwrap();
    let platform = platform(dir.path()).await;
    let rule = json!({"name": "stale", "schedule": "0 6 * * *"});
    let put = async |value: Value| platform.retirement().put(&me(), spec(value)).await;
    let cron = async || platform.scheduler.get("retirement.assess/stale").await.ok().map(|found| found.cron);
    let entries = async || platform.governance().verify_audit().await.unwrap().entries;

    let first = put(rule.clone()).await.unwrap();
    assert_eq!(cron().await.as_deref(), Some("0 6 * * *"));
    // The same again writes nothing, but brings back a schedule that was lost.
    let before = entries().await;
    platform.scheduler.delete("retirement.assess/stale").await.unwrap();
    minute_passes(&platform);
    assert_eq!(put(rule).await.unwrap().created_at, first.created_at);
    assert_eq!((cron().await.as_deref(), entries().await), (Some("0 6 * * *"), before));
    // Another spec keeps what the record is, and moves the schedule.
    let changed = put(json!({"name": "stale", "reach": "warn", "schedule": "0 7 * * *"})).await.unwrap();
    assert_eq!((changed.created_at, cron().await.as_deref()), (first.created_at, Some("0 7 * * *")));
    // What is wrong is said by its place, and changes nothing.
    for (wrong, field) in [
        (json!({"name": "st ale"}), "name"),
        (json!({"name": "stale", "plugin": "training-linear"}), "plugin"),
        (json!({"name": "stale", "schedule": "at dawn"}), "schedule"),
        (json!({"name": "stale", "schedule": "0 6 * * *", "timezone": "Mars/Olympus"}), "timezone"),
    ] {
        let error = put(wrong).await.unwrap_err();
        assert_eq!(error.location.field.as_deref(), Some(field), "{error}");
    }
    assert_eq!(cron().await.as_deref(), Some("0 7 * * *"));
    // Its job is started by hand, or by its schedule.
    let job = platform.retirement().start_assess(&me(), "stale").await.unwrap();
    assert_eq!(platform.jobs().wait(&job.id).await.unwrap(), json!([]));
    let fired =
        platform.advance(platform.clock.now() + std::time::Duration::from_secs(86_400)).await.unwrap();
    assert_eq!(fired.len(), 1);
    platform.retirement().delete(&me(), "stale").await.unwrap();
    assert_eq!(cron().await, None);
    let error = platform.retirement().get("stale").await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::NotFound, "no retirement rule is named \"stale\"")
    );
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
