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
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::json;
use support::Yard;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn told(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

/// Runs a step of the installation; `missing` says what to do if it fails.
fn step(command: &mut Command, missing: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}. {missing}"));
    assert!(output.status.success(), "{command:?}: {}\n{}\n{missing}", output.status, told(&output));
    told(&output)
}

/// The interpreter of an environment that holds the clients.
fn python() -> PathBuf {
    let requirements = scripts().join("requirements.txt");
    let version = step(
        Command::new("python3").arg("--version"),
        "These tests run the inference protocol's Python clients: install python3, 3.10 or later.",
    );
    let mut hasher = DefaultHasher::new();
    (version, fs::read(&requirements).unwrap()).hash(&mut hasher);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(home).unwrap();
    let place = home.join(format!("clients-{:016x}", hasher.finish()));
    let (python, whole) = (place.join("bin/python"), place.join("whole"));
    // One process installs, the others wait for it.
    let lock = File::create(place.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if whole.exists() {
        return python;
    }
    let _ = fs::remove_dir_all(&place);
    step(
        Command::new("python3").args(["-m", "venv"]).arg(&place),
        "python3 needs its venv module: on Debian and Ubuntu apt-get install python3-venv.",
    );
    step(
        Command::new(&python)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"])
            .args(["--only-binary", ":all:", "-r"])
            .arg(&requirements),
        "The clients come from PyPI: these tests need to reach it, or a mirror that pip is configured for.",
    );
    fs::write(&whole, "").unwrap();
    python
}

/// Runs a script that ends with an error if anything is not as it should be.
fn run(script: &str, yard: &Yard) {
    let output = Command::new(python())
        .arg(scripts().join(script))
        .arg(&yard.url)
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONPATH")
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}\n{}", output.status, told(&output));
    assert!(told(&output).contains("all as it should be"), "{script} ended early: {}", told(&output));
}

/// Beside `side` a deployment `kinds` that takes a text and answers one.
async fn with_texts() -> Yard {
    let yard = Yard::start(&[]);
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
    run("triton.py", &yard);
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kserves_client_finds_its_server() {
    let yard = with_texts().await;
    run("kserve_rest.py", &yard);
    yard.sound().await;
}
