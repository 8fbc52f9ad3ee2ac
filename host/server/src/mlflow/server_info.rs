//! What clients ask about the server itself.

use axum::{Json, Router, routing::get};
use modelyard_lifecycle::Platform;
use serde_json::{Value, json};

/// The version of MLflow whose protocol is spoken.
const VERSION: &str = "3.17.2";

/// The routes of this module that have no prefix.
pub(super) fn top() -> Router<Platform> {
    Router::new().route("/version", get(|| async { VERSION }))
}

/// The routes of this module.
pub(super) fn routes() -> Router<Platform> {
    Router::new().route("/server-info", get(info))
}

async fn info() -> Json<Value> {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        // Clients are quicker with one stream each way; who wants parts sets
        // MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD and _DOWNLOAD.
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": {"gateway": false},
    }))
}
