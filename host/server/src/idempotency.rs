//! Requests sent twice. A request with an `Idempotency-Key` is done once; the
//! same request with the same key gets the stored answer, also after a restart;
//! for seven days, then the key is forgotten.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelyard_catalog::{Index, Kept, Record};
use modelyard_clock::Timestamp;
use modelyard_lifecycle::{Code, Error, Platform, governance::Actor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{functions, problem::Failure};

const KEY: &str = "idempotency-key";
/// The largest request and answer that can be repeated.
const LARGEST: usize = 64 << 20;

/// Who sent which request under which key, in one word, for handlers that don't
/// do by name what they do: they write it with what they did, and when a crash
/// fell between that and the answer, they see it when the request comes again.
#[derive(Clone, Debug)]
pub(crate) struct Once(pub(crate) String);

/// A request that was begun, and its answer once there is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Repeated {
    key: String,
    /// SHA-256 over method, path, query and body.
    request: String,
    /// The process that began it.
    process: String,
    status: Option<u16>,
    content_type: String,
    /// Base64.
    body: String,
    at: Timestamp,
}

impl Record for Repeated {
    const TABLE: &'static str = "idempotency";
    const INDEXES: &'static [Index] = &[Index::on(&["at"])];
    const KEPT: Option<Kept> = Some(Kept { from: "at", days: 7 });
    fn id(&self) -> String {
        self.key.clone()
    }
}

/// This process, to tell a request under way from one that a crash cut off.
fn process() -> &'static str {
    static ID: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ID.get_or_init(|| uuid::Uuid::new_v4().to_string())
}

fn refused(code: Code, message: &str) -> Response {
    Failure(Error::new(code, message)).into_response()
}

/// Answers a repeated request from the store, and stores the answers of new ones.
pub(crate) async fn repeat(platform: Platform, request: Request, next: Next) -> Response {
    // What is mounted there reads the header itself, and streams.
    let mounted = request.uri().path().starts_with(functions::MOUNT);
    let key = match request.headers().get(KEY) {
        Some(key) if request.method() != Method::GET && !mounted => key.clone(),
        _ => return next.run(request).await,
    };
    let actor = request.extensions().get::<Actor>().map(|actor| actor.name.clone()).unwrap_or_default();
    let key = match key.to_str() {
        Ok(text) if (1..=200).contains(&text.len()) => format!("{actor}/{text}"),
        _ => return refused(Code::InvalidInput, "Idempotency-Key has 1 to 200 visible ASCII characters"),
    };
    // Boxed, or every request without a key would carry its state with it.
    match Box::pin(once(platform, key, request, next)).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn once(platform: Platform, key: String, request: Request, next: Next) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await.map_err(|error| {
        Error::new(
            Code::TooLarge,
            format!("a request with an Idempotency-Key has at most {LARGEST} bytes: {error}"),
        )
    })?;
    let mut hasher = Sha256::new();
    hasher.update(format!("{} {}\n", parts.method, parts.uri));
    hasher.update(&body);
    let fingerprint = hex::encode(hasher.finalize());
    let table = platform.catalog.table::<Repeated>();
    let begun = Repeated {
        key: key.clone(),
        request: fingerprint,
        process: process().to_owned(),
        status: None,
        content_type: String::new(),
        body: String::new(),
        at: platform.clock.now(),
    };
    match table.insert(&begun).await {
        Ok(()) => {}
        Err(error) if error.is_exists() => {
            let known = table.require(&key).await?;
            if known.request != begun.request {
                return Err(Error::new(
                    Code::Unsupported,
                    "this Idempotency-Key was used for another request; use a new one",
                )
                .into());
            }
            match known.status {
                Some(status) => return Ok(stored(&known, status)),
                None if known.process == process() => {
                    return Err(
                        Error::conflict("the same request is still being done; ask again soon").into()
                    );
                }
                // A crash cut it off: by its name or by `Once` it is done at most once anyway.
                None => table.put(&begun).await?,
            }
        }
        Err(error) => return Err(error.into()),
    }
    parts.extensions.insert(Once(hex::encode(Sha256::digest(format!("{key}\n{}", begun.request)))));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST).await.map_err(Error::internal)?;
    let again = parts.status.is_server_error() || parts.status == StatusCode::UNAUTHORIZED;
    if again {
        // It may work the next time.
        table.delete(&key).await?;
    } else {
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        table
            .put(&Repeated {
                status: Some(parts.status.as_u16()),
                content_type: content_type.unwrap_or_default().to_owned(),
                body: STANDARD.encode(&body),
                ..begun
            })
            .await?;
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn stored(known: &Repeated, status: u16) -> Response {
    let body = STANDARD.decode(&known.body).unwrap_or_default();
    let mut response = (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body).into_response();
    if let Ok(value) = HeaderValue::from_str(&known.content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    response
}
