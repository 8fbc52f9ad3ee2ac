//! Spans by OTLP over HTTP (`POST /v1/traces`), in protobuf or JSON, from MLflow's
//! own clients or any OpenTelemetry exporter.

mod json;
mod messages;

use std::io::Read as _;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::post,
};
use modelyard_lifecycle::{Platform, tracking::store};
use prost::Message as _;
use serde_json::Value;

use json::written;
use messages::{Any, ExportRequest, Span};

use super::error::{Error, Result};

/// The largest request after decompression, in bytes.
const LARGEST: u64 = 64 << 20;
/// How the trace ids of MLflow begin.
const PREFIX: &str = "tr-";

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new().route("/v1/traces", post(export))
}

async fn export(State(platform): State<Platform>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let experiment = said("x-mlflow-experiment-id").filter(|id| !id.is_empty());
    let experiment = experiment.ok_or_else(|| {
        Error::invalid("the header x-mlflow-experiment-id says to which experiment spans belong")
    })?;
    let body = plain(body, said("content-encoding"))?;
    let kind = said("content-type").and_then(|kind| kind.split(';').next()).map(str::trim);
    let request = match kind {
        Some("application/x-protobuf") => ExportRequest::decode(body).ok(),
        Some("application/json") => json::read(&body),
        other => {
            return Err(Error::bad_request(format!(
                "Invalid Content-Type: {}. Expected: application/x-protobuf or application/json",
                other.unwrap_or("none")
            )));
        }
    };
    let request = request.ok_or_else(|| Error::bad_request("Invalid OpenTelemetry format"))?;
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(kept).collect::<Result<Vec<_>>>()?;
    if spans.is_empty() {
        return Err(Error::bad_request("Invalid OpenTelemetry format - no spans found"));
    }
    let roots: Vec<String> =
        spans.iter().filter(|span| span.parent_span_id.is_none()).map(|span| span.trace_id.clone()).collect();
    platform.tracking.log_spans(experiment, spans).await?;
    if let Some(run) = said("x-mlflow-run-id").filter(|run| !run.is_empty() && !roots.is_empty()) {
        platform.tracking.link_traces_to_run(roots, run).await?;
    }
    // An empty answer says that every span was taken.
    Ok(([(header::CONTENT_TYPE, "application/x-protobuf")], Bytes::new()).into_response())
}

/// A body without its compression.
fn plain(body: Bytes, encoding: Option<&str>) -> Result<Bytes> {
    let read = |reader: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        let read = reader.take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::bad_request(format!("the request can't be decompressed: {error}")))?;
        if bytes.len() as u64 > LARGEST {
            return Err(Error::bad_request(format!("the request has more than {LARGEST} bytes")));
        }
        Ok(Bytes::from(bytes))
    };
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some("gzip") => read(&mut flate2::read::MultiGzDecoder::new(body.as_ref())),
        Some("deflate") => read(&mut flate2::read::ZlibDecoder::new(body.as_ref())),
        Some(other) => {
            Err(Error::bad_request(format!("Unsupported Content-Encoding: {other}; send gzip or deflate")))
        }
    }
}

/// A span as the store keeps it.
fn kept(span: Span) -> Result<store::Span> {
    let id = |bytes: &[u8], length: usize, what: &str| match bytes.len() == length
        && bytes.iter().any(|b| *b != 0)
    {
        true => Ok(hex::encode(bytes)),
        false => Err(Error::bad_request(format!("a span's {what} has {length} bytes that are not all zero"))),
    };
    Ok(store::Span {
        trace_id: format!("{PREFIX}{}", id(&span.trace_id, 16, "trace id")?),
        span_id: id(&span.span_id, 8, "id")?,
        parent_span_id: match span.parent_span_id.is_empty() {
            true => None,
            false => Some(id(&span.parent_span_id, 8, "parent's id")?),
        },
        name: span.name.clone(),
        span_type: attribute(&span, "mlflow.spanType"),
        status: match span.status.as_ref().map(|status| status.code) {
            Some(1) => "OK",
            Some(2) => "ERROR",
            _ => "UNSET",
        }
        .to_owned(),
        start_time_ns: span.start_time_unix_nano,
        end_time_ns: Some(span.end_time_unix_nano).filter(|end| *end > 0),
        content: span.encode_to_vec(),
    })
}

/// An attribute that is a text; MLflow puts some in JSON.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key == key)?;
    match pair.value.as_ref()?.value.as_ref()? {
        Any::Text(text) => match serde_json::from_str(text) {
            Ok(Value::String(inner)) => Some(inner),
            _ => Some(text.clone()),
        },
        _ => None,
    }
}

/// A span that was kept, as protobuf's JSON has it; none if it can't be read.
pub(super) fn shown(span: &store::Span) -> Option<Value> {
    Span::decode(span.content.as_slice()).ok().map(|span| written(&span))
}
