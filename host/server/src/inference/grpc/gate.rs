//! What stands before every call over gRPC.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::HeaderName},
    middleware::Next,
    response::Response,
};
use modelyard_lifecycle::{Code, Error};
use tonic::Status;

use super::errors;
use crate::{auth::Auth, trace};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

#[derive(Clone)]
pub(super) struct Gate {
    pub(super) auth: Auth,
    /// The largest message, in bytes.
    pub(super) most: usize,
}

/// Lets a call through, or answers why not.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    trace::traced(request, |request| through(gate, request, next)).await
}

/// With its actor, for as long as its caller waits.
async fn through(gate: Gate, mut request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    match gate.auth.admit(request.method(), uri.path(), request.headers()) {
        Ok(actor) => request.extensions_mut().insert(actor),
        Err(error) => return errors::response(&error),
    };
    let span = tracing::Span::current();
    if !span.is_disabled() {
        span.record("otel.name", uri.path().trim_start_matches('/'));
    }
    answer_as_sent(request.headers_mut());
    let limit = timeout(request.headers());
    let answer = next.run(request);
    let response = match limit {
        None => answer.await,
        Some(limit) => match tokio::time::timeout(limit, answer).await {
            Ok(response) => response,
            Err(_) => {
                let message = format!("the call took longer than {limit:?}, which its caller gave it");
                return errors::response(&Error::new(Code::Deadline, message));
            }
        },
    };
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != tonic::Code::Ok => {
            errors::unread(status, uri.path(), gate.most).into_http()
        }
        _ => response,
    }
}

/// Every client accepts compressed answers, though few gain by them: those get
/// them that compress what they send.
fn answer_as_sent(headers: &mut HeaderMap) {
    if headers.get(ENCODING).is_none_or(|encoding| encoding == "identity") {
        headers.remove(ACCEPT_ENCODING);
    }
}

/// How long the caller waits: digits and a unit. What can't be read is no limit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // The protocol has at most eight digits.
    let number: u64 = digits.parse::<u32>().ok()?.into();
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn timeouts_have_a_unit() {
        let of =
            |text: &'static str| timeout(&HeaderMap::from_iter([(TIMEOUT, HeaderValue::from_static(text))]));
        assert_eq!(of("60S"), Some(Duration::from_secs(60)));
        assert_eq!(of("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "5", "-1S", "5s", "99999999999S"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_who_compresses_is_answered_so() {
        let accepted = |encoding: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
            headers.extend(encoding.map(|encoding| (ENCODING, HeaderValue::from_static(encoding))));
            answer_as_sent(&mut headers);
            headers.contains_key(ACCEPT_ENCODING)
        };
        assert!(!accepted(None) && !accepted(Some("identity")));
        assert!(accepted(Some("gzip")));
    }
}
