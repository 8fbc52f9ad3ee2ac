//! Views, training sets and selection.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use modelyard_lifecycle::{
    Platform,
    features::{Join, Materialized, OnlineRow, Spine, TrainingSet, View, ViewSpec},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging, Started, Waiting, begun,
    extract::{Body, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(views, put_view))
        .routes(routes!(view, delete_view))
        .routes(routes!(materialize))
        .routes(routes!(lookup))
        .routes(routes!(training_set))
        .routes(routes!(select))
}

/// Which entities.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// Each an object with the view's key columns.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}

/// Which rows, joined with which views.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetSpec {
    /// The rows.
    spine: Spine,
    /// The views, joined point in time.
    #[serde(default)]
    joins: Vec<Join>,
}

/// What is to be ranked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Selection {
    /// The selection plugin.
    plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    parameters: Value,
    /// The dataset, `flights` or `flights@12`.
    dataset: String,
    /// The column that the others are to say something about.
    target: String,
}

/// A column and how much it says about the target.
#[derive(Debug, Serialize, ToSchema)]
struct RankedColumn {
    /// The column.
    column: String,
    /// Its score; the plugin says of what kind.
    score: f64,
    /// Whether the parameters' rule keeps it.
    selected: bool,
}

/// The views, by name.
#[utoipa::path(get, path = "/api/v1/features/views", tag = "features", responses((status = 200, body = Items<View>)))]
async fn views(State(platform): State<Platform>, Query(page): Query<Paging>) -> Answer<Json<Items<View>>> {
    Ok(Json(platform.features().views(page.limit(), page.after).await?.into()))
}

/// Creates a view or changes its definition.
#[utoipa::path(put, path = "/api/v1/features/views", tag = "features", request_body = ViewSpec, responses((status = 200, body = View)))]
async fn put_view(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<ViewSpec>,
) -> Answer<Json<View>> {
    Ok(Json(platform.features().put_view(&actor, spec).await?))
}

/// A view and what was last materialised.
#[utoipa::path(get, path = "/api/v1/features/views/{name}", tag = "features", responses((status = 200, body = View)))]
async fn view(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<View>> {
    Ok(Json(platform.features().view(&name).await?))
}

/// Removes a view; training sets made from it stay.
#[utoipa::path(delete, path = "/api/v1/features/views/{name}", tag = "features", responses((status = 204)))]
async fn delete_view(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.features().delete_view(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Computes a view's rows and, if it is kept online, its latest values.
#[utoipa::path(post, path = "/api/v1/features/views/{name}/materialize", tag = "features", responses((status = 202, body = Started), (status = 200, body = Materialized)))]
async fn materialize(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<Response> {
    let job = platform.features().start_materialize(&actor, &name).await?;
    begun(&platform, &job.id.clone(), &waiting, Started { job }).await
}

/// The latest values of entities.
#[utoipa::path(post, path = "/api/v1/features/views/{name}/lookup", tag = "features", request_body = Keys, responses((status = 200, body = Items<OnlineRow>)))]
async fn lookup(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Body(ask): Body<Keys>,
) -> Answer<Json<Items<OnlineRow>>> {
    Ok(Json(platform.features().lookup(&name, &ask.keys).await?.into()))
}

/// Joins views to rows as they were known at each row's time; the same ask gives the same set.
#[utoipa::path(post, path = "/api/v1/features/training-sets", tag = "features", request_body = SetSpec, responses((status = 200, body = TrainingSet)))]
async fn training_set(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<SetSpec>,
) -> Answer<Json<TrainingSet>> {
    Ok(Json(platform.features().training_set(&actor, &spec.spine, &spec.joins).await?))
}

/// Ranks a dataset's columns by what they say about a target.
#[utoipa::path(post, path = "/api/v1/features/select", tag = "features", request_body = Selection, responses((status = 200, body = Items<RankedColumn>)))]
async fn select(
    State(platform): State<Platform>,
    Body(ask): Body<Selection>,
) -> Answer<Json<Items<RankedColumn>>> {
    let ranked = platform.features().select(&ask.plugin, &ask.parameters, &ask.dataset, &ask.target).await?;
    let columns = ranked.into_iter();
    let columns =
        columns.map(|one| RankedColumn { column: one.column, score: one.score, selected: one.selected });
    Ok(Json(columns.collect::<Vec<_>>().into()))
}
