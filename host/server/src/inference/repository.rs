//! The model repository: what there is, and taking it off and back. A model
//! that is unloaded is a deployment that was stopped: it stays so when the
//! server starts again, and the audit trail says who did it.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use modelyard_lifecycle::{Error, Platform, deployment::DeploymentStatus, governance::Actor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{auth::Caller, problem::Answer};

/// Deployments read at once.
const PAGE: usize = 500;

/// A version that a deployment routes to.
#[derive(Debug, Serialize)]
pub(super) struct Indexed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) state: &'static str,
    pub(super) reason: &'static str,
}

/// Every version that a deployment routes to, and whether it answers.
pub(super) async fn list(platform: &Platform, only_ready: bool) -> Result<Vec<Indexed>, Error> {
    let mut models = Vec::new();
    let mut after = None;
    loop {
        let page = platform.deployment().list(PAGE, after).await?;
        for deployment in page.items {
            let name = &deployment.spec.name;
            let (state, reason) = match platform.deployment().is_live(name) {
                true => ("READY", ""),
                false if deployment.status == DeploymentStatus::Stopped => ("UNAVAILABLE", "unloaded"),
                false => ("UNAVAILABLE", "it could not be brought back when the server started"),
            };
            if only_ready && state != "READY" {
                continue;
            }
            let version = |version| Indexed { name: name.clone(), version, state, reason };
            models.extend(deployment.spec.routes.into_iter().map(|route| version(route.version)));
        }
        after = page.next;
        if after.is_none() {
            return Ok(models);
        }
    }
}

/// Brings a stopped deployment back, if governance agrees. `parameters` are the
/// names of what the caller gave beside.
pub(super) async fn bring_back<'a>(
    platform: &Platform,
    actor: &Actor,
    name: &str,
    mut parameters: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    if let Some(foreign) = parameters.find(|name| *name == "config" || name.starts_with("file:")) {
        let message = format!(
            "{foreign:?} can't be given here: what a deployment serves is changed by PUT /api/v1/deployment"
        );
        return Err(Error::field("parameters", message));
    }
    let spec = platform.deployment().get(name).await?.spec;
    platform.deployment().deploy(actor, spec, "loaded by the inference protocol").await?;
    Ok(())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ask {
    /// Only what answers.
    ready: Option<bool>,
    parameters: Option<Map<String, Value>>,
}

/// An empty body asks nothing.
fn ask(body: &[u8]) -> Result<Ask, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Ask::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("the request can't be read: {error}")))
}

pub(super) async fn index(State(platform): State<Platform>, body: Bytes) -> Answer<Json<Vec<Indexed>>> {
    Ok(Json(list(&platform, ask(&body)?.ready.unwrap_or(false)).await?))
}

pub(super) async fn load(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    let parameters = ask(&body)?.parameters.unwrap_or_default();
    bring_back(&platform, &actor, &name, parameters.keys()).await?;
    Ok(Json(json!({"name": name, "state": "READY"})))
}

/// Stops a deployment: its calls under way end, new ones are refused.
pub(super) async fn unload(
    State(platform): State<Platform>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    ask(&body)?;
    platform.deployment().stop(&actor, &name).await?;
    Ok(Json(json!({"name": name, "state": "UNAVAILABLE"})))
}
