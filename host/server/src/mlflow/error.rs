//! Failures as MLflow's clients read them: `{"error_code", "message"}`.
//!
//! Its clients try again what is answered with 408, 429 or 5xx, for minutes; so a
//! failure that would come again is never answered that way.

use axum::{
    Json,
    body::{Body, to_bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use modelyard_lifecycle::{Code, tracking::store};
use serde_json::{Value, json};

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) struct Error {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// What handlers give.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A value that is not accepted.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
    }

    /// A request that is none.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// There is no such thing.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
    }

    /// The name is taken.
    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS", message)
    }

    /// Known to MLflow, and not done here. MLflow says 501, which its clients
    /// don't try again, but which is no fault of this server.
    pub(super) fn not_implemented(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "NOT_IMPLEMENTED", format!("{what} is not supported by Modelyard"))
    }

    /// Whether it says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// The same failure in other words, if it says that there is no such thing.
    pub(super) fn when_missing(self, words: impl FnOnce() -> String) -> Self {
        if self.is_not_found() { Self { message: words(), ..self } } else { self }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let code = error.code();
        let status = match code {
            store::Code::NotImplemented => StatusCode::BAD_REQUEST,
            code => StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        Self::new(status, code.as_str(), error.to_string())
    }
}

impl From<modelyard_lifecycle::Error> for Error {
    fn from(error: modelyard_lifecycle::Error) -> Self {
        let (status, code) = of(error.code);
        let details = error.details.iter().filter(|detail| !error.message.contains(*detail));
        let lines = details.map(|detail| format!("\n  {detail}"));
        Self::new(status, code, std::iter::once(error.message.clone()).chain(lines).collect::<String>())
    }
}

/// The status and MLflow's code of a failure of the lifecycle.
fn of(code: Code) -> (StatusCode, &'static str) {
    use StatusCode as Status;
    match code {
        // A model file on which its plugin breaks or takes too long does so again.
        Code::InvalidInput | Code::Unsupported | Code::PluginFailed | Code::Deadline => {
            (Status::BAD_REQUEST, "INVALID_PARAMETER_VALUE")
        }
        Code::Unauthenticated => (Status::UNAUTHORIZED, "UNAUTHENTICATED"),
        Code::Forbidden | Code::Denied => (Status::FORBIDDEN, "PERMISSION_DENIED"),
        Code::NotFound => (Status::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"),
        Code::Conflict => (Status::CONFLICT, "RESOURCE_CONFLICT"),
        Code::TooLarge => (Status::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE"),
        Code::Busy | Code::Unavailable => (Status::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE"),
        Code::Full => (Status::INSUFFICIENT_STORAGE, "RESOURCE_EXHAUSTED"),
        Code::Cancelled => (Status::BAD_REQUEST, "CANCELLED"),
        Code::Internal => (Status::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(error = self.message, "a request of the tracking protocol failed");
        }
        (self.status, Json(json!({"error_code": self.code, "message": self.message}))).into_response()
    }
}

/// The largest failure that is rewritten, in bytes.
const MOST: usize = 1 << 20;

/// Puts what the rest of the server says of a request of this protocol (that it
/// needs a token, that there is no such path) into its words; other answers stay.
pub(crate) async fn rewritten(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec());
    let problem = kind.as_deref() == Some(b"application/problem+json");
    let bare = status.is_server_error() && kind.as_deref() != Some(b"application/json");
    if !problem && !bare {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, MOST).await.unwrap_or_default();
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = said.get("detail").and_then(Value::as_str);
    let detail = detail.map_or_else(|| String::from_utf8_lossy(&body).into_owned(), str::to_owned);
    let code = match status {
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "ENDPOINT_NOT_FOUND",
        StatusCode::PAYLOAD_TOO_LARGE => "INVALID_PARAMETER_VALUE",
        status if status.is_server_error() => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    };
    if status == StatusCode::UNAUTHORIZED {
        // Its clients know no other scheme than a user name and a password.
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"modelyard\""));
    }
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = json!({"error_code": code, "message": detail}).to_string();
    (parts, Body::from(body)).into_response()
}
