//! What is said of a model: metadata, readiness, configuration, statistics.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use modelyard_lifecycle::{
    Code, Error, Platform,
    deployment::{EndpointStats, RouteStats},
    registry::Version,
    runtime::types::{Datatype, TensorSpec},
};
use serde_json::{Value, json};

use super::datatype;
use crate::problem::Answer;

const PLATFORM: &str = "modelyard_component";

/// Inputs, outputs and versions; `/v2/models/stats` is every model's
/// statistics, unless a deployment has that name.
pub(super) async fn metadata(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    if name == "stats" && platform.deployment().get(&name).await.is_err() {
        let all = platform.deployment().stats();
        let all: Vec<_> = all.iter().flat_map(|endpoint| model_stats(endpoint, None)).collect();
        return Ok(Json(json!({"model_stats": all})));
    }
    let version = platform.deployment().main_version(&name).await?;
    describe(&platform, &name, &version).await
}

pub(super) async fn version_metadata(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let version = resolved(&platform, &name, &version).await?;
    describe(&platform, &name, &version).await
}

async fn resolved(platform: &Platform, name: &str, version: &str) -> Result<Version, Error> {
    let deployment = platform.deployment().get(name).await?;
    platform.registry().resolve(&deployment.spec.model, version).await
}

async fn describe(platform: &Platform, name: &str, version: &Version) -> Answer<Json<Value>> {
    let spec = |spec: &TensorSpec| {
        let mut fact =
            json!({"name": spec.name, "datatype": datatype::name(spec.datatype), "shape": spec.shape});
        if let (false, Value::Object(members)) = (spec.labels.is_empty(), &mut fact) {
            members.insert("parameters".into(), json!({"labels": spec.labels}));
        }
        fact
    };
    let deployment = platform.deployment().get(name).await?;
    let versions: Vec<_> = deployment.spec.routes.iter().map(|route| &route.version).collect();
    Ok(Json(json!({
        "name": name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": version.inputs.inputs.iter().map(spec).collect::<Vec<_>>(),
        "outputs": version.signature.outputs.iter().map(spec).collect::<Vec<_>>(),
    })))
}

pub(super) async fn ready(State(platform): State<Platform>, Path(name): Path<String>) -> Response {
    let ready = platform.deployment().is_live(&name);
    readiness(ready, json!({"name": name, "ready": ready}))
}

pub(super) async fn version_ready(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Response {
    let route = |route: &RouteStats| route.version.to_string() == version;
    let ready = live(&platform, &name).is_ok_and(|endpoint| endpoint.routes.iter().any(route));
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

fn live(platform: &Platform, name: &str) -> Result<EndpointStats, Error> {
    let mut all = platform.deployment().stats().into_iter();
    all.find(|endpoint| endpoint.deployment == name)
        .ok_or_else(|| Error::new(Code::NotFound, format!("no model {name:?} is ready")))
}

pub(super) async fn config(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    let version = platform.deployment().main_version(&name).await?;
    Ok(Json(configuration(&name, &version)))
}

pub(super) async fn version_config(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let version = resolved(&platform, &name, &version).await?;
    Ok(Json(configuration(&name, &version)))
}

/// Triton's model configuration, as far as it means something here. Its
/// `max_batch_size` 0 says that the dimensions hold the batch.
fn configuration(name: &str, version: &Version) -> Value {
    let tensor = |spec: &TensorSpec| {
        let datatype = match spec.datatype {
            Datatype::Bytes => "TYPE_STRING".to_owned(),
            other => format!("TYPE_{}", datatype::name(other)),
        };
        json!({"name": spec.name, "data_type": datatype, "dims": spec.shape})
    };
    json!({
        "name": name,
        "platform": PLATFORM,
        "backend": "modelyard",
        "max_batch_size": 0,
        "input": version.inputs.inputs.iter().map(tensor).collect::<Vec<_>>(),
        "output": version.signature.outputs.iter().map(tensor).collect::<Vec<_>>(),
    })
}

pub(super) async fn statistics(
    State(platform): State<Platform>,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    let endpoint = live(&platform, &name)?;
    Ok(Json(json!({"model_stats": model_stats(&endpoint, None), "deployment": endpoint})))
}

pub(super) async fn version_statistics(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let endpoint = live(&platform, &name)?;
    let stats = model_stats(&endpoint, Some(&version));
    if stats.is_empty() {
        let message = format!("{name:?} has no version {version:?}");
        return Err(Error::new(Code::NotFound, message).into());
    }
    Ok(Json(json!({"model_stats": stats, "deployment": endpoint})))
}

/// Triton's statistics of each version. Times are metered for the whole
/// deployment: they stand here where it has one version, and are left out
/// where it has several.
fn model_stats(endpoint: &EndpointStats, version: Option<&str>) -> Vec<Value> {
    let counted = |count: u64, us: Option<u64>| match us {
        Some(us) => json!({"count": count, "ns": us.saturating_mul(1000)}),
        None => json!({"count": count}),
    };
    let stats = |route: &RouteStats| {
        let sole = endpoint.routes.len() == 1;
        let (calls, errors) =
            if sole { (endpoint.calls, endpoint.errors) } else { (route.calls, route.errors) };
        let answered = calls.saturating_sub(errors);
        let time = |us: u64| counted(answered, sole.then_some(us));
        json!({
            "name": endpoint.deployment,
            "version": route.version.to_string(),
            "inference_count": answered,
            "execution_count": answered,
            "inference_stats": {
                "success": time(endpoint.total.sum_us),
                "fail": counted(errors, None),
                "queue": time(endpoint.queue.sum_us),
                "compute_infer": time(endpoint.compute.sum_us),
            },
        })
    };
    let wanted = |route: &&RouteStats| version.is_none_or(|version| route.version.to_string() == version);
    endpoint.routes.iter().filter(wanted).map(stats).collect()
}
