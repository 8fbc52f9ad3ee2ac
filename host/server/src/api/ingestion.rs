//! Sources, datasets and queries; uploads are in `rows`.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use modelyard_lifecycle::{
    Platform,
    ingestion::{Dataset, DatasetFile, DatasetVersion, Pulled, Source, SourceSpec},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging, Started, Waiting, begun,
    extract::{Body, Path, Query},
    table::Table,
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(sources, put_source))
        .routes(routes!(source, delete_source))
        .routes(routes!(pull))
        .routes(routes!(datasets))
        .routes(routes!(dataset))
        .routes(routes!(versions))
        .routes(routes!(files))
        .routes(routes!(query))
}

/// Which files.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Files {
    /// Of the dataset as it was at this version; the latest if left out.
    version: Option<u32>,
    /// The rows that were refused instead.
    #[serde(default)]
    quarantine: bool,
}

/// A query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// A SELECT over datasets by name.
    sql: String,
    /// The most rows, up to 100,000; 1,000 if left out.
    #[serde(default)]
    limit: Option<usize>,
}

/// The sources, by name.
#[utoipa::path(get, path = "/api/v1/ingestion/sources", tag = "ingestion", responses((status = 200, body = Items<Source>)))]
async fn sources(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Source>>> {
    Ok(Json(platform.ingestion().sources(page.limit(), page.after).await?.into()))
}

/// Creates a source or changes it; its cursor stays unless it reads another place.
#[utoipa::path(put, path = "/api/v1/ingestion/sources", tag = "ingestion", request_body = SourceSpec, responses((status = 200, body = Source)))]
async fn put_source(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<SourceSpec>,
) -> Answer<Json<Source>> {
    Ok(Json(platform.ingestion().put_source(&actor, spec).await?))
}

/// A source and how far it has been read.
#[utoipa::path(get, path = "/api/v1/ingestion/sources/{name}", tag = "ingestion", responses((status = 200, body = Source)))]
async fn source(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Source>> {
    Ok(Json(platform.ingestion().source(&name).await?))
}

/// Removes a source; its dataset stays.
#[utoipa::path(delete, path = "/api/v1/ingestion/sources/{name}", tag = "ingestion", responses((status = 204)))]
async fn delete_source(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.ingestion().delete_source(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads what is new in a source.
#[utoipa::path(post, path = "/api/v1/ingestion/sources/{name}/pull", tag = "ingestion", responses((status = 202, body = Started), (status = 200, body = Pulled)))]
async fn pull(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<Response> {
    let job = platform.ingestion().start_pull(&actor, &name).await?;
    begun(&platform, &job.id.clone(), &waiting, Started { job }).await
}

/// The datasets, by name.
#[utoipa::path(get, path = "/api/v1/ingestion/datasets", tag = "ingestion", responses((status = 200, body = Items<Dataset>)))]
async fn datasets(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Dataset>>> {
    Ok(Json(platform.ingestion().datasets(page.limit(), page.after).await?.into()))
}

/// A dataset as it is now.
#[utoipa::path(get, path = "/api/v1/ingestion/datasets/{name}", tag = "ingestion", responses((status = 200, body = Dataset)))]
async fn dataset(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Dataset>> {
    Ok(Json(platform.ingestion().dataset(&name).await?))
}

/// The versions of a dataset, latest first.
#[utoipa::path(get, path = "/api/v1/ingestion/datasets/{name}/versions", tag = "ingestion", responses((status = 200, body = Items<DatasetVersion>)))]
async fn versions(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<DatasetVersion>>> {
    Ok(Json(platform.ingestion().versions(&name, page.limit(), page.after).await?.into()))
}

/// The files that a version of a dataset is made of.
#[utoipa::path(get, path = "/api/v1/ingestion/datasets/{name}/files", tag = "ingestion", responses((status = 200, body = Items<DatasetFile>)))]
async fn files(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Query(which): Query<Files>,
) -> Answer<Json<Items<DatasetFile>>> {
    Ok(Json(platform.ingestion().files(&name, which.version, which.quarantine).await?.into()))
}

/// The rows that a SELECT over datasets gives; nothing can be changed by it.
#[utoipa::path(post, path = "/api/v1/ingestion/query", tag = "ingestion", request_body = Ask, responses((status = 200, body = Table)))]
async fn query(State(platform): State<Platform>, Body(ask): Body<Ask>) -> Answer<Json<Table>> {
    let limit = ask.limit.unwrap_or(1_000).clamp(1, 100_000);
    let (schema, batches) = platform.ingestion().query(&ask.sql, limit).await?;
    Ok(Json(Table::new(schema, batches)?))
}
