//! Monitors, checks, findings and health.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use modelyard_lifecycle::{
    Platform,
    monitoring::{Check, FindingRecord, Health, Monitor, MonitorSpec},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging, Started, Waiting, begun,
    extract::{Body, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(monitors, put_monitor))
        .routes(routes!(monitor, delete_monitor))
        .routes(routes!(check))
        .routes(routes!(checks))
        .routes(routes!(findings))
        .routes(routes!(health))
}

/// Which checks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Checks {
    /// Of this monitor only.
    monitor: Option<String>,
}

/// Which findings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Findings {
    /// About this model only.
    model: Option<String>,
}

/// The monitors, by name.
#[utoipa::path(get, path = "/api/v1/monitoring/monitors", tag = "monitoring", responses((status = 200, body = Items<Monitor>)))]
async fn monitors(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Monitor>>> {
    Ok(Json(platform.monitoring().list(page.limit(), page.after).await?.into()))
}

/// Creates a monitor or changes it.
#[utoipa::path(put, path = "/api/v1/monitoring/monitors", tag = "monitoring", request_body = MonitorSpec, responses((status = 200, body = Monitor)))]
async fn put_monitor(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<MonitorSpec>,
) -> Answer<Json<Monitor>> {
    Ok(Json(platform.monitoring().put(&actor, spec).await?))
}

/// A monitor.
#[utoipa::path(get, path = "/api/v1/monitoring/monitors/{name}", tag = "monitoring", responses((status = 200, body = Monitor)))]
async fn monitor(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Monitor>> {
    Ok(Json(platform.monitoring().get(&name).await?))
}

/// Removes a monitor; its checks and findings stay.
#[utoipa::path(delete, path = "/api/v1/monitoring/monitors/{name}", tag = "monitoring", responses((status = 204)))]
async fn delete_monitor(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.monitoring().delete(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Compares the window with the reference now.
#[utoipa::path(post, path = "/api/v1/monitoring/monitors/{name}/check", tag = "monitoring", responses((status = 202, body = Started), (status = 200, body = Check)))]
async fn check(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<Response> {
    let job = platform.monitoring().start_check(&actor, &name).await?;
    begun(&platform, &job.id.clone(), &waiting, Started { job }).await
}

/// Checks, latest first.
#[utoipa::path(get, path = "/api/v1/monitoring/checks", tag = "monitoring", responses((status = 200, body = Items<Check>)))]
async fn checks(
    State(platform): State<Platform>,
    Query(which): Query<Checks>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Check>>> {
    Ok(Json(platform.monitoring().checks(which.monitor.as_deref(), page.limit(), page.after).await?.into()))
}

/// Findings, latest first.
#[utoipa::path(get, path = "/api/v1/monitoring/findings", tag = "monitoring", responses((status = 200, body = Items<FindingRecord>)))]
async fn findings(
    State(platform): State<Platform>,
    Query(which): Query<Findings>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<FindingRecord>>> {
    Ok(Json(platform.monitoring().findings(which.model.as_deref(), page.limit(), page.after).await?.into()))
}

/// Processor, memory, latency and errors of host and deployments.
#[utoipa::path(get, path = "/api/v1/monitoring/health", tag = "monitoring", responses((status = 200, body = Health)))]
async fn health(State(platform): State<Platform>) -> Answer<Json<Health>> {
    Ok(Json(platform.monitoring().health()))
}
