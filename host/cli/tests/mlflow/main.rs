//! MLflow's own clients from PyPI, against the binary as it is run: what they
//! log, find, register and load, what they are told when something is wrong, and
//! what a killed server keeps.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod kills;
#[path = "../support/mod.rs"]
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use support::{
    Yard,
    tools::{self, told},
};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mlflow")
}

/// Python with what a file of requirements lists.
fn python(requirements: &str) -> Command {
    let place = tools::python("mlflow", &scripts().join(requirements));
    let mut command = Command::new(place.join("bin/python"));
    for name in ["PYTHONPATH", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MODELYARD_TOKEN"] {
        command.env_remove(name);
    }
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        // Two tests at once have threads enough.
        .env("OMP_NUM_THREADS", "2");
    command
}

/// Runs a script that ends with an error if anything is not as it should be.
fn run_with(requirements: &str, yard: &Yard, script: &str, arguments: &[&str]) -> String {
    let mut command = python(requirements);
    command.arg(scripts().join(script)).arg(&yard.url).args(arguments).current_dir(yard.home());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}\n{}", output.status, told(&output));
    assert!(told(&output).contains("all as it should be"), "{script} ended early: {}", told(&output));
    told(&output)
}

fn run(yard: &Yard, script: &str) {
    run_with("requirements.txt", yard, script, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_becomes_a_model_that_is_loaded_by_its_alias() {
    let yard = Yard::start(&[]);
    run(&yard, "core.py");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autologging_works_for_each_library() {
    let yard = Yard::start(&[]);
    run(&yard, "autolog.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_that_is_asked_for() {
    let yard = Yard::start(&[]);
    run(&yard, "search.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trained_here_is_seen_while_it_is_trained() {
    let yard = Yard::start(&[]);
    run(&yard, "native.py");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_can_be_restored() {
    let mut yard = Yard::start(&[]);
    run(&yard, "lifecycle.py");
    yard.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_mlflows_and_ours() {
    let yard = Yard::start(&[]);
    run(&yard, "registry.py");
    // What was made here is there, too.
    let url = format!("{}/api/2.0/mlflow/model-versions/get?name=side&version=1", yard.url);
    let version: serde_json::Value = yard.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(version["model_version"]["source"], "modelyard:/side@1", "{version}");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_threads_lose_nothing() {
    let yard = Yard::start(&[]);
    run(&yard, "threads.py");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_goes_up_and_down_in_flat_memory() {
    let yard = Yard::start(&[]);
    yard.infer(0.5, 0.5).await.ok();
    let before = yard.resident_bytes();
    let told = run_with("requirements.txt", &yard, "large.py", &["1024"]);
    println!("{told}");
    let grown = yard.resident_bytes().saturating_sub(before);
    assert!(grown < 300 << 20, "it holds {grown} bytes more");
    assert!(yard.unfinished().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_their_assessments_are_kept() {
    let yard = Yard::start(&[]);
    run(&yard, "traces.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn evaluation_datasets_are_kept() {
    let yard = Yard::start(&[]);
    run(&yard, "datasets.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_called_and_signed_as_mlflow_does() {
    let yard = Yard::start(&["--allow-private-webhooks"]);
    run(&yard, "webhooks.py");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_evaluated() {
    let yard = Yard::start(&[]);
    run(&yard, "evaluate.py");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_skinny_client_is_served() {
    let yard = Yard::start(&[]);
    run_with("requirements-skinny.txt", &yard, "skinny.py", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_what_is_wrong() {
    let yard = Yard::start(&[]);
    run(&yard, "bad.py");
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_model_is_deployed_and_its_champion_rolled_out() {
    let yard = Yard::start(&[]);
    run(&yard, "deploy.py");
    yard.sound().await;
}

/// The projects of `examples/mlflow-migration`, as they stand.
#[tokio::test(flavor = "multi_thread")]
async fn projects_move_by_their_tracking_uri() {
    let yard = Yard::start(&[]);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/mlflow-migration");
    for (script, said) in [("penguins_sklearn.py", "served: "), ("diabetes_xgboost.py", "version 2")] {
        let mut command = python("requirements.txt");
        command.args(["-W", "ignore"]).arg(examples.join(script)).current_dir(yard.home());
        let output = command.env("MLFLOW_TRACKING_URI", &yard.url).output().unwrap();
        assert!(output.status.success(), "{script}: {}\n{}", output.status, told(&output));
        assert!(told(&output).contains(said), "{script}: {}", told(&output));
    }
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_a_token() {
    let yard = Yard::start(&[]);
    let token = async |role: &str, bearer: &str| -> String {
        let request = yard.request(reqwest::Method::POST, "/governance/tokens").bearer_auth(bearer);
        let made = support::answer(request.json(&json!({"name": role, "role": role}))).await.ok();
        made["token"].as_str().unwrap().to_owned()
    };
    let made = yard.post("/governance/tokens", json!({"name": "admin", "role": "admin"})).await.ok();
    let admin = made["token"].as_str().unwrap();
    let (viewer, developer) = (token("viewer", admin).await, token("developer", admin).await);
    run_with("requirements-skinny.txt", &yard, "tokens.py", &[&viewer, &developer, admin]);
}
