//! What deployment records: deployments and their revisions.

use modelyard_blobs::Digest;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use modelyard_runtime::types::Signature;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A version and its share of the traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The version's number, or an alias, resolved when it is deployed.
    #[serde(with = "version_reference")]
    #[schema(value_type = String)]
    pub version: String,
    /// Its weight among the routes; shares are weights over their sum.
    #[serde(default = "whole")]
    pub weight: u32,
}

fn whole() -> u32 {
    100
}

mod version_reference {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value)
    }

    /// A number or a text.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Reference {
            Number(u32),
            Text(String),
        }
        Ok(match Reference::deserialize(deserializer)? {
            Reference::Number(number) => number.to_string(),
            Reference::Text(text) => text,
        })
    }
}

/// What one deployment may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls at once.
    pub concurrency: u32,
    /// Calls waiting for a place; more are answered 503.
    pub queue: u32,
    /// The longest that one call may take, in milliseconds.
    pub deadline_ms: u64,
    /// The most memory of one instance, in bytes.
    pub memory_bytes: u64,
    /// Calls that one instance answers before it is thrown away; 0: a fresh
    /// instance for each call.
    pub reuse: u32,
    /// Instances that are kept however long they are idle, unless the host's
    /// memory is used up.
    pub warm: u32,
    /// Seconds without a call after which the other instances are dropped.
    pub idle_seconds: u64,
    /// Whether small calls that find no core free may be answered together,
    /// where that is measured to be quicker.
    pub batching: bool,
    /// The most rows in one call.
    pub max_rows: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 16,
            queue: 1024,
            deadline_ms: 1_000,
            memory_bytes: 256 << 20,
            reuse: 10_000,
            warm: 0,
            idle_seconds: 60,
            batching: true,
            max_rows: 100_000,
        }
    }
}

/// When a canary steps back by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    /// The share of failed calls of a route, from 0 to 1, above which it is
    /// taken out.
    pub max_error_share: f64,
    /// Calls of the route before it is judged.
    pub min_calls: u64,
}

impl Default for Canary {
    fn default() -> Self {
        Self { max_error_share: 0.05, min_calls: 50 }
    }
}

/// A component that works before a model, or after it: a scoring plugin, whose
/// parameters are loaded as a model's artifact is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The scoring plugin.
    pub plugin: String,
    /// Its parameters, as its own JSON Schema says; `load` gets them as text.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
}

/// A step as it runs, fixed when it was deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// The scoring plugin.
    pub plugin: String,
    /// The plugin's component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its parameters.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// The self-contained component: plugin and parameters.
    #[schema(value_type = String)]
    pub component: Digest,
    /// What it takes and gives.
    #[schema(value_type = Object)]
    pub signature: Signature,
}

/// The steps of a deployment as they run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Chain {
    /// Before the model.
    pub before: Vec<Link>,
    /// After the model.
    pub after: Vec<Link>,
}

/// A model behind an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentSpec {
    /// The endpoint's name: `/v2/models/{name}/infer`.
    pub name: String,
    /// The model.
    pub model: String,
    /// The versions and their shares.
    pub routes: Vec<Route>,
    /// A version that is called beside, its answer only recorded.
    #[serde(default)]
    pub shadow: Option<String>,
    /// What works on a call's inputs before the model, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Step>,
    /// What works on the model's outputs, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Step>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// When a canary steps back.
    #[serde(default)]
    pub canary: Canary,
}

impl DeploymentSpec {
    /// Whether it routes or shadows to a version.
    pub fn uses(&self, version: u32) -> bool {
        let wanted = version.to_string();
        self.routes.iter().any(|route| route.version == wanted) || self.shadow.as_ref() == Some(&wanted)
    }
}

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Answering.
    Live,
    /// Taken off; its history stays.
    Stopped,
}

/// A deployment as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// What was asked for, versions as numbers.
    #[serde(flatten)]
    pub spec: DeploymentSpec,
    /// The steps before and after the model as they run.
    #[serde(default)]
    pub chain: Chain,
    /// How it stands.
    pub status: DeploymentStatus,
    /// The number of its latest revision.
    pub revision: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Record for Deployment {
    const TABLE: &'static str = "deployment";
    const INDEXES: &'static [Index] = &[Index::on(&["model"])];
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// What served from one moment to another.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Revision {
    /// The deployment.
    pub deployment: String,
    /// Its number, counted from 1.
    pub revision: u32,
    /// The model.
    pub model: String,
    /// What was asked for, versions as numbers.
    pub spec: DeploymentSpec,
    /// The steps before and after the model as they ran.
    #[serde(default)]
    pub chain: Chain,
    /// From when it served.
    pub from: Timestamp,
    /// Until when; none: still.
    pub to: Option<Timestamp>,
    /// Who changed it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Record for Revision {
    const TABLE: &'static str = "revision";
    const INDEXES: &'static [Index] =
        &[Index::on(&["deployment", "revision"]), Index::on(&["deployment", "from"]), Index::on(&["model"])];
    fn id(&self) -> String {
        revision_id(&self.deployment, self.revision)
    }
}

/// The id of a revision: `late@7`.
pub fn revision_id(deployment: &str, revision: u32) -> String {
    format!("{deployment}@{revision}")
}
