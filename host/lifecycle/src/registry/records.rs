//! What the registry records: models, versions and aliases.

use std::collections::BTreeMap;

use modelyard_blobs::Digest;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use modelyard_runtime::types::{Metric, Signature};
use modelyard_tables::Schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Format;
use crate::{
    experiments::Task,
    features::{Fitted, Join},
};

/// What a person says about a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The model's name.
    pub name: String,
    /// What it predicts.
    #[serde(default)]
    pub description: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// Its licence (SPDX).
    #[serde(default)]
    pub license: String,
    /// What it is meant for.
    #[serde(default)]
    pub intended_use: String,
    /// What it must not be used for, and where it is weak.
    #[serde(default)]
    pub limitations: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Days after registration on which a version must go.
    #[serde(default)]
    pub expires_after_days: Option<u32>,
}

/// A model: a name for versions.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// What a person says about it.
    #[serde(flatten)]
    pub spec: ModelSpec,
    /// The latest version's number; 0: none.
    pub latest: u32,
    /// Aliases and the versions they name.
    pub aliases: BTreeMap<String, u32>,
    /// Whatever else is said about it, by key: the tags of the tracking protocol.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// When it was deleted; none: it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Record for Model {
    const TABLE: &'static str = "model";
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionStatus {
    /// Ready to be deployed.
    Registered,
    /// Somebody or something proposed to retire it.
    RetirementProposed,
    /// Retired: kept, not deployable until restored.
    Archived,
}

/// The file that a version was imported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Its format.
    pub format: Format,
    /// Its name, if it was told.
    pub file: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// An immutable version: the model with everything that it came from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The model.
    pub model: String,
    /// Its number, counted from 1.
    pub version: u32,
    /// Where it is in its life.
    pub status: VersionStatus,
    /// What it learnt.
    pub task: Task,
    /// The run that it came from; none: it was imported.
    pub run: Option<String>,
    /// The file that it came from; none: it was trained here.
    #[serde(default)]
    pub imported: Option<Imported>,
    /// The self-contained component: runner and artifact.
    #[schema(value_type = String)]
    pub component: Digest,
    /// The trained artifact, or the imported file.
    #[schema(value_type = String)]
    pub artifact: Digest,
    /// The scoring plugin.
    pub runner: String,
    /// The scoring plugin's component.
    #[schema(value_type = String)]
    pub runner_component: Digest,
    /// The fitted features that come before it.
    pub features: Option<Fitted>,
    /// The views whose values may be looked up by key.
    #[serde(default)]
    pub joins: Vec<Join>,
    /// The raw columns that the model, or its features, see.
    #[schema(value_type = Object)]
    pub columns: Schema,
    /// What the component takes and gives.
    #[schema(value_type = Object)]
    pub signature: Signature,
    /// What a caller sends, before the features.
    #[schema(value_type = Object)]
    pub inputs: Signature,
    /// The dataset versions behind it.
    pub datasets: Vec<String>,
    /// The view versions behind it.
    pub views: Vec<String>,
    /// The training set's id.
    pub training_set: Option<String>,
    /// Capabilities that the component imports; empty: provably pure.
    pub capabilities: Vec<String>,
    /// The evaluation's metrics, slices included.
    #[schema(value_type = Vec<Object>)]
    pub metrics: Vec<Metric>,
    /// Columns and how much each matters.
    pub importance: Vec<(String, f64)>,
    /// The date on which policy says that it must go.
    pub expires_at: Option<Timestamp>,
    /// Why it was archived.
    pub archived_because: Option<String>,
    /// Who registered it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl Record for Version {
    const TABLE: &'static str = "model_version";
    const INDEXES: &'static [Index] = &[
        Index::on(&["model", "version"]),
        Index::on(&["status"]),
        Index::on(&["run"]),
        Index::on(&["artifact"]),
    ];
    fn id(&self) -> String {
        version_id(&self.model, self.version)
    }
}

/// The id of a version: `late@3`.
pub fn version_id(model: &str, version: u32) -> String {
    format!("{model}@{version}")
}

/// An alias named a version from one moment to another.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AliasChange {
    /// Its id (UUID v7).
    pub id: String,
    /// The model.
    pub model: String,
    /// The alias.
    pub alias: String,
    /// The version it names from now on; none: removed.
    pub version: Option<u32>,
    /// The version it named before.
    pub previous: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The deployment that moved it by a promotion, or back by a rollback;
    /// none: it was moved for itself.
    #[serde(default)]
    pub deployment: Option<String>,
}

impl Record for AliasChange {
    const TABLE: &'static str = "alias_change";
    const INDEXES: &'static [Index] = &[Index::on(&["model", "alias", "at"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}
