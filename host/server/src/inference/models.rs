//! What is said of a model over HTTP: metadata, readiness, configuration,
//! statistics.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use modelyard_lifecycle::{Error, Platform};
use serde_json::{Value, json};

use super::facts::{self, Configuration, Metadata};
use crate::problem::Answer;

/// Inputs, outputs and versions; `/v2/models/stats` is every model's
/// statistics, unless a deployment has that name.
pub(super) async fn metadata(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Response> {
    if name == "stats" && platform.deployment().get(&name).await.is_err() {
        let all = facts::all_statistics(&platform);
        return Ok(Json(json!({"model_stats": all})).into_response());
    }
    Ok(Json(facts::metadata(&platform, &name, None).await?).into_response())
}

pub(super) async fn version_metadata(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Metadata>> {
    Ok(Json(facts::metadata(&platform, &name, Some(&version)).await?))
}

pub(super) async fn ready(State(platform): State<Platform>, Path(name): Path<String>) -> Response {
    let ready = facts::is_ready(&platform, &name, None);
    readiness(ready, json!({"name": name, "ready": ready}))
}

pub(super) async fn version_ready(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Response {
    let ready = facts::is_ready(&platform, &name, Some(&version));
    readiness(ready, json!({"name": name, "version": version, "ready": ready}))
}

/// The status says it; the body for people.
fn readiness(ready: bool, mut body: Value) -> Response {
    if ready {
        return Json(body).into_response();
    }
    if let Value::Object(members) = &mut body {
        members.insert("error".into(), "not ready: not there, or unloaded".into());
    }
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

pub(super) async fn config(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<Configuration>> {
    Ok(Json(facts::configuration(&platform, &name, None).await?))
}

pub(super) async fn version_config(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Configuration>> {
    Ok(Json(facts::configuration(&platform, &name, Some(&version)).await?))
}

pub(super) async fn statistics(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    Ok(Json(counted(&platform, &name, None)?))
}

pub(super) async fn version_statistics(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    Ok(Json(counted(&platform, &name, Some(&version))?))
}

/// What was metered for the whole deployment stands beside.
fn counted(platform: &Platform, name: &str, version: Option<&str>) -> Result<Value, Error> {
    let endpoint = facts::live(platform, name)?;
    let stats = facts::statistics(&endpoint, version)?;
    Ok(json!({"model_stats": stats, "deployment": endpoint}))
}
