//! What the time is; a simulated clock can be moved.

use axum::{Json, extract::State};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{Platform, scheduler::Firing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::Body;
use crate::problem::Answer;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(now)).routes(routes!(advance))
}

/// What the time is.
#[derive(Debug, Serialize, ToSchema)]
struct Now {
    /// The moment.
    now: Timestamp,
    /// Whether the clock stands still until it is moved.
    simulated: bool,
}

/// Where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// The moment to move to.
    to: Timestamp,
}

/// What happened on the way.
#[derive(Debug, Serialize, ToSchema)]
struct Advanced {
    /// Where the clock stands now.
    now: Timestamp,
    /// What was fired, each at its moment.
    firings: Vec<Firing>,
}

/// What the time is.
#[utoipa::path(get, path = "/api/v1/clock", tag = "clock", responses((status = 200, body = Now)))]
async fn now(State(platform): State<Platform>) -> Answer<Json<Now>> {
    Ok(Json(Now { now: platform.clock.now(), simulated: platform.clock.is_simulated() }))
}

/// Moves a simulated clock, doing everything that falls due on the way.
#[utoipa::path(post, path = "/api/v1/clock/advance", tag = "clock", request_body = Advance, responses((status = 200, body = Advanced)))]
async fn advance(State(platform): State<Platform>, Body(target): Body<Advance>) -> Answer<Json<Advanced>> {
    let firings = platform.advance(target.to).await?;
    Ok(Json(Advanced { now: platform.clock.now(), firings }))
}
