//! Functions against the binary as it is run: what handlers of `wasi:http`
//! answer and how they fail, what they may reach, and the examples in three
//! languages, built by their own tools.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod answers;
mod failures;
mod languages;
mod reach;
#[path = "../support/mod.rs"]
mod support;

use std::{path::PathBuf, sync::OnceLock};

use modelyard_build::BuildOptions;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::Yard;

/// A handler that does what its path says, well or badly.
fn handler() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/handler");
        let options = BuildOptions { locked: true, ..BuildOptions::new(source) };
        modelyard_build::build(&options).unwrap().bytes
    })
}

/// The examples' directory.
fn examples() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/functions"))
}

/// A request to what is mounted: `hello/path?query`.
fn to(yard: &Yard, method: Method, target: &str) -> RequestBuilder {
    yard.client.request(method, format!("{}/functions/{target}", yard.url))
}

async fn text(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// What a GET is answered, which is a success.
async fn got(yard: &Yard, target: &str) -> String {
    let (status, text) = text(to(yard, Method::GET, target)).await;
    assert_eq!(status, 200, "{target}: {text}");
    text
}

/// A server with the handler as the function `name`, and a record for it.
async fn serving(arguments: &[&str], record: Value) -> Yard {
    let yard = Yard::empty(arguments);
    yard.plugin("handler", handler(), "handler").await.ok();
    put(&yard, record).await;
    yard
}

/// Puts a function `rogue` of the handler with more in its record.
async fn put(yard: &Yard, more: Value) -> Value {
    let mut record = json!({"name": "rogue", "plugin": "handler"});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    yard.put("/functions", record).await.ok()
}

/// A number from the server's metrics.
async fn metric(yard: &Yard, line: &str) -> f64 {
    let text = yard.client.get(format!("{}/metrics", yard.url)).send().await.unwrap().text().await.unwrap();
    let found = text.lines().find_map(|told| told.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {line} in {text}")).parse().unwrap()
}
