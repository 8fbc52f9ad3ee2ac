//! Usage and its price.

use axum::{Json, extract::State};
use modelyard_lifecycle::{Platform, scaling::Bill};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Items, extract::Query};
use crate::problem::Answer;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(usage))
}

/// Which usage.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Days {
    /// Of this deployment only.
    deployment: Option<String>,
    /// From this day on: `2013-04-01`.
    from: Option<String>,
    /// Up to this day, included.
    to: Option<String>,
}

/// What deployments used and what that costs.
#[utoipa::path(get, path = "/api/v1/scaling/usage", tag = "scaling", responses((status = 200, body = Items<Bill>)))]
async fn usage(State(platform): State<Platform>, Query(days): Query<Days>) -> Answer<Json<Items<Bill>>> {
    let Days { deployment, from, to } = days;
    Ok(Json(platform.scaling().usage(deployment.as_deref(), from.as_deref(), to.as_deref()).await?.into()))
}
