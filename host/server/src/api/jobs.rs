//! Long work: watched and cancelled.

use axum::{Json, extract::State};
use modelyard_lifecycle::{Platform, jobs::Job};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Path, Query},
};
use crate::problem::Answer;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(jobs)).routes(routes!(job)).routes(routes!(cancel))
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfKind {
    /// Of this kind only: `experiments.train`.
    kind: Option<String>,
}

/// Jobs, latest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", responses((status = 200, body = Items<Job>)))]
async fn jobs(
    State(platform): State<Platform>,
    Query(which): Query<OfKind>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Job>>> {
    Ok(Json(platform.jobs().list(which.kind.as_deref(), page.limit(), page.after).await?.into()))
}

/// A job with its live progress.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", responses((status = 200, body = Job)))]
async fn job(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Job>> {
    Ok(Json(platform.jobs().get(&id).await?))
}

/// Asks a job to stop.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", responses((status = 200, body = Job)))]
async fn cancel(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Job>> {
    Ok(Json(platform.jobs().cancel(&id).await?))
}
