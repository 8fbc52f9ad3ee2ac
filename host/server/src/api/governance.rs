//! Policies, reviews, audit, erasure and tokens.

use axum::{Extension, Json, extract::State, http::StatusCode};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Platform,
    governance::{AuditEntry, NewToken, Outcome, Policy, PolicySpec, Receipt, Review, Role, Token, Verified},
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Body, Path, Query, VersionReference},
};
use crate::{
    auth::{Auth, Caller},
    problem::Answer,
};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(policies, put_policy))
        .routes(routes!(policy, delete_policy))
        .routes(routes!(reviews, review))
        .routes(routes!(decide))
        .routes(routes!(audit))
        .routes(routes!(verify_audit))
        .routes(routes!(erasures, erase))
        .routes(routes!(erasure))
        .routes(routes!(tokens, create_token))
        .routes(routes!(revoke_token))
}

/// Which reviews.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Reviews {
    /// With this outcome only.
    outcome: Option<Outcome>,
}

/// A change to be judged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Proposal {
    /// `deploy`, `promote` or `retire`.
    action: String,
    /// The model.
    model: String,
    /// The version.
    version: VersionReference,
}

/// A person's word.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// Whether it may be done.
    approve: bool,
    /// Why.
    #[serde(default)]
    comment: String,
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Audit {
    /// About this record only: `model_version:late@3`.
    subject: Option<String>,
}

/// Whose rows are to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Erasure {
    /// The column that names the data subject.
    column: String,
    /// The subject's value in it.
    #[schema(value_type = Object)]
    value: Value,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenSpec {
    /// Its name.
    name: String,
    /// What it may do.
    role: Role,
    /// When it stops working; never if left out.
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// The policies, by name.
#[utoipa::path(get, path = "/api/v1/governance/policies", tag = "governance", responses((status = 200, body = Items<Policy>)))]
async fn policies(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Policy>>> {
    Ok(Json(platform.governance().policies(page.limit(), page.after).await?.into()))
}

/// Creates a policy or changes it.
#[utoipa::path(put, path = "/api/v1/governance/policies", tag = "governance", request_body = PolicySpec, responses((status = 200, body = Policy)))]
async fn put_policy(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<PolicySpec>,
) -> Answer<Json<Policy>> {
    Ok(Json(platform.governance().put_policy(&actor, spec).await?))
}

/// A policy.
#[utoipa::path(get, path = "/api/v1/governance/policies/{name}", tag = "governance", responses((status = 200, body = Policy)))]
async fn policy(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<Policy>> {
    Ok(Json(platform.governance().policy(&name).await?))
}

/// Removes a policy.
#[utoipa::path(delete, path = "/api/v1/governance/policies/{name}", tag = "governance", responses((status = 204)))]
async fn delete_policy(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.governance().delete_policy(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the policies said of proposed changes, latest first.
#[utoipa::path(get, path = "/api/v1/governance/reviews", tag = "governance", responses((status = 200, body = Items<Review>)))]
async fn reviews(
    State(platform): State<Platform>,
    Query(which): Query<Reviews>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Review>>> {
    Ok(Json(platform.governance().reviews(which.outcome, page.limit(), page.after).await?.into()))
}

/// Asks the policies about a change without doing it.
#[utoipa::path(post, path = "/api/v1/governance/reviews", tag = "governance", request_body = Proposal, responses((status = 200, body = Review)))]
async fn review(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(ask): Body<Proposal>,
) -> Answer<Json<Review>> {
    let version = platform.registry().resolve(&ask.model, &ask.version.0).await?.version;
    Ok(Json(platform.governance().review(&actor, &ask.action, &ask.model, version).await?))
}

/// Approves or rejects a change that waits for a person.
#[utoipa::path(post, path = "/api/v1/governance/reviews/{id}/decide", tag = "governance", request_body = Decision, responses((status = 200, body = Review)))]
async fn decide(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Body(word): Body<Decision>,
) -> Answer<Json<Review>> {
    Ok(Json(platform.governance().decide(&actor, &id, word.approve, &word.comment).await?))
}

/// The audit trail, latest first.
#[utoipa::path(get, path = "/api/v1/governance/audit", tag = "governance", responses((status = 200, body = Items<AuditEntry>)))]
async fn audit(
    State(platform): State<Platform>,
    Query(which): Query<Audit>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<AuditEntry>>> {
    Ok(Json(platform.governance().audit(which.subject.as_deref(), page.limit(), page.after).await?.into()))
}

/// Checks every hash and every link of the audit trail.
#[utoipa::path(get, path = "/api/v1/governance/audit/verify", tag = "governance", responses((status = 200, body = Verified)))]
async fn verify_audit(State(platform): State<Platform>) -> Answer<Json<Verified>> {
    Ok(Json(platform.governance().verify_audit().await?))
}

/// Receipts of erasures.
#[utoipa::path(get, path = "/api/v1/governance/erasures", tag = "governance", responses((status = 200, body = Items<Receipt>)))]
async fn erasures(
    State(platform): State<Platform>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Receipt>>> {
    Ok(Json(platform.governance().receipts(page.limit(), page.after).await?.into()))
}

/// Erases one data subject everywhere and gives a receipt.
#[utoipa::path(post, path = "/api/v1/governance/erasures", tag = "governance", request_body = Erasure, responses((status = 200, body = Receipt)))]
async fn erase(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(whom): Body<Erasure>,
) -> Answer<Json<Receipt>> {
    Ok(Json(platform.governance().erase(&actor, &whom.column, &whom.value).await?))
}

/// A receipt.
#[utoipa::path(get, path = "/api/v1/governance/erasures/{id}", tag = "governance", responses((status = 200, body = Receipt)))]
async fn erasure(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Receipt>> {
    Ok(Json(platform.governance().receipt(&id).await?))
}

/// The access tokens, without their secrets.
#[utoipa::path(get, path = "/api/v1/governance/tokens", tag = "governance", responses((status = 200, body = Items<Token>)))]
async fn tokens(State(platform): State<Platform>) -> Answer<Json<Items<Token>>> {
    Ok(Json(platform.governance().tokens().await?.into()))
}

/// Makes an access token; its secret is shown once. From now on every request needs one.
#[utoipa::path(post, path = "/api/v1/governance/tokens", tag = "governance", request_body = TokenSpec, responses((status = 201, body = NewToken)))]
async fn create_token(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Extension(auth): Extension<Auth>,
    Body(spec): Body<TokenSpec>,
) -> Answer<(StatusCode, Json<NewToken>)> {
    let token = platform.governance().create_token(&actor, &spec.name, spec.role, spec.expires_at).await?;
    auth.require();
    Ok((StatusCode::CREATED, Json(token)))
}

/// Makes a token stop working.
#[utoipa::path(delete, path = "/api/v1/governance/tokens/{name}", tag = "governance", responses((status = 204)))]
async fn revoke_token(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.governance().revoke_token(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
