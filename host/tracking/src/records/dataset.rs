//! Evaluation datasets and their records.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A named set of examples to evaluate on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationDataset {
    /// `d-` and 32 hexadecimal digits.
    pub dataset_id: String,
    /// Need not be unique.
    pub name: String,
    /// A map from text to text. On the wire it is JSON text.
    pub tags: Map<String, Value>,
    /// The fields of its records and their types, as JSON text; absent while empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The number of its records, as JSON text; absent while empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Changes when the records change.
    pub digest: String,
    /// Milliseconds since 1970.
    pub created_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// Who made it (the tag `mlflow.user`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
    /// The experiments it belongs to.
    pub experiment_ids: Vec<String>,
}

/// What a new evaluation dataset is made of.
#[derive(Debug, Clone, Default)]
pub struct CreateDataset {
    /// Not empty.
    pub name: String,
    /// Experiments it belongs to; each must exist.
    pub experiment_ids: Vec<String>,
    /// A map from text to text.
    pub tags: Map<String, Value>,
    /// Its first schema, as JSON text.
    pub schema: Option<String>,
    /// Its first profile, as JSON text.
    pub profile: Option<String>,
    /// Who makes it; the tag `mlflow.user` where absent.
    pub created_by: Option<String>,
}

/// Where a record comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordSource {
    /// `TRACE`, `HUMAN`, `DOCUMENT`, `CODE` or `UNSPECIFIED`.
    pub source_type: String,
    /// What the type calls for: `{"trace_id": …}`.
    #[serde(default)]
    pub source_data: Map<String, Value>,
}

/// One example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetRecord {
    /// `dr-` and 32 hexadecimal digits.
    pub dataset_record_id: String,
    /// The dataset it belongs to.
    pub dataset_id: String,
    /// What is asked.
    pub inputs: Map<String, Value>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// What is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectations: Option<Map<String, Value>>,
    /// A map from text to text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Map<String, Value>>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RecordSource>,
    /// The id within the source: the trace's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// The source's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// Milliseconds since 1970.
    pub created_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
}

/// A record to add; one with the same inputs is updated instead.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct NewDatasetRecord {
    /// What is asked.
    pub inputs: Map<String, Value>,
    /// What was answered.
    #[serde(default)]
    pub outputs: Option<Value>,
    /// What is expected; merged into what is there.
    #[serde(default)]
    pub expectations: Option<Map<String, Value>>,
    /// Merged into what is there.
    #[serde(default)]
    pub tags: Option<Map<String, Value>>,
    /// Where it comes from.
    #[serde(default)]
    pub source: Option<RecordSource>,
}

/// How many records an upsert added and changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upserted {
    /// New ones.
    pub inserted: usize,
    /// Changed ones.
    pub updated: usize,
}
