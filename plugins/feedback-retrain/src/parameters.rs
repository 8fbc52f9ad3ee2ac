//! What the caller may say.

use modelyard_sdk::prelude::*;
use serde::Deserialize;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "retrain_on": {"enum": ["info", "warning", "critical"], "default": "critical",
      "description": "Severity from which a finding asks for a retraining."},
    "metrics": {"type": "array", "items": {"type": "string"}, "default": [],
      "description": "Metrics whose findings count, such as drift_share or roc_auc; empty: all."},
    "min_findings": {"type": "integer", "minimum": 1, "default": 1, "description": "Findings that are needed."},
    "min_labels": {"type": "integer", "minimum": 0, "default": 1000, "description": "Labels that must have come since the version was trained."},
    "cool_down_days": {"type": "number", "minimum": 0, "default": 7, "description": "Days that must lie between two retrainings."},
    "retrain_every_days": {"type": ["number", "null"], "exclusiveMinimum": 0, "default": null,
      "description": "Retrain after so many days without any finding; null: never without one."},
    "window_days": {"type": ["integer", "null"], "minimum": 1, "default": null, "description": "Days of data to train on; null: as before."},
    "propose_challenger": {"type": "boolean", "default": true},
    "promote": {"type": ["object", "null"], "additionalProperties": false, "required": ["metric"], "default": null,
      "description": "When the challenger replaces the champion; null: never.",
      "properties": {
        "metric": {"type": "string"},
        "higher_is_better": {"type": ["boolean", "null"], "default": null, "description": "null: as the metric's name says; errors and losses are better when lower."},
        "min_gain": {"type": "number", "minimum": 0, "default": 0, "description": "How much better it must be, in the metric's unit."},
        "min_rows": {"type": "integer", "minimum": 1, "default": 1000, "description": "Labelled rows that both metrics need."},
        "challenger_slice": {"type": "string", "default": "role=challenger", "description": "The slice that marks the challenger's metrics; the champion's have none."}}},
    "notify_on": {"enum": ["info", "warning", "critical", null], "default": "warning",
      "description": "Severity from which findings are told when nothing else is done about them; null: never."}
  }
}"##;

/// [`Severity`] as the parameters write it, in order.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

/// When the challenger replaces the champion.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Promotion {
    pub metric: String,
    #[serde(default)]
    pub higher_is_better: Option<bool>,
    #[serde(default)]
    pub min_gain: f64,
    #[serde(default = "default_rows")]
    pub min_rows: u64,
    #[serde(default = "default_slice")]
    pub challenger_slice: String,
}

fn default_rows() -> u64 {
    1000
}

fn default_slice() -> String {
    "role=challenger".to_owned()
}

impl Promotion {
    /// Whether more of the metric is better: as said, or as its name says.
    #[must_use]
    pub fn higher_is_better(&self) -> bool {
        const LOWER: [&str; 5] = ["log_loss", "brier", "rmse", "mse", "mape"];
        self.higher_is_better.unwrap_or_else(|| {
            let name = self.metric.as_str();
            let ends = ["_error", "_loss", "_difference", "_gap", "mae"];
            !LOWER.contains(&name) && !ends.iter().any(|end| name.ends_with(end))
        })
    }
}

/// The parameters of a decision; see [`SCHEMA`] for what each one means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Parameters {
    pub retrain_on: Level,
    pub metrics: Vec<String>,
    pub min_findings: usize,
    pub min_labels: u64,
    pub cool_down_days: f64,
    pub retrain_every_days: Option<f64>,
    pub window_days: Option<u32>,
    pub propose_challenger: bool,
    pub promote: Option<Promotion>,
    pub notify_on: Option<Level>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            retrain_on: Level::Critical,
            metrics: Vec::new(),
            min_findings: 1,
            min_labels: 1000,
            cool_down_days: 7.0,
            retrain_every_days: None,
            window_days: None,
            propose_challenger: true,
            promote: None,
            notify_on: Some(Level::Warning),
        }
    }
}

impl Parameters {
    /// Reads and checks the JSON text.
    ///
    /// # Errors
    /// `invalid-input` with the parameter's pointer.
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Self = parameters(text)?;
        let not = |pointer: &str, message: String| Err(Error::parameter(pointer, message));
        if read.min_findings == 0 {
            return not("/min_findings", "0 is too small: at least 1".to_owned());
        }
        if read.cool_down_days < 0.0 {
            return not("/cool_down_days", format!("{}: it must be 0 or more", read.cool_down_days));
        }
        if let Some(days) = read.retrain_every_days.filter(|d| *d <= 0.0) {
            return not("/retrain_every_days", format!("{days}: it must be above 0, or null"));
        }
        if read.window_days == Some(0) {
            return not("/window_days", "0 is too small: at least 1, or null".to_owned());
        }
        if let Some(promotion) = &read.promote {
            if promotion.min_gain < 0.0 {
                return not("/promote/min_gain", format!("{}: it must be 0 or more", promotion.min_gain));
            }
            if promotion.min_rows == 0 {
                return not("/promote/min_rows", "0 is too small: at least 1".to_owned());
            }
        }
        Ok(read)
    }
}
