//! Spans of requests, for a trace collector.
//!
//! A span continues the trace that the caller's `traceparent` names (W3C Trace
//! Context), and is named and described by OpenTelemetry's conventions for HTTP
//! servers. Nobody listens unless a collector is configured, and then a span
//! costs a flag that is looked at.

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, Uri},
    response::Response,
};
use modelyard_lifecycle::SPANS;
use opentelemetry::global;
use opentelemetry_http::HeaderExtractor;
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Has a request answered within its span; a failure of the server is logged.
pub(crate) async fn traced<F: Future<Output = Response>>(
    request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let span = span(&request);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = answer(request).instrument(span.clone()).await;
    ended(&span, &method, &uri, &response);
    response
}

fn span(request: &Request) -> Span {
    let span = tracing::debug_span!(
        target: SPANS,
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = Empty,
        http.response.status_code = Empty,
        http.route = Empty,
        url.path = Empty,
    );
    if !span.is_disabled() {
        describe(&span, request);
    }
    span
}

fn describe(span: &Span, request: &Request) {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    span.record("otel.name", format!("{method} {}", route.unwrap_or_default()).trim_end());
    span.record("http.request.method", method);
    span.record("url.path", path);
    if let Some(route) = route {
        span.record("http.route", route);
    }
    let parent =
        global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request.headers())));
    // Refused only where no collector listens.
    let _ = span.set_parent(parent);
}

fn ended(span: &Span, method: &Method, uri: &Uri, response: &Response) {
    let failed = response.status().is_server_error();
    if failed {
        tracing::error!(%method, path = uri.path(), status = response.status().as_u16(), "a request failed");
    }
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", response.status().as_u16());
    if failed {
        span.record("otel.status_code", "ERROR");
    }
}
