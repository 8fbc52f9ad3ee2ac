//! What features records: views, their materialisations, fitted transforms and
//! training sets.

use modelyard_blobs::Digest;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use modelyard_tables::FileInfo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Features by entity and time, taken from a dataset or a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewSpec {
    /// The view's name.
    pub name: String,
    /// The dataset it reads; or give `sql`.
    #[serde(default)]
    pub dataset: Option<String>,
    /// A SELECT over datasets by name; or give `dataset`.
    #[serde(default)]
    pub sql: Option<String>,
    /// The columns that say which entity a row is about.
    pub keys: Vec<String>,
    /// The column that says from when a row is known.
    pub event_time: String,
    /// The column that says when a row was written: of two rows with one key
    /// and event time the later one counts.
    #[serde(default)]
    pub created_time: Option<String>,
    /// The feature columns; empty: all but keys and times.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Seconds after which a value is too old to use; none: never.
    #[serde(default)]
    pub ttl_seconds: Option<u64>,
    /// Whether the latest values are kept for serving.
    #[serde(default = "yes")]
    pub online: bool,
    /// A cron expression: when to materialise by itself.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The schedule's time zone, `UTC` by default.
    #[serde(default)]
    pub timezone: Option<String>,
}

fn yes() -> bool {
    true
}

/// A view's current definition and how far it is materialised.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct View {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: ViewSpec,
    /// Counts the definitions of this name, from 1.
    pub version: u32,
    /// The datasets it reads.
    pub datasets: Vec<String>,
    /// When this definition was made.
    pub created_at: Timestamp,
    /// What was last materialised.
    pub materialized: Option<Materialized>,
}

impl Record for View {
    const TABLE: &'static str = "view";
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// A definition as it was: the history of a view.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ViewVersion {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: ViewSpec,
    /// Its number.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Record for ViewVersion {
    const TABLE: &'static str = "view_version";
    const INDEXES: &'static [Index] = &[Index::on(&["name", "version"])];
    fn id(&self) -> String {
        format!("{}@{}", self.spec.name, self.version)
    }
}

/// A view's rows as of some dataset versions.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Materialized {
    /// The files that hold the rows.
    #[schema(value_type = Vec<String>)]
    pub files: Vec<Digest>,
    /// Rows in all.
    pub rows: u64,
    /// The dataset versions that it was made from: `flights@12`.
    pub from: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A features plugin with parameters, to be fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransformSpec {
    /// The features plugin.
    pub plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
}

/// A features plugin fitted on training data: the same wherever it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fitted {
    /// The features plugin's name.
    pub plugin: String,
    /// Its component.
    #[schema(value_type = String)]
    pub component: Digest,
    /// What fitting gave.
    #[schema(value_type = String)]
    pub state: Digest,
}

/// Which rows a training set begins from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Spine {
    /// The dataset, `flights` or `flights@12`; or give `sql`.
    #[serde(default)]
    pub dataset: Option<String>,
    /// A SELECT over datasets by name; or give `dataset`.
    #[serde(default)]
    pub sql: Option<String>,
    /// The column that says when a row happened; needed with views and bounds.
    #[serde(default)]
    pub event_time: Option<String>,
    /// Rows at or after this moment.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Rows before this moment.
    #[serde(default)]
    pub to: Option<Timestamp>,
}

/// A view joined to a spine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The view.
    pub view: String,
    /// The spine's columns that hold the view's keys, where they are named
    /// otherwise: `{"airport": "origin"}`.
    #[serde(default)]
    pub keys: std::collections::BTreeMap<String, String>,
    /// The columns to take; empty: all the view's features.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Rows joined point in time, kept as one immutable file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TrainingSet {
    /// The SHA-256 of what it is made from: the same ask gives the same set.
    pub id: String,
    /// Which rows.
    pub spine: Spine,
    /// Which views.
    pub joins: Vec<Join>,
    /// The dataset versions that it was made from: `flights@12`.
    pub from: Vec<String>,
    /// The view versions that it was made from: `weather@1`.
    pub views: Vec<String>,
    /// The rows.
    #[schema(value_type = Object)]
    pub file: FileInfo,
    /// When.
    pub created_at: Timestamp,
}

impl Record for TrainingSet {
    const TABLE: &'static str = "training_set";
    fn id(&self) -> String {
        self.id.clone()
    }
}
