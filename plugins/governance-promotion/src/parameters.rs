//! What the caller may say.

use std::collections::BTreeMap;

use modelyard_sdk::prelude::*;
use serde::Deserialize;

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "actions": {"type": "array", "items": {"enum": ["promote", "deploy", "retire", "erase"]}, "default": ["promote", "deploy"],
      "description": "Changes that the rules on metrics, lineage, card and imports apply to."},
    "metrics": {"type": "array", "default": [], "items": {"$ref": "#/$defs/bound"},
      "description": "Bounds of evaluation metrics."},
    "bias": {"type": "array", "items": {"$ref": "#/$defs/bound"},
      "default": [{"metric": "disparate_impact", "slice": "*", "min": 0.8}, {"metric": "demographic_parity_difference", "slice": "*", "max": 0.2}, {"metric": "equalized_odds_difference", "slice": "*", "max": 0.2}],
      "description": "Bounds of fairness metrics."},
    "not_worse_than_champion": {"type": "object", "default": {}, "additionalProperties": {"type": "number", "minimum": 0},
      "description": "By metric, how much worse than the champion's it may be on the same data, in the metric's unit. Without a champion they do not apply."},
    "lower_is_better": {"type": "array", "items": {"type": "string"}, "default": [],
      "description": "Metrics that are better when lower, beside errors, losses, differences and gaps, which are by their names."},
    "lineage": {"type": "array", "items": {"enum": ["run", "dataset", "features", "plugin", "configuration"]},
      "default": ["run", "dataset", "plugin", "configuration"], "description": "What must be known of where it comes from."},
    "card": {"type": ["object", "null"], "additionalProperties": false, "default": {"allowed_gaps": []},
      "description": "The model card must be complete; null: not looked at.",
      "properties": {"allowed_gaps": {"type": "array", "items": {"type": "string"}, "default": []}}},
    "imports": {"type": ["array", "null"], "items": {"type": "string"}, "default": [],
      "description": "Capabilities that the model may import; null: any."},
    "risk": {"$ref": "#/$defs/risk", "default": "low", "description": "How much harm a wrong prediction does."},
    "ask_above": {"$ref": "#/$defs/risk", "default": "limited", "description": "A person must agree to a change of a model of a higher risk."},
    "ask_for": {"type": "array", "items": {"enum": ["promote", "deploy", "retire", "erase"]}, "default": [],
      "description": "Changes that a person must always agree to."},
    "ask_when_system": {"type": "boolean", "default": false, "description": "Whether a person must agree when the system itself asks."}
  },
  "$defs": {
    "risk": {"enum": ["minimal", "low", "limited", "high"]},
    "bound": {"type": "object", "additionalProperties": false, "required": ["metric"], "properties": {
      "metric": {"type": "string"},
      "slice": {"type": ["string", "null"], "default": null,
        "description": "null: the whole; carrier=UA: that slice; carrier=*: each slice of that column; *: each slice and the whole."},
      "min": {"type": ["number", "null"]}, "max": {"type": ["number", "null"]},
      "min_rows": {"type": "integer", "minimum": 0, "default": 0, "description": "A slice on fewer rows is left out."},
      "required": {"type": "boolean", "description": "Whether it is denied when the metric is not there; by default true, for patterns and bias bounds false."}}}
  }
}"##;

/// How much harm a wrong prediction does, in order.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// None to speak of.
    Minimal,
    /// Little.
    Low,
    /// Some; people should know that a model decides.
    Limited,
    /// Safety, livelihood or rights of people.
    High,
}

impl Risk {
    /// Its name in the parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Limited => "limited",
            Self::High => "high",
        }
    }
}

/// Bounds of one metric.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Bound {
    pub metric: String,
    #[serde(default)]
    pub slice: Option<String>,
    #[serde(default)]
    pub min: Option<f64>,
    #[serde(default)]
    pub max: Option<f64>,
    #[serde(default)]
    pub min_rows: u64,
    #[serde(default)]
    pub required: Option<bool>,
}

impl Bound {
    /// Whether a metric of this slice is meant.
    #[must_use]
    pub fn covers(&self, slice: Option<&str>) -> bool {
        match (self.slice.as_deref(), slice) {
            (None, slice) => slice.is_none(),
            (Some("*"), _) => true,
            (Some(_), None) => false,
            (Some(pattern), Some(slice)) => match pattern.strip_suffix('*') {
                Some(prefix) => slice.starts_with(prefix),
                None => slice == pattern,
            },
        }
    }

