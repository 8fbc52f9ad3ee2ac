//! Model cards.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use modelyard_lifecycle::{Platform, documentation::Card};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::Path;
use crate::problem::Answer;

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(card)).routes(routes!(facts)).routes(routes!(document))
}

/// The documents of a version, as its facts are now.
#[utoipa::path(get, path = "/api/v1/documentation/{model}/{version}", tag = "documentation", responses((status = 200, body = Card)))]
async fn card(
    State(platform): State<Platform>,
    Path((model, version)): Path<(String, String)>,
) -> Answer<Json<Card>> {
    let number = platform.registry().resolve(&model, &version).await?.version;
    Ok(Json(platform.documentation().card(&model, number).await?))
}

/// The recorded facts that a version's documents are made from.
#[utoipa::path(get, path = "/api/v1/documentation/{model}/{version}/facts", tag = "documentation", responses((status = 200, body = Object)))]
async fn facts(
    State(platform): State<Platform>,
    Path((model, version)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let number = platform.registry().resolve(&model, &version).await?.version;
    Ok(Json(platform.documentation().facts(&model, number).await?))
}

/// One document's text, with its media type.
#[utoipa::path(get, path = "/api/v1/documentation/{model}/{version}/{document}", tag = "documentation", responses((status = 200, body = String, content_type = "text/markdown")))]
async fn document(
    State(platform): State<Platform>,
    Path((model, version, document)): Path<(String, String, String)>,
) -> Answer<Response> {
    let number = platform.registry().resolve(&model, &version).await?.version;
    let (media_type, text) = platform.documentation().document(&model, number, &document).await?;
    // Written by a plugin, shown on our own origin: it may bring style and nothing else.
    let headers = [
        (header::CONTENT_TYPE, media_type.as_str()),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, text).into_response())
}
