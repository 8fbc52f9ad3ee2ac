//! Deployments: endpoints, their routes and revisions.

use axum::{Json, extract::State};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Error, Platform,
    deployment::{Deployment, DeploymentSpec, Revision},
    tables::Window,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Body, Optional, Path, Query, VersionReference},
    table::Table,
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(deployments, deploy))
        .routes(routes!(deployment, stop))
        .routes(routes!(rollback))
        .routes(routes!(revisions))
        .routes(routes!(served))
        .routes(routes!(predictions))
        .routes(routes!(promote))
}

/// Why it is done.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Why {
    /// One sentence for the history.
    reason: Option<String>,
}

/// How far back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Rollback {
    /// To this revision; the one before if left out.
    revision: Option<u32>,
}

/// Which version becomes the champion.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Promotion {
    /// The version.
    version: VersionReference,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// When.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct At {
    /// At this moment; now if left out.
    at: Option<Timestamp>,
}

/// What came of a promotion.
#[derive(Debug, Serialize, ToSchema)]
struct Promoted {
    /// One sentence.
    outcome: String,
}

/// Which predictions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Predictions {
    /// Only of this version.
    version: Option<u32>,
    /// The first moment that is in.
    from: Option<Timestamp>,
    /// The first moment that is out.
    to: Option<Timestamp>,
    /// The most rows, up to 10,000; 100 if left out.
    limit: Option<usize>,
}

/// The deployments, by name.
#[utoipa::path(get, path = "/api/v1/deployment", tag = "deployment", responses((status = 200, body = Items<Deployment>)))]
async fn deployments(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Deployment>>> {
    Ok(Json(platform.deployment().list(page.limit(), page.after).await?.into()))
}

/// Deploys a model, or changes a deployment, without a failed call.
#[utoipa::path(put, path = "/api/v1/deployment", tag = "deployment", request_body = DeploymentSpec, responses((status = 200, body = Deployment)))]
async fn deploy(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Query(why): Query<Why>,
    Body(spec): Body<DeploymentSpec>,
) -> Answer<Json<Deployment>> {
    Ok(Json(platform.deployment().deploy(&actor, spec, why.reason.as_deref().unwrap_or_default()).await?))
}

/// A deployment as it stands.
#[utoipa::path(get, path = "/api/v1/deployment/{name}", tag = "deployment", responses((status = 200, body = Deployment)))]
async fn deployment(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Deployment>> {
    Ok(Json(platform.deployment().get(&name).await?))
}

/// Takes a deployment off; its history stays.
#[utoipa::path(delete, path = "/api/v1/deployment/{name}", tag = "deployment", responses((status = 200, body = Deployment)))]
async fn stop(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<Json<Deployment>> {
    Ok(Json(platform.deployment().stop(&actor, &name).await?))
}

/// Brings back what served before.
#[utoipa::path(post, path = "/api/v1/deployment/{name}/rollback", tag = "deployment", request_body = Rollback, responses((status = 200, body = Deployment)))]
async fn rollback(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Optional(to): Optional<Rollback>,
) -> Answer<Json<Deployment>> {
    Ok(Json(platform.deployment().rollback(&actor, &name, to.revision).await?))
}

/// What served when, latest first.
#[utoipa::path(get, path = "/api/v1/deployment/{name}/revisions", tag = "deployment", responses((status = 200, body = Items<Revision>)))]
async fn revisions(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Revision>>> {
    Ok(Json(platform.deployment().history(&name, page.limit(), page.after).await?.into()))
}

/// What served at a moment.
#[utoipa::path(get, path = "/api/v1/deployment/{name}/served", tag = "deployment", responses((status = 200, body = Revision)))]
async fn served(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Query(when): Query<At>,
) -> Answer<Json<Revision>> {
    platform.deployment().get(&name).await?;
    let at = when.at.unwrap_or_else(|| platform.clock.now());
    let served = platform.deployment().served_at(&name, at).await?;
    Ok(Json(served.ok_or_else(|| Error::not_found("revision", format!("{name} at {at}")))?))
}

/// What a deployment answered, the latest first: ids, times, features, outputs,
/// and the labels known now.
#[utoipa::path(get, path = "/api/v1/deployment/{name}/predictions", tag = "deployment", responses((status = 200, body = Table)))]
async fn predictions(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Query(which): Query<Predictions>,
) -> Answer<Json<Table>> {
    let Predictions { version, from, to, limit } = which;
    let window = Window { version, from, to, ..Window::of(name) };
    let most = limit.unwrap_or(100).clamp(1, 10_000);
    let (schema, rows) = platform.deployment().predictions(&window, most).await?;
    Ok(Json(Table::new(schema, [rows])?))
}

/// Gives all traffic and the alias `champion` to a version, if governance agrees.
#[utoipa::path(post, path = "/api/v1/deployment/{name}/promote", tag = "deployment", request_body = Promotion, responses((status = 200, body = Promoted)))]
async fn promote(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Body(ask): Body<Promotion>,
) -> Answer<Json<Promoted>> {
    let model = platform.deployment().get(&name).await?.spec.model;
    let version = platform.registry().resolve(&model, &ask.version.0).await?.version;
    let outcome = platform.feedback().promote_version(&actor, &name, version, &ask.reason).await?;
    Ok(Json(Promoted { outcome }))
}
