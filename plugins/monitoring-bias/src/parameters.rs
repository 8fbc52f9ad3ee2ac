//! What the caller may say.

use modelyard_sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["groups", "prediction"],
  "properties": {
    "groups": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true,
      "description": "Columns whose values are the groups to compare."},
    "prediction": {"type": "string", "description": "Column of the decision: a class, or a probability to hold against the threshold."},
    "truth": {"type": ["string", "null"], "default": null, "description": "Column of the labels; without it only selection rates are compared."},
    "positive": {"type": ["string", "number", "boolean"], "description": "The favourable class; by default true or 1. Needed where a column holds text."},
    "threshold": {"type": "number", "default": 0.5, "description": "Number from which a prediction counts as positive."},
    "bounds": {"type": "object", "additionalProperties": false, "properties": {
      "demographic_parity_difference": {"type": ["number", "null"], "minimum": 0, "maximum": 1, "default": 0.1, "description": "At most; null: not judged."},
      "disparate_impact": {"type": ["number", "null"], "minimum": 0, "maximum": 1, "default": 0.8, "description": "At least (the four-fifths rule); null: not judged."},
      "equal_opportunity_difference": {"type": ["number", "null"], "minimum": 0, "maximum": 1, "default": 0.1},
      "equalized_odds_difference": {"type": ["number", "null"], "minimum": 0, "maximum": 1, "default": 0.1}}},
    "min_group_rows": {"type": "integer", "minimum": 1, "default": 30,
      "description": "A group's rate is compared only when it is taken on at least so many rows."},
    "max_groups": {"type": "integer", "minimum": 2, "maximum": 10000, "default": 100},
    "severity": {"enum": ["info", "warning", "critical"], "default": "warning"}
  }
}"##;

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

/// Bounds by measure; none: not judged.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Bounds {
    pub demographic_parity_difference: Option<f64>,
    pub disparate_impact: Option<f64>,
    pub equal_opportunity_difference: Option<f64>,
    pub equalized_odds_difference: Option<f64>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            demographic_parity_difference: Some(0.1),
            disparate_impact: Some(0.8),
            equal_opportunity_difference: Some(0.1),
            equalized_odds_difference: Some(0.1),
        }
    }
}

/// The parameters of a check; see [`SCHEMA`] for what each one means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Parameters {
    pub groups: Vec<String>,
    pub prediction: String,
    #[serde(default)]
    pub truth: Option<String>,
    #[serde(default)]
    pub positive: Option<Value>,
    #[serde(default = "half")]
    pub threshold: f64,
    #[serde(default)]
    pub bounds: Bounds,
    #[serde(default = "default_rows")]
    pub min_group_rows: u64,
    #[serde(default = "default_groups")]
    pub max_groups: usize,
    #[serde(default = "default_severity")]
    pub severity: Level,
}

fn half() -> f64 {
    0.5
}

fn default_rows() -> u64 {
    30
}

fn default_groups() -> usize {
    100
}

fn default_severity() -> Level {
    Level::Warning
}

impl Parameters {
    /// Reads and checks the JSON text.
    ///
    /// # Errors
    /// `invalid-input` with the parameter's pointer.
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Self = parameters(text)?;
        if read.groups.is_empty() {
            return Err(Error::parameter("/groups", "no column: name at least one"));
        }
        let bounds = [
            ("demographic_parity_difference", read.bounds.demographic_parity_difference),
            ("disparate_impact", read.bounds.disparate_impact),
            ("equal_opportunity_difference", read.bounds.equal_opportunity_difference),
            ("equalized_odds_difference", read.bounds.equalized_odds_difference),
        ];
        for (name, value) in bounds {
            if let Some(value) = value.filter(|v| !(0.0..=1.0).contains(v)) {
                let message = format!("a bound of {value}: it must be from 0 to 1, or null");
                return Err(Error::parameter(format!("/bounds/{name}"), message));
            }
        }
        if read.min_group_rows == 0 {
            return Err(Error::parameter("/min_group_rows", "0 is too small: at least 1"));
        }
        if read.max_groups < 2 {
            return Err(Error::parameter(
                "/max_groups",
                format!("{} is too small: at least 2", read.max_groups),
            ));
        }
        if !matches!(read.positive, None | Some(Value::String(_) | Value::Number(_) | Value::Bool(_))) {
            return Err(Error::parameter("/positive", "it must be a string, a number, true or false"));
        }
        Ok(read)
    }
}
