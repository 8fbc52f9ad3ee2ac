//! What is known of a model version: the JSON object that `render` takes.
//!
//! This is the one place where its shape stands. Every field may be missing or
//! null; what a card needs and does not find is told as a gap. Fields that are
//! not listed here are passed over, so that a newer host can say more.
//!
//! ```json
//! {
//!   "model": {"name": "delays", "version": 3, "created_at": "2013-04-01T06:00:00Z",
//!             "task": "binary-classification", "description": "…", "owner": "…",
//!             "licence": "Apache-2.0", "intended_use": "…", "limitations": "…", "tags": ["flights"]},
//!   "training": {"plugin": "training-gbdt", "plugin_digest": "sha256:…", "parameters": {"trees": 200},
//!                "seed": 7, "duration_s": 12.5, "rows": 80000,
//!                "features": [{"name": "dep_hour", "importance": 0.41}]},
//!   "data": {"name": "flights", "version": "12", "rows": 80000, "from": "2013-01-01", "to": "2013-03-31",
//!            "columns": [{"name": "distance", "type": "f64", "null_share": 0.0, "mean": 1040.0, "min": 80.0, "max": 4983.0}]},
//!   "evaluation": {"plugin": "evaluation-classification", "data": "flights 12, held out", "rows": 9000,
//!                  "metrics": [{"name": "roc_auc", "value": 0.72, "slice": null, "rows": 9000}],
//!                  "confusion": {"labels": ["on time", "late"], "counts": [7000, 300, 1200, 500]}},
//!   "fairness": {"plugin": "monitoring-bias", "metrics": [{"name": "disparate_impact", "value": 0.91, "slice": "origin"}]},
//!   "signature": {"inputs": [{"name": "distance", "datatype": "FP64", "shape": [-1]}],
//!                 "outputs": [{"name": "probability", "datatype": "FP64", "shape": [-1], "labels": ["late"]}]},
//!   "deployment": {"endpoint": "delays", "state": "serving", "role": "champion", "traffic_share": 1.0, "since": "2013-04-01T06:05:00Z"},
//!   "monitoring": {"checked_at": "2013-05-01T00:00:00Z",
//!                  "findings": [{"metric": "psi", "subject": "distance", "value": 0.3, "threshold": 0.1,
//!                                "severity": "warning", "message": "…", "at": "2013-05-01T00:00:00Z"}]},
//!   "lineage": [{"kind": "dataset", "name": "flights", "version": "12", "digest": "sha256:…"}],
//!   "governance": [{"action": "promote", "outcome": "allow", "by": "anna", "at": "2013-04-01T06:04:00Z", "reasons": []}]
//! }
//! ```

use modelyard_sdk::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

/// All that is known of a model version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What it is and who answers for it.
    pub model: Option<Model>,
    /// How it was trained.
    pub training: Option<Training>,
    /// What it was trained on.
    pub data: Option<Data>,
    /// How well it does.
    pub evaluation: Option<Evaluation>,
    /// How evenly it treats groups.
    pub fairness: Option<Fairness>,
    /// What it takes and gives.
    pub signature: Option<Signature>,
    /// Where it serves.
    pub deployment: Option<Deployment>,
    /// What monitoring last saw.
    pub monitoring: Option<Monitoring>,
    /// What it comes from.
    pub lineage: Option<Vec<Origin>>,
    /// What was decided about it, oldest first.
    pub governance: Option<Vec<Ruling>>,
}

/// What the model is and who answers for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Model {
    /// The registered model's name.
    pub name: Option<String>,
    /// The version's number.
    pub version: Option<u64>,
    /// RFC 3339.
    pub created_at: Option<String>,
    /// `binary-classification`, `multiclass-classification` or `regression`.
    pub task: Option<String>,
    /// What it predicts, for whom; paragraphs are parted by an empty line.
    pub description: Option<String>,
    /// The person or group that answers for it.
    pub owner: Option<String>,
    /// An SPDX identifier, or a name.
    pub licence: Option<String>,
    /// What it is made for; paragraphs as above.
    pub intended_use: Option<String>,
    /// Where it should not be used or trusted; paragraphs as above.
    pub limitations: Option<String>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
}

/// How the version was trained.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Training {
    /// The training plugin's name.
    pub plugin: Option<String>,
    /// The digest of its code.
    pub plugin_digest: Option<String>,
    /// Its parameters, by name.
    pub parameters: Option<Map<String, Value>>,
    /// The seed of its random choices.
    pub seed: Option<u64>,
    /// Seconds.
    pub duration_s: Option<f64>,
    /// Rows that it was trained on.
    pub rows: Option<u64>,
    /// What it looks at, in any order.
    pub features: Option<Vec<Feature>>,
}

/// A feature.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Feature {
    /// The column's name.
    pub name: String,
    /// How much it matters, as a share of all; none: not known.
    pub importance: Option<f64>,
}

