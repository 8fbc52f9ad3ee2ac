//! Runs, and what is logged to them.

use serde::{Deserialize, Serialize};

use super::{LifecycleStage, Tag, ViewType, number};
use crate::Text;

/// Where a run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// At work.
    #[default]
    Running,
    /// To be started.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended with an error.
    Failed,
    /// Ended by someone.
    Killed,
}

impl RunStatus {
    /// The status's name on the wire and in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// The status called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

/// A run's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The same as `run_id`; older clients read this one.
    pub run_uuid: Text,
    /// 32 hexadecimal digits.
    pub run_id: Text,
    /// Also the tag `mlflow.runName`.
    pub run_name: Text,
    /// The experiment's number as text.
    pub experiment_id: Text,
    /// Who made it; may be empty.
    pub user_id: Text,
    /// Where it stands.
    pub status: RunStatus,
    /// Milliseconds since 1970.
    pub start_time: i64,
    /// Milliseconds since 1970; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// Where its artifacts go.
    pub artifact_uri: Text,
    /// In use or deleted.
    pub lifecycle_stage: LifecycleStage,
}

/// One measurement. In a run's data: the latest of its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Up to 250 characters.
    pub key: Text,
    /// Infinity is kept as ±1.7976931348623157e308, as MLflow does.
    #[serde(with = "number")]
    pub value: f64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// What the value belongs to: an epoch, a batch; 0 where there is none.
    #[serde(default)]
    pub step: i64,
    /// The model it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<Text>,
    /// The data it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<Text>,
    /// That data's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<Text>,
    /// The run that logged it; given with a logged model's metrics and in bulk histories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Text>,
}

/// A parameter: set once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Up to 250 characters.
    pub key: Text,
    /// Up to 6,000 characters.
    #[serde(default)]
    pub value: Text,
}

/// What was logged to a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunData {
    /// The latest value of every metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// All parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// All tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// A data set that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Up to 500 characters.
    pub name: String,
    /// Up to 36 characters; with the name it says which data set it is.
    pub digest: String,
    /// Such as `local` or `s3`.
    pub source_type: String,
    /// Where it was read from, as JSON text.
    pub source: String,
    /// Its columns, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its summary, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A data set with what it served for (`mlflow.data.context`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInput {
    /// Tags of this use.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// The data set.
    pub dataset: Dataset,
}

/// A model that a run read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInput {
    /// `m-` and 32 hexadecimal digits.
    pub model_id: Text,
}

/// A model that a run wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOutput {
    /// `m-` and 32 hexadecimal digits.
    pub model_id: Text,
    /// The step at which it was written.
    #[serde(default)]
    pub step: i64,
}

/// What a run read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInputs {
    /// Data sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    /// Models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

/// What a run wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutputs {
    /// Models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

/// A run with everything but the histories of its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Attributes.
    pub info: RunInfo,
    /// Metrics, parameters, tags.
    pub data: RunData,
    /// What it read.
    pub inputs: RunInputs,
    /// What it wrote.
    #[serde(default)]
    pub outputs: RunOutputs,
}

/// What a new run is made of.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CreateRun {
    /// An active experiment.
    pub experiment_id: String,
    /// 32 hexadecimal digits that no run has; made up where absent. No client may say it.
    #[serde(skip)]
    pub run_id: Option<String>,
    /// Who makes it.
    #[serde(default)]
    pub user_id: String,
    /// Milliseconds since 1970; now where absent.
    #[serde(default)]
    pub start_time: Option<i64>,
    /// A name is made up where neither this nor the tag `mlflow.runName` is given.
    #[serde(default)]
    pub run_name: Option<String>,
    /// Its first tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// What of a run is to change; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UpdateRun {
    /// The new status.
    #[serde(default)]
    pub status: Option<RunStatus>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub end_time: Option<i64>,
    /// The new name; also sets `mlflow.runName`.
    #[serde(default)]
    pub run_name: Option<String>,
}

/// Everything one `log-batch` writes, all or nothing: at most 1,000 metrics, 100 parameters,
/// 100 tags and 1,000 of all together.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LogBatch {
    /// Points of metrics.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Parameters.
    #[serde(default)]
    pub params: Vec<Param>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// What a run read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LogInputs {
    /// Data sets.
    #[serde(default)]
    pub datasets: Vec<DatasetInput>,
    /// Models.
    #[serde(default)]
    pub models: Vec<ModelInput>,
}

/// A search of runs.
#[derive(Debug, Clone, Default)]
pub struct SearchRuns {
    /// Experiments to look in; ids that don't exist find nothing.
    pub experiment_ids: Vec<String>,
    /// MLflow's filter language; empty finds everything.
    pub filter: String,
    /// Active ones, deleted ones, or both.
    pub view: ViewType,
    /// 1,000 where absent, at most 50,000.
    pub max_results: Option<i64>,
    /// Clauses such as `metrics.rmse ASC`; then newest first, then by id.
    pub order_by: Vec<String>,
    /// `next_page_token` of the page before.
    pub page_token: Option<String>,
}

/// A data set that runs of an experiment read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// The experiment.
    pub experiment_id: String,
    /// The data set's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it served for (`mlflow.data.context`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}
