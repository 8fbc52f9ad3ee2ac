//! Which columns, which classes, which threshold.

use modelyard_sdk::{Error, Result};
use serde::Deserialize;

/// What is measured, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The column of true classes.
    pub truth: String,
    /// One column: probabilities of the positive class, or labels. As many as
    /// classes: the probability of each.
    pub prediction: Columns,
    /// From which probability on a row is called positive.
    #[serde(default = "half")]
    pub threshold: f64,
    /// Columns by whose values the metrics are taken again.
    #[serde(default)]
    pub slices: Vec<String>,
    /// The classes in order; of two, the second is the positive one. By default
    /// those that occur, in order.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Bins of the calibration curve.
    #[serde(default = "ten")]
    pub calibration_bins: u32,
    /// Slices of fewer rows are left out.
    #[serde(default = "one")]
    pub min_slice_rows: u64,
    /// The most values of a slice column, the most frequent ones.
    #[serde(default = "fifty")]
    pub max_slices: u32,
}

/// One column or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Columns {
    /// One.
    One(String),
    /// In the order of the classes.
    Many(Vec<String>),
}

impl Columns {
    /// Their names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

fn half() -> f64 {
    0.5
}

fn ten() -> u32 {
    10
}

fn one() -> u64 {
    1
}

fn fifty() -> u32 {
    50
}

/// The JSON Schema of [`Parameters`].
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["truth", "prediction"],
  "properties": {
    "truth": {"type": "string", "description": "The column of true classes"},
    "prediction": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}], "description": "One column: probabilities of the positive class (numbers), or labels (text, booleans, whole numbers that are classes). Several columns: the probability of each class, in the order of `classes`"},
    "threshold": {"type": "number", "default": 0.5, "description": "From which probability on a row is called positive (two classes)"},
    "slices": {"type": "array", "items": {"type": "string"}, "default": [], "description": "Columns by whose values the metrics are taken again"},
    "classes": {"type": "array", "items": {"type": "string"}, "default": [], "description": "The classes in order; of two, the second is the positive one. By default those that occur, numbers by value, texts by name, false before true"},
    "calibration_bins": {"type": "integer", "default": 10, "minimum": 1, "maximum": 1000, "description": "Bins of equal width of the calibration curve"},
    "min_slice_rows": {"type": "integer", "default": 1, "minimum": 1, "description": "Slices of fewer rows are left out"},
    "max_slices": {"type": "integer", "default": 50, "minimum": 1, "maximum": 10000, "description": "The most values of a slice column, the most frequent ones"}
  }
}"#;

impl Parameters {
    /// Checks every bound.
    pub fn check(self) -> Result<Self> {
        if !self.threshold.is_finite() {
            return Err(Error::parameter("/threshold", format!("{} is no number", self.threshold)));
        }
        if !(1..=1000).contains(&self.calibration_bins) {
            let message = format!("{} is not in 1..=1000", self.calibration_bins);
            return Err(Error::parameter("/calibration_bins", message));
        }
        if self.prediction.names().is_empty() {
            return Err(Error::parameter("/prediction", "names no column"));
        }
        if !(1..=10_000).contains(&self.max_slices) {
            return Err(Error::parameter("/max_slices", format!("{} is not in 1..=10000", self.max_slices)));
        }
        for (at, class) in self.classes.iter().enumerate() {
            if self.classes.iter().take(at).any(|other| other == class) {
                return Err(Error::parameter(format!("/classes/{at}"), format!("{class:?} is there twice")));
            }
        }
        match (self.classes.len(), self.prediction.names().len()) {
            (1, _) => Err(Error::parameter("/classes", "one class only; two or more are needed")),
            (0, 2..) => Err(Error::parameter(
                "/classes",
                "several prediction columns need `classes`, in the columns' order",
            )),
            (classes, columns @ 2..) if classes != columns => Err(Error::parameter(
                "/prediction",
                format!("{columns} columns for {classes} classes; one column for each, or a single one"),
            )),
            _ => Ok(self),
        }
    }
}
