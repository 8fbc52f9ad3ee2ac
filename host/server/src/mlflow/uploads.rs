//! Uploads in parts, and addresses that need no token: they are signed, for one
//! thing and a time.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{
    Platform,
    tracking::{ArtifactPath, Part},
};
use serde_json::{Value, json};

use super::{
    artifacts,
    error::{Error, Result},
    request::{Fields, missing},
};

/// Below where the signed addresses are.
pub(crate) const SIGNED: &str = "/api/2.0/mlflow-artifacts/signed/";
/// How long an address is good.
const GOOD: Duration = Duration::from_secs(6 * 3600);

/// The routes of this module, below `mlflow-artifacts`.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/mpu/create/{*path}", post(create))
        .route("/mpu/complete/{*path}", post(complete))
        .route("/mpu/abort/{*path}", post(abort))
        .route("/presigned/{*path}", get(presigned))
        .route("/signed/part/{id}/{number}", put(part))
        .route("/signed/file/{*path}", get(file))
}

/// The file that an upload is to become: the directory in the request's path, and
/// the name of the client's file.
fn target(directory: &str, fields: &Fields) -> Result<ArtifactPath> {
    let file = fields.required("path")?;
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let name = ArtifactPath::parse(name)?;
    if name.is_root() {
        return Err(Error::invalid("Invalid path: it names no file"));
    }
    Ok(ArtifactPath::parse(directory)?.join(&name))
}

/// Where clients reach this server, as this one did.
fn base(platform: &Platform, headers: &HeaderMap) -> String {
    if let Some(url) = &platform.options.notify.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = said("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    format!("{scheme}://{}", said("host").unwrap_or("localhost"))
}

/// The address of something that is signed, good for a while.
fn address(platform: &Platform, headers: &HeaderMap, what: &str) -> String {
    // Real time, also where the platform's is simulated: clients live in it.
    let until = Timestamp::from(chrono::Utc::now()) + GOOD;
    let signature = platform.artifacts.sign(what, until);
    let path: String = what.split('/').map(escaped).collect::<Vec<_>>().join("/");
    format!("{}{SIGNED}{path}?until={}&signature={signature}", base(platform, headers), until.micros())
}

/// A part of a path, as an address has it.
fn escaped(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let write = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    part.bytes().map(write).collect()
}

/// Checks that a request goes to an address that was handed out.
fn check(platform: &Platform, what: &str, uri: &Uri) -> Result<()> {
    let fields = Fields::of_query(uri.query().unwrap_or_default());
    let until = Timestamp::from_micros(fields.integer("until")?.ok_or_else(|| missing("until"))?);
    let now = Timestamp::from(chrono::Utc::now());
    Ok(platform.artifacts.check(what, until, fields.required("signature")?, now)?)
}

async fn create(
    State(platform): State<Platform>,
    Path(directory): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Json<Value>> {
    let parts = fields.integer("num_parts")?.unwrap_or(1);
    let (id, count) = platform.artifacts.begin(&target(&directory, &fields)?, parts).await?;
    let credential = |number: u64| {
        let url = address(&platform, &headers, &format!("part/{id}/{number}"));
        json!({"url": url, "part_number": number, "headers": {}})
    };
    let credentials: Vec<Value> = (1..=count).map(credential).collect();
    Ok(Json(json!({"upload_id": id, "credentials": credentials})))
}

async fn part(
    State(platform): State<Platform>,
    Path((id, number)): Path<(String, u64)>,
    request: Request,
) -> Result<Response> {
    check(&platform, &format!("part/{id}/{number}"), request.uri())?;
    let upload = platform.artifacts.part(&id, number).await?;
    let upload = artifacts::receive(upload, request.into_body()).await?;
    let tag = format!("\"{number}-{}\"", upload.written());
    upload.finish().await?;
    Ok([(header::ETAG, tag)].into_response())
}

async fn complete(
    State(platform): State<Platform>,
    Path(directory): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    let parts = fields.records::<Part>("parts")?;
    if parts.is_empty() {
        return Err(missing("parts"));
    }
    let id = fields.required("upload_id")?;
    platform.artifacts.complete(&target(&directory, &fields)?, id, parts).await?;
    Ok(Json(json!({})))
}

async fn abort(
    State(platform): State<Platform>,
    Path(directory): Path<String>,
    fields: Fields,
) -> Result<Json<Value>> {
    target(&directory, &fields)?;
    platform.artifacts.abort(fields.required("upload_id")?).await?;
    Ok(Json(json!({})))
}

async fn presigned(
    State(platform): State<Platform>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    let path = ArtifactPath::parse(&path)?;
    let (_, size) = platform.artifacts.read(&path).await?;
    let url = address(&platform, &headers, &format!("file/{path}"));
    Ok(Json(json!({"url": url, "headers": {}, "file_size": size})))
}

async fn file(
    State(platform): State<Platform>,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response> {
    check(&platform, &format!("file/{path}"), &uri)?;
    artifacts::send(&platform, ArtifactPath::parse(&path)?, &headers, true).await
}
