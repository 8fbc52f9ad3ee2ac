//! Who asks, and whether they may.
//!
//! Without tokens in the store, a server bound to loopback takes everybody for
//! `local`, an admin. With a token in the store, or bound elsewhere, every
//! request but health, the unsubscribe link, public functions and the pages' own
//! files needs one. Calls over gRPC have paths too, and are told by them as well.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use modelyard_lifecycle::{
    Code, Error, Platform,
    governance::{Actor, Role},
};

use crate::{functions, mlflow, problem::Failure};

/// Checks requests.
#[derive(Clone)]
pub(crate) struct Auth {
    platform: Platform,
    /// Whether a request without a token is refused.
    needed: Arc<AtomicBool>,
}

impl Auth {
    /// Tokens are needed if the server is not bound to loopback, or if there
    /// are any.
    pub(crate) async fn new(platform: Platform, loopback: bool) -> modelyard_lifecycle::Result<Self> {
        let any = !platform.governance().tokens().await?.is_empty();
        Ok(Self { platform, needed: Arc::new(AtomicBool::new(!loopback || any)) })
    }

    /// From now on tokens are needed: one has been made.
    pub(crate) fn require(&self) {
        self.needed.store(true, Relaxed);
    }

    /// Who makes a request, if that may be made by them.
    pub(crate) fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Actor, Error> {
        let public = || functions::name(path).is_some_and(|name| self.platform.functions().is_public(name));
        if open(path) || public() {
            return Ok(Actor { name: "anonymous".into(), role: Role::Viewer });
        }
        let role = needed(method, path);
        let actor = match headers.get(header::AUTHORIZATION) {
            Some(credentials) => self.named(path, credentials)?,
            None if self.needed.load(Relaxed) => return Err(refused("an access token is needed")),
            None => Actor::local(),
        };
        if actor.role < role {
            let message =
                format!("{} has the role {:?}; this needs {role:?} or above", actor.name, actor.role);
            return Err(Error::new(Code::Forbidden, message));
        }
        Ok(actor)
    }

    /// Whom the credentials of a request name.
    fn named(&self, path: &str, credentials: &HeaderValue) -> Result<Actor, Error> {
        let text = credentials.to_str().map_err(|_| refused("the Authorization header is no text"))?;
        let basic = || text.strip_prefix("Basic ").filter(|_| mlflow::is_ours(path)).and_then(password);
        let secret = match text.strip_prefix("Bearer ") {
            Some(secret) => secret.trim().to_owned(),
            None => basic().ok_or_else(|| refused("only Bearer tokens are accepted"))?,
        };
        self.platform.governance().authenticate(&secret)
    }
}

fn refused(what: &str) -> Error {
    Error::new(Code::Unauthenticated, format!("{what}; send Authorization: Bearer my_…"))
}

/// The password of HTTP's Basic scheme: where MLflow's clients put a token.
fn password(credentials: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.trim().to_owned())
}

/// Where the calls of the inference protocol over gRPC are.
const GRPC: &str = "/inference.GRPCInferenceService/";

/// The role that a request needs.
fn needed(method: &Method, path: &str) -> Role {
    if let Some(call) = path.strip_prefix(GRPC) {
        return match call {
            "RepositoryModelLoad" | "RepositoryModelUnload" => Role::Operator,
            _ => Role::Viewer,
        };
    }
    // Whatever its method, it is a call.
    if path.starts_with(functions::MOUNT) {
        return Role::Viewer;
    }
    if mlflow::is_ours(path) {
        return mlflow::needed(method, path);
    }
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    if method == Method::GET || method == Method::HEAD {
        return Role::Viewer;
    }
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    if begins(&["/governance/tokens", "/governance/erasures", "/governance/policies", "/clock"]) {
        return Role::Admin;
    }
    // Loading and unloading a model is deploying and stopping.
    if path.starts_with("/v2/repository/models/") {
        return Role::Operator;
    }
    if begins(&["/v2/", "/feedback/labels", "/ingestion/query", "/schedules/preview", "/plugins/inspect"])
        || (path.starts_with("/functions/") && method == Method::POST)
        || (path.starts_with("/features/views/") && path.ends_with("/lookup"))
    {
        return Role::Viewer;
    }
    if begins(&["/plugins", "/functions", "/ingestion", "/features", "/experiments", "/evaluation"])
        || (path.starts_with("/registry") && !path.contains("/aliases/champion"))
    {
        return Role::Developer;
    }
    Role::Operator
}

/// Whether a path is open to everybody.
fn open(path: &str) -> bool {
    if let Some(call) = path.strip_prefix(GRPC) {
        return matches!(call, "ServerLive" | "ServerReady" | "ServerMetadata");
    }
    matches!(path, "/" | "/health" | "/ready" | "/v2" | "/openapi.json" | "/api/v1/subscriptions/unsubscribe")
        || path.starts_with(mlflow::SIGNED)
        || path == "/version"
        || ["/v2/health/", "/assets/", "/reference", "/grpc.health.v1.Health/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
}

/// Who asks, for handlers.
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let actor = parts.extensions.get::<Actor>().cloned();
        actor.map(Self).ok_or_else(|| Failure(Error::internal("a request passed unchecked")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_needs_its_role() {
        let role = |method: Method, path: &str| needed(&method, path);
        assert_eq!(role(Method::GET, "/api/v1/governance/audit"), Role::Viewer);
        assert_eq!(role(Method::POST, "/v2/models/late/infer"), Role::Viewer);
        assert_eq!(role(Method::POST, "/v2/repository/index"), Role::Viewer);
        assert_eq!(role(Method::POST, "/v2/repository/models/late/unload"), Role::Operator);
        assert_eq!(role(Method::POST, &format!("{GRPC}ModelInfer")), Role::Viewer);
        assert_eq!(role(Method::POST, &format!("{GRPC}RepositoryIndex")), Role::Viewer);
        assert_eq!(role(Method::POST, &format!("{GRPC}RepositoryModelUnload")), Role::Operator);
        assert_eq!(role(Method::POST, "/api/v1/functions/hello"), Role::Viewer);
        assert_eq!(role(Method::PUT, "/api/v1/functions"), Role::Developer);
        assert_eq!(role(Method::DELETE, "/api/v1/functions/hello"), Role::Developer);
        assert_eq!(role(Method::DELETE, "/functions/hello/items/1"), Role::Viewer);
        assert_eq!(role(Method::POST, "/api/v1/plugins"), Role::Developer);
        assert_eq!(role(Method::PUT, "/api/v1/registry/models/late/aliases/challenger"), Role::Developer);
        assert_eq!(role(Method::PUT, "/api/v1/registry/models/late/aliases/champion"), Role::Operator);
        assert_eq!(role(Method::PUT, "/api/v1/deployment"), Role::Operator);
        assert_eq!(role(Method::POST, "/api/v1/governance/tokens"), Role::Admin);
        assert_eq!(role(Method::POST, "/api/v1/clock/advance"), Role::Admin);
        assert!(open("/health") && open("/v2/health/live") && !open("/metrics") && !open("/v2/models/x"));
        assert!(open("/grpc.health.v1.Health/Check") && open(&format!("{GRPC}ServerLive")));
        assert!(!open(&format!("{GRPC}ModelReady")) && !open(GRPC));
    }
}
