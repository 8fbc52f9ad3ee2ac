//! Schedules: what is done when.

use axum::{Json, extract::State, http::StatusCode};
use modelyard_catalog::Ref;
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Error, Platform,
    scheduler::{Draft, Firing, Schedule},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Body, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(schedules, put))
        .routes(routes!(preview))
        .routes(routes!(delete))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(history))
}

/// A cron expression.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Preview {
    /// Five or six fields, or `@daily` and the like.
    cron: String,
    /// The IANA time zone; UTC if left out.
    #[serde(default)]
    timezone: Option<String>,
    /// How many, up to 100; 5 if left out.
    #[serde(default)]
    count: Option<usize>,
}

/// When it would fire.
#[derive(Debug, Serialize, ToSchema)]
struct Ticks {
    /// The next moments.
    next: Vec<Timestamp>,
}

/// The schedules, by name.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", responses((status = 200, body = Items<Schedule>)))]
async fn schedules(State(platform): State<Platform>) -> Answer<Json<Items<Schedule>>> {
    Ok(Json(platform.scheduler.list().await?.into()))
}

/// Creates a schedule, or changes the one with its id.
#[utoipa::path(put, path = "/api/v1/schedules", tag = "schedules", request_body = Draft, responses((status = 200, body = Schedule)))]
async fn put(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(draft): Body<Draft>,
) -> Answer<Json<Schedule>> {
    Ok(Json(platform.put_schedule(&actor, draft).await?))
}

/// The next moments at which an expression fires.
#[utoipa::path(post, path = "/api/v1/schedules/preview", tag = "schedules", request_body = Preview, responses((status = 200, body = Ticks)))]
async fn preview(State(platform): State<Platform>, Body(ask): Body<Preview>) -> Answer<Json<Ticks>> {
    let count = ask.count.unwrap_or(5).clamp(1, 100);
    let next = platform.scheduler.preview(&ask.cron, ask.timezone.as_deref().unwrap_or("UTC"), count)?;
    Ok(Json(Ticks { next }))
}

/// Removes a schedule; its history stays.
#[utoipa::path(delete, path = "/api/v1/schedules/{id}", tag = "schedules", responses((status = 204)))]
async fn delete(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    if !platform.scheduler.delete(&id).await? {
        return Err(Error::not_found("schedule", &id).into());
    }
    platform.change(&actor, "schedule.deleted", Ref::to::<Schedule>(&id)).commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops a schedule from firing until it is resumed.
#[utoipa::path(post, path = "/api/v1/schedules/{id}/pause", tag = "schedules", responses((status = 200, body = Schedule)))]
async fn pause(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<Json<Schedule>> {
    let schedule = platform.scheduler.pause(&id).await?;
    platform.change(&actor, "schedule.paused", Ref::to::<Schedule>(&id)).commit().await?;
    Ok(Json(schedule))
}

/// Lets a paused schedule fire again, from now on.
#[utoipa::path(post, path = "/api/v1/schedules/{id}/resume", tag = "schedules", responses((status = 200, body = Schedule)))]
async fn resume(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Answer<Json<Schedule>> {
    let schedule = platform.scheduler.resume(&id).await?;
    platform.change(&actor, "schedule.resumed", Ref::to::<Schedule>(&id)).commit().await?;
    Ok(Json(schedule))
}

/// What came of a schedule's moments, latest first.
#[utoipa::path(get, path = "/api/v1/schedules/{id}/history", tag = "schedules", responses((status = 200, body = Items<Firing>)))]
async fn history(
    State(platform): State<Platform>,
    Path(id): Path<String>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Firing>>> {
    Ok(Json(platform.scheduler.history(&id, page.limit(), page.after).await?.into()))
}
