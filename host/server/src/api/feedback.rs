//! Labels, rules and actions.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use modelyard_lifecycle::{
    Platform,
    feedback::{ActionRecord, LabelInput, LabelsTaken, Rule, RuleSpec},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging, Started, Waiting, begun,
    extract::{Body, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(label))
        .routes(routes!(rules, put_rule))
        .routes(routes!(rule, delete_rule))
        .routes(routes!(decide))
        .routes(routes!(actions))
}

/// Labels.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Labels {
    /// One for each prediction that became known.
    labels: Vec<LabelInput>,
}

/// Which actions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Actions {
    /// On this deployment only.
    deployment: Option<String>,
}

/// Takes what turned out to be true of predictions; the same label twice is one.
#[utoipa::path(post, path = "/api/v1/feedback/labels", tag = "feedback", request_body = Labels, responses((status = 200, body = LabelsTaken)))]
async fn label(State(platform): State<Platform>, Body(taken): Body<Labels>) -> Answer<Json<LabelsTaken>> {
    Ok(Json(platform.feedback().label(taken.labels).await?))
}

/// The rules, by name.
#[utoipa::path(get, path = "/api/v1/feedback/rules", tag = "feedback", responses((status = 200, body = Items<Rule>)))]
async fn rules(State(platform): State<Platform>, Query(page): Query<Paging>) -> Answer<Json<Items<Rule>>> {
    Ok(Json(platform.feedback().list(page.limit(), page.after).await?.into()))
}

/// Creates a rule or changes it.
#[utoipa::path(put, path = "/api/v1/feedback/rules", tag = "feedback", request_body = RuleSpec, responses((status = 200, body = Rule)))]
async fn put_rule(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<RuleSpec>,
) -> Answer<Json<Rule>> {
    Ok(Json(platform.feedback().put(&actor, spec).await?))
}

/// A rule.
#[utoipa::path(get, path = "/api/v1/feedback/rules/{name}", tag = "feedback", responses((status = 200, body = Rule)))]
async fn rule(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Rule>> {
    Ok(Json(platform.feedback().get(&name).await?))
}

/// Removes a rule; its actions stay.
#[utoipa::path(delete, path = "/api/v1/feedback/rules/{name}", tag = "feedback", responses((status = 204)))]
async fn delete_rule(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.feedback().delete(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks a rule what is to be done now, and does it.
#[utoipa::path(post, path = "/api/v1/feedback/rules/{name}/decide", tag = "feedback", responses((status = 202, body = Started), (status = 200, body = Vec<ActionRecord>)))]
async fn decide(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Answer<Response> {
    let job = platform.feedback().start_decide(&actor, &name).await?;
    begun(&platform, &job.id.clone(), &waiting, Started { job }).await
}

/// What rules had done, latest first.
#[utoipa::path(get, path = "/api/v1/feedback/actions", tag = "feedback", responses((status = 200, body = Items<ActionRecord>)))]
async fn actions(
    State(platform): State<Platform>,
    Query(which): Query<Actions>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<ActionRecord>>> {
    Ok(Json(platform.feedback().actions(which.deployment.as_deref(), page.limit(), page.after).await?.into()))
}
