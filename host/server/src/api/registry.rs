//! Models, versions, aliases and lineage.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Edge, Error, Platform,
    experiments::Task,
    registry::{AliasChange, Comparison, Format, Model, ModelFile, ModelSpec, Version},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Items, Paging,
    extract::{Body, Path, Query, VersionReference, file, is_json, media_type, parse, unsupported},
};
use crate::{auth::Caller, problem::Answer};

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(models, put_model))
        .routes(routes!(model))
        .routes(routes!(versions, register))
        .routes(routes!(version))
        .routes(routes!(lineage))
        .routes(routes!(compare))
        .routes(routes!(alias, set_alias, remove_alias))
        .routes(routes!(revert_alias))
        .routes(routes!(alias_history))
}

/// Which run becomes a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    /// The finished run's id.
    run: String,
}

/// What is known of a model file beside its bytes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Import {
    /// Its format, if its first bytes are not to tell.
    #[param(inline)]
    format: Option<Format>,
    /// What the model does, if its outputs are not to tell.
    #[param(inline)]
    task: Option<Task>,
    /// Its name, for the record.
    file: Option<String>,
}

/// Media types of model files. JSON is one too, where it is XGBoost's.
const FILES: &[&str] = &[
    "application/octet-stream",
    "application/onnx",
    "application/x-onnx",
    "application/x-protobuf",
    "application/protobuf",
    "application/ubjson",
    "text/plain",
];

/// What an alias is to name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Name {
    /// The version.
    version: VersionReference,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// Which two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Pair {
    /// The first: a number, an alias or `latest`.
    left: String,
    /// The second.
    right: String,
}

/// When.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct At {
    /// At this moment; now if left out.
    at: Option<Timestamp>,
}

/// What an alias names.
#[derive(Debug, Serialize, ToSchema)]
struct Named {
    /// The model.
    model: String,
    /// The alias.
    alias: String,
    /// The version; none: it named nothing then.
    version: Option<u32>,
    /// When.
    at: Timestamp,
}

/// What came from what.
#[derive(Debug, Serialize, ToSchema)]
struct LineageEdge {
    /// What the edge says, for example `trained-on`.
    kind: String,
    /// Where it starts.
    from: RecordName,
    /// Where it ends.
    to: RecordName,
    /// When it came to be.
    at: Timestamp,
    /// Whatever else is known about it.
    #[schema(value_type = Object)]
    data: Value,
}

/// A record.
#[derive(Debug, Serialize, ToSchema)]
struct RecordName {
    /// Its table.
    table: String,
    /// Its id.
    id: String,
}

impl From<Edge> for LineageEdge {
    fn from(edge: Edge) -> Self {
        let name = |record: modelyard_catalog::Ref| RecordName { table: record.table, id: record.id };
        Self { kind: edge.kind, from: name(edge.from), to: name(edge.to), at: edge.at, data: edge.data }
    }
}

/// The models, by name.
#[utoipa::path(get, path = "/api/v1/registry/models", tag = "registry", responses((status = 200, body = Items<Model>)))]
async fn models(State(platform): State<Platform>, Query(page): Query<Paging>) -> Answer<Json<Items<Model>>> {
    Ok(Json(platform.registry().models(page.limit(), page.after).await?.into()))
}

/// Creates a model or changes what is said about it.
#[utoipa::path(put, path = "/api/v1/registry/models", tag = "registry", request_body = ModelSpec, responses((status = 200, body = Model)))]
async fn put_model(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Body(spec): Body<ModelSpec>,
) -> Answer<Json<Model>> {
    Ok(Json(platform.registry().put_model(&actor, spec).await?))
}

/// A model with its aliases.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}", tag = "registry", responses((status = 200, body = Model)))]
async fn model(State(platform): State<Platform>, Path(model): Path<String>) -> Answer<Json<Model>> {
    Ok(Json(platform.registry().model(&model).await?))
}

/// The versions of a model, latest first.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}/versions", tag = "registry", responses((status = 200, body = Items<Version>)))]
async fn versions(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<Version>>> {
    Ok(Json(platform.registry().versions(&model, page.limit(), page.after).await?.into()))
}

/// Makes a finished run, or a model file from elsewhere, the next version; the same one twice is one version.
#[utoipa::path(
    post,
    path = "/api/v1/registry/models/{model}/versions",
    tag = "registry",
    request_body(
        description = "The run's id as JSON; or the file as it is: XGBoost JSON or UBJSON, LightGBM text, ONNX, \
                       or an artifact of this server",
        content((Register = "application/json"), (Vec<u8> = "application/octet-stream"))
    ),
    responses((status = 201, body = Version))
)]
async fn register(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(model): Path<String>,
    Query(import): Query<Import>,
    request: Request,
) -> Answer<Response> {
    let (json, kind) = (is_json(request.headers()), media_type(request.headers()));
    if !json && !FILES.contains(&kind.as_str()) {
        return Ok(unsupported(&format!(
            "the content type {kind:?} is none of a model file; send {}, or application/json with {{\"run\": …}}",
            FILES.join(", ")
        )));
    }
    let bytes = file(request, "model file").await?;
    let registry = platform.registry();
    let version = match json && import.format.is_none() && Format::recognise(&bytes).is_none() {
        true => registry.register(&actor, &model, &parse::<Register>(&bytes)?.run).await?,
        false => {
            let Import { format, task, file: name } = import;
            registry.import(&actor, &model, ModelFile { bytes, name, format, task }).await?
        }
    };
    Ok((StatusCode::CREATED, Json(version)).into_response())
}

