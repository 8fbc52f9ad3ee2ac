//! The router, put together, bound and ended.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{Method, StatusCode, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use modelyard_lifecycle::{Code, Error, Platform, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    api, auth,
    auth::Auth,
    idempotency, inference, metrics,
    problem::{Failure, Problem},
    web,
};

/// Where the server listens and what it takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The address; another than loopback needs an access token.
    pub listen: SocketAddr,
    /// The largest request body, in bytes; uploads of rows and components have
    /// limits of their own.
    pub max_body_bytes: usize,
    /// The largest upload of rows or a component, in bytes.
    pub max_upload_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_body_bytes: 64 << 20,
            max_upload_bytes: 4 << 30,
        }
    }
}

/// The whole surface.
pub async fn app(platform: Platform, options: &Options) -> Result<Router> {
    let auth = Auth::new(platform.clone(), options.listen.ip().is_loopback()).await?;
    let (api, description) = api::routes(options).split_for_parts();
    let reference = SwaggerUi::new("/reference").url("/openapi.json", description);
    Ok(Router::new()
        .merge(api)
        .merge(inference::routes(options.max_body_bytes))
        .merge(web::routes())
        .route("/metrics", get(metrics::metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(platform.clone())
        .merge(reference)
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(platform, idempotency::repeat))
        .layer(middleware::from_fn_with_state(auth.clone(), auth::check))
        .layer(Extension(auth))
        .layer(DefaultBodyLimit::max(options.max_body_bytes))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(inference::errors))
        .layer(TraceLayer::new_for_http()))
}

async fn unknown(uri: Uri) -> Failure {
    Failure(Error::new(Code::NotFound, format!("there is nothing at {}; see /reference", uri.path())))
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; see /reference", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn health() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

async fn ready(State(platform): State<Platform>) -> Response {
    match platform.catalog.health().await {
        Ok(_) => Json(json!({"status": "ready"})).into_response(),
        Err(error) => {
            let body = Json(json!({"status": "not ready", "reason": error.to_string()}));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

/// Binds the address and serves on it: see [`serve_on`].
pub async fn serve(platform: Platform, options: &Options, shutdown: watch::Receiver<bool>) -> Result<()> {
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| Error::invalid(format!("{} can't be listened on: {error}", options.listen)))?;
    serve_on(platform, listener, options, shutdown, || {}).await
}

/// Serves until `shutdown` says so, after calling `ready` once; then takes no
/// new connections, lets the open ones end for at most ten seconds, and brings
/// the platform to rest.
pub async fn serve_on(
    platform: Platform,
    listener: TcpListener,
    options: &Options,
    shutdown: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<()> {
    if !options.listen.ip().is_loopback() && platform.governance().tokens().await?.is_empty() {
        return Err(Error::invalid(format!(
            "listening on {} needs an access token: make one with `modelyard governance token create NAME --role admin`, \
             or listen on 127.0.0.1",
            options.listen
        )));
    }
    let router = app(platform.clone(), options).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    tracing::info!(%address, "listening");
    ready();
    let background = tokio::spawn({
        let (platform, shutdown) = (platform.clone(), shutdown.clone());
        async move { platform.run(shutdown).await }
    });
    let stop = |mut shutdown: watch::Receiver<bool>| async move {
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop(shutdown.clone()));
    let late = async {
        stop(shutdown).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(Error::internal)?,
        () = late => tracing::warn!("connections were still open after ten seconds"),
    }
    background.await?;
    Ok(())
}
