//! The router, put together, bound and ended.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use modelyard_lifecycle::{Code, Error, Platform, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    api,
    auth::Auth,
    connections::{self, Connections, Protocol},
    functions,
    gate::{self, Gate},
    inference, metrics, mlflow,
    problem::{Failure, Problem},
    web,
};

/// Where the server listens and what it takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The address; another than loopback needs an access token.
    pub listen: SocketAddr,
    /// The address of the inference protocol over gRPC, where it is spoken; the
    /// same holds for it.
    pub grpc_listen: Option<SocketAddr>,
    /// The largest request body, in bytes; uploads of rows and components have
    /// limits of their own.
    pub max_body_bytes: usize,
    /// The largest upload of rows or a component, in bytes.
    pub max_upload_bytes: usize,
    /// How long clients may take, and how many there may be.
    pub connections: connections::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            grpc_listen: None,
            max_body_bytes: 64 << 20,
            max_upload_bytes: 4 << 30,
            connections: connections::Options::default(),
        }
    }
}

impl Options {
    /// The first address that others than this machine can reach.
    fn reachable(&self) -> Option<SocketAddr> {
        std::iter::once(self.listen).chain(self.grpc_listen).find(|address| !address.ip().is_loopback())
    }
}

/// The sockets that a server answers on.
#[derive(Debug)]
pub struct Listeners {
    http: TcpListener,
    grpc: Option<TcpListener>,
}

impl Listeners {
    /// Binds the addresses.
    pub async fn bind(options: &Options) -> Result<Self> {
        let bind = async |address: SocketAddr| {
            TcpListener::bind(address)
                .await
                .map_err(|error| Error::invalid(format!("{address} can't be listened on: {error}")))
        };
        let http = bind(options.listen).await?;
        let grpc = match options.grpc_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { http, grpc })
    }

    /// Where it answers, HTTP first.
    pub fn urls(&self) -> Result<Vec<String>> {
        let url = |scheme: &str, listener: &TcpListener| match listener.local_addr() {
            Ok(address) => Ok(format!("{scheme}://{address}")),
            Err(error) => Err(Error::internal(error)),
        };
        let grpc = self.grpc.iter().map(|listener| url("grpc", listener));
        std::iter::once(url("http", &self.http)).chain(grpc).collect()
    }
}

/// The whole surface over HTTP.
pub async fn app(platform: Platform, options: &Options) -> Result<Router> {
    let auth = Auth::new(platform.clone(), options.reachable().is_none()).await?;
    Ok(http(platform, auth, options))
}

fn http(platform: Platform, auth: Auth, options: &Options) -> Router {
    let (api, description) = api::routes(options).split_for_parts();
    let api = api.layer(Extension(auth.clone()));
    let reference = SwaggerUi::new("/reference").url("/openapi.json", description);
    Router::new()
        .merge(api)
        .merge(inference::routes(options.max_body_bytes))
        .merge(mlflow::routes())
        .merge(functions::routes())
        .merge(web::routes())
        .route("/metrics", get(metrics::metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(platform.clone())
        .merge(reference)
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(options.max_body_bytes))
        .layer(middleware::from_fn_with_state(Gate::new(platform, auth, &options.connections), gate::pass))
}

async fn unknown(uri: Uri) -> Failure {
    Failure(Error::new(Code::NotFound, format!("there is nothing at {}; see /reference", uri.path())))
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; see /reference", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

/// One word, as MLflow's server says it; JSON to who asks for that.
async fn health(headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match accepts.contains("json") {
        true => Json(json!({"status": "ok"})).into_response(),
        false => "OK".into_response(),
    }
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

/// Binds the addresses and serves on them: see [`serve_on`].
pub async fn serve(platform: Platform, options: &Options, shutdown: watch::Receiver<bool>) -> Result<()> {
    let listeners = Listeners::bind(options).await?;
    serve_on(platform, listeners, options, shutdown, || {}).await
}

/// Serves until `shutdown` says so, after calling `ready` once; then takes no
/// new connections, lets the open ones end for at most ten seconds, and brings
/// the platform to rest.
pub async fn serve_on(
    platform: Platform,
    listeners: Listeners,
    options: &Options,
    shutdown: watch::Receiver<bool>,
    ready: impl FnOnce(),
) -> Result<()> {
    if let Some(address) = options.reachable()
        && platform.governance().tokens().await?.is_empty()
    {
        return Err(Error::invalid(format!(
            "listening on {address} needs an access token: make one with `modelyard governance token create NAME \
             --role admin`, or listen on 127.0.0.1"
        )));
    }
    // One for both, so that the first token closes both.
    let auth = Auth::new(platform.clone(), options.reachable().is_none()).await?;
    let router = http(platform.clone(), auth.clone(), options);
    let calls = inference::grpc::routes(platform.clone(), auth, options.max_body_bytes, shutdown.clone());
    for url in listeners.urls()? {
        tracing::info!(url, "listening");
    }
    ready();
    let background = tokio::spawn({
        let (platform, shutdown) = (platform.clone(), shutdown.clone());
        async move { platform.run(shutdown).await }
    });
    let connections = Connections::new(&options.connections, shutdown.clone());
    let serving = async {
        let grpc = async {
            if let Some(listener) = listeners.grpc {
                connections.serve(listener, calls, Protocol::Http2).await;
            }
        };
        tokio::join!(connections.serve(listeners.http, router, Protocol::Http1), grpc);
    };
    let late = async {
        connections::stopped(shutdown.clone()).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        () = serving => {}
        () = late => tracing::warn!("connections were still open after ten seconds"),
    }
    background.await?;
    Ok(())
}
