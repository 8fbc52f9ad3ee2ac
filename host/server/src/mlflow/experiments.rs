//! Experiments.

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use modelyard_lifecycle::{
    Platform,
    tracking::store::{CreateExperiment, Search, Tag, ViewType},
};
use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    request::{Fields, wrong},
};

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/experiments/create", post(create))
        .route("/experiments/get", get(by_id))
        .route("/experiments/get-by-name", get(by_name))
        .route("/experiments/search", get(search).post(search))
        .route("/experiments/update", post(rename))
        .route("/experiments/delete", post(delete))
        .route("/experiments/restore", post(restore))
        .route("/experiments/set-experiment-tag", post(set_tag))
        .route("/experiments/delete-experiment-tag", post(delete_tag))
        .route("/experiments/search-datasets", post(datasets))
}

/// Which stages a search looks at: by name, or by number as protobuf has it.
pub(super) fn view(fields: &Fields, name: &str) -> Result<ViewType> {
    let Some(value) = fields.get(name) else { return Ok(ViewType::ActiveOnly) };
    match value {
        Value::String(text) if text == "ACTIVE_ONLY" || text == "1" => Ok(ViewType::ActiveOnly),
        Value::String(text) if text == "DELETED_ONLY" || text == "2" => Ok(ViewType::DeletedOnly),
        Value::String(text) if text == "ALL" || text == "3" => Ok(ViewType::All),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Ok(ViewType::ActiveOnly),
            Some(2) => Ok(ViewType::DeletedOnly),
            Some(3) => Ok(ViewType::All),
            _ => Err(wrong(name, value)),
        },
        other => Err(wrong(name, other)),
    }
}

/// A filter, an order and a page.
pub(super) fn search_of(fields: &Fields, filter: &str) -> Result<Search> {
    Ok(Search {
        filter: fields.text(filter)?.to_owned(),
        order_by: fields.texts("order_by")?,
        max_results: fields.integer("max_results")?,
        page_token: fields.filled("page_token")?.map(str::to_owned),
    })
}

/// Tags as the store takes them.
pub(super) fn tags(fields: &Fields, name: &str) -> Result<Vec<Tag>> {
    Ok(fields.pairs(name)?.into_iter().map(|(key, value)| Tag::new(key, value)).collect())
}

async fn create(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let request = CreateExperiment {
        name: fields.required("name")?.to_owned(),
        artifact_location: fields.filled("artifact_location")?.map(str::to_owned),
        tags: tags(&fields, "tags")?,
    };
    if let Some(location) = &request.artifact_location {
        check_location(location)?;
    }
    let made = platform.tracking.create_experiment(request).await?;
    Ok(Json(json!({"experiment_id": made.experiment_id})))
}

/// An experiment's files are at a place that has no query and leads nowhere else.
fn check_location(location: &str) -> Result<()> {
    let bad =
        |why: &str| Err(Error::invalid(format!("'artifact_location' URIs {why}, but got '{location}'.")));
    if location.starts_with("runs:") {
        return Err(Error::invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{location}'")));
    }
    if location.contains(['?', '#']) {
        return bad("cannot include fragments or queries");
    }
    if location.split(['/', '\\']).any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e")) {
        return bad("cannot lead up");
    }
    Ok(())
}

async fn by_id(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let experiment = platform.tracking.experiment(fields.required("experiment_id")?)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn by_name(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let experiment = platform.tracking.experiment_by_name(fields.required("experiment_name")?)?;
    Ok(Json(json!({"experiment": experiment})))
}

async fn search(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let page =
        platform.tracking.search_experiments(&search_of(&fields, "filter")?, view(&fields, "view_type")?)?;
    Ok(Json(super::page("experiments", page.items, page.next_page_token)))
}

async fn rename(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let (id, name) = (fields.required("experiment_id")?, fields.required("new_name")?);
    platform.tracking.rename_experiment(id, name).await?;
    Ok(Json(json!({})))
}

async fn delete(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    platform.tracking.delete_experiment(fields.required("experiment_id")?).await?;
    Ok(Json(json!({})))
}

async fn restore(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    platform.tracking.restore_experiment(fields.required("experiment_id")?).await?;
    Ok(Json(json!({})))
}

async fn set_tag(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let tag = Tag::new(fields.required("key")?, fields.text("value")?);
    platform.tracking.set_experiment_tag(fields.required("experiment_id")?, tag).await?;
    Ok(Json(json!({})))
}

async fn delete_tag(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    platform
        .tracking
        .delete_experiment_tag(fields.required("experiment_id")?, fields.required("key")?)
        .await?;
    Ok(Json(json!({})))
}

/// The most experiments whose datasets are asked for at once.
const MOST: usize = 20;

async fn datasets(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(Error::invalid("SearchDatasets request must specify at least one experiment_id."));
    }
    if ids.len() > MOST {
        return Err(Error::invalid(format!(
            "SearchDatasets request cannot specify more than {MOST} experiment_ids. Received {} experiment_ids.",
            ids.len()
        )));
    }
    Ok(Json(json!({"dataset_summaries": platform.tracking.dataset_summaries(&ids)?})))
}
