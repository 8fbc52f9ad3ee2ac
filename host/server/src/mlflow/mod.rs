//! MLflow's REST protocol, so that its clients need nothing but this server's
//! address: tracking, artifacts, the model registry, traces, evaluation datasets
//! and webhooks.
//!
//! What is logged is kept by the tracking store and the artifacts of the
//! lifecycle; the model registry is Modelyard's own. Here are only the wire's
//! shapes, and what MLflow says where something is wrong. Every endpoint of
//! MLflow is listed in `docs/mlflow.md`; one that isn't supported says so
//! ([`unsupported`]).

mod artifacts;
mod datasets;
mod error;
mod experiments;
mod metrics;
mod models;
mod otlp;
mod range;
mod registered;
mod request;
mod runs;
mod search;
mod server_info;
mod traces;
mod unsupported;
mod uploads;
mod versions;
mod webhooks;

use axum::{Router, http::Method};
use modelyard_lifecycle::{Platform, governance::Role};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) use error::rewritten;
pub(crate) use uploads::SIGNED;

/// The protocol's endpoints.
pub(crate) fn routes() -> Router<Platform> {
    let version_2 = Router::new()
        .merge(experiments::routes())
        .merge(runs::routes())
        .merge(metrics::routes())
        .merge(models::routes())
        .merge(artifacts::run_routes())
        .merge(registered::routes())
        .merge(versions::routes())
        .merge(traces::version_2())
        .merge(unsupported::version_2())
        .merge(webhooks::routes());
    let version_3 = Router::new()
        .merge(server_info::routes())
        .merge(traces::routes())
        .merge(datasets::routes())
        .merge(unsupported::routes());
    let files = Router::new().merge(artifacts::routes()).merge(uploads::routes());
    let mut routes = Router::new().merge(server_info::top()).merge(otlp::routes());
    for prefix in PREFIXES {
        routes = routes
            .nest(&format!("{prefix}/2.0/mlflow"), version_2.clone())
            .nest(&format!("{prefix}/2.0/mlflow-artifacts"), files.clone())
            .nest(&format!("{prefix}/3.0/mlflow"), version_3.clone());
    }
    routes
}

/// Where clients and MLflow's own pages ask.
const PREFIXES: [&str; 2] = ["/api", "/ajax-api"];

/// Whether a path is of this protocol.
pub(crate) fn is_ours(path: &str) -> bool {
    below(path).is_some() || path == "/v1/traces" || path == "/version"
}

/// What stands behind the version in a path of this protocol: `mlflow/runs/get`.
pub(crate) fn below(path: &str) -> Option<&str> {
    let rest = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix))?;
    let rest = rest.strip_prefix("/2.0/").or_else(|| rest.strip_prefix("/3.0/"))?;
    rest.starts_with("mlflow").then_some(rest)
}

/// The role that a request needs. Searches are sent as POST, too.
pub(crate) fn needed(method: &Method, path: &str) -> Role {
    if method == Method::GET || method == Method::HEAD {
        return Role::Viewer;
    }
    let rest = below(path).and_then(|rest| rest.split_once('/')).map_or("", |(_, rest)| rest);
    let last = rest.rsplit('/').next().unwrap_or_default();
    if last.starts_with("search") || last.starts_with("batchGet") || last.starts_with("get-") {
        return Role::Viewer;
    }
    // Whom the server calls is an operator's to say.
    if rest == "webhooks" || rest.starts_with("webhooks/") { Role::Operator } else { Role::Developer }
}

/// A page of a list, as protobuf's JSON has it: what is empty is left out.
fn page(name: &str, items: Vec<impl Serialize>, token: Option<String>) -> Value {
    let mut members = Map::new();
    if !items.is_empty() {
        members.insert(name.to_owned(), json!(items));
    }
    if let Some(token) = token {
        members.insert("next_page_token".to_owned(), json!(token));
    }
    Value::Object(members)
}
