//! Evaluation datasets. Their tags and records are JSON in a text on the wire.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get, patch, post},
};
use modelyard_lifecycle::{
    Platform,
    tracking::store::{CreateDataset, EvaluationDataset, NewDatasetRecord, Search},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    error::{Error, Result},
    experiments::search_of,
    request::Fields,
};

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/datasets/create", post(create))
        .route("/datasets/search", get(search).post(search))
        .route("/datasets/{dataset}", get(by_id).delete(remove))
        .route("/datasets/{dataset}/tags", patch(set_tags))
        .route("/datasets/{dataset}/tags/{key}", delete(delete_tag))
        .route("/datasets/{dataset}/records", get(records).post(upsert).delete(delete_records))
        .route("/datasets/{dataset}/experiment-ids", get(experiments))
        .route("/datasets/{dataset}/add-experiments", post(add))
        .route("/datasets/{dataset}/remove-experiments", post(take_out))
}

/// What stands in a field as JSON in a text.
fn inside<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!(
            "Invalid value for parameter '{name}' supplied: it is not the JSON that belongs there: {error}"
        ))
    })
}

/// A dataset in MLflow's shape.
fn shown(dataset: &EvaluationDataset) -> Result<Value> {
    let tags = Value::Object(dataset.tags.clone()).to_string();
    let mut value = serde_json::to_value(dataset).map_err(modelyard_lifecycle::Error::internal)?;
    if let Some(members) = value.as_object_mut() {
        members.insert("tags".into(), json!(tags));
    }
    Ok(value)
}

fn answer(dataset: &EvaluationDataset) -> Result<Json<Value>> {
    Ok(Json(json!({"dataset": shown(dataset)?})))
}

async fn create(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let text = |name: &str| Ok::<_, Error>(fields.filled(name)?.map(str::to_owned));
    let tags: Option<Map<String, Value>> = match fields.filled("tags")? {
        Some(tags) => inside("tags", tags)?,
        None => None,
    };
    let request = CreateDataset {
        name: fields.required("name")?.to_owned(),
        experiment_ids: fields.texts("experiment_ids")?,
        tags: tags.unwrap_or_default(),
        schema: text("schema")?,
        profile: text("profile")?,
        created_by: text("created_by")?,
    };
    answer(&platform.tracking.create_dataset(request).await?)
}

async fn by_id(State(platform): State<Platform>, Path(dataset): Path<String>) -> Result<Json<Value>> {
    answer(&platform.tracking.dataset(&dataset)?)
}

async fn remove(State(platform): State<Platform>, Path(dataset): Path<String>) -> Result<Json<Value>> {
    platform.tracking.delete_dataset(&dataset).await?;
    Ok(Json(json!({})))
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let search =
        Search { max_results: Some(fields.page(1000, 1000)?), ..search_of(&fields, "filter_string")? };
    let page = platform.tracking.search_datasets(&fields.texts("experiment_ids")?, &search)?;
    let shown = page.items.iter().map(shown).collect::<Result<Vec<_>>>()?;
    Ok(Json(super::page("datasets", shown, page.next_page_token)))
}

async fn set_tags(
    State(platform): State<Platform>,
    Path(dataset): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let tags = inside("tags", fields.required("tags")?)?;
    answer(&platform.tracking.set_dataset_tags(&dataset, tags).await?)
}

async fn delete_tag(
    State(platform): State<Platform>,
    Path((dataset, key)): Path<(String, String)>,
) -> Result<Json<Value>> {
    platform.tracking.delete_dataset_tag(&dataset, &key).await?;
    Ok(Json(json!({})))
}

async fn records(
    State(platform): State<Platform>,
    Path(dataset): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let most = fields.page(1000, 100_000)?;
    let page = platform.tracking.dataset_records(&dataset, Some(most), fields.filled("page_token")?)?;
    let text = serde_json::to_string(&page.items).map_err(modelyard_lifecycle::Error::internal)?;
    let mut value = json!({"records": text});
    if let (Some(token), Some(members)) = (page.next_page_token, value.as_object_mut()) {
        members.insert("next_page_token".into(), json!(token));
    }
    Ok(Json(value))
}

async fn upsert(
    State(platform): State<Platform>,
    Path(dataset): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let records: Vec<NewDatasetRecord> = inside("records", fields.required("records")?)?;
    let done = platform.tracking.upsert_dataset_records(&dataset, records).await?;
    Ok(Json(json!({"inserted_count": done.inserted, "updated_count": done.updated})))
}

async fn delete_records(
    State(platform): State<Platform>,
    Path(dataset): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let gone =
        platform.tracking.delete_dataset_records(&dataset, fields.texts("dataset_record_ids")?).await?;
    Ok(Json(json!({"deleted_count": gone})))
}

async fn experiments(State(platform): State<Platform>, Path(dataset): Path<String>) -> Result<Json<Value>> {
    Ok(Json(json!({"experiment_ids": platform.tracking.dataset(&dataset)?.experiment_ids})))
}

async fn add(
    State(platform): State<Platform>,
    Path(dataset): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let ids = fields.texts("experiment_ids")?;
    answer(&platform.tracking.add_dataset_to_experiments(&dataset, ids).await?)
}

async fn take_out(
    State(platform): State<Platform>,
    Path(dataset): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let ids = fields.texts("experiment_ids")?;
    answer(&platform.tracking.remove_dataset_from_experiments(&dataset, ids).await?)
}
