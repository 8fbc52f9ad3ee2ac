//! Plugins: listed, uploaded, inspected.

use axum::{Json, extract::State, http::StatusCode};
use modelyard_lifecycle::{
    Platform,
    plugins::PluginRecord,
    runtime::{Inspection, Kind},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Component, Path, Query},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(plugins, upload))
        .routes(routes!(inspect))
        .routes(routes!(plugin, delete))
}

/// Which plugins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfKind {
    /// Of this kind only, such as `training`.
    #[param(value_type = Option<String>)]
    kind: Option<Kind>,
}

/// Under which name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Named {
    /// The name; by default the one in the component's metadata.
    name: Option<String>,
}

/// What a component is.
#[derive(Debug, Serialize, ToSchema)]
struct Inspected {
    /// The kind of plugin.
    kind: String,
    /// How it is called, if it is a function: `json` or `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    /// The contract's version that it was built for; `wasi:http@…` for a handler of that.
    contract_version: String,
    /// The name in its metadata.
    name: Option<String>,
    /// The version in its metadata.
    version: Option<String>,
    /// The description in its metadata.
    description: Option<String>,
    /// The licence in its metadata (SPDX).
    license: Option<String>,
    /// Names of all its exports.
    exports: Vec<String>,
    /// What it needs from outside the sandbox, sorted.
    capabilities: Vec<String>,
    /// Whether it needs nothing: the same input always gives the same output and nothing leaves it.
    pure: bool,
    /// `sha256:` and the component's SHA-256.
    digest: String,
    /// The component's size.
    bytes: u64,
}

impl From<Inspection> for Inspected {
    fn from(inspection: Inspection) -> Self {
        Self {
            kind: inspection.kind.to_string(),
            protocol: inspection.protocol.map(|protocol| protocol.to_string()),
            contract_version: inspection.contract_version,
            name: inspection.name,
            version: inspection.version,
            description: inspection.description,
            license: inspection.licence,
            exports: inspection.exports,
            capabilities: inspection.capabilities.iter().map(ToString::to_string).collect(),
            pure: inspection.pure,
            digest: inspection.digest,
            bytes: inspection.component.len() as u64,
        }
    }
}

/// The plugins, by name.
#[utoipa::path(get, path = "/api/v1/plugins", tag = "plugins", responses((status = 200, body = Items<PluginRecord>)))]
async fn plugins(
    State(platform): State<Platform>,
    Query(which): Query<OfKind>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<PluginRecord>>> {
    Ok(Json(platform.plugins().list(which.kind, page.limit(), page.after).await?.into()))
}

/// Checks a component, asks it what it is and keeps it; replaces what had its name.
#[utoipa::path(post, path = "/api/v1/plugins", tag = "plugins", request_body(content = Vec<u8>, content_type = "application/wasm"), responses((status = 201, body = PluginRecord)))]
async fn upload(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Query(named): Query<Named>,
    Component(bytes): Component,
) -> Answer<(StatusCode, Json<PluginRecord>)> {
    Ok((StatusCode::CREATED, Json(platform.plugins().upload(&actor, named.name.as_deref(), bytes).await?)))
}

/// Says what a component is, or why it can't be one; keeps nothing.
#[utoipa::path(post, path = "/api/v1/plugins/inspect", tag = "plugins", request_body(content = Vec<u8>, content_type = "application/wasm"), responses((status = 200, body = Inspected)))]
async fn inspect(State(platform): State<Platform>, Component(bytes): Component) -> Answer<Json<Inspected>> {
    Ok(Json(platform.plugins().inspect(bytes).await?.into()))
}

/// A plugin with the schema of its parameters.
#[utoipa::path(get, path = "/api/v1/plugins/{name}", tag = "plugins", responses((status = 200, body = PluginRecord)))]
async fn plugin(State(platform): State<Platform>, Path(name): Path<String>) -> Answer<Json<PluginRecord>> {
    Ok(Json(platform.plugins().get(&name).await?))
}

/// Removes an uploaded plugin; what was made with it keeps its component.
#[utoipa::path(delete, path = "/api/v1/plugins/{name}", tag = "plugins", responses((status = 204)))]
async fn delete(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    platform.plugins().delete(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
