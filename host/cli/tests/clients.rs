//! The protocol's own clients from PyPI, against the binary with trained
//! models. They are installed into an environment of their own below the target
//! directory, once for each list of requirements.

#![allow(
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

use serde_json::{Value, json};
use support::{
    Yard,
    tools::{self, told},
};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A program of an environment that has what a file of requirements lists.
fn program(requirements: &str, name: &str) -> Command {
    let place = tools::python("clients", &scripts().join(requirements));
    let mut command = Command::new(place.join("bin").join(name));
    command.env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH");
    command
}

/// Runs a script that ends with an error if anything is not as it should be.
fn run(script: &str, arguments: &[&str]) {
    let mut command = program("requirements.txt", "python");
    let output = command.arg(scripts().join(script)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{script}: {}\n{}", output.status, told(&output));
    assert!(told(&output).contains("all as it should be"), "{script} ended early: {}", told(&output));
}

fn grpc(yard: &Yard) -> &str {
    yard.grpc.as_deref().unwrap()
}

/// Beside `side` a deployment `kinds` that takes a text and answers one.
async fn with_texts() -> Yard {
    let yard = Yard::start(&["--grpc", "127.0.0.1:0"]);
    let mut csv = "size,kind,label\n".to_owned();
    for row in 0..200_u32 {
        let (size, kind) = (row * 37 % 101, ["ant", "bee", "Käfer"][row as usize % 3]);
        let label = if size > 50 && kind != "ant" { "large" } else { "small" };
        csv.push_str(&format!("{size},{kind},{label}\n"));
    }
    yard.rows("insects", &csv, None).await.ok();
    let experiment = json!({"name": "kinds", "task": "binary_classification", "target": "label",
        "spine": {"sql": "SELECT size, kind, label FROM insects"},
        "features": {"plugin": "features-standard", "parameters": {"rest": "keep", "steps": [
            {"do": "one-hot", "columns": ["kind"]}]}},
        "training": {"plugin": "training-gbdt", "parameters": {"rounds": 20, "min_data_in_leaf": 5}}});
    yard.put("/experiments", experiment).await.ok();
    let run = yard.post("/experiments/kinds/runs?wait=true", json!({})).await.ok();
    yard.post("/registry/models/kinds/versions", json!({"run": run["id"]})).await.ok();
    let deployment = json!({"name": "kinds", "model": "kinds", "routes": [{"version": 1}],
        "limits": {"deadline_ms": 20_000}});
    yard.put("/deployment", deployment).await.ok();
    yard
}

#[tokio::test(flavor = "multi_thread")]
async fn tritons_client_finds_its_server() {
    let yard = with_texts().await;
    run("triton.py", &[&yard.url]);
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tritons_grpc_client_finds_its_server() {
    let mut yard = with_texts().await;
    run("triton_grpc.py", &[grpc(&yard)]);
    yard.sound().await;
    yard.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_for_over_grpc() {
    let yard = Yard::start(&["--grpc", "127.0.0.1:0"]);
    let token = async |role: &str, bearer: &str| -> String {
        let request = yard.request(reqwest::Method::POST, "/governance/tokens").bearer_auth(bearer);
        let made = support::answer(request.json(&json!({"name": role, "role": role}))).await.ok();
        made["token"].as_str().unwrap().to_owned()
    };
    // The first needs none yet, and from then on nobody comes in without.
    let made = yard.post("/governance/tokens", json!({"name": "admin", "role": "admin"})).await.ok();
    let admin = made["token"].as_str().unwrap();
    let (viewer, operator) = (token("viewer", admin).await, token("operator", admin).await);
    run("triton_grpc_tokens.py", &[grpc(&yard), &viewer, &operator]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kserves_client_finds_its_server() {
    let yard = with_texts().await;
    run("kserve_rest.py", &[&yard.url]);
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kserves_grpc_client_finds_its_server() {
    let yard = with_texts().await;
    run("kserve_grpc.py", &[grpc(&yard)]);
    yard.sound().await;
}

/// `mlserver infer`, whose one transport is HTTP: a file of requests becomes a
/// file of answers.
#[tokio::test(flavor = "multi_thread")]
async fn mlservers_batches_are_answered() {
    let yard = Yard::start(&[]);
    let (asked, answered) = (yard.home().join("asked.jsonl"), yard.home().join("answered.jsonl"));
    let request = |id: &str, values: &[f64], second: &str| {
        let tensor =
            |name: &str| json!({"name": name, "shape": [values.len()], "datatype": "FP64", "data": values});
        json!({"id": id, "inputs": [tensor("x1"), tensor(second)]}).to_string()
    };
    let lines = [
        request("low", &[-0.9], "x2"),
        request("both", &[-0.9, 0.9], "x2"),
        request("high", &[0.9], "x2"),
        request("wrong", &[0.9], "x3"),
    ];
    fs::write(&asked, lines.join("\n")).unwrap();
    let address = yard.url.strip_prefix("http://").unwrap();
    // Each request by itself, in JSON and raw; then several put together by it.
    for (more, wrong) in [(&[][..], true), (&["--binary-data"], true), (&["--batch-size", "3"], false)] {
        if !wrong {
            fs::write(&asked, lines[..3].join("\n")).unwrap();
        }
        let mut command = program("requirements-mlserver.txt", "mlserver");
        command.args(["infer", "-u", address, "-m", "side", "--retries", "1", "--workers", "2", "-i"]);
        let output = command.arg(&asked).arg("-o").arg(&answered).args(more).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        let text = fs::read_to_string(&answered).unwrap();
        let mut answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        answers.sort_by_key(|answer| answer["parameters"]["batch_index"].as_u64());
        assert_eq!(answers.len(), if wrong { 4 } else { 3 }, "{text}\n{}", told(&output));
        let probability = |answer: &Value| answer["outputs"][0]["data"].clone();
        assert_eq!(answers[0]["outputs"][0]["name"], "probability", "{text}");
        assert_eq!(answers[1]["id"], "both", "{text}");
        let (low, high) = (probability(&answers[0])[0].clone(), probability(&answers[2])[0].clone());
        assert!(low.as_f64().unwrap() < 0.5 && high.as_f64().unwrap() > 0.5, "{text}");
        assert_eq!(probability(&answers[1]), json!([low, high]), "{text}");
        if wrong {
            assert!(answers[3]["error"]["msg"].as_str().unwrap().contains("x3"), "{text}");
        }
    }
    yard.sound().await;
}
