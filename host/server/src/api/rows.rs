//! Rows that are sent instead of pulled: streamed to the disk, then read by an
//! ingestion plugin.

use axum::{
    Extension, Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use modelyard_lifecycle::{
    Code, Error, Platform,
    ingestion::{Pulled, SchemaPolicy},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Path, Query, media_type, unsupported};
use crate::{auth::Caller, idempotency::Once, problem::Answer};

/// The largest upload, in bytes.
#[derive(Clone, Copy)]
pub(super) struct MaxUpload(pub(super) usize);

/// The routes of this module.
pub(super) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// How rows are to be read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct How {
    /// The ingestion plugin; by default the one for the content type: `ingestion-csv` for
    /// `text/csv`, `ingestion-json` for `application/json` and `application/x-ndjson`.
    plugin: Option<String>,
    /// The plugin's parameters, a JSON object.
    parameters: Option<String>,
    /// What happens when the columns change.
    #[serde(default)]
    #[param(inline)]
    schema_policy: SchemaPolicy,
    /// The column that says when a row happened.
    event_time: Option<String>,
}

impl How {
    /// The plugin's parameters with the column of event time.
    fn parameters(&self) -> Result<Value, Error> {
        let mut parameters = match self.parameters.as_deref() {
            None | Some("") => json!({}),
            Some(text) => serde_json::from_str(text).map_err(|error| {
                Error::field("parameters", format!("the parameters are no JSON: {error}"))
            })?,
        };
        let Value::Object(members) = &mut parameters else {
            return Err(Error::field("parameters", format!("{parameters} is no JSON object")));
        };
        if let Some(column) = &self.event_time {
            members.insert("event_time".into(), json!(column));
        }
        Ok(parameters)
    }
}

/// Appends the rows of a file to a dataset, which is created if it isn't there.
#[utoipa::path(
    post,
    path = "/api/v1/ingestion/datasets/{name}/rows",
    tag = "ingestion",
    request_body(
        description = "The file, as it is",
        content((Vec<u8> = "text/csv"), (Vec<u8> = "application/json"), (Vec<u8> = "application/x-ndjson"))
    ),
    responses((status = 200, body = Pulled))
)]
async fn upload(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Extension(most): Extension<MaxUpload>,
    once: Option<Extension<Once>>,
    Path(name): Path<String>,
    Query(how): Query<How>,
    request: Request,
) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let plugin = match (&how.plugin, media_type(&parts.headers).as_str()) {
        (Some(plugin), _) => plugin.as_str(),
        (None, "text/csv") => "ingestion-csv",
        (None, "application/json" | "application/x-ndjson") => "ingestion-json",
        (None, other) => {
            return Ok(unsupported(&format!(
                "no plugin is known for the content type {other:?}; send text/csv, application/json or \
                 application/x-ndjson, or name a plugin in the query"
            )));
        }
    };
    let parameters = how.parameters()?;
    let mut writer = platform.blobs.writer().await?;
    let (mut chunks, mut taken) = (body.into_data_stream(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::invalid(format!("the upload broke off: {error}")))?;
        taken += chunk.len();
        if taken > most.0 {
            return Err(Error::new(Code::TooLarge, format!("an upload has at most {} bytes", most.0)).into());
        }
        writer.write(&chunk).await?;
    }
    let (digest, _) = writer.finish().await?;
    let ingestion = platform.ingestion();
    let once = once.as_ref().map(|once| once.0.0.as_str());
    let pulled =
        ingestion.upload(&actor, &name, plugin, parameters, how.schema_policy, &digest, once).await?;
    Ok(Json(pulled).into_response())
}
