//! What ingestion records: sources, datasets, their versions and files.

use modelyard_catalog::{Index, Kept, Record};
use modelyard_clock::Timestamp;
use modelyard_tables::{FileInfo, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What happens when a source's columns change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaPolicy {
    /// The pull fails and says what changed.
    #[default]
    Refuse,
    /// New columns are added, types widened (s64 to f64, anything to utf8),
    /// missing columns filled with nulls; anything else fails.
    Evolve,
}

/// Where rows come from and into which dataset they go.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// The source's name.
    pub name: String,
    /// The dataset that its rows are appended to; by default the source's name.
    #[serde(default)]
    pub dataset: Option<String>,
    /// The ingestion plugin.
    pub plugin: String,
    /// The plugin's parameters, such as `url`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// What happens when the columns change.
    #[serde(default)]
    pub schema_policy: SchemaPolicy,
    /// The column that says when a row happened.
    #[serde(default)]
    pub event_time: Option<String>,
    /// A cron expression: when to pull by itself.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The schedule's time zone, `UTC` by default.
    #[serde(default)]
    pub timezone: Option<String>,
}

/// A source and how far it has been read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: SourceSpec,
    /// Where the next pull begins; opaque, written with the rows.
    pub cursor: Option<String>,
    /// Rows taken so far.
    pub rows: u64,
    /// Rows in quarantine so far.
    pub rejected: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last pulled to the end.
    pub pulled_at: Option<Timestamp>,
    /// Why the last pull failed, if it did.
    pub last_error: Option<String>,
}

impl Record for Source {
    const TABLE: &'static str = "source";
    const INDEXES: &'static [Index] = &[Index::on(&["dataset"])];
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

impl Source {
    /// The dataset that it feeds.
    pub fn dataset(&self) -> &str {
        self.spec.dataset.as_deref().unwrap_or(&self.spec.name)
    }
}

/// A named, growing table.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// The latest version's number; 0: no rows yet.
    pub version: u32,
    /// The latest version's rows.
    pub rows: u64,
    /// The latest version's columns.
    #[schema(value_type = Object)]
    pub schema: Schema,
    /// The column that says when a row happened.
    pub event_time: Option<String>,
    /// How often rows were erased, which changes the files of earlier versions.
    #[serde(default)]
    pub erasures: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its latest version was written.
    pub updated_at: Timestamp,
}

impl Record for Dataset {
    const TABLE: &'static str = "dataset";
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// An immutable state of a dataset: the files of all versions up to this one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DatasetVersion {
    /// The dataset.
    pub dataset: String,
    /// Its number, counted from 1.
    pub version: u32,
    /// Rows in all.
    pub rows: u64,
    /// Rows that this version added.
    pub added: u64,
    /// Rows that went to quarantine on the way.
    pub rejected: u64,
    /// The columns.
    #[schema(value_type = Object)]
    pub schema: Schema,
    /// The source that gave the rows.
    pub source: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Record for DatasetVersion {
    const TABLE: &'static str = "dataset_version";
    const INDEXES: &'static [Index] = &[Index::on(&["dataset", "version"])];
    fn id(&self) -> String {
        format!("{}@{}", self.dataset, self.version)
    }
}

/// One file of a dataset.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DatasetFile {
    /// The dataset.
    pub dataset: String,
    /// The version that added it.
    pub version: u32,
    /// Its place among the files of that version.
    pub part: u32,
    /// Whether it holds rows of the quarantine instead.
    pub quarantine: bool,
    /// Its digest, rows, bytes, columns and their statistics.
    #[schema(value_type = Object)]
    pub file: FileInfo,
}

impl Record for DatasetFile {
    const TABLE: &'static str = "dataset_file";
    const INDEXES: &'static [Index] = &[Index::on(&["dataset", "version"])];
    fn id(&self) -> String {
        let what = if self.quarantine { "quarantine" } else { "rows" };
        format!("{}@{}/{what}/{}", self.dataset, self.version, self.part)
    }
}

/// An upload that may be sent again: written with its rows, so that a crash
/// between them and the answer doesn't double them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// What tells the same request sent again from another one.
    pub key: String,
    /// What came of it.
    pub pulled: Pulled,
    /// When its rows were written.
    pub at: Timestamp,
}

impl Record for Upload {
    const TABLE: &'static str = "upload";
    const INDEXES: &'static [Index] = &[Index::on(&["at"])];
    // As long as the server remembers the key of the request.
    const KEPT: Option<Kept> = Some(Kept { from: "at", days: 7 });
    fn id(&self) -> String {
        self.key.clone()
    }
}

/// What one pull did.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Pulled {
    /// The dataset.
    pub dataset: String,
    /// Its version afterwards.
    pub version: u32,
    /// Rows taken.
    pub rows: u64,
    /// Rows put into quarantine.
    pub rejected: u64,
    /// Seconds that it took.
    pub seconds: f64,
}
