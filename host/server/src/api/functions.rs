//! Functions: their records, and calls with JSON. Whatever else they answer is
//! mounted at `/functions`; see [`crate::functions`].

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use modelyard_lifecycle::{Platform, functions::Function};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items,
    extract::{Body, Path},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(functions, put)).routes(routes!(delete, call))
}

/// The functions that have a record of their own; their secrets are shown as `***`.
#[utoipa::path(get, path = "/api/v1/functions", tag = "functions", responses((status = 200, body = Items<Function>)))]
async fn functions(State(platform): State<Platform>) -> Answer<Json<Items<Function>>> {
    Ok(Json(platform.functions().list().await?.into()))
}

/// Gives a function plugin a name, limits, hosts that it may call, variables and secrets.
#[utoipa::path(put, path = "/api/v1/functions", tag = "functions", request_body = Function, responses((status = 200, body = Function)))]
async fn put(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(function): Body<Function>,
) -> Answer<Json<Function>> {
    Ok(Json(platform.functions().put(&actor, function).await?))
}

/// Removes a function; its plugin stays, under its own name.
#[utoipa::path(delete, path = "/api/v1/functions/{name}", tag = "functions", responses((status = 204)))]
async fn delete(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.functions().delete(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Calls a function that takes JSON, or such a plugin by its own name; a handler of `wasi:http` is at `/functions/{name}`.
#[utoipa::path(post, path = "/api/v1/functions/{name}", tag = "functions", request_body = Object, responses((status = 200, body = Object)))]
async fn call(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    Body(input): Body<Value>,
) -> Answer<impl IntoResponse> {
    let answer = platform.functions().call(&name, &input.to_string()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer))
}
