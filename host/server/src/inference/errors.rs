//! The protocol's errors. Its clients read `error` from a JSON object; the rest
//! of the server answers with problem details. Below `/v2` both are said.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The largest error that is rewritten, in bytes.
const MOST: usize = 1 << 20;
const PROBLEM: &str = "application/problem+json";

/// How failures are told to whoever asked below `/v2`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors {
    /// Problem details were asked for.
    problem: bool,
}

impl Errors {
    /// None for a request elsewhere.
    pub(crate) fn wanted(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        if path != "/v2" && !path.starts_with("/v2/") {
            return None;
        }
        let accepted = request.headers().get_all(header::ACCEPT);
        let problem = accepted.iter().any(|value| value.to_str().is_ok_and(|value| value.contains(PROBLEM)));
        Some(Self { problem })
    }

    /// Puts `error` into a failure, wherever it was told. It is
    /// `application/json`, as KServe's client wants it, unless problem details
    /// were asked for.
    pub(crate) async fn rewritten(self, response: Response) -> Response {
        let status = response.status();
        let (mut parts, body) = response.into_parts();
        let body = to_bytes(body, MOST).await.unwrap_or_default();
        let body = Value::Object(with_error(status, &body)).to_string();
        let media = if self.problem { PROBLEM } else { "application/json" };
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        parts.headers.remove(header::CONTENT_LENGTH);
        (parts, Body::from(body)).into_response()
    }
}

/// The members of a failure, `error` among them.
fn with_error(status: StatusCode, body: &[u8]) -> Map<String, Value> {
    let mut members = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => members,
        _ => {
            let said = String::from_utf8_lossy(body);
            let said = if said.trim().is_empty() { status.to_string() } else { said.into_owned() };
            let code = match status {
                StatusCode::PAYLOAD_TOO_LARGE => "too_large",
                status if status.is_server_error() => "internal",
                _ => "invalid_input",
            };
            match serde_json::to_value(Problem::new(status, code, said)) {
                Ok(Value::Object(members)) => members,
                _ => Map::new(),
            }
        }
    };
    if !members.contains_key("error") {
        let detail = members.get("detail").and_then(Value::as_str).map_or(status.to_string(), str::to_owned);
        let details = members.get("details").and_then(Value::as_array).into_iter().flatten();
        let lines = details.filter_map(Value::as_str).map(|line| format!("\n  {line}"));
        let error = std::iter::once(detail).chain(lines).collect();
        members.insert("error".into(), Value::String(error));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_gets_an_error() {
        let error = |body: &str| with_error(StatusCode::BAD_REQUEST, body.as_bytes())["error"].clone();
        assert_eq!(error(r#"{"detail": "no", "details": ["why", "how"]}"#), "no\n  why\n  how");
        assert_eq!(error(r#"{"error": "kept", "detail": "no"}"#), "kept");
        assert_eq!(error("length limit exceeded"), "length limit exceeded");
        assert_eq!(error(""), "400 Bad Request");
        assert_eq!(with_error(StatusCode::BAD_REQUEST, b"x")["status"], 400);
    }
}