/// A version by its number, an alias or `latest`.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}/versions/{version}", tag = "registry", responses((status = 200, body = Version)))]
async fn version(
    State(platform): State<Platform>,
    Path((model, version)): Path<(String, String)>,
) -> Answer<Json<Version>> {
    Ok(Json(platform.registry().resolve(&model, &version).await?))
}

/// Everything that a version came from and everything that came from it.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}/versions/{version}/lineage", tag = "registry", responses((status = 200, body = Items<LineageEdge>)))]
async fn lineage(
    State(platform): State<Platform>,
    Path((model, version)): Path<(String, String)>,
) -> Answer<Json<Items<LineageEdge>>> {
    let version = platform.registry().resolve(&model, &version).await?;
    let edges = platform.registry().lineage(&model, version.version).await?;
    Ok(Json(edges.into_iter().map(LineageEdge::from).collect::<Vec<_>>().into()))
}

/// Two versions side by side: only what differs.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}/compare", tag = "registry", responses((status = 200, body = Comparison)))]
async fn compare(
    State(platform): State<Platform>,
    Path(model): Path<String>,
    Query(pair): Query<Pair>,
) -> Answer<Json<Comparison>> {
    Ok(Json(platform.registry().compare(&model, &pair.left, &pair.right).await?))
}

/// The version that an alias names, or named at a moment.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}/aliases/{alias}", tag = "registry", responses((status = 200, body = Named)))]
async fn alias(
    State(platform): State<Platform>,
    Path((model, alias)): Path<(String, String)>,
    Query(when): Query<At>,
) -> Answer<Json<Named>> {
    let version = match when.at {
        Some(at) => platform.registry().alias_at(&model, &alias, at).await?,
        None => {
            let aliases = platform.registry().model(&model).await?.aliases;
            Some(*aliases.get(&alias).ok_or_else(|| Error::not_found("alias", &alias))?)
        }
    };
    let at = when.at.unwrap_or_else(|| platform.clock.now());
    Ok(Json(Named { model, alias, version, at }))
}

/// Lets an alias name a version; `champion` needs the policies' word, and the
/// model's live deployments serve that version from then on.
#[utoipa::path(put, path = "/api/v1/registry/models/{model}/aliases/{alias}", tag = "registry", request_body = Name, responses((status = 200, body = Model)))]
async fn set_alias(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path((model, alias)): Path<(String, String)>,
    Body(to): Body<Name>,
) -> Answer<Json<Model>> {
    Ok(Json(platform.registry().set_alias(&actor, &model, &alias, &to.version.0, &to.reason).await?))
}

/// Removes an alias.
#[utoipa::path(delete, path = "/api/v1/registry/models/{model}/aliases/{alias}", tag = "registry", responses((status = 200, body = Model)))]
async fn remove_alias(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path((model, alias)): Path<(String, String)>,
) -> Answer<Json<Model>> {
    Ok(Json(platform.registry().remove_alias(&actor, &model, &alias).await?))
}

/// Lets an alias name the version that it named before.
#[utoipa::path(post, path = "/api/v1/registry/models/{model}/aliases/{alias}/revert", tag = "registry", responses((status = 200, body = Model)))]
async fn revert_alias(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path((model, alias)): Path<(String, String)>,
) -> Answer<Json<Model>> {
    Ok(Json(platform.registry().revert_alias(&actor, &model, &alias).await?))
}

/// The changes of an alias, latest first.
#[utoipa::path(get, path = "/api/v1/registry/models/{model}/aliases/{alias}/history", tag = "registry", responses((status = 200, body = Items<AliasChange>)))]
async fn alias_history(
    State(platform): State<Platform>,
    Path((model, alias)): Path<(String, String)>,
    Query(page): Query<Paging>,
) -> Answer<Json<Items<AliasChange>>> {
    Ok(Json(platform.registry().alias_history(&model, &alias, page.limit(), page.after).await?.into()))
}
