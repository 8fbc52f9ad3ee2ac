//! What feedback records: rules and the actions that came of them.

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is done about findings on a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// The rule's name.
    pub name: String,
    /// The deployment.
    pub deployment: String,
    /// The feedback plugin.
    #[serde(default = "plugin")]
    pub plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// A cron expression: when to decide by itself.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The schedule's time zone, `UTC` by default.
    #[serde(default)]
    pub timezone: Option<String>,
}

fn plugin() -> String {
    "feedback-retrain".into()
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: RuleSpec,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last started a retraining.
    pub retrained_at: Option<Timestamp>,
}

impl Record for Rule {
    const TABLE: &'static str = "feedback_rule";
    const INDEXES: &'static [Index] = &[Index::on(&["deployment"])];
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// Something that a rule had done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ActionRecord {
    /// Its id (UUID v7).
    pub id: String,
    /// The rule.
    pub rule: String,
    /// The deployment.
    pub deployment: String,
    /// `retrain`, `promote` or `notify`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// What came of it: the run, the version, the revision, or why not.
    pub outcome: String,
    /// When.
    pub at: Timestamp,
}

impl Record for ActionRecord {
    const TABLE: &'static str = "feedback_action";
    const INDEXES: &'static [Index] = &[Index::on(&["deployment", "at"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}
