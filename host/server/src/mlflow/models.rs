//! Logged models: what a run trained, before anyone registers it.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get, patch, post},
};
use modelyard_lifecycle::{
    Platform,
    tracking::store::{
        CreateLoggedModel, DatasetScope, LoggedModelStatus, ModelOrder, Param, SearchLoggedModels,
    },
};
use serde_json::{Value, json};

use super::{
    artifacts,
    error::Result,
    experiments::tags,
    request::{Fields, integer, missing, wrong},
};

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/logged-models", post(create))
        .route("/logged-models/search", post(search))
        .route("/logged-models/{model}", get(by_id).patch(finalize).delete(remove))
        .route("/logged-models/{model}/tags", patch(set_tags))
        .route("/logged-models/{model}/tags/{key}", delete(delete_tag))
        .route("/logged-models/{model}/params", post(log_params))
        .route("/logged-models/{model}/artifacts/directories", get(directories))
        .route("/logged-models/{model}/artifacts/files", get(file))
}

fn params(fields: &Fields) -> Result<Vec<Param>> {
    let pairs = fields.pairs("params")?.into_iter();
    Ok(pairs.map(|(key, value)| Param { key: key.into(), value: value.into() }).collect())
}

async fn create(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let text = |name: &str| Ok::<_, super::error::Error>(fields.filled(name)?.map(str::to_owned));
    let request = CreateLoggedModel {
        experiment_id: fields.required("experiment_id")?.to_owned(),
        name: text("name")?,
        model_type: text("model_type")?,
        source_run_id: text("source_run_id")?,
        params: params(&fields)?,
        tags: tags(&fields, "tags")?,
        model_id: None,
    };
    Ok(Json(json!({"model": platform.tracking.create_logged_model(request).await?})))
}

async fn by_id(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let model = match fields.boolean("allow_deleted")?.unwrap_or_default() {
        true => platform.tracking.logged_model_any(&model)?,
        false => platform.tracking.logged_model(&model)?,
    };
    Ok(Json(json!({"model": model})))
}

async fn finalize(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let value = fields.get("status").ok_or_else(|| missing("status"))?;
    let status = status(value).ok_or_else(|| wrong("status", value))?;
    Ok(Json(json!({"model": platform.tracking.finalize_logged_model(&model, status).await?})))
}

/// A status by its name, or by its number as protobuf has it.
fn status(value: &Value) -> Option<LoggedModelStatus> {
    match value {
        Value::String(_) if integer(value).is_none() => serde_json::from_value(value.clone()).ok(),
        other => match integer(other)? {
            0 => Some(LoggedModelStatus::Unspecified),
            1 => Some(LoggedModelStatus::Pending),
            2 => Some(LoggedModelStatus::Ready),
            3 => Some(LoggedModelStatus::Failed),
            _ => None,
        },
    }
}

async fn remove(State(platform): State<Platform>, Path(model): Path<String>) -> Result<Json<Value>> {
    platform.tracking.delete_logged_model(&model).await?;
    Ok(Json(json!({})))
}

async fn set_tags(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let model = platform.tracking.set_logged_model_tags(&model, tags(&fields, "tags")?).await?;
    Ok(Json(json!({"model": model})))
}

async fn delete_tag(
    State(platform): State<Platform>,
    Path((model, key)): Path<(String, String)>,
) -> Result<Json<Value>> {
    platform.tracking.delete_logged_model_tag(&model, &key).await?;
    Ok(Json(json!({})))
}

async fn log_params(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    platform.tracking.log_logged_model_params(&model, params(&fields)?).await?;
    Ok(Json(json!({})))
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(missing("experiment_ids"));
    }
    let search = SearchLoggedModels {
        experiment_ids: ids,
        filter: fields.text("filter")?.to_owned(),
        datasets: fields.records::<DatasetScope>("datasets")?,
        order_by: fields.records::<ModelOrder>("order_by")?,
        max_results: fields.integer("max_results")?,
        page_token: fields.filled("page_token")?.map(str::to_owned),
    };
    let page = platform.tracking.search_logged_models(&search)?;
    Ok(Json(super::page("models", page.items, page.next_page_token)))
}

async fn directories(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let root = platform.tracking.logged_model(&model)?.info.artifact_uri;
    artifacts::listing(&platform, &root, fields.text("artifact_directory_path")?).await.map(Json)
}

async fn file(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    headers: axum::http::HeaderMap,
    fields: Fields,
) -> Result<axum::response::Response> {
    let path = fields.filled("artifact_file_path")?.ok_or_else(|| {
        super::error::Error::bad_request("Request must include the \"artifact_file_path\" query parameter.")
    })?;
    let root = platform.tracking.logged_model(&model)?.info.artifact_uri;
    artifacts::send(&platform, artifacts::below(&root, path)?, &headers, true).await
}