/// The data set that the version was trained on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Data {
    /// The data set's name.
    pub name: Option<String>,
    /// Its version: a number or a text.
    pub version: Option<Value>,
    /// Rows.
    pub rows: Option<u64>,
    /// The first event's date or time.
    pub from: Option<String>,
    /// The last event's date or time.
    pub to: Option<String>,
    /// Its columns.
    pub columns: Option<Vec<ColumnFact>>,
}

/// A column's statistics.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ColumnFact {
    /// Its name.
    pub name: String,
    /// `f64`, `s64`, `boolean`, `utf8` or `timestamp`.
    pub r#type: Option<String>,
    /// The share of nulls, 0 to 1.
    pub null_share: Option<f64>,
    /// Of a numeric column.
    pub mean: Option<f64>,
    /// The least value: a number or a text.
    pub min: Option<Value>,
    /// The greatest value: a number or a text.
    pub max: Option<Value>,
}

/// How well the version does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Evaluation {
    /// The evaluation plugin's name.
    pub plugin: Option<String>,
    /// What it was evaluated on.
    pub data: Option<String>,
    /// Rows.
    pub rows: Option<u64>,
    /// Metrics, slices included.
    pub metrics: Option<Vec<Measured>>,
    /// Counts by class.
    pub confusion: Option<ConfusionFact>,
}

/// A metric. A value that is not a number is null in JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// The metric's standard name.
    pub name: String,
    /// Its value.
    pub value: Option<f64>,
    /// The part of the data; none: all.
    pub slice: Option<String>,
    /// Rows that it was taken on.
    pub rows: Option<u64>,
}

/// Counts by true and predicted class.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfusionFact {
    /// The classes.
    pub labels: Vec<String>,
    /// Row-major, one row for each true class.
    pub counts: Vec<u64>,
}

/// How evenly the version treats groups.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fairness {
    /// The plugin that measured.
    pub plugin: Option<String>,
    /// Measures by group column or group.
    pub metrics: Option<Vec<Measured>>,
}

/// What the version takes and gives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// Tensors in.
    pub inputs: Vec<TensorFact>,
    /// Tensors out.
    pub outputs: Vec<TensorFact>,
}

/// A tensor.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TensorFact {
    /// Its name.
    pub name: String,
    /// As in the Open Inference Protocol.
    pub datatype: Option<String>,
    /// −1 is a dimension of any size.
    pub shape: Vec<i64>,
    /// Classes or categories.
    pub labels: Vec<String>,
}

/// Where the version serves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// The endpoint's name.
    pub endpoint: Option<String>,
    /// `serving`, `shadow`, `drained` …
    pub state: Option<String>,
    /// `champion`, `challenger` …
    pub role: Option<String>,
    /// The share of calls that it answers, 0 to 1.
    pub traffic_share: Option<f64>,
    /// RFC 3339.
    pub since: Option<String>,
}

/// What monitoring last saw.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Monitoring {
    /// RFC 3339, of the latest check.
    pub checked_at: Option<String>,
    /// The latest findings; empty: nothing was found.
    pub findings: Vec<Seen>,
}

/// A finding.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// What was measured.
    pub metric: String,
    /// The column, group or slice.
    pub subject: Option<String>,
    /// Its value.
    pub value: Option<f64>,
    /// The bound that was crossed.
    pub threshold: Option<f64>,
    /// `info`, `warning` or `critical`.
    pub severity: Option<String>,
    /// One sentence.
    pub message: Option<String>,
    /// RFC 3339.
    pub at: Option<String>,
}

/// Something that the version comes from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// `run`, `dataset`, `features`, `plugin`, `configuration` …
    pub kind: String,
    /// Its name or identifier.
    pub name: Option<String>,
    /// Its version: a number or a text.
    pub version: Option<Value>,
    /// The digest of its content.
    pub digest: Option<String>,
}

/// A governance decision.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Ruling {
    /// `promote`, `deploy`, `retire`, `erase`.
    pub action: String,
    /// `allow`, `deny`, `ask`, `approved`, `refused`.
    pub outcome: Option<String>,
    /// Who decided.
    pub by: Option<String>,
    /// RFC 3339.
    pub at: Option<String>,
    /// Why.
    pub reasons: Vec<String>,
}

impl Facts {
    /// Reads the JSON text.
    ///
    /// # Errors
    /// `invalid-input` for what is not a JSON object of this shape.
    pub fn read(text: &str) -> Result<Self, Error> {
        let about = |error: serde_json::Error| Error::invalid(format!("the facts can't be read: {error}"));
        let value: Value = serde_json::from_str(text).map_err(about)?;
        if !value.is_object() {
            return Err(Error::invalid("the facts can't be read: they must be a JSON object"));
        }
        // From the text, not from the value, so that the error names a place.
        serde_json::from_str(text).map_err(about)
    }
}
