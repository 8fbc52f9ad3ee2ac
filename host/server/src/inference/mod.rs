//! The Open Inference Protocol, version 2: health, metadata, inference, and what
//! its clients ask beyond the specification: the model repository, configuration
//! and statistics. A model here is a deployment.
//!
//! It is spoken over HTTP here, with its binary extension, and over gRPC in
//! [`grpc`]; what both say is decided in [`call`], [`facts`], [`input`], [`raw`]
//! and [`repository`]. Errors over HTTP are the problem details of the rest of
//! the server with the protocol's `error` beside them ([`errors`]).

mod answer;
mod body;
mod call;
#[cfg(test)]
mod changed;
mod datatype;
mod errors;
mod facts;
pub(crate) mod grpc;
mod infer;
mod input;
mod literals;
mod models;
mod parse;
mod raw;
mod repository;

use axum::{
    Extension, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use modelyard_lifecycle::Platform;
use serde_json::{Value, json};

pub(crate) use errors::Errors;

/// The largest body of a request, in bytes, also after decompression.
#[derive(Clone, Copy)]
struct Most(usize);

/// The protocol's endpoints, taking bodies of at most `most` bytes.
pub(crate) fn routes(most: usize) -> Router<Platform> {
    let model = |rest: &str| format!("/v2/models/{{name}}{rest}");
    let version = |rest: &str| format!("/v2/models/{{name}}/versions/{{version}}{rest}");
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route(&model(""), get(models::metadata))
        .route(&model("/ready"), get(models::ready))
        .route(&model("/config"), get(models::config))
        .route(&model("/stats"), get(models::statistics))
        .route(&model("/infer"), post(infer::infer))
        .route(&version(""), get(models::version_metadata))
        .route(&version("/ready"), get(models::version_ready))
        .route(&version("/config"), get(models::version_config))
        .route(&version("/stats"), get(models::version_statistics))
        .route(&version("/infer"), post(infer::version_infer))
        .route("/v2/repository/index", post(repository::index))
        .route("/v2/repository/models/{name}/load", post(repository::load))
        .route("/v2/repository/models/{name}/unload", post(repository::unload))
        .layer(Extension(Most(most)))
}

async fn server() -> Json<Value> {
    Json(json!({"name": facts::NAME, "version": facts::VERSION, "extensions": facts::EXTENSIONS}))
}

async fn live() -> Json<Value> {
    Json(json!({"live": true}))
}

async fn ready(State(platform): State<Platform>) -> Response {
    // The specification says `live` here, KServe's servers `ready`.
    match platform.catalog.health().await {
        Ok(_) => Json(json!({"live": true, "ready": true})).into_response(),
        Err(error) => {
            let body = json!({"live": true, "ready": false, "error": error.to_string()});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
