//! What monitoring records: monitors, checks and findings.

use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use modelyard_runtime::types::{Metric, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a monitor compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// The inputs and outputs of the window against the reference: needs no
    /// labels.
    Inputs,
    /// The labelled predictions of the window against the reference's.
    Labels,
}

/// What the window is held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reference {
    /// The test rows of the run behind the version that serves, with its
    /// predictions.
    Evaluation,
    /// The deployment's own predictions between two moments.
    Window {
        /// From this moment.
        from: Timestamp,
        /// Before this moment.
        to: Timestamp,
    },
}

/// A watch over a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MonitorSpec {
    /// The monitor's name.
    pub name: String,
    /// The deployment.
    pub deployment: String,
    /// The monitoring plugin.
    pub plugin: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// What it compares.
    pub watch: Watch,
    /// What the window is held against.
    #[serde(default = "evaluation")]
    pub reference: Reference,
    /// The window's length in days, counted back from the check.
    #[serde(default = "week")]
    pub window_days: u32,
    /// Days that labels need to arrive: the window ends so long before the
    /// check.
    #[serde(default)]
    pub delay_days: u32,
    /// Fewer rows than this are not judged.
    #[serde(default = "hundred")]
    pub min_rows: u64,
    /// A cron expression: when to check by itself.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The schedule's time zone, `UTC` by default.
    #[serde(default)]
    pub timezone: Option<String>,
}

fn evaluation() -> Reference {
    Reference::Evaluation
}

fn week() -> u32 {
    7
}

fn hundred() -> u64 {
    100
}

/// A monitor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Monitor {
    /// What was asked for.
    #[serde(flatten)]
    pub spec: MonitorSpec,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last checked.
    pub checked_at: Option<Timestamp>,
}

impl Record for Monitor {
    const TABLE: &'static str = "monitor";
    const INDEXES: &'static [Index] = &[Index::on(&["deployment"])];
    fn id(&self) -> String {
        self.spec.name.clone()
    }
}

/// One comparison.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Its id: `<monitor>/<end of the window>/v<version>`: the same check twice is one.
    pub id: String,
    /// The monitor.
    pub monitor: String,
    /// The deployment.
    pub deployment: String,
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// The window.
    pub from: Timestamp,
    /// The window's end.
    pub to: Timestamp,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Rows of the window.
    pub rows: u64,
    /// Why it was not judged, such as too few rows.
    pub skipped: Option<String>,
    /// Everything that was measured.
    #[schema(value_type = Vec<Object>)]
    pub metrics: Vec<Metric>,
    /// How many findings came of it.
    pub findings: u32,
    /// When it was made.
    pub at: Timestamp,
}

impl Record for Check {
    const TABLE: &'static str = "check";
    const INDEXES: &'static [Index] = &[
        Index::on(&["monitor", "at"]),
        Index::on(&["deployment", "at"]),
        Index::on(&["model", "version", "at"]),
    ];
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Something that crossed a bound.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingRecord {
    /// Its id: `<check>/<metric>/<subject>`.
    pub id: String,
    /// The stage that found it: `monitoring`, `retirement` …
    pub stage: String,
    /// The check behind it.
    pub check: Option<String>,
    /// The deployment.
    pub deployment: Option<String>,
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// What was measured.
    pub metric: String,
    /// The column, group or slice.
    pub subject: Option<String>,
    /// Its value.
    pub value: f64,
    /// The bound.
    pub threshold: f64,
    /// How much it matters.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Whether feedback has answered it.
    pub handled: bool,
    /// When.
    pub at: Timestamp,
}

impl Record for FindingRecord {
    const TABLE: &'static str = "finding";
    const INDEXES: &'static [Index] = &[
        Index::on(&["model", "at"]),
        Index::on(&["deployment", "at"]),
        Index::on(&["check"]),
        Index::on(&["at"]),
    ];
    fn id(&self) -> String {
        self.id.clone()
    }
}
