//! Logged models: what a run trained, before anyone registers it.

use serde::{Deserialize, Serialize};

use super::{LifecycleStage, Metric, Param, Tag};
use crate::Text;

/// Where a logged model stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LoggedModelStatus {
    /// Nothing said.
    #[serde(rename = "LOGGED_MODEL_STATUS_UNSPECIFIED")]
    Unspecified,
    /// Being written.
    #[default]
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// Complete.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// Could not be written.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    Failed,
}

impl LoggedModelStatus {
    /// The status as filters write it: `READY`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }
}

/// A logged model's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedModelInfo {
    /// `m-` and 32 hexadecimal digits.
    pub model_id: Text,
    /// The experiment's number as text.
    pub experiment_id: Text,
    /// Need not be unique.
    pub name: String,
    /// Milliseconds since 1970.
    pub creation_timestamp_ms: i64,
    /// Milliseconds since 1970.
    pub last_updated_timestamp_ms: i64,
    /// Where its files are.
    pub artifact_uri: String,
    /// Where it stands.
    pub status: LoggedModelStatus,
    /// Such as `Agent`; may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<Text>,
    /// Says more about the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// In order of key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// In use or deleted; not part of MLflow's JSON.
    #[serde(skip)]
    pub lifecycle_stage: LifecycleStage,
}

/// What was logged to a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoggedModelData {
    /// In order of key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// Every point that was logged with the model's id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
}

/// A logged model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// Attributes and tags.
    pub info: LoggedModelInfo,
    /// Parameters and metrics.
    pub data: LoggedModelData,
}

/// What a new logged model is made of.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CreateLoggedModel {
    /// An active experiment.
    pub experiment_id: String,
    /// A name is made up where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Such as `Agent`.
    #[serde(default)]
    pub model_type: Option<String>,
    /// The run that makes it.
    #[serde(default)]
    pub source_run_id: Option<String>,
    /// Its parameters.
    #[serde(default)]
    pub params: Vec<Param>,
    /// Its first tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// A given id in place of a made-up one.
    #[serde(default)]
    pub model_id: Option<String>,
}

/// Confines a filter's or an order's metrics to a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct DatasetScope {
    /// The data set's name.
    pub dataset_name: String,
    /// Its digest; any where absent.
    #[serde(default)]
    pub dataset_digest: Option<String>,
}

/// One key to order logged models by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ModelOrder {
    /// `creation_timestamp`, or a metric such as `metrics.accuracy`.
    pub field_name: String,
    /// Smallest first; true where absent.
    #[serde(default)]
    pub ascending: Option<bool>,
    /// Only a metric measured on this data set.
    #[serde(default)]
    pub dataset_name: Option<String>,
    /// That data set's digest; any where absent.
    #[serde(default)]
    pub dataset_digest: Option<String>,
}

/// A search of logged models.
#[derive(Debug, Clone, Default)]
pub struct SearchLoggedModels {
    /// Experiments to look in.
    pub experiment_ids: Vec<String>,
    /// MLflow's filter language.
    pub filter: String,
    /// The data sets that the filter's metrics must be measured on; any where empty.
    pub datasets: Vec<DatasetScope>,
    /// Then newest first, then by id.
    pub order_by: Vec<ModelOrder>,
    /// 100 where absent.
    pub max_results: Option<i64>,
    /// `next_page_token` of the page before.
    pub page_token: Option<String>,
}
