//! Failures as RFC 9457 problem details: the one table from a failure's code to
//! its HTTP status, and the one to its code over gRPC.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use modelyard_lifecycle::{Code, Error, Location};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `https://modelyard.dev/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status' own words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, where, and what is accepted instead.
    pub detail: String,
    /// The failure's code.
    pub code: String,
    /// Where in the request it stands.
    #[schema(value_type = Object)]
    pub location: Location,
    /// Reasons of a denial, or the log of a failed plugin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// The status of each code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidInput => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::Denied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Busy | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::PluginFailed => StatusCode::BAD_GATEWAY,
        Code::Deadline => StatusCode::GATEWAY_TIMEOUT,
        Code::Full => StatusCode::INSUFFICIENT_STORAGE,
        // nginx's word for a request whose asker left; the nearest there is.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code of each over gRPC.
pub(crate) fn grpc(code: Code) -> tonic::Code {
    match code {
        Code::InvalidInput => tonic::Code::InvalidArgument,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::Forbidden | Code::Denied => tonic::Code::PermissionDenied,
        Code::NotFound => tonic::Code::NotFound,
        Code::Conflict => tonic::Code::FailedPrecondition,
        Code::Unsupported => tonic::Code::Unimplemented,
        // Clients try again what is unavailable, and nothing else.
        Code::Busy | Code::Unavailable => tonic::Code::Unavailable,
        Code::TooLarge | Code::Full => tonic::Code::ResourceExhausted,
        Code::Deadline => tonic::Code::DeadlineExceeded,
        Code::Cancelled => tonic::Code::Cancelled,
        Code::PluginFailed | Code::Internal => tonic::Code::Internal,
    }
}

/// The code's own name, as answers have it.
pub(crate) fn name(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "internal".to_owned(),
    }
}

/// After how many seconds it may be tried again, at least one.
pub(crate) fn retry_after(error: &Error) -> Option<u64> {
    let busy = matches!(error.code, Code::Busy | Code::Unavailable);
    let after = error.retry_after.or(busy.then(|| std::time::Duration::from_secs(1)))?;
    Some(after.as_secs().max(1))
}

/// A failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

/// What handlers give.
pub(crate) type Answer<T> = Result<T, Failure>;

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Problem {
    /// A problem that is no failure of the lifecycle, such as a wrong content type.
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("https://modelyard.dev/problems/{code}"),
            title: status.canonical_reason().unwrap_or("Client Closed Request").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            location: Location::default(),
            details: vec![],
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status(self.0.code);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self.0, "a request failed by our own fault");
        }
        let retry_after = retry_after(&self.0);
        let Error { code, message, location, details, .. } = self.0;
        let mut response =
            Problem { location, details, ..Problem::new(status, &name(code), message) }.into_response();
        let headers = response.headers_mut();
        if let Some(after) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
