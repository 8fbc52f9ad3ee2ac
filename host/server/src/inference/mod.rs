//! The Open Inference Protocol, version 2, its JSON form.
//!
//! Errors here are `{"error": "…"}` with a 4xx or 5xx status, as the protocol
//! says; everything else of the server answers with problem details.

mod tensors;

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use modelyard_lifecycle::runtime::types::TensorSpec;
use modelyard_lifecycle::{Code, Error, Platform, deployment::Request, registry::Version};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::problem::{Failure, status};

/// The header that keeps a caller on one route.
const STICKY: &str = "modelyard-sticky";

/// The protocol's endpoints.
pub(crate) fn routes() -> Router<Platform> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{name}", get(metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(infer))
        .route("/v2/models/{name}/versions/{version}", get(version_metadata))
        .route("/v2/models/{name}/versions/{version}/ready", get(version_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(version_infer))
}

/// A failure in the protocol's words.
struct Fault(Error);

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let code = status(self.0.code);
        let failure = Failure(self.0);
        let retry_after = failure.retry_after();
        let mut response = (code, Json(json!({"error": failure.0.to_string()}))).into_response();
        if let Some(after) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// A tensor as it is asked for and answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InferTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) datatype: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Value>,
    pub(crate) data: Value,
}

#[derive(Debug, Deserialize)]
struct InferRequest {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    inputs: Vec<InferTensor>,
    #[serde(default)]
    outputs: Vec<WantedOutput>,
}

#[derive(Debug, Deserialize)]
struct WantedOutput {
    name: String,
}

#[derive(Debug, Serialize)]
struct InferResponse {
    model_name: String,
    model_version: String,
    id: String,
    parameters: Value,
    outputs: Vec<InferTensor>,
}

async fn server() -> Json<Value> {
    Json(json!({"name": "modelyard", "version": env!("CARGO_PKG_VERSION"), "extensions": []}))
}

async fn live() -> Json<Value> {
    Json(json!({"live": true}))
}

async fn ready() -> Json<Value> {
    // The specification says `live` here, KServe's servers `ready`.
    Json(json!({"live": true, "ready": true}))
}

async fn model_ready(State(platform): State<Platform>, Path(name): Path<String>) -> Response {
    let live = platform.deployment().is_live(&name);
    let code = if live { StatusCode::OK } else { StatusCode::NOT_FOUND };
    (code, Json(json!({"name": name, "ready": live}))).into_response()
}

async fn version_ready(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let ready = routed(&platform, &name).await?.contains(&version);
    let code = if ready { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok((code, Json(json!({"name": name, "version": version, "ready": ready}))).into_response())
}

async fn routed(platform: &Platform, name: &str) -> Result<Vec<String>, Fault> {
    let deployment = platform.deployment().get(name).await?;
    Ok(deployment.spec.routes.iter().map(|route| route.version.clone()).collect())
}

async fn metadata(State(platform): State<Platform>, Path(name): Path<String>) -> Result<Json<Value>, Fault> {
    let version = platform.deployment().main_version(&name).await?;
    describe(&platform, &name, &version).await
}

async fn version_metadata(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let deployment = platform.deployment().get(&name).await?;
    let version = platform.registry().resolve(&deployment.spec.model, &version).await?;
    describe(&platform, &name, &version).await
}

async fn describe(platform: &Platform, name: &str, version: &Version) -> Result<Json<Value>, Fault> {
    let spec = |spec: &TensorSpec| {
        let mut fact =
            json!({"name": spec.name, "datatype": tensors::datatype(spec.datatype), "shape": spec.shape});
        if let (false, Value::Object(members)) = (spec.labels.is_empty(), &mut fact) {
            members.insert("parameters".into(), json!({"labels": spec.labels}));
        }
        fact
    };
    Ok(Json(json!({
        "name": name,
        "versions": routed(platform, name).await?,
        "platform": "modelyard_component",
        "inputs": version.inputs.inputs.iter().map(spec).collect::<Vec<_>>(),
        "outputs": version.signature.outputs.iter().map(spec).collect::<Vec<_>>(),
    })))
}

async fn infer(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<InferResponse>, Fault> {
    answer(&platform, &name, None, &headers, &body).await
}

async fn version_infer(
    State(platform): State<Platform>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<InferResponse>, Fault> {
    let number = version
        .parse()
        .map_err(|_| Error::new(Code::NotFound, format!("{version:?} is no version number of {name:?}")))?;
    answer(&platform, &name, Some(number), &headers, &body).await
}

async fn answer(
    platform: &Platform,
    name: &str,
    version: Option<u32>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Json<InferResponse>, Fault> {
    let request: InferRequest = serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("the request can't be read: {error}")))?;
    let text = |name: &str| request.parameters.get(name).and_then(Value::as_str).map(str::to_owned);
    let sticky = headers
        .get(STICKY)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .or_else(|| text("sticky"));
    let entity = text("entity");
    let inputs = request.inputs.into_iter().map(tensors::decode).collect::<Result<_, _>>()?;
    let answer = platform.deployment().infer(name, Request { inputs, sticky, entity, version }).await?;
    if let Some(unknown) =
        request.outputs.iter().find(|wanted| !answer.outputs.iter().any(|output| output.name == wanted.name))
    {
        let known: Vec<_> = answer.outputs.iter().map(|output| output.name.as_str()).collect();
        let message = format!("no output is named {:?}; the outputs are {}", unknown.name, known.join(", "));
        return Err(Error::field("outputs", message).into());
    }
    let wanted =
        |name: &str| request.outputs.is_empty() || request.outputs.iter().any(|output| output.name == name);
    let outputs =
        answer.outputs.into_iter().filter(|output| wanted(&output.name)).map(tensors::encode).collect();
    Ok(Json(InferResponse {
        model_name: name.to_owned(),
        model_version: answer.version.to_string(),
        id: request.id.unwrap_or_else(|| answer.prediction_id.to_string()),
        parameters: json!({
            "prediction_id": answer.prediction_id, "model": answer.model,
            "queue_us": answer.spent.queue_us, "instantiate_us": answer.spent.instantiate_us,
            "compute_us": answer.spent.compute_us, "total_us": answer.spent.total_us,
        }),
        outputs,
    }))
}
