//! The libraries that models come from, installed from PyPI: what they train is
//! imported and answers as they do; and the README's five lines, as they stand.

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

use support::{
    Yard,
    tools::{self, told},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The programs of an environment with all libraries.
fn programs() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libraries");
    tools::python("libraries", &scripts.join("requirements.txt")).join("bin")
}

#[tokio::test(flavor = "multi_thread")]
async fn models_answer_as_their_own_libraries_do() {
    let yard = Yard::start(&[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libraries/agree.py");
    let output = Command::new(programs().join("python"))
        .args(["-W", "ignore"])
        .arg(script)
        .arg(&yard.url)
        .arg(root().join("examples/penguins/penguins-raw.csv"))
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONPATH")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", output.status, told(&output));
    assert!(told(&output).contains("23 comparisons, all as it should be"), "{}", told(&output));
    yard.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_lines_import_deploy_and_call() {
    let yard = Yard::start(&[]);
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let section = text.split("## A model of yours").nth(1).unwrap();
    let lines = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    // The server of this test has another port, and its environment has the client.
    let address = yard.url.strip_prefix("http://").unwrap();
    let lines = lines.replace("127.0.0.1:8080", address).replace("pip install 'tritonclient[http]'\n", "");
    let binary = Path::new(env!("CARGO_BIN_EXE_modelyard")).parent().unwrap();
    let path = format!("{}:{}:{}", binary.display(), programs().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &lines])
        .current_dir(root())
        .env("PATH", path)
        .env("MODELYARD_SERVER", &yard.url)
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("MODELYARD_TOKEN")
        .env_remove("PYTHONPATH")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", output.status, told(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    // The first of the three classes is the surest, to curl and to Triton's client.
    let surest = |numbers: &str| {
        let numbers: Vec<f64> = numbers.split([',', ' ']).filter_map(|number| number.parse().ok()).collect();
        assert_eq!(numbers.len(), 3, "{said}");
        assert!(numbers[0] > 0.8, "{said}");
    };
    surest(said.split("\"data\":[").nth(1).unwrap().split(']').next().unwrap());
    surest(said.rsplit("[[").next().unwrap().split(']').next().unwrap());
    yard.sound().await;
}
