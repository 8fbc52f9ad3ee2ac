//! Retirement rules, assessments, archive and restore.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use modelyard_lifecycle::{
    Platform,
    registry::Version,
    retirement::{Assessment, RetirementRule, RetirementSpec},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging, Started, Waiting, begun,
    extract::{Body, Path, Query, VersionReference},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(rules, put_rule))
        .routes(routes!(rule, delete_rule))
        .routes(routes!(assess))
        .routes(routes!(assessments))
        .routes(routes!(archive))
        .routes(routes!(restore))
}

/// Which assessments.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Assessments {
    /// Of this model only.
    model: Option<String>,
}

/// Which version is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Archive {
    /// The model.
    model: String,
    /// The version.
    version: VersionReference,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Which version is to come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Restore {
    /// The model.
    model: String,
    /// The version.
    version: VersionReference,
}

/// The rules, by name.
#[utoipa::path(get, path = "/api/v1/retirement/rules", tag = "retirement", responses((status = 200, body = Items<RetirementRule>)))]
async fn rules(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<RetirementRule>>> {
    Ok(Json(platform.retirement().list(page.limit(), page.after).await?.into()))
}

/// Creates a rule or changes it.
#[utoipa::path(put, path = "/api/v1/retirement/rules", tag = "retirement", request_body = RetirementSpec, responses((status = 200, body = RetirementRule)))]
async fn put_rule(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<RetirementSpec>,
) -> Answer<Json<RetirementRule>> {
    Ok(Json(platform.retirement().put(&actor, spec).await?))
}

/// A rule.
#[utoipa::path(get, path = "/api/v1/retirement/rules/{name}", tag = "retirement", responses((status = 200, body = RetirementRule)))]
async fn rule(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<RetirementRule>> {
    Ok(Json(platform.retirement().get(&name).await?))
}

/// Removes a rule; its assessments stay.
#[utoipa::path(delete, path = "/api/v1/retirement/rules/{name}", tag = "retirement", responses((status = 204)))]
async fn delete_rule(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.retirement().delete(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Judges the versions that a rule is about now.
#[utoipa::path(post, path = "/api/v1/retirement/rules/{name}/assess", tag = "retirement", responses((status = 202, body = Started), (status = 200, body = Vec<Assessment>)))]
async fn assess(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<Response> {
    let job = platform.retirement().start_assess(&actor, &name).await?;
    begun(&platform, &job.id.clone(), &waiting, Started { job }).await
}

/// What rules said of versions, latest first.
#[utoipa::path(get, path = "/api/v1/retirement/assessments", tag = "retirement", responses((status = 200, body = Items<Assessment>)))]
async fn assessments(
    State(platform): State<Platform>,
    Query(which): Query<Assessments>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Assessment>>> {
    Ok(Json(
        platform.retirement().assessments(which.model.as_deref(), page.limit(), page.after).await?.into(),
    ))
}

/// Archives a version: kept, not deployable until it is restored.
#[utoipa::path(post, path = "/api/v1/retirement/archive", tag = "retirement", request_body = Archive, responses((status = 200, body = Version)))]
async fn archive(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(which): Body<Archive>,
) -> Answer<Json<Version>> {
    let version = platform.registry().resolve(&which.model, &which.version.0).await?.version;
    Ok(Json(platform.retirement().archive(&actor, &which.model, version, &which.reason).await?))
}

/// Brings an archived version back.
#[utoipa::path(post, path = "/api/v1/retirement/restore", tag = "retirement", request_body = Restore, responses((status = 200, body = Version)))]
async fn restore(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(which): Body<Restore>,
) -> Answer<Json<Version>> {
    let version = platform.registry().resolve(&which.model, &which.version.0).await?.version;
    Ok(Json(platform.retirement().restore(&actor, &which.model, version).await?))
}
