//! What the caller may say.

use modelyard_sdk::prelude::*;
use serde::Deserialize;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "age_days": {"$ref": "#/$defs/from", "default": {"warn": 365, "retire": 730},
      "description": "Days since it was registered, from which on."},
    "idle_days": {"$ref": "#/$defs/from", "default": {"warn": 30, "retire": 90},
      "description": "Days since its last call (never called: since it was registered), from which on."},
    "calls_30d": {"$ref": "#/$defs/below", "default": {"warn": null, "retire": null},
      "description": "Calls in the last 30 days, below which, while it is deployed."},
    "superseded_days": {"$ref": "#/$defs/from", "default": {"warn": 14, "retire": 60},
      "description": "Days since a later version took its alias, from which on, while nothing routes to it."},
    "expiry_days": {"$ref": "#/$defs/days", "default": {"warn": 30, "retire": 0},
      "description": "Days left until policy says that it must go, at or below which."},
    "performance": {"type": "array", "default": [], "items": {
      "type": "object", "additionalProperties": false, "required": ["metric"], "properties": {
        "metric": {"type": "string"},
        "slice": {"type": ["string", "null"], "default": null, "description": "null: the whole."},
        "min_rows": {"type": "integer", "minimum": 0, "default": 200, "description": "On fewer rows the metric says nothing."},
        "warn_below": {"type": ["number", "null"]}, "retire_below": {"type": ["number", "null"]},
        "warn_above": {"type": ["number", "null"]}, "retire_above": {"type": ["number", "null"]}}}},
    "grace_days": {"type": "number", "minimum": 0, "default": 14,
      "description": "A version younger than this is not judged by its traffic."}
  },
  "$defs": {
    "from": {"type": ["object", "null"], "additionalProperties": false, "properties": {
      "warn": {"type": ["number", "null"], "minimum": 0}, "retire": {"type": ["number", "null"], "minimum": 0}}},
    "below": {"type": ["object", "null"], "additionalProperties": false, "properties": {
      "warn": {"type": ["number", "null"], "minimum": 0}, "retire": {"type": ["number", "null"], "minimum": 0}}},
    "days": {"type": ["object", "null"], "additionalProperties": false, "properties": {
      "warn": {"type": ["number", "null"]}, "retire": {"type": ["number", "null"]}}}
  }
}"##;

/// The two thresholds of a rule; none: that step is not taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Steps {
    /// From where on the owner is told.
    pub warn: Option<f64>,
    /// From where on it is proposed to retire.
    pub retire: Option<f64>,
}

impl Steps {
    fn of(warn: f64, retire: f64) -> Option<Self> {
        Some(Self { warn: Some(warn), retire: Some(retire) })
    }
}

/// A floor or a ceiling of a realised metric.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Performance {
    pub metric: String,
    #[serde(default)]
    pub slice: Option<String>,
    #[serde(default = "default_rows")]
    pub min_rows: u64,
    #[serde(default)]
    pub warn_below: Option<f64>,
    #[serde(default)]
    pub retire_below: Option<f64>,
    #[serde(default)]
    pub warn_above: Option<f64>,
    #[serde(default)]
    pub retire_above: Option<f64>,
}

fn default_rows() -> u64 {
    200
}

/// The parameters of an assessment; see [`SCHEMA`] for what each one means. A
/// rule that is `null` does not apply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Parameters {
    pub age_days: Option<Steps>,
    pub idle_days: Option<Steps>,
    pub calls_30d: Option<Steps>,
    pub superseded_days: Option<Steps>,
    pub expiry_days: Option<Steps>,
    pub performance: Vec<Performance>,
    pub grace_days: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            age_days: Steps::of(365.0, 730.0),
            idle_days: Steps::of(30.0, 90.0),
            calls_30d: None,
            superseded_days: Steps::of(14.0, 60.0),
            expiry_days: Steps::of(30.0, 0.0),
            performance: Vec::new(),
            grace_days: 14.0,
        }
    }
}

impl Parameters {
    /// Reads and checks the JSON text.
    ///
    /// # Errors
    /// `invalid-input` with the parameter's pointer: a threshold below 0, or one
    /// that retires before it warns.
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Self = parameters(text)?;
        let rising = [
            ("/age_days", read.age_days, 1.0),
            ("/idle_days", read.idle_days, 1.0),
            ("/superseded_days", read.superseded_days, 1.0),
            ("/calls_30d", read.calls_30d, -1.0),
        ];
        for (pointer, steps, sign) in rising {
            let steps = steps.unwrap_or_default();
            if let Some(value) = [steps.warn, steps.retire].into_iter().flatten().find(|v| *v < 0.0) {
                return Err(Error::parameter(pointer, format!("{value}: it must be 0 or more, or null")));
            }
            order(pointer, steps.warn, steps.retire, sign)?;
        }
        let expiry = read.expiry_days.unwrap_or_default();
        order("/expiry_days", expiry.warn, expiry.retire, -1.0)?;
        if read.grace_days < 0.0 {
            return Err(Error::parameter(
                "/grace_days",
                format!("{}: it must be 0 or more", read.grace_days),
            ));
        }
        for (i, rule) in read.performance.iter().enumerate() {
            let pointer = format!("/performance/{i}");
            let all = [rule.warn_below, rule.retire_below, rule.warn_above, rule.retire_above];
            if all.iter().all(Option::is_none) {
                let message = "no threshold: give warn_below, retire_below, warn_above or retire_above";
                return Err(Error::parameter(pointer, message));
            }
            order(&pointer, rule.warn_below, rule.retire_below, -1.0)?;
            order(&pointer, rule.warn_above, rule.retire_above, 1.0)?;
        }
        Ok(read)
    }
}

/// A rule warns no later than it retires; `sign` 1: as values rise.
fn order(pointer: &str, warn: Option<f64>, retire: Option<f64>, sign: f64) -> Result<(), Error> {
    if let (Some(warn), Some(retire)) = (warn, retire)
        && sign * (retire - warn) < 0.0
    {
        let message = format!("it would retire (at {retire}) before it warns (at {warn}): exchange the two");
        return Err(Error::parameter(pointer, message));
    }
    Ok(())
}