    /// Whether it may stand for several slices.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.slice.as_deref().is_some_and(|s| s.ends_with('*'))
    }
}

/// Which card sections may be empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Card {
    pub allowed_gaps: Vec<String>,
}

/// The parameters of a review; see [`SCHEMA`] for what each one means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Parameters {
    pub actions: Vec<String>,
    pub metrics: Vec<Bound>,
    pub bias: Vec<Bound>,
    pub not_worse_than_champion: BTreeMap<String, f64>,
    pub lower_is_better: Vec<String>,
    pub lineage: Vec<String>,
    pub card: Option<Card>,
    pub imports: Option<Vec<String>>,
    pub risk: Risk,
    pub ask_above: Risk,
    pub ask_for: Vec<String>,
    pub ask_when_system: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        let every = |metric: &str, min, max| Bound {
            metric: metric.to_owned(),
            slice: Some("*".to_owned()),
            min,
            max,
            min_rows: 0,
            required: None,
        };
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
        Self {
            actions: texts(&["promote", "deploy"]),
            metrics: Vec::new(),
            bias: vec![
                every("disparate_impact", Some(0.8), None),
                every("demographic_parity_difference", None, Some(0.2)),
                every("equalized_odds_difference", None, Some(0.2)),
            ],
            not_worse_than_champion: BTreeMap::new(),
            lower_is_better: Vec::new(),
            lineage: texts(&["run", "dataset", "plugin", "configuration"]),
            card: Some(Card::default()),
            imports: Some(Vec::new()),
            risk: Risk::Low,
            ask_above: Risk::Limited,
            ask_for: Vec::new(),
            ask_when_system: false,
        }
    }
}

const ACTIONS: [&str; 4] = ["promote", "deploy", "retire", "erase"];
const LINEAGE: [&str; 5] = ["run", "dataset", "features", "plugin", "configuration"];

impl Parameters {
    /// Reads and checks the JSON text.
    ///
    /// # Errors
    /// `invalid-input` with the parameter's pointer.
    pub fn read(text: &str) -> Result<Self, Error> {
        let read: Self = parameters(text)?;
        for (list, bounds) in [("metrics", &read.metrics), ("bias", &read.bias)] {
            for (i, bound) in bounds.iter().enumerate() {
                let pointer = format!("/{list}/{i}");
                match (bound.min, bound.max) {
                    (None, None) => return Err(Error::parameter(pointer, "no bound: give min, max or both")),
                    (Some(min), Some(max)) if min > max => {
                        let message = format!("no value is at least {min} and at most {max}");
                        return Err(Error::parameter(pointer, message));
                    }
                    _ => {}
                }
            }
        }
        for (metric, bound) in &read.not_worse_than_champion {
            if *bound < 0.0 {
                let message = format!("{bound}: it must be 0 or more");
                return Err(Error::parameter(format!("/not_worse_than_champion/{metric}"), message));
            }
        }
        known("/actions", &read.actions, &ACTIONS)?;
        known("/ask_for", &read.ask_for, &ACTIONS)?;
        known("/lineage", &read.lineage, &LINEAGE)?;
        Ok(read)
    }

    /// Whether more of a metric is better.
    #[must_use]
    pub fn higher_is_better(&self, metric: &str) -> bool {
        const LOWER: [&str; 5] = ["log_loss", "brier", "rmse", "mse", "mape"];
        let ends = ["_error", "_loss", "_difference", "_gap", "mae"];
        !LOWER.contains(&metric)
            && !ends.iter().any(|end| metric.ends_with(end))
            && !self.lower_is_better.iter().any(|m| m == metric)
    }
}

fn known(pointer: &str, given: &[String], accepted: &[&str]) -> Result<(), Error> {
    match given.iter().position(|g| !accepted.contains(&g.as_str())) {
        Some(i) => {
            let value = given.get(i).map_or("", String::as_str);
            let message = format!("`{value}` is not known: one of {}", accepted.join(", "));
            Err(Error::parameter(format!("{pointer}/{i}"), message))
        }
        None => Ok(()),
    }
}
