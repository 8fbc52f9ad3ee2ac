//! What the caller may say.

use std::collections::BTreeMap;

use modelyard_sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["truth", "prediction"],
  "properties": {
    "task": {"enum": ["binary", "multiclass", "regression"], "default": "binary"},
    "truth": {"type": "string", "description": "Column of the labels; a row without one has not got its label yet."},
    "prediction": {"type": "string",
      "description": "Column of the probability of the positive class (binary), of the class (multiclass) or of the number (regression)."},
    "positive": {"type": ["string", "number", "boolean"],
      "description": "The positive class as the truth column writes it; by default true or 1."},
    "threshold": {"type": "number", "default": 0.5, "description": "Probability from which a row counts as positive."},
    "metrics": {"type": "object", "propertyNames": {"enum": ["roc_auc", "log_loss", "brier", "accuracy", "f1", "rmse", "mae", "r2"]},
      "description": "Bounds by metric, in place of the default ones. All metrics of the task are measured.",
      "additionalProperties": {"type": "object", "additionalProperties": false, "properties": {
        "max_drop": {"type": "number", "minimum": 0, "description": "How much worse than the reference it may be, in the metric's unit."},
        "max_relative_drop": {"type": "number", "minimum": 0, "description": "How much worse, as a fraction of the reference's value."},
        "limit": {"type": "number", "description": "The worst value that is good enough, whatever the reference has."},
        "severity": {"$ref": "#/$defs/severity"}}}},
    "calibration_shift": {"type": ["number", "null"], "exclusiveMinimum": 0, "default": 0.05,
      "description": "How far the gap between mean prediction and mean truth may move from the reference's: in probability, or for regression in standard deviations of the reference's truth. null: not judged."},
    "confidence": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 1, "default": 0.95,
      "description": "How sure a worsening must be, one-sided, to be a finding."},
    "min_rows": {"type": "integer", "minimum": 2, "default": 200, "description": "Labelled rows that each window needs to be judged."},
    "severity": {"$ref": "#/$defs/severity", "default": "warning"}
  },
  "$defs": {"severity": {"enum": ["info", "warning", "critical"]}}
}"##;

/// What the model predicts.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The probability of a positive.
    #[default]
    Binary,
    /// One class of several.
    Multiclass,
    /// A number.
    Regression,
}

/// [`Severity`] as the parameters write it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Critical => Self::Critical,
        }
    }
}

/// When a metric has become too bad.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Bound {
    /// In the metric's unit.
    pub max_drop: Option<f64>,
    /// As a fraction of the reference's value.
    pub max_relative_drop: Option<f64>,
    /// Whatever the reference has.
    pub limit: Option<f64>,
    /// Of the finding.
    pub severity: Option<Level>,
}

/// The parameters of a check; see [`SCHEMA`] for what each one means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Parameters {
    #[serde(default)]
    pub task: Task,
    pub truth: String,
    pub prediction: String,
    #[serde(default)]
    pub positive: Option<Value>,
    #[serde(default = "half")]
    pub threshold: f64,
    #[serde(default = "default_bounds")]
    pub metrics: BTreeMap<String, Bound>,
    #[serde(default = "default_shift")]
    pub calibration_shift: Option<f64>,
    #[serde(default = "default_confidence")]
    pub confidence: f64,
    #[serde(default = "default_min_rows")]
    pub min_rows: u64,
    #[serde(default = "default_severity")]
    pub severity: Level,
}

fn half() -> f64 {
    0.5
}

fn default_shift() -> Option<f64> {
    Some(0.05)
}

fn default_confidence() -> f64 {
    0.95
}

fn default_min_rows() -> u64 {
    200
}

fn default_severity() -> Level {
    Level::Warning
}

/// 0.05 for shares and areas, 0.1 for R², a fifth for losses and errors.
fn default_bounds() -> BTreeMap<String, Bound> {
    let drop = |max_drop| Bound { max_drop: Some(max_drop), ..Bound::default() };
    let relative = Bound { max_relative_drop: Some(0.2), ..Bound::default() };
    [
        ("roc_auc", drop(0.05)),
        ("accuracy", drop(0.05)),
        ("f1", drop(0.05)),
        ("r2", drop(0.1)),
        ("log_loss", relative),
        ("brier", relative),
        ("rmse", relative),
        ("mae", relative),
    ]
    .into_iter()
    .map(|(name, bound)| (name.to_owned(), bound))
    .collect()
}

/// The metrics of a task.
#[must_use]
pub fn metrics_of(task: Task) -> &'static [&'static str] {
    match task {
        Task::Binary => &["roc_auc", "log_loss", "brier", "accuracy", "f1"],
        Task::Multiclass => &["accuracy"],
        Task::Regression => &["rmse", "mae", "r2"],
    }
}

impl Parameters {
    /// Reads and checks the JSON text.
    ///
    /// # Errors
    /// `invalid-input` with the parameter's pointer.
    pub fn read(text: &str) -> Result<Self, Error> {
        let given = parameters::<Value>(text)?.get("metrics").is_some();
        let read: Self = parameters(text)?;
        let known = metrics_of(read.task);
        for (name, bound) in &read.metrics {
            let pointer = format!("/metrics/{name}");
            if given && !known.contains(&name.as_str()) {
                let message = format!("`{name}` is no metric of this task: {}", known.join(", "));
                return Err(Error::parameter(pointer, message));
            }
            let drops = [bound.max_drop, bound.max_relative_drop];
            if let Some(drop) = drops.into_iter().flatten().find(|d| *d < 0.0) {
                return Err(Error::parameter(pointer, format!("a drop of {drop}: it must be 0 or more")));
            }
            if drops == [None, None] && bound.limit.is_none() {
                let message = "no bound: give max_drop, max_relative_drop or limit";
                return Err(Error::parameter(pointer, message));
            }
        }
        if !(0.5..1.0).contains(&read.confidence) {
            let message = format!("{}: it must be at least 0.5 and below 1", read.confidence);
            return Err(Error::parameter("/confidence", message));
        }
        if read.min_rows < 2 {
            return Err(Error::parameter("/min_rows", "at least 2 rows are needed for a standard error"));
        }
        if let Some(shift) = read.calibration_shift.filter(|s| *s <= 0.0) {
            return Err(Error::parameter(
                "/calibration_shift",
                format!("{shift}: it must be above 0, or null"),
            ));
        }
        if !matches!(read.positive, None | Some(Value::String(_) | Value::Number(_) | Value::Bool(_))) {
            return Err(Error::parameter("/positive", "it must be a string, a number, true or false"));
        }
        Ok(read)
    }
}
