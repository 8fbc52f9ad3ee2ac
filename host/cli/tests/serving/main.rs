//! Serving, against the binary as it is run: chains of components, clients that
//! behave badly, load, and models that hang or crash beside others.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod chains;
mod clients;
mod load;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::HashMap, sync::OnceLock};

use modelyard_build::BuildOptions;
use serde_json::{Value, json};
use support::{Answer, Yard, tensor};

/// A step's component, built from its crate.
fn component(name: &'static str) -> &'static [u8] {
    static BUILT: OnceLock<HashMap<&str, Vec<u8>>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let crates = ["/../../examples/steps/rescale", "/../../examples/steps/decide", "/tests/guests/rogue"];
        let build = |path: &&'static str| {
            let source = format!("{}{path}", env!("CARGO_MANIFEST_DIR"));
            let options = BuildOptions { locked: true, ..BuildOptions::new(source) };
            (path.rsplit('/').next().unwrap(), modelyard_build::build(&options).unwrap().bytes)
        };
        crates.iter().map(build).collect()
    });
    &built[name]
}

/// A server with steps' components.
async fn with_steps(names: &[&'static str]) -> Yard {
    let yard = Yard::start(&[]);
    for name in names {
        yard.plugin(name, component(name), name).await.ok();
    }
    yard
}

/// A deployment of the model `side`, with more in its record.
async fn deployed(yard: &Yard, name: &str, more: Value) -> Answer {
    let mut record = json!({"name": name, "model": "side", "routes": [{"version": 1}],
        "limits": {"deadline_ms": 20_000}});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    yard.put("/deployment", record).await
}

/// Calls a deployment with columns of numbers.
async fn infer(yard: &Yard, name: &str, columns: &[(&str, &[f64])]) -> Answer {
    let inputs: Vec<_> = columns.iter().map(|(column, values)| tensor(column, json!(values))).collect();
    yard.post(&format!("/v2/models/{name}/infer"), json!({"inputs": inputs})).await
}

/// An output of an answer.
fn output(answer: &Value, name: &str) -> Value {
    let outputs = answer["outputs"].as_array().unwrap();
    let found = outputs.iter().find(|output| output["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {answer}"))["data"].clone()
}
