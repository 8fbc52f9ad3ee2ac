//! What retirement records.

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How far a rule goes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Tells the subscribers.
    Warn,
    /// Marks the version as proposed for retirement.
    #[default]
    Propose,
    /// Drains and archives it, unless it serves live traffic.
    Archive,
}

/// When versions of a model should go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetirementSpec {
    /// The rule's name.
    pub name: String,
    /// The models it is about; empty: all.
    #[serde(default)]
    pub models: Vec<String>,
    /// The retirement plugin.
    #[serde(default = "plugin")]
    pub plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// How far it goes by itself.
    #[serde(default)]
    pub reach: Reach,
    /// A cron expression: when to judge by itself.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The schedule's time zone, `UTC` by default.
    #[serde(default)]
    pub timezone: Option<String>,
}

fn plugin() -> String {
    "retirement-rules".into()
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RetirementRule {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: RetirementSpec,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Record for RetirementRule {
    const TABLE: &'static str = "retirement_rule";
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// What a rule said of one version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Assessment {
    /// Its id (UUID v7).
    pub id: String,
    /// The rule.
    pub rule: String,
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// `keep`, `warn` or `retire`.
    pub verdict: String,
    /// Why.
    pub reasons: Vec<String>,
    /// What was done: `none`, `warned`, `proposed`, `archived`, or why not.
    pub outcome: String,
    /// When.
    pub at: Timestamp,
}

impl Record for Assessment {
    const TABLE: &'static str = "assessment";
    const INDEXES: &'static [Index] = &[Index::on(&["model", "version", "at"]), Index::on(&["at"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}
