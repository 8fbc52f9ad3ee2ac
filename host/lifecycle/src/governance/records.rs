//! What governance records: policies, decisions, tokens, receipts.

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Who may do what. Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, and calls deployments.
    Viewer,
    /// Uploads plugins and data, trains, registers.
    Developer,
    /// Deploys, approves, schedules, subscribes others.
    Operator,
    /// Everything: tokens, erasure, configuration.
    Admin,
}

/// Who asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's name, `local` without tokens, or `system`.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Actor {
    /// The platform itself: schedules, canaries, rules.
    pub fn system() -> Self {
        Self { name: "system".into(), role: Role::Admin }
    }

    /// Whoever reaches a server that has no tokens, on loopback.
    pub fn local() -> Self {
        Self { name: "local".into(), role: Role::Admin }
    }
}

/// An access token; the secret itself is shown once and not kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// SHA-256 of the secret, hex. The secret has 256 random bits, so a fast
    /// hash is enough.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl Record for Token {
    const TABLE: &'static str = "token";
    const INDEXES: &'static [Index] = &[Index::unique(&["hash"])];
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// A governance plugin with parameters, asked before a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// The policy's name.
    pub name: String,
    /// The governance plugin.
    #[serde(default = "plugin")]
    pub plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// The models it is about; empty: all.
    #[serde(default)]
    pub models: Vec<String>,
    /// The changes it is about, of `deploy`, `promote`, `retire`; empty: all.
    #[serde(default)]
    pub actions: Vec<String>,
}

fn plugin() -> String {
    "governance-promotion".into()
}

/// A policy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: PolicySpec,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Record for Policy {
    const TABLE: &'static str = "policy";
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// How a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every policy allows it.
    Allowed,
    /// A policy denies it.
    Denied,
    /// A person has to say.
    Pending,
    /// A person agreed.
    Approved,
    /// A person refused.
    Rejected,
}

/// What the policies said of one proposed change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// Its id (UUID v7).
    pub id: String,
    /// `deploy`, `promote` or `retire`.
    pub action: String,
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// Who asked.
    pub actor: String,
    /// How it stands.
    pub outcome: Outcome,
    /// Each policy's reasons: `<policy>: <reason>`.
    pub reasons: Vec<String>,
    /// Who decided, where a person did.
    pub decided_by: Option<String>,
    /// What the person said.
    pub comment: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
    /// When a person decided.
    pub decided_at: Option<Timestamp>,
}

impl Record for Review {
    const TABLE: &'static str = "review";
    const INDEXES: &'static [Index] =
        &[Index::on(&["model", "version", "at"]), Index::on(&["outcome", "at"]), Index::on(&["at"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// One line of the audit trail. Each carries the hash of the one before, so
/// that a changed or missing line shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place, counted from 1 without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: `registry.version.created`.
    pub action: String,
    /// To what: `model_version:late@3`.
    pub subject: String,
    /// What else is worth knowing.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The hash of the entry before; 64 zeros for the first.
    pub previous: String,
    /// SHA-256, hex, over the fields above as compact JSON in this order.
    pub hash: String,
}

impl Record for AuditEntry {
    const TABLE: &'static str = "audit";
    const INDEXES: &'static [Index] = &[Index::on(&["sequence"]), Index::on(&["subject", "sequence"])];
    fn id(&self) -> String {
        format!("{:020}", self.sequence)
    }
}

/// Proof that one data subject was erased.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// Its id (UUID v7).
    pub id: String,
    /// The column that named the subject.
    pub column: String,
    /// SHA-256 of the subject's value, hex: the value itself is not kept.
    pub subject_hash: String,
    /// Rows removed by dataset.
    pub datasets: std::collections::BTreeMap<String, u64>,
    /// Rows removed from the quarantine by dataset.
    pub quarantine: std::collections::BTreeMap<String, u64>,
    /// Rows removed from training sets and materialised views.
    pub derived: u64,
    /// Predictions removed.
    pub predictions: u64,
    /// Online values removed.
    pub online: u64,
    /// Model versions that were trained on removed rows: they stay, and are named here.
    pub trained_versions: Vec<String>,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Record for Receipt {
    const TABLE: &'static str = "receipt";
    fn id(&self) -> String {
        self.id.clone()
    }
}
