//! What evaluation records.

use modelyard_blobs::Digest;
use modelyard_catalog::{Index, Record};
use modelyard_clock::Timestamp;
use modelyard_runtime::types::{Confusion, Curve, Metric};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An evaluation plugin with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluatorSpec {
    /// The evaluation plugin.
    pub plugin: String,
    /// Its parameters, such as `slices`; the host fills in `truth` and
    /// `prediction`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Value,
}

/// One evaluation of one run or model version on one set of rows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// Its id (UUID v7).
    pub id: String,
    /// What was evaluated: `run:<id>` or `model:<name>@<version>`.
    pub subject: String,
    /// What it was evaluated on: `test` of the run, a dataset version, or
    /// `rows:sha256:…`, a file of rows such as another version's test rows.
    pub data: String,
    /// The rows with their predictions.
    #[schema(value_type = String)]
    pub predictions: Digest,
    /// How many.
    pub rows: u64,
    /// The plugin.
    pub evaluator: EvaluatorSpec,
    /// Its component.
    #[schema(value_type = String)]
    pub component: Digest,
    /// The metrics, slices included.
    #[schema(value_type = Vec<Object>)]
    pub metrics: Vec<Metric>,
    /// The curves.
    #[schema(value_type = Vec<Object>)]
    pub curves: Vec<Curve>,
    /// The confusion matrix.
    #[schema(value_type = Object)]
    pub confusion: Option<Confusion>,
    /// When.
    pub created_at: Timestamp,
}

impl Record for Evaluation {
    const TABLE: &'static str = "evaluation";
    const INDEXES: &'static [Index] = &[Index::on(&["subject", "created_at"])];
    fn id(&self) -> String {
        self.id.clone()
    }
}
