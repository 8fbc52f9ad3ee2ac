//! Endpoints of MLflow that are not supported: they answer `NOT_IMPLEMENTED`, so
//! that clients say what is missing instead of what they can't find.

use axum::{Router, http::Uri, routing::any};
use modelyard_lifecycle::Platform;

use super::error::Error;

/// What stands first in the paths of families that are not supported at all.
const FAMILIES: [&str; 10] = [
    "gateway",
    "issues",
    "jobs",
    "label-schemas",
    "mcp-servers",
    "online-scoring",
    "prompt-optimization",
    "review-queues",
    "scorers",
    "workspaces",
];

/// Those of version 2.
pub(super) fn version_2() -> Router<Platform> {
    let paths = ["/traces", "/traces/{trace}", "/unified-traces", "/get-online-trace-details"];
    paths.iter().fold(Router::new(), |routes, path| routes.route(path, any(refuse)))
}

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    let families = FAMILIES.iter().fold(Router::new(), |routes, family| {
        routes.route(&format!("/{family}"), any(refuse)).route(&format!("/{family}/{{*rest}}"), any(refuse))
    });
    let traces = ["/traces/metrics", "/traces/calculate-filter-correlation"];
    traces.iter().fold(families, |routes, path| routes.route(path, any(refuse)))
}

/// Says that an endpoint isn't supported.
pub(super) async fn refuse(uri: Uri) -> Error {
    Error::not_implemented(uri.path())
}
