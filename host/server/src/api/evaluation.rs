//! Evaluations of runs and versions.

use axum::{Json, extract::State};
use modelyard_lifecycle::{
    Platform,
    evaluation::{Evaluation, EvaluatorSpec},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Body, Path, Query, VersionReference},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(evaluations, evaluate)).routes(routes!(evaluation))
}

/// Of what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Subject {
    /// `run:<id>` or `model:<name>@<version>` only.
    subject: Option<String>,
}

/// A version and the rows to judge it by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Evaluate {
    /// The model.
    model: String,
    /// The version.
    version: VersionReference,
    /// The dataset, `flights` or `flights@12`, with the model's inputs and the target.
    dataset: String,
    /// The column that is true.
    target: String,
    /// The evaluation plugin; by default the one for the model's task.
    #[serde(default)]
    evaluator: Option<EvaluatorSpec>,
}

/// Evaluations, latest first.
#[utoipa::path(get, path = "/api/v1/evaluation", tag = "evaluation", responses((status = 200, body = Items<Evaluation>)))]
async fn evaluations(
    State(platform): State<Platform>,
    Query(which): Query<Subject>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Evaluation>>> {
    Ok(Json(platform.evaluation().list(which.subject.as_deref(), page.limit(), page.after).await?.into()))
}

/// Judges a version by the rows of a dataset.
#[utoipa::path(post, path = "/api/v1/evaluation", tag = "evaluation", request_body = Evaluate, responses((status = 200, body = Evaluation)))]
async fn evaluate(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(ask): Body<Evaluate>,
) -> Answer<Json<Evaluation>> {
    let version = platform.registry().resolve(&ask.model, &ask.version.0).await?;
    let evaluation = platform.evaluation();
    Ok(Json(evaluation.of_version(&actor, &version, &ask.dataset, &ask.target, ask.evaluator).await?))
}

/// An evaluation with its metrics, curves and confusion.
#[utoipa::path(get, path = "/api/v1/evaluation/{id}", tag = "evaluation", responses((status = 200, body = Evaluation)))]
async fn evaluation(State(platform): State<Platform>, Path(id): Path<String>) -> Answer<Json<Evaluation>> {
    Ok(Json(platform.evaluation().get(&id).await?))
}
