//! Model files from elsewhere, imported by the binary as it is run, deployed
//! and called.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Answer, Yard, answer, tensor};

const VERSIONS: &str = "/registry/models/copy/versions";

/// Sends a file to become a version of the model `copy`.
async fn send(yard: &Yard, query: &str, kind: &str, bytes: &[u8]) -> Answer {
    let request = yard.request(Method::POST, &format!("{VERSIONS}{query}"));
    answer(request.header("content-type", kind).body(bytes.to_vec())).await
}

/// A client command: whether it worked, and what it printed.
fn client(yard: &Yard, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelyard"));
    command.env_remove("MODELYARD_TOKEN").args(["--server", &yard.url]).args(arguments);
    let output = command.output().unwrap();
    let told = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(told).unwrap())
}

/// The artifact of a version.
async fn artifact(yard: &Yard, version: &Value) -> Vec<u8> {
    let digest = version["artifact"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    fs::read(yard.data.join("blobs/sha256").join(&digest[..2]).join(&digest[2..])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_file_becomes_a_version_like_any_other() {
    let yard = Yard::start(&[]);
    let trained = yard.get("/registry/models/side/versions/1").await.ok();
    let bytes = artifact(&yard, &trained).await;
    let file = yard.home().join("side.bin");
    fs::write(&file, &bytes).unwrap();

    let (worked, told) = client(&yard, &["model", "import", file.to_str().unwrap(), "--name", "copy"]);
    assert!(worked, "{told}");
    assert!(told.contains("copy@1 is registered: binary_classification, read by scoring-linear"), "{told}");
    let version = yard.get(&format!("{VERSIONS}/1")).await.ok();
    let note = json!({"format": "modelyard-linear", "file": "side.bin", "bytes": bytes.len(),
        "sha256": trained["artifact"].as_str().unwrap().trim_start_matches("sha256:")});
    assert_eq!((&version["imported"], &version["run"]), (&note, &Value::Null));
    for field in ["artifact", "runner", "runner_component", "signature", "task"] {
        assert_eq!(version[field], trained[field], "{field}");
    }
    assert_eq!((&version["capabilities"], &version["metrics"]), (&json!([]), &json!([])));
    assert_eq!(version["columns"].as_array().unwrap().len(), 2, "{version}");

    written_down(&yard, &note).await;
    the_same_file_twice_is_one_version(&yard, &bytes).await;
    deployed_it_answers_as_what_it_was_made_of(&yard).await;
    measured_it_has_metrics(&yard).await;
    what_is_no_model_is_refused(&yard, &bytes).await;
    yard.sound().await;
}

async fn written_down(yard: &Yard, note: &Value) {
    let audit = yard.get("/governance/audit?limit=10").await.ok();
    let entries = audit["items"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["subject"] == "model_version:copy@1").unwrap();
    assert_eq!((&entry["action"], &entry["detail"]["imported"]), (&json!("registry.version.created"), note));
    let lineage = yard.get(&format!("{VERSIONS}/1/lineage")).await.ok();
    let kinds: Vec<&str> =
        lineage["items"].as_array().unwrap().iter().map(|edge| edge["kind"].as_str().unwrap()).collect();
    for kind in ["imported-from", "version-of", "runs"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let facts = yard.get("/documentation/copy/1/facts").await.ok();
    let file = json!({"kind": "file", "name": "side.bin", "version": "modelyard-linear",
        "digest": format!("sha256:{}", note["sha256"].as_str().unwrap())});
    assert!(facts["lineage"].as_array().unwrap().contains(&file), "{facts}");
    yard.get("/documentation/copy/1").await.ok();
}

async fn the_same_file_twice_is_one_version(yard: &Yard, bytes: &[u8]) {
    let raw = "application/octet-stream";
    let again = send(yard, "?file=other.bin", raw, bytes).await.ok();
    assert_eq!((&again["version"], &again["imported"]["file"]), (&json!(1), &json!("side.bin")));
    assert_eq!(yard.get("/registry/models/copy").await.ok()["latest"], 1);
}

async fn deployed_it_answers_as_what_it_was_made_of(yard: &Yard) {
    let deployment = json!({"name": "copy", "model": "copy", "routes": [{"version": 1}]});
    yard.put("/deployment", deployment).await.ok();
    let inputs = json!([tensor("x1", json!([0.5, -0.25])), tensor("x2", json!([0.5, 0.125]))]);
    let ask = async |name: &str| {
        yard.post(&format!("/v2/models/{name}/infer"), json!({"inputs": inputs})).await.ok()["outputs"]
            .clone()
    };
    let outputs = ask("copy").await;
    assert_eq!(outputs, ask("side").await);
    assert!(outputs[0]["data"][0].as_f64().unwrap() > 0.5, "{outputs}");
}

async fn measured_it_has_metrics(yard: &Yard) {
    let ask = json!({"model": "copy", "version": 1, "dataset": "points", "target": "label"});
    let evaluation = yard.post("/evaluation", ask).await.ok();
    assert_eq!(evaluation["rows"], 300, "{evaluation}");
    let facts = yard.get("/documentation/copy/1/facts").await.ok();
    assert_eq!(facts["evaluation"]["metrics"], evaluation["metrics"], "{facts}");
    // A policy on metrics judges it by these.
    let policy = |min: f64| {
        json!({"name": "good", "plugin": "governance-promotion", "actions": ["promote"],
        "parameters": {"metrics": [{"metric": "roc_auc", "min": min}], "lineage": ["plugin"], "card": null}})
    };
    let champion = || yard.put("/registry/models/copy/aliases/champion", json!({"version": 1}));
    yard.put("/governance/policies", policy(0.999)).await.ok();
    let denied = champion().await;
    assert_eq!(denied.status, 403, "{denied:?}");
    assert!(denied.body["details"].to_string().contains("below the least of 0.999"), "{denied:?}");
    yard.put("/governance/policies", policy(0.6)).await.ok();
    champion().await.ok();
}

async fn what_is_no_model_is_refused(yard: &Yard, model: &[u8]) {
    let raw = "application/octet-stream";
    let told = send(yard, "", raw, b"a,b\n1,2\n").await.problem(422);
    assert!(told.contains("a text file") && told.contains("LightGBM text"), "{told}");
    let told = send(yard, "", raw, b"\x80\x04\x95rest").await.problem(422);
    assert!(told.contains("pickle") && told.contains("export it to ONNX"), "{told}");
    assert!(send(yard, "", raw, b"").await.problem(400).contains("empty"));
    let told = send(yard, "", raw, &model[..model.len() - 5]).await.problem(400);
    assert!(told.contains("scoring-linear reads the file"), "{told}");
    let told = send(yard, "?format=modelyard-gbdt", raw, model).await.problem(400);
    assert!(told.contains("modelyard-gbdt-1"), "{told}");
    assert!(send(yard, "?format=pmml", raw, model).await.problem(400).contains("xgboost"));
    assert!(send(yard, "", "image/png", model).await.problem(415).contains(raw));
    assert!(send(yard, "", "application/json", b"{\"run\": 1}").await.problem(400).contains("run"));
    let large = vec![b' '; (64 << 20) + 1];
    assert!(send(yard, "", raw, &large).await.problem(413).contains("64 MiB"));
    // Nothing of it was kept, not even a model's name.
    let told = answer(
        yard.request(Method::POST, "/registry/models/nothing/versions").header("content-type", raw).body("x"),
    );
    told.await.problem(422);
    yard.get("/registry/models/nothing").await.problem(404);
    assert_eq!(yard.get("/registry/models/copy").await.ok()["latest"], 1);

    let home = yard.home().to_str().unwrap();
    let (worked, told) = client(yard, &["model", "import", home, "--name", "copy"]);
    assert!(!worked && told.contains("MLmodel"), "{told}");
}

/// A file of a scoring plugin's tests.
fn data(plugin: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(plugin).join("tests/data").join(file)
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The numbers of a list, however it is nested.
fn numbers(list: &Value) -> Vec<f64> {
    match list {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn close(what: &str, found: &Value, wanted: &Value, tolerance: f64) {
    let (found, wanted) = (numbers(found), numbers(wanted));
    assert!(found.len() == wanted.len() && !found.is_empty(), "{what}: {found:?}");
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1e-3), "{what}: {found} for {wanted}");
    }
}

/// Imports a file by the command line and deploys it, both under one name.
async fn served(yard: &Yard, plugin: &str, file: &str) -> (String, Value) {
    let name = format!("{plugin}-{}", file.replace('.', "-"));
    let path = data(plugin, file);
    let (worked, told) = client(yard, &["model", "import", path.to_str().unwrap(), "--name", &name]);
    assert!(worked && told.contains(&format!("read by {plugin}")), "{told}");
    let version = yard.get(&format!("/registry/models/{name}/versions/1")).await.ok();
    assert_eq!((&version["imported"]["file"], &version["capabilities"]), (&json!(file), &json!([])));
    let deployment = json!({"name": name, "model": name, "routes": [{"version": "latest"}]});
    yard.put("/deployment", deployment).await.ok();
    (name, version)
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_other_tools_answer_as_they_do_there() {
    let yard = Yard::start(&[]);
    let lightgbm = ["binary.txt", "multiclass.txt", "regression.txt", "categories.txt"];
    trees(&yard, "scoring-lightgbm", &lightgbm, 1e-12).await;
    let xgboost = ["binary-logistic.ubj", "multi-softprob.json", "categories.json"];
    trees(&yard, "scoring-xgboost", &xgboost, 1e-5).await;
    one_wide_input(&yard).await;
    json_may_be_a_model(&yard).await;
    yard.sound().await;
}

/// One tensor for each feature, and one output that the tool itself gave.
async fn trees(yard: &Yard, plugin: &str, files: &[&str], tolerance: f64) {
    let expected = read(&data(plugin, "expected.json"));
    for file in files {
        let (name, version) = served(yard, plugin, file).await;
        let wanted = match *file {
            file if file.starts_with("multi") => "multiclass_classification",
            file if file.starts_with("binary") => "binary_classification",
            _ => "regression",
        };
        assert_eq!(version["task"], wanted, "{file}");
        let case = expected["cases"].as_array().unwrap().iter().find(|case| case["file"] == *file).unwrap();
        let table = &expected["tables"][case["table"].as_str().unwrap()];
        let described = yard.get(&format!("/v2/models/{name}")).await.ok();
        let tensor = |input: &Value| {
            let column = table[input["name"].as_str().unwrap()].as_array().unwrap();
            json!({"name": input["name"], "shape": [column.len()], "datatype": input["datatype"], "data": column})
        };
        let inputs: Vec<Value> = described["inputs"].as_array().unwrap().iter().map(tensor).collect();
        let answer = yard.post(&format!("/v2/models/{name}/infer"), json!({"inputs": inputs})).await.ok();
        close(file, &answer["outputs"][0]["data"], &case["values"], tolerance);
    }
}

/// One tensor of all columns in 32 bits, as it is.
async fn one_wide_input(yard: &Yard) {
    let (name, version) = served(yard, "scoring-onnx", "iris-logistic.onnx").await;
    assert_eq!(
        (&version["task"], &version["imported"]["format"]),
        (&json!("multiclass_classification"), &json!("onnx"))
    );
    let columns: Vec<&Value> =
        version["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(columns, ["X_0", "X_1", "X_2", "X_3"]);
    let expected = read(&data("scoring-onnx", "iris-logistic.json"));
    let input = &expected["inputs"][0];
    let ask = json!({"inputs": [{"name": "X", "shape": input["shape"], "datatype": "FP32", "data": input["data"]}]});
    let answer = yard.post(&format!("/v2/models/{name}/infer"), ask).await.ok();
    for wanted in expected["outputs"].as_array().unwrap() {
        let outputs = answer["outputs"].as_array().unwrap();
        let found = outputs.iter().find(|output| output["name"] == wanted["name"]).unwrap();
        close("iris-logistic.onnx", &found["data"], &wanted["data"], 1e-4);
    }
    // Rows of a table become the same tensor.
    let rows = numbers(&input["data"]);
    let rows: Vec<String> =
        rows.chunks(4).map(|row| format!("{row:?}").replace(['[', ']', ' '], "")).collect();
    let truth = numbers(&expected["outputs"][0]["data"]);
    let lines = rows.iter().zip(truth).map(|(row, class)| format!("{row},{class}\n"));
    let csv = format!("X_0,X_1,X_2,X_3,species\n{}", lines.collect::<String>());
    yard.rows("iris", &csv, None).await.ok();
    let ask = json!({"model": name, "version": 1, "dataset": "iris", "target": "species", "evaluator": {
        "plugin": "evaluation-classification",
        "parameters": {"truth": "species", "prediction": "output_label"}}});
    let evaluation = yard.post("/evaluation", ask).await.ok();
    let accuracy =
        evaluation["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "accuracy");
    assert_eq!(accuracy.unwrap()["value"], 1.0, "{evaluation}");
}

/// XGBoost's JSON is a model file under JSON's own media type, too.
async fn json_may_be_a_model(yard: &Yard) {
    let bytes = fs::read(data("scoring-xgboost", "multi-softprob.json")).unwrap();
    let request = yard.request(Method::POST, "/registry/models/scoring-xgboost-multi-softprob-json/versions");
    let version = answer(request.header("content-type", "application/json").body(bytes)).await.ok();
    assert_eq!(version["version"], 1, "{version}");
}
