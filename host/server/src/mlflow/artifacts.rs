//! The files that clients log: sent, fetched, listed, removed; streamed both
//! ways, so that a file of any size takes the same memory.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use modelyard_lifecycle::{
    Platform,
    tracking::{ARTIFACT_ROOT, ArtifactPath, Upload},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    error::{Error, Result},
    range,
    request::Fields,
};

/// How much of a file is read at once, in bytes.
const CHUNK: u64 = 1 << 20;

/// The routes of this module, below `mlflow-artifacts`.
pub(super) fn routes() -> Router<Platform> {
    Router::new()
        .route("/artifacts", get(list))
        .route("/artifacts/", get(list).delete(remove_all))
        .route("/artifacts/{*path}", get(download).put(upload).delete(remove))
}

/// Those below `mlflow`, which name a run.
pub(super) fn run_routes() -> Router<Platform> {
    Router::new()
        .route("/artifacts/list", get(list_of_run))
        .route("/get-artifact", get(download_of_run))
        .route("/artifacts/presigned-upload-url", axum::routing::post(no_presigned_upload))
        .route("/artifacts/presigned-download-url", axum::routing::post(no_presigned_download))
}

async fn upload(
    State(platform): State<Platform>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Json<Value>> {
    let path = ArtifactPath::parse(&path)?;
    let upload = platform.artifacts.upload(&path).await?;
    receive(upload, request.into_body()).await?.finish().await?;
    Ok(Json(json!({})))
}

/// Takes a body into a file in the making. If the client leaves in the middle,
/// nothing is left of it.
pub(super) async fn receive(mut upload: Upload, body: Body) -> Result<Upload> {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::bad_request(format!("the file can't be read: {error}")))?;
        upload.write(chunk).await?;
    }
    Ok(upload)
}

async fn download(
    State(platform): State<Platform>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    send(&platform, ArtifactPath::parse(&path)?, &headers, true).await
}

/// A file, or the part of it that is asked for.
pub(super) async fn send(
    platform: &Platform,
    path: ArtifactPath,
    headers: &HeaderMap,
    attached: bool,
) -> Result<Response> {
    let (file, size) = platform.artifacts.read(&path).await?;
    let wanted = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let part = match wanted.map(|wanted| range::parse(wanted, size)) {
        None | Some(range::Wanted::All) => None,
        Some(range::Wanted::Part(part)) => Some(part),
        Some(range::Wanted::None) => {
            let all = format!("bytes */{size}");
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, all)]).into_response());
        }
    };
    let (from, length) = part.unwrap_or((0, size));
    let body = Body::from_stream(pieces(file, from, length));
    let mut response = Response::new(body);
    if part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {from}-{}/{size}", from + length.max(1) - 1);
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Whatever somebody logged, a browser doesn't run it here.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if attached {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}

/// Part of a file, piece by piece: while one is sent, the next is read. A client
/// that is slow holds no thread.
fn pieces(file: File, from: u64, length: u64) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(read_ahead(file, from, length)), |reading| async {
        match reading?.await {
            Err(error) => Some((Err(io::Error::other(error)), None)),
            Ok(Err(error)) => Some((Err(error), None)),
            Ok(Ok(None)) => None,
            Ok(Ok(Some(Piece { bytes, file, next, left }))) => {
                Some((Ok(bytes), Some(read_ahead(file, next, left))))
            }
        }
    })
}

/// A piece of a file, and where it goes on.
struct Piece {
    bytes: Bytes,
    file: File,
    next: u64,
    left: u64,
}

fn read_ahead(mut file: File, from: u64, left: u64) -> JoinHandle<io::Result<Option<Piece>>> {
    tokio::task::spawn_blocking(move || {
        if left == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(left.min(CHUNK)).unwrap_or_default());
        file.seek(SeekFrom::Start(from))?;
        let read = (&file).take(left.min(CHUNK)).read_to_end(&mut bytes)? as u64;
        match read {
            // Somebody has cut it off meanwhile.
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(Some(Piece { bytes: bytes.into(), file, next: from + read, left: left - read })),
        }
    })
}

async fn list(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let path = ArtifactPath::parse(fields.text("path")?)?;
    Ok(Json(json!({"files": files(&platform, &path, "").await?})))
}

/// What a directory holds, each with `prefix` before its name.
async fn files(platform: &Platform, path: &ArtifactPath, prefix: &str) -> Result<Vec<Value>> {
    let entries = platform.artifacts.list(path).await?;
    let file = |entry: modelyard_lifecycle::tracking::Entry| {
        let path = format!("{prefix}{}", entry.name);
        match entry.size {
            Some(size) => json!({"path": path, "is_dir": false, "file_size": size}),
            None => json!({"path": path, "is_dir": true}),
        }
    };
    Ok(entries.into_iter().map(file).collect())
}

async fn remove(State(platform): State<Platform>, Path(path): Path<String>) -> Result<Json<Value>> {
    platform.artifacts.delete(&ArtifactPath::parse(&path)?).await?;
    Ok(Json(json!({})))
}

async fn remove_all() -> Result<Json<Value>> {
    Err(Error::invalid("Invalid path: all artifacts can't be deleted at once"))
}

/// The path of a file below the place of a run or model, which must be here.
pub(super) fn below(root: &str, path: &str) -> Result<ArtifactPath> {
    let place = root.strip_prefix(ARTIFACT_ROOT).ok_or_else(|| {
        Error::invalid(format!(
            "the artifacts are at {root}, which this server does not read; fetch them from there"
        ))
    })?;
    Ok(ArtifactPath::parse(place.trim_matches('/'))?.join(&ArtifactPath::parse(path)?))
}

/// What a directory of a run or model holds, relative to its place.
pub(super) async fn listing(platform: &Platform, root: &str, path: &str) -> Result<Value> {
    let place = below(root, path)?;
    let within = ArtifactPath::parse(path)?;
    let prefix = if within.is_root() { String::new() } else { format!("{within}/") };
    Ok(json!({"root_uri": root, "files": files(platform, &place, &prefix).await?}))
}

async fn list_of_run(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    let root = platform.tracking.run(fields.run_id()?)?.info.artifact_uri;
    listing(&platform, &root, fields.text("path")?).await.map(Json)
}

async fn download_of_run(
    State(platform): State<Platform>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response> {
    let root = platform.tracking.run(fields.run_id()?)?.info.artifact_uri;
    send(&platform, below(&root, fields.required("path")?)?, &headers, true).await
}

async fn no_presigned_upload(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    fields.required("path")?;
    match (fields.filled("run_id")?, fields.filled("model_id")?) {
        (Some(run), None) => drop(platform.tracking.run(run)?),
        (None, Some(model)) => drop(platform.tracking.logged_model(model)?),
        _ => return Err(Error::invalid("Exactly one of run_id and model_id must be provided.")),
    }
    Err(Error::invalid(
        "Presigned upload is not supported for proxied artifact storage (artifact URI scheme: mlflow-artifacts). This \
         endpoint requires a direct cloud storage artifact URI.",
    ))
}

async fn no_presigned_download(State(platform): State<Platform>, fields: Fields) -> Result<Json<Value>> {
    fields.required("path")?;
    platform.tracking.run(fields.run_id()?)?;
    Err(Error::invalid(
        "Presigned download is not supported for runs with proxied artifact storage (artifact URI scheme: \
         mlflow-artifacts). This endpoint requires a run with a direct cloud storage artifact URI.",
    ))
}
